"""The journal for ever: its chains rehashed from genesis, closed months summed up again, and nobody may rewrite it. I10, I15."""

import json
from collections import Counter
from collections.abc import Callable
from typing import Final

from billing.books.verify.broken import BrokenRow, BrokenRows
from billing.books.verify.reading import BooksReading
from billing.core.commands import HOUSE
from billing.core.ledger import GENESIS, chained
from billing.store.connection import SERVICE_ROLE
from billing.store.rows import TRANSFER

_TRANSFERS = f"SELECT {TRANSFER} FROM {{transfer}} t ORDER BY t.account_id, t.book, t.seq"


async def check_chains(reading: BooksReading, broken: BrokenRows, progress: Callable[[int], None]) -> int:
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
                broken.add(str(account_id), BrokenRow("I10", "transfer", key, problem), rank=0)
                return looked_at
        progress(looked_at)
    return looked_at


# One pass over the journal, however many months are closed: each transfer by the first month that ends after it was
# due, and the first closing that knew of it.
_MOVED: Final = """
    SELECT width_bucket(t.effective_at, $1::timestamptz[]), width_bucket(t.posted_at - interval '1 microsecond', $2::timestamptz[]),
        t.book, t.debit, t.credit, t.asset, sum(t.amount)
    FROM transfer t GROUP BY 1, 2, 3, 4, 5, 6"""
_CLOSINGS: Final = "SELECT period, closed_at, ends_at, totals FROM closing ORDER BY closed_at, period"

Side = tuple[str, str, str, str]  # book, ledger account, asset, debits or credits


async def check_closings(reading: BooksReading, broken: BrokenRows) -> int:
    """Sums up what every closing knew, again; how many there are. All accounts' rows are needed for that."""
    closings = await reading.connection.fetch(_CLOSINGS) if reading.whole else ()
    if not closings:
        return 0
    ends = sorted({row["ends_at"] for row in closings})
    knew = sorted({row["closed_at"] for row in closings})
    moved = await reading.connection.fetch(_MOVED, ends, knew)
    for closing in closings:
        due, known = ends.index(closing["ends_at"]), knew.index(closing["closed_at"])
        sums: Counter[Side] = Counter()
        for end, line, book, debit, credit, asset, amount in moved:
            if end <= due and line <= known:
                sums[book, debit, asset, "debits"] += int(amount)
                sums[book, credit, asset, "credits"] += int(amount)
        problem = _differ(closing["totals"], sums)
        if problem is not None:
            key = f"{closing['period']}/{closing['closed_at']:%Y-%m-%dT%H:%M:%S.%fZ}"
            broken.add(HOUSE, BrokenRow("I15", "closing", key, problem))
            break
    return len(closings)


def _differ(totals: str, sums: Counter[Side]) -> str | None:
    """The first figure that is not as it was."""
    try:
        stored = {
            (row["book"], row["ledger_account"], row["asset"], side): int(row[side])
            for row in json.loads(totals)
            for side in ("debits", "credits")
        }
    except (ValueError, TypeError, KeyError):
        return "its totals cannot be read"
    for side in sorted({*stored, *sums}):
        if stored.get(side, 0) != sums[side]:
            book, name, asset, word = side
            return (
                f"{word} of {name} in the {book} book were {stored.get(side, 0)} {asset} when it was closed, "
                f"but what was known then comes to {sums[side]}"
            )
    return None


_JOURNAL: Final = (
    "transfer", "fill", "refund", "refund_output", "returned", "correction", "correction_report", "correction_output",
    "account_change", "stripe_transaction", "payout_item",
)  # fmt: skip
# An owner may grant itself anything; has_table_privilege knows superusers, PUBLIC and inherited roles.
_MAY = """
    SELECT t.name, p.privilege
    FROM unnest($1::text[]) WITH ORDINALITY t(name, place)
    CROSS JOIN unnest(ARRAY['UPDATE', 'DELETE', 'TRUNCATE', 'ownership']) WITH ORDINALITY p(privilege, rank)
    WHERE CASE p.privilege
        WHEN 'UPDATE' THEN has_table_privilege($2, t.name, 'UPDATE') OR has_any_column_privilege($2, t.name, 'UPDATE')
        WHEN 'ownership' THEN pg_has_role($2, (SELECT relowner FROM pg_class WHERE oid = t.name::regclass), 'MEMBER')
        ELSE has_table_privilege($2, t.name, p.privilege) END
    ORDER BY t.place, p.rank LIMIT 1"""
_LAST = "\U0010ffff"  # a privilege belongs to no account: wrong rows are named first


async def check_privileges(reading: BooksReading, broken: BrokenRows) -> None:
    found = await reading.connection.fetchrow(_MAY, list(_JOURNAL), SERVICE_ROLE)
    if found is not None:
        table, privilege = found
        problem = f"the role should have SELECT and INSERT only, but has {privilege} on {table}"
        broken.add(_LAST, BrokenRow("I10", table, SERVICE_ROLE, problem))
