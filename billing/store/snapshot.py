"""A read is one snapshot: REPEATABLE READ, READ ONLY. Otherwise a balance shows figures of different instants."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Final, TypeVar

import structlog
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from billing.core.refusals import Refusal
from billing.store.connection import Connection
from billing.store.engine import Engine
from billing.store.refusals import DatabaseUnavailable, Overloaded
from billing.store.sqlstates import Remedy, reason, remedy

Answer = TypeVar("Answer")
# What was lost sooner was not silent, but ended: there is time to ask again before the caller gives up.
SOON_SECONDS: Final = 2.0
log = structlog.get_logger("billing.database")


@contextmanager
def reachable() -> Iterator[None]:
    """Says DatabaseUnavailable where the database cannot be reached or cannot do its work, and Overloaded where all
    sessions are taken."""
    try:
        yield
    except Refusal:
        raise
    except PoolTimeout as error:
        raise Overloaded() from error
    except Exception as error:
        if remedy(error) is Remedy.FAULT:
            raise
        log.warning("database unavailable", reason=reason(error))
        raise DatabaseUnavailable() from error


async def asked_twice(read: Callable[[], Awaitable[Answer]]) -> Answer:
    """What `read` comes to; asked once more where its connection was lost, and that soon. For reads as a whole."""
    loop = asyncio.get_running_loop()
    began = loop.time()
    try:
        return await read()
    except DatabaseUnavailable as refusal:
        lost = refusal.__cause__ is not None and remedy(refusal.__cause__) is not Remedy.LATER
        if not lost or loop.time() - began > SOON_SECONDS:
            raise
        return await read()


@asynccontextmanager
async def reading(engine: AsyncEngine) -> AsyncIterator[AsyncConnection]:
    """A SQLAlchemy connection inside one read-only snapshot. Raises DatabaseUnavailable, Overloaded."""
    with reachable():
        async with _pool(engine).session() as (connection, _):
            yield connection


@asynccontextmanager
async def working(engine: AsyncEngine) -> AsyncIterator[Connection]:
    """An asyncpg connection inside one transaction of a `work_engine`, committed at the end of the block.

    Raises DatabaseUnavailable, Overloaded.
    """
    with reachable():
        async with _driven(engine) as raw, raw.transaction():
            yield raw


@asynccontextmanager
async def snapshot(engine: AsyncEngine) -> AsyncIterator[Connection]:
    """An asyncpg connection inside one read-only snapshot. Raises DatabaseUnavailable, Overloaded."""
    with reachable():
        async with _driven(engine) as raw, raw.transaction(isolation="repeatable_read", readonly=True):
            yield raw


@asynccontextmanager
async def _driven(engine: AsyncEngine) -> AsyncIterator[Connection]:
    async with _pool(engine).session() as (_, raw):
        try:
            yield raw
        finally:
            if (
                not raw.is_closed() and raw.is_in_transaction()
            ):  # cancelled while it began or ended one: the next to come would read the past
                raw.terminate()


def _pool(engine: AsyncEngine) -> Engine:
    assert isinstance(engine, Engine)
    return engine
