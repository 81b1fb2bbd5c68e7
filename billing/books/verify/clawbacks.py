"""Clawbacks: what card refunds and lost disputes say that they took of each grant, against grants and transfers: I1, I6.

What they say is JSON, and is read here before any SQL unfolds it: a malformed one is a finding, not an error.
"""

import json
from typing import Any, Final

from billing.books.verify.broken import BrokenRow, BrokenRows
from billing.books.verify.reading import BooksReading
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


async def check_clawbacks(reading: BooksReading, broken: BrokenRows) -> bool:
    """Whether every clawback's papers are in order; the first that are not is a finding for I1 and I6."""
    orderly = True
    for table, sql in _PAPERS:
        async for batch in reading.batches(sql):
            for account_id, key, clawed, took in batch:
                problem = papers_problem(clawed, took=took)
                if problem is not None and orderly:
                    orderly = False
                    for invariant in ("I1", "I6"):
                        broken.add(account_id, BrokenRow(invariant, table, f"{account_id}/{key}", problem))
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
