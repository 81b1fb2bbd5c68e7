"""Closed months, as far as other questions depend on them: when a transfer counts, and since when a month is closed."""

from datetime import datetime
from typing import Final, Literal

from billing.core.months import Month
from billing.store.connection import Connection

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


async def closed_at(connection: Connection, month: Month) -> datetime | None:
    """When the month was closed; None: it is open."""
    moment: datetime | None = await connection.fetchval(_CLOSED_AT, month.ends_at)
    return moment
