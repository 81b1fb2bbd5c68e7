"""Clawbacks: what card refunds and lost disputes say that they took of each grant, against grants and transfers: I1, I6.

What they say is JSON, and is read here before any SQL unfolds it: a malformed one is a finding, not an error.
"""

import json
from typing import Any, Final

from billing.books.verify.reading import Check, Reading
from billing.books.verify.report import Finding, Findings
from billing.books.verify.topups import GRANTS_OF
from billing.core.amounts import amount
from billing.core.refusals import Invalid
from billing.core.text import RESERVED_GRANT_PREFIXES, identifier

_PAPERS: Final = (
    ("card_refund", "SELECT x.account_id, x.card_refund_id, x.clawed, true FROM {card_refund} x ORDER BY 1, 2"),
    (
        "dispute",
        "SELECT x.account_id, x.dispute_id, x.clawed, x.status = 'lost' OR x.undone > 0 FROM {dispute} x ORDER BY 1, 2",
    ),
)


async def check_clawbacks(reading: Reading, findings: Findings) -> bool:
    """Whether every clawback's papers are in order; the first that are not is a finding for I1 and I6."""
    orderly = True
    for table, sql in _PAPERS:
        async for batch in reading.batches(sql):
            for account_id, key, clawed, took in batch:
                problem = papers_problem(clawed, took=took)
                if problem is not None and orderly:
                    orderly = False
                    for invariant in ("I1", "I6"):
                        findings.add(account_id, Finding(invariant, table, f"{account_id}/{key}", problem))
    return orderly


def papers_problem(clawed: str, *, took: bool) -> str | None:
    """What is wrong with what a clawback says that it took, in a sentence; None where nothing is."""
    try:
        parts = [
            (named_grant(grant_id), amount(revoked, "clawed"), amount(owed, "clawed"))
            for grant_id, revoked, owed in listed(clawed)
        ]
    except (ValueError, TypeError, Invalid):
        return f"clawed should be a list of a grant, credits revoked and credits owed each, but is {clawed[:200]}"
    if parts and not took:
        return f"it was not lost, but took {clawed[:200]}"
    return None


_TAKEN: Final = """
    SELECT x.account_id, part ->> 0 AS grant_id, (part ->> 1)::bigint AS revoked, (part ->> 2)::bigint AS owed
    FROM (SELECT account_id, clawed FROM {card_refund} r UNION ALL SELECT account_id, clawed FROM {dispute} d) x,
        jsonb_array_elements(x.clawed::jsonb) part"""

# A card refund that failed, and a dispute that is lost no more, give back to the grant what was unspent, and in its place a
# new one for what was used: as much as other returns do not claim.
_CLAWED = f"""
    SELECT account_id, concat_ws('/', account_id, grant_id) AS key, coalesce(g.seq, 0) AS place,
        CASE WHEN g.granted IS NULL THEN format('there is no such grant, but clawbacks took %s credits of it', c.clawed)
             ELSE format('clawed is %s, but card refunds and disputes took %s and gave back %s', g.clawed,
                    coalesce(c.clawed, 0), coalesce(r.credits, 0)) END AS problem
    FROM {{grant}} g
    FULL JOIN (SELECT account_id, grant_id, sum(revoked::numeric + owed) AS clawed
               FROM ({_TAKEN}) taken GROUP BY account_id, grant_id) c USING (account_id, grant_id)
    LEFT JOIN (SELECT t.account_id, CASE t.seq WHEN n.seq THEN n.origin_grant_id ELSE t.grant_id END AS grant_id,
                    sum(t.amount) AS credits
               FROM {{transfer}} t LEFT JOIN {{grant}} n ON n.account_id = t.account_id AND n.grant_id = t.grant_id
               WHERE t.book = 'wallet' AND t.kind = 'restore' GROUP BY 1, 2) r USING (account_id, grant_id)
    WHERE ROW(g.clawed, g.clawed) IS DISTINCT FROM ROW(coalesce(c.clawed, 0) - coalesce(r.credits, 0), g.clawed)"""

