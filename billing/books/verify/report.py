"""Verify: every invariant that can be checked at rest, in one snapshot and in bounded memory.

    found = await verify(dsn, "acme")     # raises AccountNotFound
    found.ok, found.invariants

Sums are made by the database, which spills to disk (`checks`); the journal and the charges, which must be hashed and priced
again, come through cursors. One account is looked at as closely as all of them.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from billing.books.verify.broken import BrokenRow, BrokenRows
from billing.books.verify.checks import CHECKS
from billing.books.verify.journal import check_chains, check_closings, check_privileges
from billing.books.verify.prices import check_corrections, check_settlements
from billing.books.verify.reading import TABLES, BooksReading
from billing.core.document import DOCUMENT
from billing.store.accounts import must_exist
from billing.store.engine import Engine, read_engine
from billing.store.snapshot import snapshot

Progress = Callable[[str, int, int], None]

TITLES: Final = {
    "I1": "Ledger accounts equal grants, settlements, refunds, corrections and clawbacks",
    "I2": "Posted is the sum of its transfers, numbered without gaps",
    "I3": "Held is the sum of the holds of authorized charges",
    "I4": "No authorization above what was available",
    "I5": "Settled or voided at most once, refunds within the bill",
    "I6": "What is left of grants, less debt, is what is posted",
    "I9": "Failed outputs cost nothing, a bill is the sum of its outputs and corrections",
    "I10": "The journal's chains verify and nobody may rewrite them",
    "I11": "Usage is what was billed and corrected, less what was refunded",
    "I12": "Deferred revenue is what was paid, not recognised and not returned",
    "I13": "Transfers carry what Stripe booked, and payouts add up",
    "I15": "A closed month is what it was known to be when it was closed",
}
_LOOKED_AT: Final = {
    "I1": ("account", "grant", "charge", "refund", "correction", "card_refund", "dispute", "transfer"),
    "I2": ("account", "transfer"),
    "I3": ("account", "hold", "charge"),
    "I4": ("charge", "account_change"),
    "I5": ("charge", "refund"),
    "I6": ("account", "grant", "debt", "fill", "refund", "correction", "card_refund", "dispute"),
    "I11": ("usage_bucket", "usage_day", "output", "refund", "correction"),
    "I12": ("account", "grant", "topup", "card_refund", "dispute", "recognition", "transfer"),
    "I13": ("stripe_transaction", "payout_item", "transfer"),
}


@dataclass(frozen=True, slots=True)
class CheckedInvariant:
    """One invariant, and the first row that breaks it."""

    __pydantic_config__ = DOCUMENT
    name: str
    """`I1` to `I15`, as the design numbers them"""
    title: str
    """in a sentence"""
    checked_rows: int
    """how many rows were looked at, 0 or more"""
    finding: BrokenRow | None
    """null where it holds"""


@dataclass(frozen=True, slots=True)
class Verification:
    """What was looked at, and whether every invariant holds."""

    __pydantic_config__ = DOCUMENT
    ok: bool
    """whether all of them hold"""
    accounts: int
    """how many there were to look at, 0 or more"""
    charges: int
    """how many there were to look at, 0 or more"""
    transfers: int
    """how many there were to look at, of both books; 0 or more"""
    invariants: list[CheckedInvariant]
    """in the order of their numbers"""


async def verify(dsn: str, account_id: str | None = None, progress: Progress | None = None) -> Verification:
    """As `verification`, of the database at `dsn`."""
    engine = read_engine(dsn, size=1)
    try:
        return await verification(engine, account_id, progress)
    finally:
        await engine.dispose()


async def verification(engine: Engine, account_id: str | None = None, progress: Progress | None = None) -> Verification:
    """Checks the whole database, or one account. Raises AccountNotFound, DatabaseUnavailable.

    `progress` is told an invariant's name, how far it is and how far it has to go: in rows where they come one
    by one, else in checks.
    """
    tell = progress or _nobody
    broken = BrokenRows()
    async with snapshot(engine) as connection:
        await must_exist(connection, account_id)
        await connection.execute("SET LOCAL work_mem = '64MB'")
        # Every join is of whole tables. Where there are no statistics yet the planner would expect few rows and
        # loop over many, which takes time with the square of them.
        await connection.execute("SET LOCAL enable_nestloop = off")
        reading = BooksReading(connection, account_id, await connection.fetchval("SELECT clock_timestamp()"))
        counts = {table: await reading.count(table) for table in TABLES}
        await _ask(reading, broken, tell)
        closings = await check_closings(reading, broken)
        await check_privileges(reading, broken)
        charges = await check_settlements(reading, broken, lambda done: tell("I9", done, counts["charge"]))
        charges += await check_corrections(reading, broken)
        transfers = await check_chains(reading, broken, lambda done: tell("I10", done, counts["transfer"]))
    looked_at = {name: sum(counts[table] for table in tables) for name, tables in _LOOKED_AT.items()}
    looked_at |= {"I9": charges, "I10": transfers, "I15": closings}
    invariants = [CheckedInvariant(name, title, looked_at[name], broken.of(name)) for name, title in TITLES.items()]
    ok = all(one.finding is None for one in invariants)
    return Verification(ok, counts["account"], counts["charge"], counts["transfer"], invariants)


async def _ask(reading: BooksReading, broken: BrokenRows, tell: Progress) -> None:
    for name in TITLES:
        mine = [check for check in CHECKS if check.invariant == name and (reading.whole or not check.whole)]
        for done, check in enumerate(mine):
            tell(name, done, len(mine))
            if (wrong := await reading.first_wrong(check)) is not None:
                account_id, key, problem = wrong
                broken.add(account_id, BrokenRow(name, check.table, key, problem))
        tell(name, len(mine), len(mine))


def _nobody(name: str, done: int, total: int) -> None:
    """Is told of progress where nobody asked."""
