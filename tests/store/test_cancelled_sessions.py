"""A session whose user was cancelled in the middle is nobody's any more: what the next one writes is written."""

import asyncio
from contextlib import suppress

import pytest

from billing.store.engine import read_engine, work_engine
from billing.store.snapshot import snapshot, working

COUNT = "SELECT count(*) FROM session WHERE digest = $1"
WRITE = "INSERT INTO session VALUES ($1, '', clock_timestamp(), clock_timestamp())"


async def cancelled_after(turns, coroutine):
    """Lets it run for so many turns of the loop, and then no further."""
    task = asyncio.ensure_future(coroutine)
    for _ in range(turns):
        await asyncio.sleep(0)
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task


async def wait_in(engine, opened):
    async with opened(engine) as connection:
        await connection.fetchval("SELECT pg_sleep(0.001)")


@pytest.mark.parametrize("turns", range(30))
async def test_what_is_written_after_a_cancelled_transaction_is_there(database, owner, turns):
    engine = work_engine(database, size=1)
    digest = f"written after {turns}".encode()
    async with working(engine) as connection:
        await connection.execute("SELECT 1")  # so that the pool has its session
    try:
        for _ in range(5):
            await cancelled_after(turns, wait_in(engine, working))
        async with working(engine) as connection:
            await connection.execute(WRITE, digest)
        assert await owner.fetchval(COUNT, digest) == 1
    finally:
        await owner.execute("DELETE FROM session WHERE digest = $1", digest)
        await engine.dispose()


@pytest.mark.parametrize("turns", range(30))
async def test_what_is_read_after_a_cancelled_snapshot_is_the_present(database, owner, turns):
    engine = read_engine(database, size=1)
    digest = f"read after {turns}".encode()
    async with snapshot(engine) as connection:
        await connection.fetchval("SELECT 1")
    try:
        for _ in range(5):
            await cancelled_after(turns, wait_in(engine, snapshot))
            async with snapshot(engine) as connection:
                await connection.fetchval(COUNT, digest)
        await owner.execute(WRITE, digest)
        async with snapshot(engine) as connection:
            assert await connection.fetchval(COUNT, digest) == 1
    finally:
        await owner.execute("DELETE FROM session WHERE digest = $1", digest)
        await engine.dispose()
