"""Closed months, as far as other questions depend on them: when a transfer counts, since when a month is closed, and the
line between what was known and what comes later.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from typing import Final, Literal

import asyncpg

from billing.core.months import Month
from billing.store.clock import time_by
from billing.store.connection import Connection
from billing.store.engine import Engine
from billing.store.refusals import ClockDoubted, Overloaded
from billing.store.snapshot import working

Known = Literal["close", "now"]  # what counts of a month: what was posted when it was closed, or by now
# When the transfer `t` counts: when it was due, but never inside a month that was closed when it was posted. Then it
# counts from the first instant that was open. Nothing is due inside a closed month and posted at that same instant,
# because only months that are over can be closed.
ACCOUNTED_AT: Final = """
    CASE WHEN t.effective_at = t.posted_at THEN t.effective_at
         ELSE greatest(t.effective_at, (
             SELECT max(c.ends_at) FROM closing c
             WHERE c.closed_at < t.posted_at AND (c.reopened_at IS NULL OR c.reopened_at > t.posted_at))) END"""

# A month in which nothing was due is closed with a later one.
_CLOSED_AT: Final = """
    SELECT closed_at FROM closing WHERE ends_at >= $1 AND reopened_at IS NULL ORDER BY ends_at LIMIT 1"""

# Longer than PostgreSQL takes to call off an autovacuum that is in the way, shorter than anybody waits for a charge.
_PATIENCE: Final = "SET LOCAL lock_timeout = '3s'"
# Every batch locks accounts before it reads the clock. While this is held there is none: what read an earlier clock
# has committed, and what comes later reads a later one.
_NOBODY_POSTS: Final = "LOCK TABLE account IN EXCLUSIVE MODE"
_LAST_POSTED: Final = "SELECT max(last_at) FROM account"
_AHEAD: Final = timedelta(milliseconds=100)


async def closed_at(connection: Connection, month: Month) -> datetime | None:
    """When the month was closed; None: it is open."""
    moment: datetime | None = await connection.fetchval(_CLOSED_AT, month.ends_at)
    return moment


async def draw_line(work: Engine) -> datetime:
    """An instant before which everything is known: whatever is posted from now on, is posted later.

    Raises Overloaded, ClockDoubted.
    """
    async with patiently(work) as connection:
        last: datetime | None = await connection.fetchval(_LAST_POSTED)
        await connection.execute(_NOBODY_POSTS)
        moment: datetime = await connection.fetchval("SELECT clock_timestamp()")
        if time_by(work)(moment) < moment:
            raise ClockDoubted()  # a line in the future would date everything after it, until then
        if last is None or last < moment:
            return moment
        # An account's rows are in order even where the clock was set back: the line lies after the last of them.
        if last - moment > _AHEAD:
            raise Overloaded()
        await asyncio.sleep((last - moment).total_seconds())
        return last


@asynccontextmanager
async def patiently(work: Engine) -> AsyncIterator[Connection]:
    """`working`, where who holds a lock is waited for a while. Raises Overloaded."""
    async with working(work) as connection:
        try:
            await connection.execute(_PATIENCE)
            yield connection
        except asyncpg.LockNotAvailableError as error:
            raise Overloaded() from error
