"""The trial balance, proven: what it shows balances, or it is not shown."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal, NamedTuple

from billing.books.periods.report import standing
from billing.books.trial_balance.sql import Cut, LedgerBalance, ledger_balances
from billing.core.months import Month
from billing.core.refusals import Invalid, PeriodNotClosed
from billing.store.clock import database_time
from billing.store.engine import Engine

Known = Literal["close", "now"]
_TICK = timedelta(microseconds=1)


class Total(NamedTuple):
    """All ledger accounts of one asset together, in its smallest units."""

    asset: str
    debits: int
    credits: int


class OutOfBalance(Exception):
    """Debits and credits differ: the journal's rows are not what they were when they were written."""


@dataclass(frozen=True, slots=True)
class TrialBalance:
    """Ledger accounts as they stood after all that was due by `at`, or before the end of the month `period`.

    Of that, what was posted by `known_at`, or all that is posted by `as_of` where it is None.
    """

    rows: list[LedgerBalance]
    totals: list[Total]
    at: datetime | None
    period: str | None
    known: Known
    known_at: datetime | None
    as_of: datetime


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
    now = await database_time(engine)
    for name, moment in (("at", at), ("known_at", known_at)):
        if moment is not None and moment > now:
            raise Invalid.of(name, "lies in the future")
    before = None if at is None else at + _TICK
    if period is not None:
        month = Month.of(period)
        if month.starts_at > now:
            raise Invalid.of("period", "lies in the future")
        before = month.ends_at
        if known == "close":
            closing = await standing(engine, month)
            if closing is None:
                raise PeriodNotClosed(period)
            known_at = closing.closed_at
    rows, as_of = await ledger_balances(engine, Cut(before, known_at, account_id))
    shown_at = as_of if at is None and period is None else at
    return TrialBalance(rows, totals_of(rows), shown_at, period, known or "now", known_at, as_of)


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
