"""Charges against their outputs, refunds, corrections and transfers: I5 and I9; and what ties the journal to them: I10."""

from typing import Final

from billing.books.verify.reading import Check

_STATES = """
    SELECT account_id, concat_ws('/', account_id, request_id) AS key, 0 AS place,
        format('it is %s with a bill of %s, transfers %s to %s and its end at %s', status, settled_credits,
            coalesce(first_seq::text, 'none'), coalesce(last_seq::text, 'none'), coalesce(resolved_at::text, 'no time')) AS problem
    FROM {charge} c
    WHERE CASE WHEN status = 'settled' THEN num_nulls(first_seq, last_seq, resolved_at) > 0
               ELSE num_nonnulls(first_seq, last_seq) > 0 OR settled_credits <> 0 OR (resolved_at IS NULL) <> (status = 'authorized')
          END"""

_SETTLED_ONCE = """
    SELECT t.account_id, concat_ws('/', t.account_id, t.book, t.seq) AS key, t.seq AS place,
        format('it settles charge %s, but that is %s', t.request_id,
            CASE WHEN c.status = 'settled' THEN format('settled by transfers %s to %s', c.first_seq, c.last_seq) ELSE c.status END)
        AS problem
    FROM {transfer} t JOIN {charge} c ON c.account_id = t.account_id AND c.request_id = t.request_id
    WHERE t.book = 'wallet' AND t.kind = 'settle'
        AND (c.status <> 'settled' OR t.seq < c.first_seq OR t.seq > c.last_seq)"""

_REFUNDS = """
    SELECT account_id, concat_ws('/', account_id, request_id) AS key, 0 AS place,
        CASE WHEN c.status IS NULL THEN format('there is no such charge, but refunds of it return %s credits', r.credits)
             ELSE format('it is %s with a bill of %s, corrected by %s, refunded is %s, its refunds return %s and its outputs %s', c.status,
                    c.settled_credits, c.corrected_credits, c.refunded_credits, coalesce(r.credits, 0), coalesce(o.credits, 0)) END AS problem
    FROM {charge} c
    FULL JOIN (SELECT account_id, request_id, sum(credits) AS credits FROM {refund} x GROUP BY account_id, request_id) r
        USING (account_id, request_id)
    LEFT JOIN (SELECT account_id, request_id, sum(refunded_credits) AS credits FROM {output} x WHERE refunded_credits <> 0
               GROUP BY account_id, request_id) o USING (account_id, request_id)
    WHERE c.refunded_credits > c.settled_credits::numeric + c.corrected_credits OR
        ROW(c.refunded_credits, c.refunded_credits) IS DISTINCT FROM ROW(coalesce(r.credits, 0), coalesce(o.credits, 0))"""

# Needs refunds whose papers are in order: see `refunds.papers_problem`.
REFUNDED_OUTPUTS: Final = Check(
    "I5",
    "output",
    """
    SELECT account_id, concat_ws('/', account_id, request_id, index) AS key, index AS place,
        format('it costs %s credits and %s were refunded, but refunds return %s of it',
            coalesce((o.credits::numeric + o.corrected_credits)::text, 'no'),
            coalesce(o.refunded_credits, 0), coalesce(r.credits, 0)) AS problem
    FROM {output} o
    FULL JOIN (SELECT x.account_id, x.request_id, (part ->> 0)::integer AS index, sum((part ->> 1)::bigint) AS credits
               FROM {refund} x, jsonb_array_elements(x.outputs::jsonb) part GROUP BY 1, 2, 3) r
        USING (account_id, request_id, index)
    WHERE coalesce(o.refunded_credits, 0) <> coalesce(r.credits, 0) OR o.refunded_credits > o.credits::numeric + o.corrected_credits""",
)

# Needs corrections whose papers are in order: see `corrections.papers_problem`.
CORRECTED_OUTPUTS: Final = Check(
    "I9",
    "output",
    """
    SELECT account_id, concat_ws('/', account_id, request_id, index) AS key, index AS place,
        format('it was corrected by %s credits, but corrections change it by %s', coalesce(o.corrected_credits::text, 'no'),
            coalesce(k.credits, 0)) AS problem
    FROM {output} o
    FULL JOIN (SELECT x.account_id, x.request_id, (part ->> 0)::integer AS index,
                    sum((part ->> 6)::bigint - (part ->> 5)::bigint) AS credits
               FROM {correction} x, jsonb_array_elements(x.outputs::jsonb) part GROUP BY 1, 2, 3) k
        USING (account_id, request_id, index)
    WHERE o.corrected_credits IS DISTINCT FROM coalesce(k.credits, 0)""",
)

_CORRECTIONS = """
    SELECT account_id, concat_ws('/', account_id, request_id) AS key, coalesce(c.first_seq, 0) AS place,
        CASE WHEN c.status IS NULL THEN format('there is no such charge, but corrections of it come to %s credits', k.credits)
             ELSE format('it is %s and corrected by %s credits, but its corrections come to %s and those of its outputs to %s',
                    c.status, c.corrected_credits, coalesce(k.credits, 0), coalesce(o.credits, 0)) END AS problem
    FROM {charge} c
    FULL JOIN (SELECT account_id, request_id, sum(credits) AS credits FROM {correction} x GROUP BY account_id, request_id) k
        USING (account_id, request_id)
    LEFT JOIN (SELECT account_id, request_id, sum(corrected_credits) AS credits FROM {output} x WHERE corrected_credits <> 0
               GROUP BY account_id, request_id) o USING (account_id, request_id)
    WHERE ROW(c.corrected_credits, c.corrected_credits) IS DISTINCT FROM ROW(coalesce(k.credits, 0), coalesce(o.credits, 0))
        OR (k.credits IS NOT NULL AND c.status <> 'settled')"""

