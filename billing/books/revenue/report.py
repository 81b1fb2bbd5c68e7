"""Revenue told: what a month has earned, and how deferred revenue rolled forward through it.

opening + sold − recognised − breakage − refunded − disputed = closing, per currency and to the micro, because every
transfer that touches deferred revenue is in exactly one of these columns of exactly one month.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from billing.books.revenue.sql import COLUMN_OF, GrantRevenue, Moved, movements, revenue_by_grant
from billing.core.months import Month
from billing.core.refusals import Invalid, PeriodNotClosed
from billing.store.clock import database_time
from billing.store.closings import closed_at
from billing.store.engine import Engine
from billing.store.snapshot import snapshot

Known = Literal["close", "now"]


@dataclass(slots=True)
class Flow:
    """Micros that went into deferred revenue (sold) and out of it; below 0 where more came back."""

    sold: int = 0
    recognised: int = 0
    breakage: int = 0
    refunded: int = 0
    disputed: int = 0

    @property
    def net(self) -> int:
        return self.sold - self.recognised - self.breakage - self.refunded - self.disputed

    def add(self, moved: Moved) -> None:
        column, sign = COLUMN_OF[moved.kind]
        setattr(self, column, getattr(self, column) + sign * moved.micros)


@dataclass(slots=True)
class RollForward:
    """Deferred revenue in micros of `currency` through a month. `late` was due in it but came after it was closed.

    `earlier` is the part of `flow` that was due in months before, which were closed when it came.
    """

    currency: str
    opening: int
    flow: Flow
    late: Flow
    earlier: Flow

    @property
    def closing(self) -> int:
        return self.opening + self.flow.net


@dataclass(frozen=True, slots=True)
class Revenue:
    """A month. `known` is None for the books as they stand: what came after a month was closed counts in the next."""

    period: str
    closed: bool
    known: Known | None
    known_at: datetime | None
    as_of: datetime
    currencies: list[RollForward]
    unrecognised_accounts: int


async def revenue(engine: Engine, period: str, *, known: Known | None = None, account_id: str | None = None) -> Revenue:
    """What a month, also the running one, has earned, of all accounts or one.

    `known="close"`: only what was posted when the month was closed. `known="now"`: by when it was due, whatever was
    closed by then. Raises Invalid (the future), PeriodNotClosed, AccountNotFound.
    """
    month = await _month(engine, period)
    async with snapshot(engine) as connection:
        closed = await closed_at(connection, month)
    if known == "close" and closed is None:
        raise PeriodNotClosed(period)
    known_at = closed if known == "close" else None
    found = await movements(engine, month, known_until=known_at, account_id=account_id)
    currencies: dict[str, RollForward] = {}
    for moved in found.moved:
        one = currencies.setdefault(moved.currency, RollForward(moved.currency, 0, Flow(), Flow(), Flow()))
        counted = moved.due if known == "now" else moved.counted
        if counted == "before":
            one.opening += _net(moved)
        elif counted == "within":
            one.flow.add(moved)
            if moved.due == "before":
                one.earlier.add(moved)
        if moved.due == "within" and moved.counted == "after":
            one.late.add(moved)
    return Revenue(
        period,
        closed is not None,
        known,
        known_at,
        found.as_of,
        [currencies[name] for name in sorted(currencies)],
        found.unrecognised_accounts,
    )


async def grants(engine: Engine, period: str, *, after: tuple[str, str], limit: int) -> list[GrantRevenue]:
    """What each grant has earned in a month as the books stand, in order, beyond `after`. Raises Invalid (the future)."""
    return await revenue_by_grant(engine, await _month(engine, period), after=after, limit=limit)


async def _month(engine: Engine, period: str) -> Month:
    month = Month.of(period)
    if month.starts_at > await database_time(engine):
        raise Invalid.of("period", "lies in the future")
    return month


def _net(moved: Moved) -> int:
    alone = Flow()
    alone.add(moved)
    return alone.net
