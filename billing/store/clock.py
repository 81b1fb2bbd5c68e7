"""The clock: the database's, in UTC, as far as it is believed (`billing.core.timekeeping`).

Each process has one `Clock`. Its line is its machine's, which is kept in the database: whoever starts while the clock is
wrong measures by what was believed before. Whether the machine's own wall clock jumps along is of no account.
"""

import os
import time
import uuid
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple

import asyncpg
import structlog
from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncEngine

from billing.core.timekeeping import Timekeeper
from billing.store.engine import Engine
from billing.store.snapshot import reading, working

Now = Callable[[datetime], datetime]  # which time it is, where the database's clock tells this one
_MICROSECOND = timedelta(microseconds=1)
_NOBODY_KNOWS = datetime.min.replace(tzinfo=UTC)
log = structlog.get_logger("billing.clock")

_STANDING = """
    WITH last AS MATERIALIZED (
        SELECT coalesce(max(acceptance), 0) AS acceptance, max(accepted_at) AS accepted_at FROM clock_acceptance)
    SELECT clock_timestamp(), last.acceptance,
        (SELECT started_at FROM machine m WHERE m.boot_id = $1 AND m.acceptance = last.acceptance),
        greatest((SELECT max(believed_at) FROM machine m WHERE m.acceptance = last.acceptance), last.accepted_at)
    FROM last"""
_BEAT = """
    INSERT INTO machine AS m (boot_id, started_at, believed_at, ahead_micros, acceptance) VALUES ($1, $2, $3, $4, $5)
    ON CONFLICT (boot_id) DO UPDATE SET acceptance = excluded.acceptance, ahead_micros = excluded.ahead_micros,
        started_at = excluded.started_at, believed_at = excluded.believed_at
    WHERE m.acceptance <= excluded.acceptance"""
_MACHINES = """
    SELECT boot_id, started_at, believed_at, ahead_micros, acceptance FROM machine
    WHERE acceptance = (SELECT coalesce(max(acceptance), 0) FROM clock_acceptance) ORDER BY believed_at DESC"""
_ACCEPTANCES = """
    SELECT acceptance, accepted_at, ahead_micros, accepted_by, reason FROM clock_acceptance ORDER BY acceptance DESC"""
_ACCEPT = """
    INSERT INTO clock_acceptance
    SELECT coalesce(max(acceptance), 0) + 1, clock_timestamp(), $1, $2, $3 FROM clock_acceptance"""


class Machine(NamedTuple):
    """A machine since it was started, as its processes last said."""

    boot_id: str
    started_at: datetime
    believed_at: datetime
    ahead_micros: int
    acceptance: int


class Acceptance(NamedTuple):
    acceptance: int
    accepted_at: datetime
    ahead_micros: int
    accepted_by: str
    reason: str


