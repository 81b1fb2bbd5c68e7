"""Periods: the UTC months of the books, which of them are closed, and what was posted too late for them."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Literal, NamedTuple

from billing.core.document import DOCUMENT
from billing.core.ledger import Transfer
from billing.core.months import Month
from billing.store import rows
from billing.store.clock import time_in
from billing.store.engine import Engine
from billing.store.snapshot import snapshot

_CLOSINGS: Final = """
    SELECT period, ends_at, closed_at, closed_by, reopened_at, reopened_by, reopen_reason
    FROM closing ORDER BY ends_at DESC, closed_at DESC"""
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
class Period:
    """A month. `closed_at` and what follows are those of its last closing, also after it was reopened."""

    __pydantic_config__ = DOCUMENT
    period: str
    """YYYY-MM, in UTC"""
    status: Literal["open", "closed"]
    """a month in which nothing was due is closed with the next one"""
    closed_at: datetime | None
    """what was posted by then belongs to it; null: it was never closed"""
    closed_by: str | None
    """the key's id, or who else; null: it was never closed"""
    reopened_at: datetime | None
    """null: its closing stands, or it was never closed"""
    reopened_by: str | None
    """the key's id, or who else; null: its closing stands, or it was never closed"""
    reopen_reason: str | None
    """1 to 512 characters; null: its closing stands, or it was never closed"""
    late_transfers: int
    """due in this month, posted while it was closed: they count in a later one; 0 or more"""


class _Closing(NamedTuple):
    """A month that was closed, and all before its end with it."""

    period: str
    ends_at: datetime
    closed_at: datetime
    closed_by: str
    reopened_at: datetime | None
    reopened_by: str | None
    reopen_reason: str | None


async def periods(engine: Engine) -> list[Period]:
    """Every month from that of the first account to the running one, newest first."""
    async with snapshot(engine) as connection:
        now = await time_in(connection, engine)
        opened: datetime | None = await connection.fetchval("SELECT min(created_at) FROM account")
        found = await connection.fetch(_CLOSINGS)
        late: dict[str, int] = dict(map(tuple, await connection.fetch(_COUNTS)))
    closings = [_Closing._make(row) for row in found]
    month = Month.of(min([Month.containing(opened or now).name, *(closing.period for closing in closings)]))
    months = []
    while month.starts_at <= now:
        months.append(_period(month, closings, late.get(month.name, 0)))
        month = month.following
    return months[::-1]


async def period_of(engine: Engine, month: Month) -> Period:
    """One of them; of a month from before there was anything too."""
    named = {period.period: period for period in await periods(engine)}
    return named.get(month.name) or _period(month, (), 0)


async def late_transfers(
    engine: Engine, month: Month, *, after: tuple[datetime, str, str, int] | None, limit: int
) -> list[Transfer]:
    """What was due in a month and posted while it was closed, by when it was due, beyond (effective_at, key)."""
    beyond = after or (None, None, None, None)
    async with snapshot(engine) as connection:
        found = await connection.fetch(_LATE_IN, month.starts_at, month.ends_at, *beyond, limit)
    return [Transfer(*row) for row in found]


def _period(month: Month, closings: Sequence[_Closing], late: int) -> Period:
    """`closings` from the latest month back, of one month the last first."""
    standing = [one for one in closings if one.reopened_at is None and one.ends_at >= month.ends_at]
    undone = [one for one in closings if one.period == month.name]
    closing = standing[-1] if standing else undone[0] if undone else None
    return Period(
        period=month.name,
        status="closed" if standing else "open",
        closed_at=closing and closing.closed_at,
        closed_by=closing and closing.closed_by,
        reopened_at=closing and closing.reopened_at,
        reopened_by=closing and closing.reopened_by,
        reopen_reason=closing and closing.reopen_reason,
        late_transfers=late,
    )
