"""The clock: the database's, in UTC."""

from datetime import datetime

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncEngine

from billing.store.snapshot import reading


async def database_time(engine: AsyncEngine) -> datetime:
    """Now, as the database sees it."""
    async with reading(engine) as connection:
        now: datetime = (await connection.execute(select(func.clock_timestamp()))).scalar_one()
        return now
