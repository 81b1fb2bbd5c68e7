"""Connections: where the database is, how a session of the service is set up, and who owns the schema."""

import ssl
from collections.abc import Iterator
from typing import Any, TypeAlias
from urllib.parse import urlsplit, urlunsplit

import asyncpg
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from billing.store.moments import use_moments

# How the other rooms name a session and a pool of them.
Connection: TypeAlias = asyncpg.Connection
Engine: TypeAlias = AsyncEngine

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

# What asyncpg raises when a connection could not be made or was lost: the outcome of its last statement is unknown.
CONNECTION_LOST = (
    asyncpg.PostgresConnectionError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
    asyncpg.CannotConnectNowError,
    asyncpg.AdminShutdownError,
    asyncpg.CrashShutdownError,
    asyncpg.TooManyConnectionsError,
    ConnectionError,
    OSError,
    TimeoutError,
    ssl.SSLError,
)


def connection_lost(error: BaseException) -> bool:
    """Whether `error` leaves the outcome of the last statement unknown, so that the connection is of no use."""
    # asyncpg also raises InterfaceError, as a ValueError, for an argument that it cannot encode.
    return isinstance(error, CONNECTION_LOST) and not isinstance(error, ValueError)


def repeatable(error: BaseException) -> bool:
    """Whether the same transaction may succeed when it is run again."""
    if isinstance(error, asyncpg.UniqueViolationError):
        return error.constraint_name == "account_pkey"  # another process opened the account since we looked
    return isinstance(error, asyncpg.DeadlockDetectedError | asyncpg.SerializationError)


class NotMigrated(Exception):
    """The database holds no ledger yet."""

    def __str__(self) -> str:
        return "The database holds no ledger yet: run `billing migrate`."


def plain_dsn(url: str) -> str:
    """`url` as asyncpg takes it: `postgres://` and `postgresql+asyncpg://` mean the same. Raises ValueError."""
    parts = urlsplit(url)
    if parts.scheme not in ("postgres", "postgresql", "postgresql+asyncpg"):
        raise ValueError("DATABASE_URL must begin with postgresql://")
    return urlunsplit(("postgresql", *parts[1:])) if parts.netloc else url.replace(parts.scheme, "postgresql", 1)


async def connect(dsn: str, settings: dict[str, str] | None = None) -> asyncpg.Connection:
    """A session of the service: under a role that cannot change the journal. For the caller to close."""
    connection = await asyncpg.connect(plain_dsn(dsn), server_settings=settings or _HOT_SESSION, timeout=10)
    try:
        await connection.execute(f"SET ROLE {SERVICE_ROLE}")
        await use_moments(connection)
    except asyncpg.InvalidParameterValueError as error:
        connection.terminate()
        raise NotMigrated() from error
    except BaseException:
        connection.terminate()
        raise
    return connection


async def answers(dsn: str) -> bool:
    """Whether the database at `dsn` takes connections."""
    try:
        connection = await asyncpg.connect(plain_dsn(dsn), timeout=10)
    except (*CONNECTION_LOST, asyncpg.PostgresError):
        return False
    await connection.close()
    return True


def refused_login(error: BaseException) -> str | None:
    """What the server says when it answers, but not to us: no such database, no such login, a wrong password."""
    for cause in _causes(error):
        if isinstance(cause, asyncpg.InvalidCatalogNameError | asyncpg.InvalidAuthorizationSpecificationError):
            return str(cause)
    return None


def not_allowed(error: BaseException) -> bool:
    """Whether the login, or the role that it works as, may not do that."""
    return any(isinstance(cause, asyncpg.InsufficientPrivilegeError) for cause in _causes(error))


def unreachable(error: BaseException) -> bool:
    """Whether `error`, or what it was raised from, is a connection that was lost or could not be made."""
    return any(connection_lost(cause) for cause in _causes(error))


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:  # SQLAlchemy wraps what asyncpg raises
        yield error
        error = error.__cause__


async def replan(connection: asyncpg.Connection) -> None:
    """Has a session's statements planned anew, for tables as large as they are by now.

    While a table is empty every index looks equally good to the planner, and a plan made then can be a bad one for
    as long as nobody analyzes the table.
    """
    await connection.execute("DISCARD PLANS")


def read_engine(dsn: str, *, size: int = 8) -> AsyncEngine:
    """A pool of sessions for reading. Every transaction is one snapshot that cannot write."""
    return _pool(
        dsn, _READ_SESSION, size, isolation_level="REPEATABLE READ", execution_options={"postgresql_readonly": True}
    )


def work_engine(dsn: str, *, size: int = 4) -> AsyncEngine:
    """A pool of sessions for what happens beside the ledger: inbox, outbox, reference tables."""
    return _pool(dsn, _WORK_SESSION, size)


def _pool(dsn: str, session: dict[str, str], size: int, **more: Any) -> AsyncEngine:
    async def creator() -> asyncpg.Connection:
        return await connect(dsn, session)

    return create_async_engine(
        "postgresql+asyncpg://",
        async_creator=creator,
        pool_size=size,
        max_overflow=0,
        pool_timeout=10,
        pool_pre_ping=False,
        **more,
    )


def owner_engine(dsn: str) -> AsyncEngine:
    """Sessions of the schema's owner, for migrations only."""

    async def creator() -> asyncpg.Connection:
        return await asyncpg.connect(plain_dsn(dsn), server_settings={"timezone": "UTC"}, timeout=10)

    return create_async_engine("postgresql+asyncpg://", async_creator=creator, pool_size=1)
