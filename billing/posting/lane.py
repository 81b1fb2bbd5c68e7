"""A lane: one connection and one batch in flight. While a batch commits, the next one collects.

Only the lane's own task touches its connection, and that task is never cancelled: callers wait on futures,
and one who goes away loses only the answer. Single commands and slices of big batches take turns.
"""

import asyncio
import time
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

import structlog

from billing.core.answers import Answer
from billing.core.commands import Command
from billing.core.decide import decide
from billing.core.prices import PriceBooks
from billing.core.refusals import DatabaseUnavailable, Refusal
from billing.store import engine
from billing.store.apply import apply
from billing.store.gather import Needs, gather
from billing.store.proof import Proof, prove

Connect = Callable[[], Awaitable[engine.Connection]]
Result = Answer | Refusal | Exception

PROVEN_SECONDS = 10.0  # for so long a commit proves that the lane can: nothing is written to find out again
PLANS_SECONDS = 10.0  # a table that was emptied at night is soon no longer planned for as empty
log = structlog.get_logger("billing.posting")


@dataclass(slots=True)
class Job:
    """Commands of one caller that may share a transaction, and where their results go."""

    commands: Sequence[Command]
    done: asyncio.Future[list[Result]]


@dataclass(slots=True)
class Tally:
    """What a lane has done so far, for the metrics. Durations in seconds, from first statement to commit."""

    batches: int = 0
    commands: int = 0
    retries: int = 0
    bisections: int = 0
    seconds: float = 0.0


