"""Usage as it is kept: the days that accounts leave behind are summed up. `billing.books.usage` asks for it."""

from collections.abc import Sequence
from datetime import datetime
from typing import Final

import asyncpg

from billing.store import rows

COUNTS: Final = ("requests", "images", "failed_images", "credits")
_SUM_UP: Final = f"""
    INSERT INTO usage_day
    SELECT account_id, day, model, operation, size_tier, quality, api_key_id, array_agg(quarter ORDER BY quarter),
        {", ".join(f"array_agg({name} ORDER BY quarter)" for name in COUNTS)}
    FROM (
        SELECT d.account_id, d.day, b.model, b.operation, b.size_tier, b.quality, b.api_key_id,
            (extract(epoch FROM b.quarter_hour - d.day) / 900)::smallint AS quarter,
            {", ".join(f"(sum(b.{name}) OVER running)::bigint AS {name}" for name in COUNTS)}
        FROM unnest($1::text[], $2::timestamptz[]) d(account_id, day)
        JOIN usage_bucket b ON b.account_id = d.account_id AND b.quarter_hour >= d.day
            AND b.quarter_hour < d.day + interval '1 day'
        WINDOW running AS (
            PARTITION BY d.account_id, d.day, b.model, b.operation, b.size_tier, b.quality, b.api_key_id
            ORDER BY b.quarter_hour)
    ) q GROUP BY account_id, day, model, operation, size_tier, quality, api_key_id"""


async def sum_up(connection: asyncpg.Connection, days: Sequence[tuple[str, datetime]]) -> None:
    """Sums up the days that accounts leave behind, under their locks: nothing will be counted there any more."""
    await connection.execute(_SUM_UP, *rows.arrays(days))
