"""Payouts told: what of them is booked, what is missing by name, and what clearing consists of."""

from datetime import datetime
from typing import NamedTuple

from billing.books.payouts.clearing import Clearing, clearing
from billing.core.months import Month
from billing.core.refusals import Invalid
from billing.store.clock import database_time
from billing.store.engine import Engine


class ClearingReport(NamedTuple):
    """Clearing in every currency, now or at the end of a month."""

    period: str | None
    as_of: datetime
    currencies: list[Clearing]

    @property
    def ok(self) -> bool:
        """Whether all that was paid out nets to zero, and the rest is accounted for."""
        return not any(one.incomplete or one.unexplained_micros for one in self.currencies)


async def clearing_report(engine: Engine, *, period: str | None = None, limit: int = 50) -> ClearingReport:
    """At most `limit` of each list in it. Raises Invalid (the future)."""
    now = await database_time(engine)
    month = None if period is None else Month.of(period)
    if month is not None and month.starts_at > now:
        raise Invalid.of("period", "lies in the future")
    found = await clearing(engine, before=None if month is None else month.ends_at, limit=limit)
    return ClearingReport(period, now, found)
