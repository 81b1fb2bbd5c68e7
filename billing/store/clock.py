"""The clock: the database's, in UTC."""

from datetime import datetime

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncEngine

from billing.store.snapshot import reading


async def database_time(engine: AsyncEngine) -> datetime:
    """Now, as the database sees it.

    Whatever time alone has done, and cannot be undone (a credit that expires, a row that is deleted for its age), is
    decided by this: pass it to the statement, instead of asking `clock_timestamp()` there.
    """
    async with reading(engine) as connection:
        now: datetime = (await connection.execute(select(func.clock_timestamp()))).scalar_one()
        return now
