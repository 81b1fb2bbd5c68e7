"""Who reads is held by no silent connection, and no honest one is ended for being slow."""

import asyncio

import pytest

from billing.posting import Posting
from billing.store.connection import connect
from billing.store.deadlines import Deadlines
from billing.store.engine import read_engine, work_engine
from billing.store.refusals import DatabaseUnavailable, Overloaded
from billing.store.snapshot import asked_twice, reading, snapshot, working
from tests.faults.wire import Wire

QUICK = Deadlines(0.8)
SLOW = f"SELECT pg_sleep({QUICK.transaction * 2.5})"


@pytest.fixture
def wire(database):
    with Wire.before(database) as wire:
        yield wire


async def test_what_takes_long_goes_on_while_the_server_works_on_it(database):
    engine = read_engine(database, size=1, deadlines=QUICK)
    try:
        async with snapshot(engine) as connection:
            await connection.execute(SLOW)
    finally:
        await engine.dispose()


async def test_what_should_be_quick_has_an_end_that_the_server_names(database):
    engine = read_engine(database, size=1, deadlines=QUICK, patient=False)
    try:
        with pytest.raises(DatabaseUnavailable) as put_off:
            async with snapshot(engine) as connection:
                await connection.execute(SLOW)
        assert put_off.value.__cause__.sqlstate == "57014"
        async with snapshot(engine) as connection:
            assert await connection.fetchval("SELECT 1") == 1
    finally:
        await engine.dispose()


@pytest.mark.parametrize("patient", [True, False])
async def test_a_silent_connection_is_given_up_and_the_pool_gets_over_it(database, wire, patient):
    engine = read_engine(wire.dsn_through(database), size=2, deadlines=QUICK, patient=patient)

    async def read() -> int:
        async with snapshot(engine) as connection:
            await asyncio.to_thread(wire.freeze)
            return await connection.fetchval("SELECT 1")

    try:
        heard = await asyncio.gather(*(read() for _ in range(4)), return_exceptions=True)
        assert {type(one) for one in heard} <= {DatabaseUnavailable, Overloaded}
        with pytest.raises(DatabaseUnavailable):
            await read()
        await asyncio.to_thread(wire.thaw)
        async with reading(engine) as connection:
            assert (await connection.exec_driver_sql("SELECT 1")).scalar_one() == 1
        await asyncio.to_thread(wire.freeze)
    finally:
        await engine.dispose()  # that nobody answers
        wire.thaw()


async def test_whoever_is_cancelled_while_nobody_answers_is_gone(database, wire):
    engine = work_engine(wire.dsn_through(database), size=1, deadlines=QUICK)
    try:
        async with working(engine) as connection:
            await connection.execute("SELECT 1")
        await asyncio.to_thread(wire.freeze)

        async def work():
            async with working(engine) as connection:
                await connection.execute("SELECT 1")

        task = asyncio.create_task(work())
        await asyncio.sleep(0)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
    finally:
        await engine.dispose()
        wire.thaw()


async def test_at_the_end_nobody_waits_long_for_a_session_that_others_have(database):
    """Ten sign-ins behind four sessions of a silent database took eight seconds to end."""
    engine = read_engine(database, size=1, deadlines=Deadlines(60))

    async def read():
        async with snapshot(engine):
            pass

    try:
        async with snapshot(engine):
            waiting = asyncio.create_task(read())
            await asyncio.sleep(0)
            engine.hurry()
            heard = await asyncio.gather(waiting, read(), return_exceptions=True)
        assert [type(one) for one in heard] == [DatabaseUnavailable] * 2
    finally:
        await engine.dispose()


async def test_a_host_that_is_silent_is_passed_over(database, wire):
    through = wire.dsn_through(database)
    with Wire.before(database) as silent:
        silent.freeze()
        login, _, rest = through.partition("@")
        session = await connect(f"{login}@127.0.0.1:{silent.port},{rest}", deadlines=QUICK)
        assert await session.fetchval("SELECT 1") == 1
        await session.close()


async def test_a_lane_is_ready_on_the_host_behind_a_silent_one(database, wire):
    """Nobody is sent to a service that is not ready, so no batch would ever have made the connection."""
    with Wire.before(database) as silent:
        silent.freeze()
        login, _, rest = wire.dsn_through(database).partition("@")
        dsn = f"{login}@127.0.0.1:{silent.port},{rest}"
        async with Posting(dsn, lambda: None, lanes=1, deadlines=QUICK) as posting:
            assert (await posting.lanes[0].prove()).revision is not None


async def test_a_read_whose_connection_ends_is_asked_again_once(database):
    engine = read_engine(database, size=1)
    times = 0

    async def read(lost):
        nonlocal times
        times += 1
        async with snapshot(engine) as connection:
            if times <= lost:
                await connection.execute("SET ROLE NONE; SELECT pg_terminate_backend(pg_backend_pid())")
            return await connection.fetchval("SELECT 1")

    try:
        assert await asked_twice(lambda: read(1)) == 1
        assert times == 2
        times = 0
        with pytest.raises(DatabaseUnavailable):
            await asked_twice(lambda: read(5))
        assert times == 2
    finally:
        await engine.dispose()
