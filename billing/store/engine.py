"""Engines: pools of the service's connections, for those who read and for what happens beside the ledger."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any
from weakref import WeakSet

from sqlalchemy import event
from sqlalchemy.exc import DisconnectionError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from billing.store.connection import SESSION, WORK_SESSION, Connection, Target, connect, dial, is_there
from billing.store.deadlines import CLOSE_SECONDS, FINISH_SECONDS, Deadlines, Watch, watched
from billing.store.sqlstates import Remedy, remedy

# Many read at once: each on one core, and with room to sort and group what a month of usage comes to.
_READ_SESSION = SESSION | {
    "max_parallel_workers_per_gather": "0",
    "work_mem": "32MB",
    "application_name": "billing reads",
}

_PROVEN_SECONDS = 1.0  # a session that answered so lately is not asked whether it is there


class Engine(AsyncEngine):
    """Sessions that many share, one after the other. A block with one of them has an end, whatever the database does.

    `patient`: what takes long goes on for as long as the server works on it; otherwise it has the time of a transaction.
    """

    def __init__(
        self,
        dsn: str,
        dial: Callable[[], Awaitable[Connection]],
        *,
        size: int,
        deadlines: Deadlines,
        patient: bool,
        **more: Any,
    ) -> None:
        async def creator() -> Connection:
            session = await dial()
            self._sessions.add(session)
            return session

        made = create_async_engine(
            "postgresql+asyncpg://",
            async_creator=creator,
            pool_size=size,
            max_overflow=0,
            pool_timeout=deadlines.answer * 3 / 4,  # longer than a silent session is kept
            pool_pre_ping=False,
            **more,
        )
        super().__init__(made.sync_engine)
        event.listen(self.sync_engine, "checkout", self._check)
        self._dsn, self._deadlines, self._patient = dsn, deadlines, patient
        self._sessions: WeakSet[Connection] = WeakSet()
        self._watches: set[Watch] = set()
        self._waiting: set[asyncio.Timeout] = set()  # of those who wait for a session
        self._hurried = False
        self._trusted_from = 0.0  # sessions that were opened before are not used any more

    @asynccontextmanager
    async def session(self) -> AsyncIterator[tuple[AsyncConnection, Connection]]:
        """One of them until the end of the block: as SQLAlchemy knows it, and as asyncpg does."""
        loop = asyncio.get_running_loop()
        give_up_at = loop.time() + (FINISH_SECONDS if self._hurried else self._deadlines.answer)
        async with AsyncExitStack() as stack:
            watch = stack.enter_context(Watch())  # to the end of what giving it back takes
            self._watches.add(watch)
            stack.callback(self._watches.discard, watch)
            async with asyncio.timeout_at(give_up_at) as waiting:  # for one to come free, or to be made
                self._waiting.add(waiting)
                try:
                    connection = await stack.enter_async_context(self.connect())
                finally:
                    self._waiting.discard(waiting)
            assert connection.sync_connection is not None
            session = connection.sync_connection.connection.driver_connection
            assert isinstance(session, Connection)
            seconds = FINISH_SECONDS if self._hurried else self._deadlines.transaction
            second_opinion = None
            if self._patient:
                second_opinion = lambda: is_there(self._dsn, session.backend, self._deadlines, in_transaction=True)  # noqa: E731
            else:
                seconds = min(seconds, max(0.0, give_up_at - loop.time()))
            watch.over(session, seconds, second_opinion)
            try:
                yield connection, session
            except asyncio.CancelledError:
                # A BEGIN may still be on its way: whoever came next would work inside a transaction that nobody commits.
                session.terminate()
                raise
            finally:
                session.heard_at = loop.time()
                if session.is_closed():  # the pool does not see what happens to it here, and would hand it out for ever
                    await connection.invalidate()

    def hurry(self) -> None:
        """The end is asked for: blocks go on that the database works on, others have FINISH_SECONDS, and who waits for a
        session too."""
        self._hurried = True
        soon = asyncio.get_running_loop().time() + FINISH_SECONDS
        for waiting in self._waiting:
            give_up_at = waiting.when()
            if give_up_at is not None and soon < give_up_at and not waiting.expired():
                waiting.reschedule(soon)
        for watch in self._watches:
            watch.hurry()

    def _check(self, adapted: Any, *_: object) -> None:
        """Whether a session that the pool hands out is there: not those from before the server was started again.

        SQLAlchemy makes another in its place.
        """
        session: Connection = adapted.driver_connection
        is_there = not session.is_closed() and session.opened_at >= self._trusted_from
        if is_there and asyncio.get_running_loop().time() - session.heard_at > _PROVEN_SECONDS:
            is_there = adapted.run_async(self._answers)
        if not is_there:
            session.terminate()
            raise DisconnectionError()

    async def _answers(self, session: Connection) -> bool:
        """One that was idle may have ended without a word; then none that is as old is trusted any more."""
        try:
            with watched(session, self._deadlines.proof):
                await session.execute("SELECT")
        except Exception as error:
            if remedy(error) is Remedy.FAULT:
                raise
            self._trusted_from = asyncio.get_running_loop().time()
            return False
        return True

    async def dispose(self, close: bool = True) -> None:
        """Closes what is idle; what does not say goodbye is left without."""
        ending = asyncio.get_running_loop().call_later(CLOSE_SECONDS, self._end)
        try:
            await super().dispose(close)
        finally:
            ending.cancel()

    def _end(self) -> None:
        for session in self._sessions:
            session.terminate()


def read_engine(dsn: str, *, size: int = 8, deadlines: Deadlines | None = None, patient: bool = True) -> Engine:
    """A pool of sessions for reading. Every transaction is one snapshot that cannot write."""
    return _pool(
        dsn,
        _READ_SESSION,
        size,
        deadlines or Deadlines(),
        patient=patient,
        target="primary",
        isolation_level="REPEATABLE READ",
        execution_options={"postgresql_readonly": True},
    )


def work_engine(dsn: str, *, size: int = 4, deadlines: Deadlines | None = None) -> Engine:
    """A pool of sessions for what happens beside the ledger: inbox, outbox, reference tables."""
    return _pool(dsn, WORK_SESSION, size, deadlines or Deadlines(), patient=True, target="read-write")


def _pool(
    dsn: str, session: dict[str, str], size: int, deadlines: Deadlines, *, patient: bool, target: Target, **more: Any
) -> Engine:
    settings = session | (deadlines.patient if patient else deadlines.brief)
    return Engine(
        dsn,
        lambda: connect(dsn, settings, deadlines, target=target),
        size=size,
        deadlines=deadlines,
        patient=patient,
        **more,
    )


def owner_engine(dsn: str) -> Engine:
    """Sessions of the schema's owner, for migrations only."""
    deadlines = Deadlines()
    return Engine(
        dsn,
        lambda: dial(dsn, {"timezone": "UTC"}, deadlines, "read-write"),
        size=1,
        deadlines=deadlines,
        patient=True,
    )
