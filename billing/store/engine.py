"""Connections: where the database is, how a session of the service is set up, and who owns the schema."""

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal, TypeAlias
from urllib.parse import urlsplit, urlunsplit
from weakref import WeakSet

import asyncpg
from asyncpg.connect_utils import SessionAttribute
from sqlalchemy import event
from sqlalchemy.exc import DisconnectionError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from billing.store.deadlines import CLOSE_SECONDS, FINISH_SECONDS, Deadlines, Watch, watched
from billing.store.moments import use_moments
from billing.store.sqlstates import NotMigrated, Verdict, causes, verdict

# How the other rooms name a session.
Connection: TypeAlias = asyncpg.Connection

SERVICE_ROLE = "billing_service"

_SESSION = {
    "jit": "off",
    "join_collapse_limit": "1",  # joins run as they are written: from the keys that are looked up
    "timezone": "UTC",
}
# Small batches get sequential scans and hash joins from the planner; with these every lookup goes by index,
# and a statement is planned once, until `replan`.
_HOT_SESSION = _SESSION | {
    "enable_hashjoin": "off",
    "enable_mergejoin": "off",
    "enable_seqscan": "off",
    "plan_cache_mode": "force_generic_plan",
    "application_name": "billing lane",
}
# Many read at once: each on one core, and with room to sort and group what a month of usage comes to.
_READ_SESSION = _SESSION | {
    "max_parallel_workers_per_gather": "0",
    "work_mem": "32MB",
    "application_name": "billing reads",
}
_WORK_SESSION = _SESSION | {"application_name": "billing work"}

# Which servers will do, of several that the DSN names: to one that was a primary nobody writes, and what it says is old.
Target: TypeAlias = Literal["any", "primary", "read-write"]

_PROVEN_SECONDS = 1.0  # a session that answered so lately is not asked whether it is there


@dataclass(frozen=True, slots=True)
class Backend:
    """A session's process on the server. Processes' numbers come back, after a restart soon: the start tells them apart."""

    pid: int
    started: datetime


class Session(asyncpg.Connection):
    """A connection that knows its other end, and whose end is never waited for for long."""

    __slots__ = ("backend", "heard_at", "opened_at")

    backend: Backend
    opened_at: float  # by the loop's clock
    heard_at: float

    async def close(self, *, timeout: float | None = None) -> None:  # noqa: ASYNC109 - asyncpg's name
        try:
            await super().close(timeout=min(timeout or CLOSE_SECONDS, CLOSE_SECONDS))
        except Exception:  # asyncpg has ended it all the same
            return


_WHO = "SELECT pid, backend_start FROM pg_stat_activity WHERE pid = pg_backend_pid()"
_STATE = "SELECT state FROM pg_stat_activity WHERE pid = $1 AND backend_start = $2"
# Not one that waits for a standby with what it has committed: to be seen by others it must be safe there, too.
_END = """
    SELECT pg_terminate_backend(pid, 1000) FROM pg_stat_activity
    WHERE pid = $1 AND backend_start = $2 AND wait_event IS DISTINCT FROM 'SyncRep'"""


def plain_dsn(url: str) -> str:
    """`url` as asyncpg takes it: `postgres://` and `postgresql+asyncpg://` mean the same. Raises ValueError."""
    parts = urlsplit(url)
    if parts.scheme not in ("postgres", "postgresql", "postgresql+asyncpg"):
        raise ValueError("DATABASE_URL must begin with postgresql://")
    return urlunsplit(("postgresql", *parts[1:])) if parts.netloc else url.replace(parts.scheme, "postgresql", 1)


async def connect(
    dsn: str,
    settings: dict[str, str] | None = None,
    deadlines: Deadlines | None = None,
    *,
    target: Target = "read-write",
    instead_of: Backend | None = None,
) -> Session:
    """A session of the service: under a role that cannot change the journal. For the caller to close.

    `settings`: those of a lane, unless others are given. The session that it takes the place of is ended on the server,
    where it may still hold locks: its end of the connection need not have heard that ours is gone.
    """
    deadlines = deadlines or Deadlines()
    if settings is None:
        settings = _HOT_SESSION | deadlines.brief
    session = await _dial(dsn, settings, deadlines, target)
    with watched(session, deadlines.connect):
        try:
            if instead_of is not None:
                await session.execute("SET client_min_messages = error")
                await session.fetch(_END, instead_of.pid, instead_of.started)
                await session.execute("RESET client_min_messages")
            await session.execute(f"SET ROLE {SERVICE_ROLE}")
            await use_moments(session)
        except asyncpg.InvalidParameterValueError as error:
            session.terminate()
            raise NotMigrated() from error
        except BaseException:
            session.terminate()
            raise
    return session