# What was revoked for each clawback, as it says and as its transfers do, in words that can be compared.
_SHOULD_REVOKE: Final = """
    SELECT account_id, {key}, string_agg(format('%s %s', credits, whose), ', ' ORDER BY whose) AS words
    FROM (SELECT x.account_id, x.{key}, m.whose, sum(m.credits) AS credits
          FROM {{{table}}} x, jsonb_array_elements(x.clawed::jsonb) part
          CROSS JOIN LATERAL (VALUES
            ('of ' || (part ->> 0), (part ->> 1)::bigint), ('that were used', (part ->> 2)::bigint)) m(whose, credits)
          WHERE m.credits <> 0 GROUP BY x.account_id, x.{key}, m.whose) moves
    GROUP BY account_id, {key}"""
_REVOKED: Final = """
    SELECT account_id, external_id, string_agg(format('%s %s', credits, whose), ', ' ORDER BY whose) AS words, min(seq) AS seq
    FROM (SELECT account_id, external_id, coalesce('of ' || grant_id, 'that were used') AS whose, sum(amount) AS credits,
                min(seq) AS seq
          FROM {transfer} t WHERE book = 'wallet' AND kind = 'revoke' GROUP BY 1, 2, 3) moves
    GROUP BY account_id, external_id"""


def _revokes(table: str, key: str) -> Check:
    return Check(
        "I1",
        table,
        f"""
    SELECT x.account_id, concat_ws('/', x.account_id, x.{key}) AS key, coalesce(t.seq, 0) AS place,
        format('it revokes %s, but its transfers %s', coalesce(s.words, 'nothing'), coalesce(t.words, 'nothing')) AS problem
    FROM {{{table}}} x
    LEFT JOIN ({_SHOULD_REVOKE.format(key=key, table=table)}) s USING (account_id, {key})
    LEFT JOIN ({_REVOKED}) t ON t.account_id = x.account_id AND t.external_id = x.{key}
    WHERE s.words IS DISTINCT FROM t.words""",
    )


_STRAYS = f"""
    SELECT t.account_id, concat_ws('/', t.account_id, t.book, t.seq) AS key, t.seq AS place,
        format('it is a %s of grant %s for %s, but %s', t.kind, coalesce(t.grant_id, 'none'), coalesce(t.external_id, 'nothing'),
            CASE WHEN r.card_refund_id IS NULL AND d.dispute_id IS NULL THEN 'there is no such card refund or dispute'
                 ELSE format('that is %s, and of top-up %s', coalesce(r.status, d.status), coalesce(r.topup_id, d.topup_id)) END)
        AS problem
    FROM {{transfer}} t
    LEFT JOIN {{card_refund}} r ON r.account_id = t.account_id AND r.card_refund_id = t.external_id
    LEFT JOIN {{dispute}} d ON d.account_id = t.account_id AND d.dispute_id = t.external_id
    LEFT JOIN {{topup}} u ON u.account_id = t.account_id AND u.topup_id = coalesce(r.topup_id, d.topup_id)
    WHERE t.book = 'wallet' AND t.kind IN ('revoke', 'restore')
        AND (t.kind = 'restore' AND (r.status = 'failed' OR d.undone > 0) IS NOT TRUE
             OR num_nulls(r.card_refund_id, d.dispute_id) = 2
             OR t.grant_id IS NOT NULL AND starts_with(t.grant_id, {GRANTS_OF}) IS NOT TRUE)"""

# Need clawbacks whose papers are in order.
CLAWBACKS: Final = (
    Check("I6", "grant", _CLAWED),
    _revokes("card_refund", "card_refund_id"),
    _revokes("dispute", "dispute_id"),
    Check("I1", "transfer", _STRAYS),
)


def named_grant(grant_id: Any) -> str:
    """Raises Invalid. Names of ours hold the id of a refund or a top-up, which may have all of 64 characters."""
    prefix = next((one for one in RESERVED_GRANT_PREFIXES if str(grant_id).startswith(one)), None)
    if not isinstance(grant_id, str) or prefix is None:
        return identifier(grant_id, "grant_id")
    named, _, number = grant_id.removeprefix(prefix).rpartition(":")
    identifier(named, "grant_id")
    identifier(number, "grant_id")
    return grant_id


def listed(document: str) -> list[list[Any]]:
    """Raises ValueError for anything that is not a list of lists."""
    entries = json.loads(document)
    if not isinstance(entries, list) or not all(isinstance(entry, list) for entry in entries):
        raise ValueError("not a list of lists")
    return entries