class Lane:
    """Posts commands for its share of the accounts, in the order in which they came."""

    def __init__(self, connect: Connect, books: Callable[[], PriceBooks], *, batch: int, attempts: int = 6) -> None:
        self._connect = connect
        self._books = books
        self._batch = batch
        self._attempts = attempts
        self._singles: deque[Job] = deque()
        self._slices: deque[Job] = deque()
        self._work = asyncio.Event()
        self._slice_is_next = False
        self._closing = False
        self._connection: engine.Connection | None = None
        self._posted = 0
        self._planned_at = 0.0
        self._proof: asyncio.Future[Proof] | None = None
        self._committed_at = float("-inf")
        self._task: asyncio.Task[None] | None = None
        self.waiting = 0
        self.tally = Tally()

    def start(self) -> None:
        self._task = asyncio.create_task(self._run(), name="posting lane")

    def submit(self, commands: Sequence[Command], *, single: bool) -> asyncio.Future[list[Result]]:
        """Queues `commands`; they are posted whether or not anybody still waits for the answer."""
        job = Job(commands, asyncio.get_running_loop().create_future())
        (self._singles if single else self._slices).append(job)
        self.waiting += len(commands)
        self._work.set()
        return job.done

    def prove(self) -> asyncio.Future[Proof]:
        """What the server says in a transaction of this lane's: it comes between batches, and not at all while the lane
        stands still. Whoever asks meanwhile is told the same."""
        if self._proof is None:
            self._proof = asyncio.get_running_loop().create_future()
            self._work.set()
        return self._proof

    async def close(self) -> None:
        """Finishes what is queued, then closes the connection."""
        self._closing = True
        self._work.set()
        if self._task is not None:
            await self._task
        if self._connection is not None:
            await self._connection.close()
            self._connection = None

    async def _run(self) -> None:
        while True:
            if self._proof is not None:
                await self._prove(self._proof)
                self._proof = None
            jobs = self._take()
            if not jobs:
                if self._closing:
                    return
                self._work.clear()
                await self._work.wait()
                continue
            commands = [command for job in jobs for command in job.commands]
            results = await self._post(commands)
            self.waiting -= len(commands)
            place = 0
            for job in jobs:
                if not job.done.done():  # a caller that was cancelled is not there to be told
                    job.done.set_result(results[place : place + len(job.commands)])
                place += len(job.commands)

    def _take(self) -> list[Job]:
        """The next batch: what singles are waiting, or a slice; when both wait, in turns and never together.

        A single command waits for one slice at most, and not for another that came along in its own batch.
        """
        if self._slices and (self._slice_is_next or not self._singles):
            self._slice_is_next = False
            return [self._slices.popleft()]
        self._slice_is_next = True
        return [self._singles.popleft() for _ in range(min(len(self._singles), self._batch))]

    async def _post(self, commands: Sequence[Command]) -> list[Result]:
        """Posts `commands` in one transaction; where one of them breaks it, halves, so that only that one fails."""
        try:
            return await self._attempt(commands)
        except DatabaseUnavailable as refusal:
            return [refusal] * len(commands)
        except Exception as error:
            if len(commands) == 1:
                log.exception("command failed", command=type(commands[0]).__name__, account_id=commands[0].account_id)
                return [error]
        self.tally.bisections += 1
        middle = len(commands) // 2
        return [*await self._post(commands[:middle]), *await self._post(commands[middle:])]

    async def _attempt(self, commands: Sequence[Command]) -> list[Result]:
        """One transaction, repeated while the database says that it may be: ids make that safe.

        After a lost connection the outcome of its commit is unknown: gathering again finds out.
        """
        for attempt in range(self._attempts):
            if attempt:
                self.tally.retries += 1
                await asyncio.sleep(0.005 * 4**attempt)  # 20 ms to 5 s: a server that restarts is waited for
            try:
                return await self._transaction(commands)
            except Exception as error:
                if engine.connection_lost(error):
                    self._discard()
                elif not engine.repeatable(error):
                    raise
                log.warning("transaction repeated", reason=repr(error), commands=len(commands))
        raise DatabaseUnavailable()

    async def _transaction(self, commands: Sequence[Command]) -> list[Result]:
        if self._connection is None:
            self._connection, self._posted = await self._connect(), 0
        connection = self._connection
        books = self._books()
        await self._plan(connection)
        started = time.perf_counter()
        await connection.execute("BEGIN")
        try:
            batch = await gather(connection, Needs.of(commands))
            results: list[Result] = []
            for command in commands:
                wallet = batch.wallet(command.account_id)
                try:
                    results.append(decide(wallet, command, books, batch.now(wallet)))
                except Refusal as refusal:
                    results.append(refusal)
            await apply(connection, batch.wallets.values(), batch.now)
            await connection.execute("COMMIT")
        except BaseException:
            await self._roll_back()
            raise
        self._committed_at = time.monotonic()
        seconds = time.perf_counter() - started
        self._posted += 1
        self.tally.batches += 1
        self.tally.commands += len(commands)
        self.tally.seconds += seconds
        return results

    async def _prove(self, proof: asyncio.Future[Proof]) -> None:
        """Answers `proof`. Where nothing was committed lately, it is by a commit that has to reach the disk."""
        try:
            if self._connection is None:
                self._connection, self._posted = await self._connect(), 0
            write = time.monotonic() - self._committed_at > PROVEN_SECONDS
            result = await prove(self._connection, write=write)
        except Exception as error:
            log.warning("lane cannot commit", reason=repr(error))
            self._discard()
            proof.set_exception(error)
            proof.exception()  # who asked may have gone away
        else:
            if write:
                self._committed_at = time.monotonic()
            proof.set_result(result)

    async def _plan(self, connection: engine.Connection) -> None:
        """Has statements planned anew at every power of two, as tables have at most doubled since, and now and then."""
        now = time.monotonic()
        if self._posted & (self._posted - 1) == 0 or now - self._planned_at > PLANS_SECONDS:
            await engine.replan(connection)
            self._planned_at = now

    async def _roll_back(self) -> None:
        try:
            if self._connection is not None:
                await self._connection.execute("ROLLBACK", timeout=5)
        except Exception:
            self._discard()

    def _discard(self) -> None:
        if self._connection is not None:
            self._connection.terminate()
            self._connection = None
