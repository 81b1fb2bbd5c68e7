"""A read is one snapshot: REPEATABLE READ, READ ONLY. Otherwise a balance shows figures of different instants."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager

import asyncpg
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from billing.core.refusals import DatabaseUnavailable, Overloaded
from billing.store.engine import connection_lost


@contextmanager
def reachable() -> Iterator[None]:
    """Says DatabaseUnavailable where the database cannot be reached, and Overloaded where all sessions are taken."""
    try:
        yield
    except PoolTimeout as error:
        raise Overloaded() from error
    except DBAPIError as error:
        if error.connection_invalidated or (error.orig and connection_lost(error.orig)):
            raise DatabaseUnavailable() from error
        raise
    except Exception as error:
        if connection_lost(error):
            raise DatabaseUnavailable() from error
        raise


@asynccontextmanager
async def reading(engine: AsyncEngine) -> AsyncIterator[AsyncConnection]:
    """A SQLAlchemy connection inside one read-only snapshot. Raises DatabaseUnavailable, Overloaded."""
    with reachable():
        async with engine.connect() as connection:
            yield connection


@asynccontextmanager
async def working(engine: AsyncEngine) -> AsyncIterator[asyncpg.Connection]:
    """An asyncpg connection inside one transaction of a `work_engine`, committed at the end of the block.

    Raises DatabaseUnavailable, Overloaded.
    """
    with reachable():
        async with _driven(engine) as raw, raw.transaction():
            yield raw


@asynccontextmanager
async def snapshot(engine: AsyncEngine) -> AsyncIterator[asyncpg.Connection]:
    """An asyncpg connection inside one read-only snapshot. Raises DatabaseUnavailable, Overloaded."""
    with reachable():
        async with _driven(engine) as raw, raw.transaction(isolation="repeatable_read", readonly=True):
            yield raw


@asynccontextmanager
async def _driven(engine: AsyncEngine) -> AsyncIterator[asyncpg.Connection]:
    async with engine.connect() as connection:
        raw = (await connection.get_raw_connection()).driver_connection
        assert raw is not None
        try:
            yield raw
        except asyncio.CancelledError:
            # A BEGIN may still be on its way: whoever came next would work inside a transaction that nobody commits.
            raw.terminate()
            raise
        finally:
            if (
                not raw.is_closed() and raw.is_in_transaction()
            ):  # cancelled while it began or ended one: the next to come would read the past
                raw.terminate()
            if raw.is_closed():  # the pool does not see what happens to it here, and would hand it out for ever
                await connection.invalidate()
