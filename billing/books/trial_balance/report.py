"""The trial balance: every ledger account at any instant, as known then or now; what does not balance is not shown."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, Literal, NamedTuple

from billing.books.periods.refusals import PeriodNotClosed
from billing.core.document import DOCUMENT
from billing.core.months import Month
from billing.core.refusals import Invalid
from billing.store.accounts import must_exist
from billing.store.clock import time_in
from billing.store.closings import Known, closed_at
from billing.store.connection import Connection
from billing.store.engine import Engine
from billing.store.snapshot import snapshot

_TICK = timedelta(microseconds=1)
# Sums are numeric: those of many accounts may leave 64 bits. The journal is read once; what it came to is turned over.
_BALANCES: Final = """
    WITH moved AS MATERIALIZED (
        SELECT t.book, t.asset, t.debit, t.credit, sum(t.amount) AS amount FROM transfer t
        WHERE ($1::timestamptz IS NULL OR t.effective_at < $1) AND ($2::timestamptz IS NULL OR t.posted_at <= $2)
          AND ($3::text IS NULL OR t.account_id = $3)
        GROUP BY t.book, t.asset, t.debit, t.credit)
    SELECT book, ledger_account, asset, sum(debits), sum(credits), sum(debits) - sum(credits) FROM (
        SELECT book, debit AS ledger_account, asset, amount AS debits, 0 AS credits FROM moved
        UNION ALL SELECT book, credit, asset, 0, amount FROM moved) each
    GROUP BY book, ledger_account, asset ORDER BY book DESC, asset, ledger_account"""


class OutOfBalance(Exception):
    """Debits and credits differ: the journal's rows are not what they were when they were written."""


class Cut(NamedTuple):
    """Which transfers count: due before `before`, and posted at `known_until` or earlier; of one account or all."""

    before: datetime | None = None
    known_until: datetime | None = None
    account_id: str | None = None


@dataclass(frozen=True, slots=True)
class LedgerBalance:
    """One ledger account in one asset. Sums over all accounts may leave 64 bits."""

    __pydantic_config__ = DOCUMENT
    book: Literal["wallet", "money"]
    """`wallet`: credits; `money`: currencies"""
    ledger_account: str
    """of the chart of accounts"""
    asset: str
    """`CREDIT`, or a currency in ISO 4217"""
    debits: int
    """in the asset's smallest unit: whole credits, or micros of the currency; 0 or more"""
    credits: int
    """in the asset's smallest unit: whole credits, or micros of the currency; 0 or more"""
    balance: int
    """debits less credits, in the asset's smallest unit; below 0 for what is owed, earned or issued"""


@dataclass(frozen=True, slots=True)
class Total:
    """All ledger accounts of an asset: debits equal credits, or there is no answer."""

    __pydantic_config__ = DOCUMENT
    asset: str
    """`CREDIT`, or a currency in ISO 4217"""
    debits: int
    """in the asset's smallest unit: whole credits, or micros of the currency; 0 or more"""
    credits: int
    """in the asset's smallest unit; as much as `debits`"""


@dataclass(frozen=True, slots=True)
class TrialBalance:
    """Every ledger account that ever moved, after all that was due by `at` or before the end of `period`."""

    __pydantic_config__ = DOCUMENT
    at: datetime | None
    """what was due by then counts; null where a period is shown"""
    period: str | None
    """YYYY-MM, in UTC: what was due before its end counts; null where an instant is shown"""
    known: Known
    """`close`: only what was posted when the period was closed; `now`: all, or what was posted by `known_at`"""
    known_at: datetime | None
    """only what was posted by then counts; null: all that is posted by `as_of`"""
    as_of: datetime
    """when this was read, in one snapshot"""
    rows: list[LedgerBalance]
    """by book, asset and ledger account"""
    totals: list[Total]
    """one for each asset that ever moved"""


async def trial_balance(
    engine: Engine,
    *,
    at: datetime | None = None,
    period: str | None = None,
    known: Known | None = None,
    known_at: datetime | None = None,
    account_id: str | None = None,
) -> TrialBalance:
    """Every ledger account by book and asset, of all accounts or one, now or at an instant or a month's end.

    `known="close"`: a closed month as it was known when it was closed. Raises Invalid, PeriodNotClosed, AccountNotFound.
    """
    if at is not None and period is not None:
        raise Invalid.of("at", "and period cannot be given together")
    if known is not None and period is None:
        raise Invalid.of("known", "says how a period is known: give one")
    if known == "close" and known_at is not None:
        raise Invalid.of("known_at", "cannot be given with known=close, which says when")
    async with snapshot(engine) as connection:
        as_of = await time_in(connection, engine)
        for name, moment in (("at", at), ("known_at", known_at)):
            if moment is not None and moment > as_of:
                raise Invalid.of(name, "lies in the future")
        before = None if at is None else at + _TICK
        if period is not None:
            month = Month.begun(period, as_of)
            before = month.ends_at
            if known == "close":
                known_at = await closed_at(connection, month)
                if known_at is None:
                    raise PeriodNotClosed(period)
        await must_exist(connection, account_id)
        rows = await balances_within(connection, Cut(before, known_at, account_id))
    shown_at = as_of if at is None and period is None else at
    return TrialBalance(shown_at, period, known or "now", known_at, as_of, rows, totals_of(rows))


async def balances_within(connection: Connection, cut: Cut) -> list[LedgerBalance]:
    """The ledger accounts that ever moved, inside a transaction that is open."""
    found = await connection.fetch(_BALANCES, *cut)
    return [LedgerBalance(*row[:3], *map(int, row[3:])) for row in map(tuple, found)]


def totals_of(rows: Iterable[LedgerBalance]) -> list[Total]:
    """Debits and credits of each asset. Raises OutOfBalance where they differ, in a book of it or in all."""
    sums: dict[tuple[str, str], list[int]] = {}
    for row in rows:
        sides = sums.setdefault((row.asset, row.book), [0, 0])
        sides[0] += row.debits
        sides[1] += row.credits
    totals: dict[str, Total] = {}
    for (asset, book), (debits, credits) in sums.items():
        if debits != credits:
            raise OutOfBalance(f"{book} book, {asset}: debits are {debits} and credits {credits}")
        known = totals.get(asset, Total(asset, 0, 0))
        totals[asset] = Total(asset, known.debits + debits, known.credits + credits)
    return [totals[asset] for asset in sorted(totals)]