class Clock:
    """What this process believes of the database's clock. `now` is its use; `beat` is called every few seconds."""

    def __init__(self, keeper: Timekeeper, acceptance: int) -> None:
        self._keeper = keeper
        self._acceptance = acceptance
        self._believed = True
        self._look()

    @classmethod
    async def read(cls, engine: Engine, bound_seconds: int) -> "Clock":
        """The process's, from what its machine and others have believed. `engine` tells the time by it from now on."""
        up = up_seconds()  # before the question: the answer may be late
        told, acceptance, line, believed = await _standing(engine)
        known = max(datetime.now(UTC), believed or _NOBODY_KNOWS)
        keeper = Timekeeper.started(told, up, timedelta(seconds=bound_seconds), line=line, known=known)
        keeper.now(told, up_seconds())
        clock = cls(keeper, acceptance)
        clock.keep(engine)
        return clock

    def keep(self, *engines: Engine) -> None:
        """Has `database_time` of these pools, and what is read by them, go by this clock."""
        for engine in engines:
            engine.update_execution_options(now=self.now)

    def now(self, told: datetime) -> datetime:
        """Which time it is, where the database's clock has just told `told`: that, or less."""
        time_ = self._keeper.now(told, up_seconds())
        if self._keeper.believes is not self._believed:
            self._look()
        return time_

    @property
    def ahead(self) -> timedelta:
        """How far the database's clock was ahead of what is believed, at the last look; nothing: it is believed."""
        return timedelta() if self._believed else self._keeper.ahead

    @property
    def doubt(self) -> str | None:
        """What an operator should read, while the clock is not believed."""
        if self._believed:
            return None
        return (
            f"The database's clock is {timedelta(seconds=round(self._keeper.ahead.total_seconds()))} ahead of the time that "
            "has passed. Charges go on by what has passed; what only that clock has expired waits. `billing clock show` shows it; if it is right, "
            "`billing clock accept --reason …` says so."
        )

    async def beat(self, engine: Engine, work: Engine) -> None:
        """Looks at the clock, hears whether somebody has accepted it, and keeps the machine's line."""
        up = up_seconds()
        told, acceptance, _, _ = await _standing(engine)
        if acceptance > self._acceptance:
            self._acceptance = acceptance
            self._keeper.accept(told, up)
        believed_at = self.now(told)
        ahead = self.ahead // _MICROSECOND
        async with working(work) as connection:
            await connection.execute(_BEAT, boot_id(), self._keeper.line, believed_at, ahead, self._acceptance)

    def _look(self) -> None:
        believed, self._believed = self._believed, self._keeper.believes
        if self._believed is not believed:
            if self._believed:
                log.warning("the database's clock is believed again")
            else:
                log.error("the database's clock is not believed", reason=self.doubt)


async def _standing(engine: Engine) -> Any:
    async with reading(engine) as connection:
        return (await connection.exec_driver_sql(_STANDING, (boot_id(),))).one()


def as_told(told: datetime) -> datetime:
    return told


def time_by(engine: AsyncEngine) -> Now:
    """How whoever reads by this pool takes what the database's clock tells; as it is, where nobody keeps a clock."""
    now: Now = engine.get_execution_options().get("now", as_told)
    return now


async def database_time(engine: AsyncEngine) -> datetime:
    """Now, as the database sees it, as far as that is believed: never later, so that nothing happens before its time.

    Whatever time alone has done, and cannot be undone (a credit that expires, a row that is deleted for its age), is
    decided by this: pass it to the statement, instead of asking `clock_timestamp()` there.
    """
    async with reading(engine) as connection:
        told: datetime = (await connection.execute(select(func.clock_timestamp()))).scalar_one()
    return time_by(engine)(told)


async def time_in(connection: asyncpg.Connection, engine: AsyncEngine) -> datetime:
    """The same, in a transaction of that pool's: until when a lease lasts, say, that must end though a clock goes back."""
    told: datetime = await connection.fetchval("SELECT clock_timestamp()")
    return time_by(engine)(told)


async def machines(engine: Engine) -> list[Machine]:
    """The latest first; not those that have not heard of the last acceptance."""
    async with reading(engine) as connection:
        return [Machine._make(row) for row in await connection.exec_driver_sql(_MACHINES)]


async def acceptances(engine: Engine) -> list[Acceptance]:
    """The latest first."""
    async with reading(engine) as connection:
        return [Acceptance._make(row) for row in await connection.exec_driver_sql(_ACCEPTANCES)]


async def accept(work: Engine, ahead: timedelta, actor: str, reason: str) -> None:
    """From now on every process believes the database's clock as it is: within a beat of its own."""
    async with working(work) as connection:
        await connection.execute(_ACCEPT, ahead // _MICROSECOND, actor, reason)


def up_seconds() -> float:
    """Since this machine was started, also while it slept. It cannot be set."""
    return time.clock_gettime(_SINCE_START)


def boot_id() -> str:
    return _BOOT_ID


def _this_start() -> str:
    """What `up_seconds` counts from: a start of the machine, and in a container perhaps a namespace of its own."""
    try:
        kernel = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        return f"{kernel} {os.readlink('/proc/self/ns/time')}"
    except OSError:
        return f"process {uuid.uuid4()}"  # nothing is known of what was believed before


_SINCE_START = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)
_BOOT_ID = _this_start()
