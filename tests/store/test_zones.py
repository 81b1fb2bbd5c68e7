"""PostgreSQL brings a table of zones of its own. Nobody asks it; where it says otherwise, one of the two is old."""

from datetime import UTC, datetime, timedelta

import asyncpg

from billing.core.zones import names, zone

START = datetime(2025, 1, 1, tzinfo=UTC)
TIMES = [START + timedelta(days=7 * number, hours=number) for number in range(3 * 52)]
# What the PostgreSQL 18.6 here has not heard of yet: the law of Manitoba and of Inuvik, and Cuba's summer of 2026.
OTHERWISE = {"America/Havana", "America/Inuvik", "America/Rainy_River", "America/Winnipeg", "Canada/Central"}


async def test_postgresql_says_the_same(owner: asyncpg.Connection) -> None:
    """Where this fails, look which is older: `tzdata` (upgrade it), or the PostgreSQL here (name the zones above).

    Names without a place are left out: PostgreSQL takes CET and EET for abbreviations, which have no summer.
    """
    rows = await owner.fetch(
        """SELECT name, array_agg(extract(epoch FROM (at AT TIME ZONE name) - (at AT TIME ZONE 'UTC'))::integer ORDER BY at)
           FROM unnest($1::text[]) name, unnest($2::timestamptz[]) at
           WHERE name IN (SELECT name FROM pg_timezone_names) GROUP BY name""",
        sorted(name for name in names() if "/" in name),
        TIMES,
    )
    assert len(rows) > 540
    differ = {name for name, offsets in rows if offsets != [_offset(at, name) for at in TIMES]}
    assert differ == OTHERWISE


def _offset(at: datetime, name: str) -> int:
    offset = at.astimezone(zone(name)).utcoffset()
    assert offset is not None
    return round(offset.total_seconds())
