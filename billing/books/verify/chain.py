"""Chains: each book of each account, rehashed from genesis."""

from collections.abc import Callable

from billing.books.verify.reading import Reading
from billing.books.verify.report import Finding, Findings
from billing.core.ledger import GENESIS, chained
from billing.store.rows import TRANSFER

_TRANSFERS = f"SELECT {TRANSFER} FROM {{transfer}} t ORDER BY t.account_id, t.book, t.seq"


async def check_chains(reading: Reading, findings: Findings, progress: Callable[[int], None]) -> int:
    """Rehashes transfers until one does not follow from the one before it; returns how many it looked at.

    Whether a chain ends where its account says is another check.
    """
    account_id = book = None
    head = GENESIS
    looked_at = 0
    async for batch in reading.batches(_TRANSFERS):
        for row in batch:
            *fields, found = row
            if fields[0] != account_id or fields[1] != book:
                account_id, book = fields[0], fields[1]
                head = GENESIS
            head = chained(head, *fields)
            looked_at += 1
            if head != found:
                key = f"{account_id}/{book}/{fields[2]}"
                problem = f"its hash is {found.hex()}, but its fields after the hash before it make {head.hex()}"
                # Whatever else is wrong with this account's journal, this is where it begins.
                findings.add(str(account_id), Finding("I10", "transfer", key, problem), rank=0)
                return looked_at
        progress(looked_at)
    return looked_at