_FAILED = """
    SELECT account_id, concat_ws('/', account_id, request_id, index) AS key, index AS place,
        format('it failed, but costs %s credits', credits) AS problem
    FROM {output} o WHERE status <> 'succeeded' AND credits <> 0"""

_STRAY_OUTPUTS = """
    SELECT o.account_id, concat_ws('/', o.account_id, o.request_id, o.index) AS key, o.index AS place,
        CASE WHEN c.status IS NULL THEN 'it has no charge' ELSE format('its charge is %s, not settled', c.status) END AS problem
    FROM {output} o LEFT JOIN {charge} c ON c.account_id = o.account_id AND c.request_id = o.request_id
    WHERE c.status IS DISTINCT FROM 'settled'"""

_BILLS = """
    SELECT account_id, concat_ws('/', account_id, request_id) AS key, c.first_seq AS place,
        format('its bill is %s by transfers %s to %s, but its outputs cost %s and its %s transfers sum to %s', c.settled_credits,
            c.first_seq, c.last_seq, coalesce(o.credits, 0), coalesce(t.transfers, 0), coalesce(t.credits, 0)) AS problem
    FROM {charge} c
    LEFT JOIN (SELECT account_id, request_id, sum(credits) AS credits FROM {output} x GROUP BY account_id, request_id) o
        USING (account_id, request_id)
    LEFT JOIN (SELECT account_id, request_id, sum(amount) AS credits, count(*) AS transfers, min(seq) AS first_seq,
                    max(seq) AS last_seq
               FROM {transfer} x WHERE book = 'wallet' AND kind = 'settle' GROUP BY account_id, request_id) t
        USING (account_id, request_id)
    WHERE c.status = 'settled' AND ROW(c.settled_credits, c.settled_credits, c.last_seq::numeric - c.first_seq + 1, c.first_seq, c.last_seq)
        IS DISTINCT FROM ROW(coalesce(o.credits, 0), t.credits, t.transfers, t.first_seq, t.last_seq)"""

_HEADS = """
    SELECT account_id, account_id AS key, 0 AS place,
        format('%s_head is %s, but the hash of transfer %s is %s', h.book, encode(h.head, 'hex'), h.seq,
            CASE WHEN h.seq = 0 THEN encode(decode(repeat('00', 32), 'hex'), 'hex') ELSE coalesce(encode(t.hash, 'hex'), 'not there') END)
        AS problem
    FROM (SELECT account_id, 'wallet' AS book, wallet_seq AS seq, wallet_head AS head FROM {account} a
          UNION ALL SELECT account_id, 'money', money_seq, money_head FROM {account} a) h
    LEFT JOIN {transfer} t USING (account_id, book, seq)
    WHERE h.head IS DISTINCT FROM CASE WHEN h.seq = 0 THEN decode(repeat('00', 32), 'hex') ELSE t.hash END"""

_STRAY_SETTLEMENTS = """
    SELECT t.account_id, concat_ws('/', t.account_id, t.book, t.seq) AS key, t.seq AS place,
        format('it settles charge %s, which is not there', coalesce(t.request_id, 'without a name')) AS problem
    FROM {transfer} t LEFT JOIN {charge} c ON c.account_id = t.account_id AND c.request_id = t.request_id
    WHERE t.kind = 'settle' AND c.request_id IS NULL"""

# `settlements` recomputes the digest that a charge's first transfer carries.
_DIGESTS = """
    SELECT t.account_id, concat_ws('/', t.account_id, t.book, t.seq) AS key, t.seq AS place,
        format('its digest is %s, but transfer %s of the same settlement says %s', coalesce(encode(t.digest, 'hex'), 'missing'),
            f.seq, coalesce(encode(f.digest, 'hex'), 'missing')) AS problem
    FROM {transfer} t
    JOIN {charge} c ON c.account_id = t.account_id AND c.request_id = t.request_id
    JOIN {transfer} f ON f.account_id = c.account_id AND f.book = 'wallet' AND f.seq = c.first_seq
    WHERE t.book = 'wallet' AND t.kind = 'settle' AND t.digest IS DISTINCT FROM f.digest"""

CHARGES: Final = (
    Check("I5", "charge", _STATES),
    Check("I5", "transfer", _SETTLED_ONCE),
    Check("I5", "charge", _REFUNDS),
    Check("I9", "output", _FAILED),
    Check("I9", "output", _STRAY_OUTPUTS),
    Check("I9", "charge", _BILLS),
    Check("I9", "charge", _CORRECTIONS),
    Check("I10", "account", _HEADS),
    Check("I10", "transfer", _STRAY_SETTLEMENTS),
    Check("I10", "transfer", _DIGESTS),
)
