"""Periods: the UTC months of the books, which of them a transfer belongs to, and which are closed."""

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, NamedTuple

import asyncpg
from sqlalchemy.ext.asyncio import AsyncEngine

from billing.books.trial_balance.report import Cut, LedgerBalance, balances_within
from billing.core.ledger import Transfer
from billing.core.months import Month
from billing.core.refusals import EarlierPeriodOpen, LaterPeriodClosed, PeriodNotClosed, PeriodNotOver
from billing.store import rows
from billing.store.clock import time_by, time_in
from billing.store.connection import Connection
from billing.store.refusals import ClockDoubted, Overloaded
from billing.store.snapshot import snapshot, working

# Longer than PostgreSQL takes to call off an autovacuum that is in the way, shorter than anybody waits for a charge.
_PATIENCE: Final = "SET LOCAL lock_timeout = '3s'"
_ALONE: Final = "SELECT pg_advisory_xact_lock(hashtextextended('closing', 0))"
# Every batch locks accounts before it reads the clock. While this is held there is none: what read an earlier clock
# has committed, and what comes later reads a later one.
_NOBODY_POSTS: Final = "LOCK TABLE account IN EXCLUSIVE MODE"

_LAST_POSTED: Final = "SELECT max(last_at) FROM account"
_AHEAD: Final = timedelta(milliseconds=100)

_KEPT: Final = ("book", "ledger_account", "asset", "debits", "credits")
_CLOSING: Final = (
    "c.period, c.closed_at, c.ends_at, c.closed_by, c.totals, c.reopened_at, c.reopened_by, c.reopen_reason"
)
# A month in which nothing was due is closed with a later one.
_STANDING: Final = f"""
    SELECT {_CLOSING} FROM closing c WHERE c.ends_at >= $1 AND c.reopened_at IS NULL ORDER BY c.ends_at LIMIT 1"""
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
_HISTORY: Final = f"SELECT {_CLOSING} FROM closing c ORDER BY c.ends_at DESC, c.closed_at DESC"
# Late: due in a month that was closed when it was posted. First in the words of the index, and then exactly.
_LATE: Final = """
    t.effective_at <> t.posted_at
    AND date_trunc('month', t.effective_at AT TIME ZONE 'UTC') < date_trunc('month', t.posted_at AT TIME ZONE 'UTC')
    AND EXISTS (
        SELECT FROM closing c WHERE c.ends_at > t.effective_at AND c.closed_at < t.posted_at
          AND (c.reopened_at IS NULL OR c.reopened_at > t.posted_at))"""
_COUNTS: Final = f"""
    SELECT to_char(t.effective_at AT TIME ZONE 'UTC', 'YYYY-MM'), count(*) FROM transfer t WHERE {_LATE} GROUP BY 1"""
_LATE_IN: Final = f"""
    SELECT {rows.TRANSFER} FROM transfer t
    WHERE {_LATE} AND t.effective_at >= $1 AND t.effective_at < $2
      AND ($3::timestamptz IS NULL OR (t.effective_at, t.account_id, t.book, t.seq) > ($3, $4, $5, $6))
    ORDER BY t.effective_at, t.account_id, t.book, t.seq LIMIT $7"""


@dataclass(frozen=True, slots=True)
class Closing:
    """A month that was closed: `totals` is the trial balance of its end as it was known at `closed_at`."""

    period: str
    closed_at: datetime
    ends_at: datetime
    closed_by: str
    totals: list[LedgerBalance]
    reopened_at: datetime | None
    reopened_by: str | None
    reopen_reason: str | None


class Period(NamedTuple):
    """A month, the closing that holds for it or was undone last, and how many transfers came late."""

    name: str
    closed: bool
    closing: Closing | None
    late_transfers: int


async def check_closable(engine: AsyncEngine, month: Month) -> Closing | None:
    """The closing that stands. Raises PeriodNotOver, EarlierPeriodOpen where there could be none."""
    async with snapshot(engine) as connection:
        known = await _standing(connection, month)
        if known is None:
            await _check(connection, month)
        return known


async def close_month(work: AsyncEngine, month: Month, actor: str) -> tuple[Closing, bool]:
    """Closes a month that is over; whether that is new. Posting waits for an instant, but never while sums are made.

    Raises PeriodNotOver, EarlierPeriodOpen, Overloaded (somebody else is closing, or a batch does not end).
    """
    async with _patiently(work) as connection:
        await connection.execute(_ALONE)
        known = await _standing(connection, month)
        if known is not None:
            return known, False
        await _check(connection, month)
        closed_at = await draw_line(work)
        totals = await balances_within(connection, Cut(month.ends_at, closed_at))
        closing = Closing(month.name, closed_at, month.ends_at, actor, totals, None, None, None)
        await connection.execute(_CLOSE, *_record(closing)[:5])
        return closing, True


