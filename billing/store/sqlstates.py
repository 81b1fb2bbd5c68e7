"""SQLSTATE → what to do. The one table: lanes, reads, work beside the ledger, the key ring, sessions and chores follow it.

PostgreSQL names what went wrong by five characters; the first two are its class. A class has a remedy, and the
conditions within it that differ have their own.
"""

import ssl
from collections.abc import Iterator
from enum import Enum
from typing import Final

import asyncpg
from sqlalchemy.exc import DBAPIError


class Remedy(Enum):
    """REPEAT: the same transaction may succeed at once. LOST: the connection is of no use and the outcome of its last
    statement unknown; a new one finds out. LATER: not now, whoever asks: 503. FAULT: ours, 500.
    """

    REPEAT = "repeat"
    LOST = "lost"
    LATER = "later"
    FAULT = "fault"


_REPEAT, _LOST, _LATER, _FAULT = Remedy

CLASSES: Final[dict[str, Remedy]] = {
    "00": _FAULT,  # successful completion, raised as an error
    "01": _FAULT,  # warning
    "02": _FAULT,  # no data
    "03": _FAULT,  # SQL statement not yet complete
    "08": _LOST,  # connection exception
    "09": _FAULT,  # triggered action exception
    "0A": _FAULT,  # feature not supported
    "0B": _FAULT,  # invalid transaction initiation
    "0F": _FAULT,  # locator exception
    "0L": _FAULT,  # invalid grantor
    "0P": _LATER,  # invalid role specification: a role that is being made, or restored
    "0Z": _FAULT,  # diagnostics exception
    "10": _FAULT,  # XQuery error
    "20": _FAULT,  # case not found
    "21": _FAULT,  # cardinality violation
    "22": _FAULT,  # data exception
    "23": _FAULT,  # integrity constraint violation; `remedy` knows one by its name
    "24": _FAULT,  # invalid cursor state
    "25": _FAULT,  # invalid transaction state
    "26": _LOST,  # invalid SQL statement name: our prepared statements are gone from this session
    "27": _FAULT,  # triggered data change violation
    "28": _LATER,  # invalid authorization: a password is being changed
    "2B": _FAULT,  # dependent privilege descriptors still exist
    "2D": _FAULT,  # invalid transaction termination
    "2F": _FAULT,  # SQL routine exception
    "34": _FAULT,  # invalid cursor name
    "38": _FAULT,  # external routine exception
    "39": _FAULT,  # external routine invocation exception
    "3B": _FAULT,  # savepoint exception
    "3D": _LATER,  # no such database: it is being made, or restored
    "3F": _LATER,  # no such schema: so is it
    "40": _REPEAT,  # transaction rollback: serialization failure, deadlock
    "42": _FAULT,  # syntax error or access rule violation
    "44": _FAULT,  # WITH CHECK OPTION violation
    "53": _LATER,  # insufficient resources: disk full, out of memory
    "54": _FAULT,  # program limit exceeded: asked again it is no smaller
    "55": _LATER,  # object not in prerequisite state: locked, in use, a database that takes no connections for now
    "57": _LATER,  # operator intervention: statement time-out, cancelled, database dropped
    "58": _LATER,  # system error: input or output failed
    "72": _REPEAT,  # snapshot too old
    "F0": _LATER,  # configuration file error
    "HV": _FAULT,  # foreign data wrapper error
    "P0": _FAULT,  # PL/pgSQL error: a trigger of ours refused
    "XX": _FAULT,  # internal error, corrupted data or index: no repeat makes that whole
}
CONDITIONS: Final[dict[str, Remedy]] = {
    "25006": _LOST,  # read only: this server is none to write to any more, another may be
    "25P03": _LOST,  # idle in transaction for too long: the session was ended
    "25P04": _LOST,  # transaction time-out: so was it
    "40002": _FAULT,  # transaction integrity constraint violation
    "40003": _LOST,  # statement completion unknown
    "42501": _LATER,  # insufficient privilege: grants are missing that a migration or an operator makes
    "42703": _LATER,  # undefined column, …
    "42704": _LATER,  # … object, …
    "42883": _LATER,  # … function, …
    "42P01": _LATER,  # … table: the schema is at another revision than this code
    "53300": _LOST,  # too many connections: worth another try, within the deadline
    "55P02": _FAULT,  # cannot change a parameter at run time
    "55P04": _FAULT,  # unsafe new enum value
    "57P01": _LOST,  # admin shutdown, …
    "57P02": _LOST,  # … crash shutdown, …
    "57P03": _LOST,  # … cannot connect now: it is starting, or about to end
    "57P05": _LOST,  # idle session time-out
}

# What asyncpg and the system raise of themselves where a connection could not be made or was lost.
_NO_CONNECTION: Final = (asyncpg.InterfaceError, asyncpg.InternalClientError, OSError, ssl.SSLError)


class NotMigrated(Exception):
    """The database holds no ledger yet, or one that was restored without the role that the service works under."""

    def __str__(self) -> str:
        return (
            "The database holds no ledger yet, or its server does not know the role billing_service: "
            "run `billing migrate`."
        )


def remedy_of(sqlstate: str) -> Remedy:
    return CONDITIONS.get(sqlstate) or CLASSES.get(sqlstate[:2], Remedy.FAULT)


def remedy(error: BaseException) -> Remedy:
    """What to do about `error`, whoever wrapped it."""
    for cause in causes(error):
        if isinstance(cause, NotMigrated):
            return Remedy.LATER
        # Raised for a plan that was made before a migration: a new session plans anew.
        if isinstance(cause, asyncpg.InvalidCachedStatementError | asyncpg.OutdatedSchemaCacheError):
            return Remedy.LOST
        if isinstance(cause, asyncpg.UniqueViolationError) and cause.constraint_name == "account_pkey":
            return Remedy.REPEAT  # another process opened the account since we looked
        if isinstance(cause, asyncpg.PostgresError):
            return remedy_of(cause.sqlstate or "XX000")
        # asyncpg also raises InterfaceError, as a ValueError, for an argument that it cannot encode.
        if isinstance(cause, _NO_CONNECTION) and not isinstance(cause, ValueError):
            return Remedy.LOST
        if isinstance(cause, DBAPIError) and cause.connection_invalidated:
            return Remedy.LOST
    return Remedy.FAULT


def reason(error: BaseException) -> str:
    """What was at the bottom of it, for the log: in PostgreSQL's words where they are."""
    *_, last = (
        cause for cause in causes(error) if isinstance(cause, Exception)
    )  # a deadline's cause is a cancellation
    sqlstate = getattr(last, "sqlstate", None)
    said = str(last) or type(last).__name__
    return f"{sqlstate}: {said}" if sqlstate else said


def causes(error: BaseException | None) -> Iterator[BaseException]:
    """`error`, and what it was raised from: SQLAlchemy wraps what asyncpg raises."""
    while error is not None:
        yield error
        error = error.__cause__