@asynccontextmanager
async def connected(dsn: str, settings: dict[str, str] | None = None) -> AsyncIterator[Session]:
    """`connect` for one piece of work, which may take as long as the server works on it."""
    deadlines = Deadlines()
    session = await connect(dsn, (settings or _WORK_SESSION) | deadlines.patient, deadlines)
    with Watch() as watch:
        watch.over(session, deadlines.transaction, lambda: is_there(dsn, session.backend, deadlines))
        try:
            yield session
        finally:
            if session.is_closed() or session.is_in_transaction():  # lost, or left in the middle by who was cancelled
                session.terminate()
            await session.close()


async def is_there(dsn: str, backend: Backend, deadlines: Deadlines, *, in_transaction: bool = False) -> bool:
    """A second opinion on a session that has not answered for long: whether the server can be reached and has it yet.

    One that is idle there, and has a transaction by what we know, never heard of it or has told us that it is over.
    """
    try:
        asking = await _dial(dsn, {"application_name": "billing second opinion"}, deadlines, "primary")
    except asyncpg.PostgresError:
        return True  # it answers, and not with what we asked: full, say
    except Exception:
        return False
    try:
        with watched(asking, deadlines.connect):
            state = await asking.fetchval(_STATE, backend.pid, backend.started)
    except Exception:
        return False
    finally:
        asking.terminate()
    return state is not None and not (in_transaction and state == "idle")


async def _dial(dsn: str, settings: dict[str, str], deadlines: Deadlines, target: Target) -> Session:
    """A session on the first of the DSN's hosts that will do, each within its deadline. Raises what the last one said."""
    hosts = _hosts(plain_dsn(dsn))
    for place, host in enumerate(hosts, 1):
        try:
            return await _dial_host(host, settings, deadlines, target)
        except Exception as error:
            if place == len(hosts) or verdict(error) is Verdict.FAULT:
                raise
    raise AssertionError("a DSN has a host")


async def _dial_host(dsn: str, settings: dict[str, str], deadlines: Deadlines, target: Target) -> Session:
    session: Session | None = None
    try:
        async with asyncio.timeout(deadlines.connect):
            session = await asyncpg.connect(
                dsn,
                server_settings=settings | deadlines.peer,
                connection_class=Session,
                target_session_attrs=SessionAttribute(target),
            )
            _keep_alive(session, deadlines)
            row = await session.fetchrow(_WHO)
    except BaseException as error:
        if session is not None:
            session.terminate()
        if isinstance(error, TimeoutError):
            raise TimeoutError(f"no answer within {deadlines.connect:.1f} seconds") from None
        raise
    assert row is not None
    session.backend = Backend(*row)
    session.opened_at = session.heard_at = asyncio.get_running_loop().time()
    return session


def _hosts(dsn: str) -> list[str]:
    """The DSN once for each of its hosts: asyncpg has one deadline for all of them together."""
    parts = urlsplit(dsn)
    login, at, places = parts.netloc.rpartition("@")
    return [urlunsplit((parts.scheme, f"{login}{at}{place}", *parts[2:])) for place in places.split(",")]


def _keep_alive(session: Session, deadlines: Deadlines) -> None:
    """Has the system ask whether the server's is there, while nobody says anything, and give up what it does not confirm."""
    transport: asyncio.Transport = session._transport  # type: ignore[attr-defined]
    end = transport.get_extra_info("socket")
    if end is None or end.family == socket.AF_UNIX:
        return
    idle, unanswered = deadlines.probes
    end.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for option, value in (
        ("TCP_KEEPIDLE", idle),
        ("TCP_KEEPINTVL", 1),
        ("TCP_KEEPCNT", 3),
        ("TCP_USER_TIMEOUT", unanswered),
    ):
        if hasattr(socket, option):  # Linux has them all
            end.setsockopt(socket.IPPROTO_TCP, getattr(socket, option), value)


