"""Connections: where the database is, how a session of the service is set up, and what it says when it cannot be."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, TypeAlias
from urllib.parse import urlsplit, urlunsplit

import asyncpg
from asyncpg.connect_utils import SessionAttribute

from billing.store.deadlines import CLOSE_SECONDS, Deadlines, Watch, watched
from billing.store.moments import use_moments
from billing.store.sqlstates import NotMigrated, Remedy, causes, remedy

SERVICE_ROLE = "billing_service"

SESSION = {
    "jit": "off",
    "join_collapse_limit": "1",  # joins run as they are written: from the keys that are looked up
    "timezone": "UTC",
}
# Small batches get sequential scans and hash joins from the planner; with these every lookup goes by index,
# and a statement is planned once, until `replan`.
_HOT_SESSION = SESSION | {
    "enable_hashjoin": "off",
    "enable_mergejoin": "off",
    "enable_seqscan": "off",
    "plan_cache_mode": "force_generic_plan",
    "application_name": "billing lane",
}
WORK_SESSION = SESSION | {"application_name": "billing work"}

# Which servers will do, of several that the DSN names: to one that was a primary nobody writes, and what it says is old.
Target: TypeAlias = Literal["any", "primary", "read-write"]


@dataclass(frozen=True, slots=True)
class Backend:
    """A session's process on the server. Processes' numbers come back, after a restart soon: the start tells them apart."""

    pid: int
    started: datetime


class Connection(asyncpg.Connection):
    """One that knows its other end, and whose end is never waited for for long."""

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
) -> Connection:
    """A session of the service: under a role that cannot change the journal. For the caller to close.

    `settings`: those of a lane, unless others are given. The session that it takes the place of is ended on the server,
    where it may still hold locks: its end of the connection need not have heard that ours is gone.
    """
    deadlines = deadlines or Deadlines()
    if settings is None:
        settings = _HOT_SESSION | deadlines.brief
    session = await dial(dsn, settings, deadlines, target)
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
async def connected(dsn: str, settings: dict[str, str] | None = None) -> AsyncIterator[Connection]:
    """`connect` for one piece of work, which may take as long as the server works on it."""
    deadlines = Deadlines()
    session = await connect(dsn, (settings or WORK_SESSION) | deadlines.patient, deadlines)
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
        asking = await dial(dsn, {"application_name": "billing second opinion"}, deadlines, "primary")
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


async def dial(dsn: str, settings: dict[str, str], deadlines: Deadlines, target: Target) -> Connection:
    """A session on the first of the DSN's hosts that will do, each within its deadline. Raises what the last one said."""
    hosts = _hosts(plain_dsn(dsn))
    for place, host in enumerate(hosts, 1):
        try:
            return await _dial_host(host, settings, deadlines, target)
        except Exception as error:
            if place == len(hosts) or remedy(error) is Remedy.FAULT:
                raise
    raise AssertionError("a DSN has a host")


async def _dial_host(dsn: str, settings: dict[str, str], deadlines: Deadlines, target: Target) -> Connection:
    session: Connection | None = None
    try:
        async with asyncio.timeout(deadlines.connect):
            session = await asyncpg.connect(
                dsn,
                server_settings=settings | deadlines.peer,
                connection_class=Connection,
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


def _keep_alive(session: Connection, deadlines: Deadlines) -> None:
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
        session = await dial(dsn, {}, Deadlines(), "any")
    except Exception as error:
        if remedy(error) is Remedy.FAULT:
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
    return remedy(error) is Remedy.LOST


async def replan(connection: asyncpg.Connection) -> None:
    """Has a session's statements planned anew, for tables as large as they are by now.

    While a table is empty every index looks equally good to the planner, and a plan made then can be a bad one for
    as long as nobody analyzes the table.
    """
    await connection.execute("DISCARD PLANS")
