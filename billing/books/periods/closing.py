"""Closing a month: what belongs to it is posted first, then it is locked with its trial balance.

Nothing else can be due in a month that is over: what reads its clock before the month's end has committed when the line
is drawn, what lapsed is posted by the recognition run that follows, and both are in the totals.
"""

import json
from typing import Final

from billing.books.periods.refusals import EarlierPeriodOpen, LaterPeriodClosed, PeriodNotClosed, PeriodNotOver
from billing.books.periods.report import Period, period_of
from billing.books.revenue.recognition import Told, recognise
from billing.books.trial_balance.report import Cut, balances_within
from billing.core.months import Month
from billing.posting import Posting
from billing.store.closings import closed_at, draw_line, patiently
from billing.store.connection import Connection
from billing.store.engine import Engine
from billing.store.snapshot import snapshot

_ALONE: Final = "SELECT pg_advisory_xact_lock(hashtextextended('closing', 0))"
_LAST: Final = "SELECT period, ends_at FROM closing WHERE reopened_at IS NULL ORDER BY ends_at DESC LIMIT 1"
_OPEN_BEFORE: Final = """
    SELECT min(t.effective_at) FROM transfer t
    WHERE t.effective_at < $1 AND ($2::timestamptz IS NULL OR t.effective_at >= $2)"""
_CLOSE: Final = """
    INSERT INTO closing (period, closed_at, ends_at, closed_by, totals) VALUES ($1, $2, $3, $4, $5)"""
_REOPEN: Final = """
    UPDATE closing SET reopened_at = clock_timestamp(), reopened_by = $2, reopen_reason = $3
    WHERE period = $1 AND reopened_at IS NULL"""
_UNDONE: Final = """
    SELECT reopened_by, reopen_reason FROM closing WHERE period = $1 ORDER BY closed_at DESC LIMIT 1"""
_KEPT: Final = ("book", "ledger_account", "asset", "debits", "credits")


async def close(
    engine: Engine, work: Engine, posting: Posting, period: str, actor: str, told: Told | None = None
) -> tuple[Period, bool]:
    """Closes the month, and says whether that is new. Any number may try at once: one of them does.

    Raises Invalid, PeriodNotOver, EarlierPeriodOpen, ClockDoubted, Overloaded, DatabaseUnavailable.
    """
    month = Month.of(period)
    async with snapshot(engine) as connection:
        new = await _is_to_be_closed(connection, month)
    if new:
        await draw_line(work)
        await recognise(engine, posting, told)
        new = await close_month(work, month, actor)
    return await period_of(engine, month), new


async def close_month(work: Engine, month: Month, actor: str) -> bool:
    """Closes a month that is over; whether that is new. Posting waits for an instant, but never while sums are made.

    Raises PeriodNotOver, EarlierPeriodOpen, ClockDoubted, Overloaded (somebody else closes, or a batch does not end).
    """
    async with patiently(work) as connection:
        await connection.execute(_ALONE)
        if not await _is_to_be_closed(connection, month):
            return False
        line = await draw_line(work)
        balances = await balances_within(connection, Cut(month.ends_at, line))
        totals = json.dumps([{name: getattr(balance, name) for name in _KEPT} for balance in balances])
        await connection.execute(_CLOSE, month.name, line, month.ends_at, actor, totals)
        return True


async def reopen(engine: Engine, work: Engine, period: str, actor: str, reason: str) -> tuple[Period, bool]:
    """Reopens the last closed month, and says whether that is new: the same again is not. Who and why is kept for ever.

    Raises Invalid, PeriodNotClosed, LaterPeriodClosed, Overloaded, DatabaseUnavailable.
    """
    month = Month.of(period)
    async with patiently(work) as connection:
        await connection.execute(_ALONE)
        new = await _is_to_be_reopened(connection, month, actor, reason)
        if new:
            await connection.execute(_REOPEN, month.name, actor, reason)
    return await period_of(engine, month), new


async def _is_to_be_closed(connection: Connection, month: Month) -> bool:
    """Not where it is closed. Raises PeriodNotOver, EarlierPeriodOpen where it cannot be."""
    if await closed_at(connection, month) is not None:
        return False
    if month.ends_at > await connection.fetchval("SELECT clock_timestamp()"):
        raise PeriodNotOver(month.name, f"{month.ends_at:%Y-%m-%dT%H:%M:%SZ}")
    last = await connection.fetchrow(_LAST)
    earlier = await connection.fetchval(_OPEN_BEFORE, month.starts_at, None if last is None else last[1])
    if earlier is not None:
        raise EarlierPeriodOpen(Month.containing(earlier).name)
    return True


async def _is_to_be_reopened(connection: Connection, month: Month, actor: str, reason: str) -> bool:
    """Not where the same has been done. Raises PeriodNotClosed, LaterPeriodClosed where it cannot be."""
    last = await connection.fetchrow(_LAST)
    if last is None or last[1] < month.ends_at:
        undone = await connection.fetchrow(_UNDONE, month.name)
        if undone is not None and tuple(undone) == (actor, reason):
            return False
        raise PeriodNotClosed(month.name)
    if last[0] != month.name:
        raise LaterPeriodClosed(last[0])
    return True
