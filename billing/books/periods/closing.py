"""Closing a month: what belongs to it is posted first, then it is locked with its trial balance.

Nothing else can be due in a month that is over: what reads its clock before the month's end has committed when the line
is drawn, what lapsed is posted by the recognition run that follows, and both are in the totals.
"""

from billing.books.periods.report import Period, check_closable, close_month, draw_line, period_of, reopen_month
from billing.books.revenue.recognition import Told, recognise
from billing.core.months import Month
from billing.posting import Posting
from billing.store.engine import Engine


async def close(
    engine: Engine, work: Engine, posting: Posting, period: str, actor: str, progress: Told | None = None
) -> tuple[Period, bool]:
    """Closes the month, and says whether that is new. Any number may try at once: one of them does.

    Raises Invalid, PeriodNotOver, EarlierPeriodOpen, ClockDoubted, Overloaded, DatabaseUnavailable.
    """
    month = Month.of(period)
    new = False
    if await check_closable(engine, month) is None:
        await draw_line(work)
        await recognise(engine, posting, progress)
        _, new = await close_month(work, month, actor)
    return await period_of(engine, month), new


async def reopen(engine: Engine, work: Engine, period: str, actor: str, reason: str) -> tuple[Period, bool]:
    """Reopens the last closed month, and says whether that is new. Who and why is kept for ever.

    Raises Invalid, PeriodNotClosed, LaterPeriodClosed, Overloaded, DatabaseUnavailable.
    """
    month = Month.of(period)
    new = await reopen_month(work, month, actor, reason)
    return await period_of(engine, month), new
