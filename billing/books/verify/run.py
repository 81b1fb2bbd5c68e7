"""Verify: every invariant that can be checked at rest, in one snapshot and in bounded memory.

Sums are made by the database, which spills to disk; the journal and the charges, which must be hashed and priced
again, come through cursors. One account is looked at as closely as all of them.
"""

from collections.abc import Callable
from typing import Final

from billing.books.verify.chain import check_chains
from billing.books.verify.charges import CHARGES
from billing.books.verify.clawbacks import CLAWBACKS, check_clawbacks
from billing.books.verify.clearing import CLEARING
from billing.books.verify.closings import check_closings
from billing.books.verify.corrections import check_corrections
from billing.books.verify.funds import FUNDS
from billing.books.verify.holds import HOLDS
from billing.books.verify.journal import JOURNAL
from billing.books.verify.privileges import check_privileges
from billing.books.verify.reading import TABLES, Check, Reading
from billing.books.verify.recognition import RECOGNITION
from billing.books.verify.report import TITLES, Checked, Finding, Findings, Report
from billing.books.verify.settlements import check_settlements
from billing.books.verify.topups import TOPUPS
from billing.books.verify.usage import USAGE
from billing.core.refusals import AccountNotFound
from billing.store.engine import read_engine
from billing.store.snapshot import snapshot

Progress = Callable[[str, int, int], None]

_CHECKS: Final = (*JOURNAL, *HOLDS, *CHARGES, *FUNDS, *USAGE, *TOPUPS, *RECOGNITION, *CLEARING)
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


async def verify(dsn: str, account_id: str | None = None, progress: Progress | None = None) -> Report:
    """Checks the whole database, or one account. Raises AccountNotFound, DatabaseUnavailable.

    `progress` is told an invariant's name, how far it is and how far it has to go: in rows where they come one
    by one, else in checks.
    """
    tell = progress or _nobody
    findings = Findings()
    engine = read_engine(dsn, size=1)
    try:
        async with snapshot(engine) as connection:
            await connection.execute("SET LOCAL work_mem = '64MB'")
            # Every join is of whole tables. Where there are no statistics yet the planner would expect few rows and
            # loop over many, which takes time with the square of them.
            await connection.execute("SET LOCAL enable_nestloop = off")
            now = await connection.fetchval("SELECT clock_timestamp()")
            reading = Reading(connection, account_id, now)
            counts = {table: await reading.count(table) for table in TABLES}
            if account_id is not None and not counts["account"]:
                raise AccountNotFound(account_id)
            await _check_sums(reading, findings, tell)
            closings = await check_closings(reading, findings)
            await check_privileges(connection, findings)
            charges = await check_settlements(reading, findings, lambda done: tell("I9", done, counts["charge"]))
            charges += await check_corrections(reading, findings)
            transfers = await check_chains(reading, findings, lambda done: tell("I10", done, counts["transfer"]))
    finally:
        await engine.dispose()
    looked_at = {name: sum(counts[table] for table in tables) for name, tables in _LOOKED_AT.items()}
    looked_at |= {"I9": charges, "I10": transfers, "I15": closings}
    return Report(
        counts["account"],
        counts["charge"],
        counts["transfer"],
        [Checked(name, title, looked_at[name], findings.of(name)) for name, title in TITLES.items()],
    )


async def _check_sums(reading: Reading, findings: Findings, tell: Progress) -> None:
    checks = list(_CHECKS)
    if await check_clawbacks(reading, findings):
        checks += CLAWBACKS
    if not reading.whole:
        checks = [check for check in checks if not check.whole]
    for name in TITLES:
        mine = [check for check in checks if check.invariant == name]
        for done, check in enumerate(mine):
            tell(name, done, len(mine))
            await _look(reading, check, findings)
        tell(name, len(mine), len(mine))


async def _look(reading: Reading, check: Check, findings: Findings) -> None:
    wrong = await reading.first_wrong(check)
    if wrong is not None:
        account_id, key, problem = wrong
        findings.add(account_id, Finding(check.invariant, check.table, key, problem))


def _nobody(name: str, done: int, total: int) -> None:
    """Is told of progress where nobody asked."""