async def answers(dsn: str) -> bool:
    """Whether the database at `dsn` takes connections."""
    try:
        session = await _dial(dsn, {}, Deadlines(), "any")
    except Exception as error:
        if verdict(error) is Verdict.FAULT:
            raise
        return False
    await session.close()
    return True


def refused_login(error: BaseException) -> str | None:
    """What the server says when it answers, but not to us: no such database, no such login, a wrong password."""
    for cause in causes(error):
        if isinstance(cause, asyncpg.InvalidCatalogNameError | asyncpg.InvalidAuthorizationSpecificationError):
            return str(cause)
    return None


def not_allowed(error: BaseException) -> str | None:
    """What the login, or the role that it works as, may not do: the server's words."""
    return next((str(cause) for cause in causes(error) if isinstance(cause, asyncpg.InsufficientPrivilegeError)), None)


def unreachable(error: BaseException) -> bool:
    """Whether `error`, or what it was raised from, is a connection that was lost or could not be made."""
    return verdict(error) is Verdict.LOST


async def replan(connection: asyncpg.Connection) -> None:
    """Has a session's statements planned anew, for tables as large as they are by now.

    While a table is empty every index looks equally good to the planner, and a plan made then can be a bad one for
    as long as nobody analyzes the table.
    """
    await connection.execute("DISCARD PLANS")


class Pool(AsyncEngine):
    """Sessions that many share, one after the other. A block with one of them has an end, whatever the database does.

    `patient`: what takes long goes on for as long as the server works on it; otherwise it has the time of a transaction.
    """

    def __init__(
        self,
        dsn: str,
        dial: Callable[[], Awaitable[Session]],
        *,
        size: int,
        deadlines: Deadlines,
        patient: bool,
        **more: Any,
    ) -> None:
        async def creator() -> Session:
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
        self._sessions: WeakSet[Session] = WeakSet()
        self._watches: set[Watch] = set()
        self._waiting: set[asyncio.Timeout] = set()  # of those who wait for a session
        self._hurried = False
        self._trusted_from = 0.0  # sessions that were opened before are not used any more

    @asynccontextmanager
    async def session(self) -> AsyncIterator[tuple[AsyncConnection, Session]]:
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
            assert isinstance(session, Session)
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
        session: Session = adapted.driver_connection
        is_there = not session.is_closed() and session.opened_at >= self._trusted_from
        if is_there and asyncio.get_running_loop().time() - session.heard_at > _PROVEN_SECONDS:
            is_there = adapted.run_async(self._answers)
        if not is_there:
            session.terminate()
            raise DisconnectionError()

    async def _answers(self, session: Session) -> bool:
        """One that was idle may have ended without a word; then none that is as old is trusted any more."""
        try:
            with watched(session, self._deadlines.proof):
                await session.execute("SELECT")
        except Exception as error:
            if verdict(error) is Verdict.FAULT:
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


def read_engine(dsn: str, *, size: int = 8, deadlines: Deadlines | None = None, patient: bool = True) -> Pool:
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


def work_engine(dsn: str, *, size: int = 4, deadlines: Deadlines | None = None) -> Pool:
    """A pool of sessions for what happens beside the ledger: inbox, outbox, reference tables."""
    return _pool(dsn, _WORK_SESSION, size, deadlines or Deadlines(), patient=True, target="read-write")


def _pool(
    dsn: str, session: dict[str, str], size: int, deadlines: Deadlines, *, patient: bool, target: Target, **more: Any
) -> Pool:
    settings = session | (deadlines.patient if patient else deadlines.brief)
    return Pool(
        dsn,
        lambda: connect(dsn, settings, deadlines, target=target),
        size=size,
        deadlines=deadlines,
        patient=patient,
        **more,
    )


def owner_engine(dsn: str) -> Pool:
    """Sessions of the schema's owner, for migrations only."""
    deadlines = Deadlines()
    return Pool(
        dsn,
        lambda: _dial(dsn, {"timezone": "UTC"}, deadlines, "read-write"),
        size=1,
        deadlines=deadlines,
        patient=True,
    )


# How the other rooms name a pool.
Engine: TypeAlias = Pool