async def reopen_month(work: AsyncEngine, month: Month, actor: str, reason: str) -> bool:
    """Undoes the closing of the last closed month; whether that is new: the same again is not.

    Raises PeriodNotClosed, LaterPeriodClosed, Overloaded.
    """
    async with _patiently(work) as connection:
        await connection.execute(_ALONE)
        last = await connection.fetchrow(_LAST)
        if last is None or last[1] < month.ends_at:
            undone = await connection.fetchrow(_UNDONE, month.name)
            if undone is not None and tuple(undone) == (actor, reason):
                return False
            raise PeriodNotClosed(month.name)
        if last[0] != month.name:
            raise LaterPeriodClosed(last[0])
        await connection.execute(_REOPEN, month.name, actor, reason)
        return True


async def periods(engine: AsyncEngine) -> list[Period]:
    """Every month from that of the first account to the running one, newest first."""
    async with snapshot(engine) as connection:
        now = await time_in(connection, engine)
        opened: datetime | None = await connection.fetchval("SELECT min(created_at) FROM account")
        closings = [_closing(row) for row in await connection.fetch(_HISTORY)]
        late: dict[str, int] = dict(map(tuple, await connection.fetch(_COUNTS)))
    first = Month.containing(opened or now).name
    month = Month.of(min([first, *(closing.period for closing in closings)]))
    found = []
    while month.starts_at <= now:
        found.append(_period(month, closings, late.get(month.name, 0)))
        month = month.following
    return found[::-1]


async def period_of(engine: AsyncEngine, month: Month) -> Period:
    """One of them; of a month from before there was anything too."""
    named = {period.name: period for period in await periods(engine)}
    return named.get(month.name) or Period(month.name, False, None, 0)


async def late_transfers(
    engine: AsyncEngine, month: Month, *, after: tuple[datetime, str, str, int] | None, limit: int
) -> list[Transfer]:
    """What was due in a month and posted while it was closed, by when it was due, beyond (effective_at, key)."""
    beyond = after or (None, None, None, None)
    async with snapshot(engine) as connection:
        found = await connection.fetch(_LATE_IN, month.starts_at, month.ends_at, *beyond, limit)
    return [Transfer(*row) for row in found]


async def draw_line(work: AsyncEngine) -> datetime:
    """An instant before which everything is known: whatever is posted from now on, is posted later.

    Raises Overloaded, ClockDoubted.
    """
    async with _patiently(work) as connection:
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
async def _patiently(work: AsyncEngine) -> AsyncIterator[Connection]:
    """`working`, where who holds a lock is waited for a while. Raises Overloaded."""
    async with working(work) as connection:
        try:
            await connection.execute(_PATIENCE)
            yield connection
        except asyncpg.LockNotAvailableError as error:
            raise Overloaded() from error


async def _standing(connection: asyncpg.Connection, month: Month) -> Closing | None:
    row = await connection.fetchrow(_STANDING, month.ends_at)
    return None if row is None else _closing(row)


async def _check(connection: asyncpg.Connection, month: Month) -> None:
    if month.ends_at > await connection.fetchval("SELECT clock_timestamp()"):
        raise PeriodNotOver(month.name, f"{month.ends_at:%Y-%m-%dT%H:%M:%SZ}")
    last = await connection.fetchrow(_LAST)
    earlier = await connection.fetchval(_OPEN_BEFORE, month.starts_at, None if last is None else last[1])
    if earlier is not None:
        raise EarlierPeriodOpen(Month.containing(earlier).name)


def _period(month: Month, closings: Sequence[Closing], late: int) -> Period:
    """`closings` from the latest month back, of one month the last first."""
    standing = [one for one in closings if one.reopened_at is None and one.ends_at >= month.ends_at]
    undone = [one for one in closings if one.period == month.name]
    closing = standing[-1] if standing else undone[0] if undone else None
    return Period(month.name, bool(standing), closing, late)


def _closing(row: asyncpg.Record) -> Closing:
    period, closed_at, ends_at, closed_by, totals, *reopened = row
    return Closing(period, closed_at, ends_at, closed_by, _balances(totals), *reopened)


def _record(closing: Closing) -> tuple[object, ...]:
    totals = json.dumps([{name: getattr(balance, name) for name in _KEPT} for balance in closing.totals])
    return (closing.period, closing.closed_at, closing.ends_at, closing.closed_by, totals)


def _balances(totals: str) -> list[LedgerBalance]:
    return [LedgerBalance(**entry, balance=entry["debits"] - entry["credits"]) for entry in json.loads(totals)]
