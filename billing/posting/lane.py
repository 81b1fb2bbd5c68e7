"""A lane: one connection and one batch in flight. While a batch commits, the next one collects.

Only the lane's own task touches its connection, and that task is never cancelled: callers wait on futures,
and one who goes away loses only the answer. Single commands and slices of big batches take turns.

A batch has a time by which its callers are answered. A transaction that is silent for too long loses its connection; a
new one ends what is left of the old on the server and finds out by ids. When the time is over, everybody who waits is
told to come again, those behind in the queue too: the lane stood still for them as long. What was queued is dropped,
so that a queue never outlives its callers; what was in flight may still take effect, and its repeat says so.
"""

import asyncio
import time
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import structlog

from billing.core.commands import A, Command
from billing.core.decide import decide
from billing.core.needs import Needs
from billing.core.prices import PriceBooks
from billing.core.refusals import Refusal
from billing.store.apply import apply
from billing.store.clock import Now, as_told
from billing.store.connection import Backend, Connection, replan
from billing.store.deadlines import FINISH_SECONDS, Deadlines, watched
from billing.store.gather import gather
from billing.store.proof import Proof, prove
from billing.store.refusals import DatabaseUnavailable
from billing.store.sqlstates import Remedy, reason, remedy

Connect = Callable[[Backend | None], Awaitable[Connection]]

PROVEN_SECONDS = 10.0  # for so long a commit proves that the lane can: nothing is written to find out again
PUT_OFF_SECONDS = 5.0  # for so long a batch that was put off counts as well: nothing else proves what it needed
FIRST_PAUSE_SECONDS = 0.02  # before a transaction is repeated; from one to the next fourfold, …
LONGEST_PAUSE_SECONDS = 1.0  # … and no longer
PLANS_SECONDS = 10.0  # a table that was emptied at night is soon no longer planned for as empty
log = structlog.get_logger("billing.posting")


@dataclass(slots=True)
class Job:
    """Commands of one caller that may share a transaction, and where their results go."""

    commands: Sequence[Command[Any]]
    done: asyncio.Future[list[Any]]


@dataclass(slots=True)
class LaneTally:
    """What a lane has done so far, for the metrics. Durations in seconds, from first statement to commit."""

    batches: int = 0
    commands: int = 0
    retries: int = 0
    bisections: int = 0
    seconds: float = 0.0


class Lane:
    """Posts commands for its share of the accounts, in the order in which they came."""

    def __init__(
        self,
        connect: Connect,
        books: Callable[[], PriceBooks],
        *,
        batch: int,
        deadlines: Deadlines | None = None,
        now: Now = as_told,
    ) -> None:
        self._connect = connect
        self._books = books
        self._batch = batch
        self._deadlines = deadlines or Deadlines()
        self._now = now
        self._singles: deque[Job] = deque()
        self._slices: deque[Job] = deque()
        self._work = asyncio.Event()
        self._slice_is_next = False
        self._closing = False
        self._given_up = False
        self._hurrying: asyncio.TimerHandle | None = None
        self._refusal: DatabaseUnavailable | None = None  # of the batch in flight
        self._connection: Connection | None = None
        self._connecting: asyncio.Timeout | None = None
        self._left: Backend | None = None  # of a session that was discarded, and may still hold its locks
        self._posted = 0
        self._planned_at = 0.0
        self._proof: asyncio.Future[Proof] | None = None
        self._committed_at = self._put_off_at = float("-inf")
        self._taken = 0
        self._task: asyncio.Task[None] | None = None
        self.waiting = 0
        self.tally = LaneTally()

    def start(self) -> None:
        self._task = asyncio.create_task(self._run(), name="posting lane")

    def submit(self, commands: Sequence[Command[A]], *, single: bool) -> asyncio.Future[list[A | Exception]]:
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
        """Finishes what is queued, then closes the connection. What stands still is not waited for."""
        self._closing = True
        self._work.set()
        if self._task is not None:
            self.hurry()
            await self._task
        if self._hurrying is not None:
            self._hurrying.cancel()
        if self._connection is not None:
            await self._connection.close()
            self._connection = None

    def hurry(self) -> None:
        """The end is asked for: from now on a batch that is silent for FINISH_SECONDS is given up, and what follows it."""
        if self._hurrying is None:
            self._check_again()

    def _check_again(self) -> None:
        self._hurrying = asyncio.get_running_loop().call_later(FINISH_SECONDS, self._check, self._taken)

    def _check(self, taken: int) -> None:
        if taken == self._taken and (self.waiting or self._proof is not None):
            self._give_up()
        else:
            self._check_again()

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
            self._taken += 1
            self._refusal = None
            results = await self._post(commands, asyncio.get_running_loop().time() + self._deadlines.answer)
            self._answer(jobs, results)
            self._turn_away()

    def _turn_away(self) -> None:
        """Where the batch was refused, so is what waits behind it: the lane stood still for them as long."""
        if self._refusal is not None:
            behind = [*self._singles, *self._slices]
            self._singles.clear()
            self._slices.clear()
            self._answer(behind, [self._refusal] * sum(len(job.commands) for job in behind))

    def _answer(self, jobs: Sequence[Job], results: Sequence[Any]) -> None:
        self.waiting -= len(results)
        place = 0
        for job in jobs:
            if not job.done.done():  # a caller that was cancelled is not there to be told
                job.done.set_result(list(results[place : place + len(job.commands)]))
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

    async def _post(self, commands: Sequence[Command[A]], give_up_at: float) -> list[A | Exception]:
        """Posts `commands` in one transaction; where one of them breaks it, halves, so that only that one fails."""
        if self._refusal is not None:  # of the other half: nothing is decided for this one either
            return [self._refusal] * len(commands)
        try:
            return await self._attempt(commands, give_up_at)
        except DatabaseUnavailable as refusal:
            self._refusal = refusal
            return [refusal] * len(commands)
        except Exception as error:
            if len(commands) == 1:
                log.exception("command failed", command=type(commands[0]).__name__, account_id=commands[0].account_id)
                return [error]
        self.tally.bisections += 1
        middle = len(commands) // 2
        return [*await self._post(commands[:middle], give_up_at), *await self._post(commands[middle:], give_up_at)]

    async def _attempt(self, commands: Sequence[Command[A]], give_up_at: float) -> list[A | Exception]:
        """One transaction, repeated while the database says that it may be and there is time: ids make that safe.

        After a lost connection the outcome of its commit is unknown: gathering again finds out.
        """
        loop, pause = asyncio.get_running_loop(), FIRST_PAUSE_SECONDS
        while not self._given_up:
            try:
                return await self._transaction(commands, give_up_at)
            except Exception as error:
                match remedy(error):
                    case Remedy.LATER:
                        self._put_off_at = time.monotonic()
                        log.warning("transaction put off", reason=reason(error), commands=len(commands))
                        raise DatabaseUnavailable() from error
                    case Remedy.FAULT:
                        raise
                    case Remedy.LOST:
                        self._discard()
                log.warning("transaction repeated", reason=reason(error), commands=len(commands))
            if loop.time() + pause > give_up_at:
                break
            await asyncio.sleep(pause)  # a server that restarts is waited for
            pause = min(pause * 4, LONGEST_PAUSE_SECONDS)
            self.tally.retries += 1
        raise DatabaseUnavailable()

    async def _transaction(self, commands: Sequence[Command[A]], give_up_at: float) -> list[A | Exception]:
        loop = asyncio.get_running_loop()
        connection = await self._connected(give_up_at)
        with watched(connection, min(self._deadlines.transaction, give_up_at - loop.time())):
            await self._plan(connection)
            started = time.perf_counter()
            await connection.execute("BEGIN")
            try:
                results = await self._decided(connection, commands)
                await connection.execute("COMMIT")
            except BaseException:
                await self._roll_back()
                raise
        self._committed_at, self._put_off_at = time.monotonic(), float("-inf")
        seconds = time.perf_counter() - started
        self._posted += 1
        self.tally.batches += 1
        self.tally.commands += len(commands)
        self.tally.seconds += seconds
        return results

    async def _decided(self, connection: Connection, commands: Sequence[Command[A]]) -> list[A | Exception]:
        books = self._books()
        batch = await gather(connection, Needs.of(commands), now=self._now)
        results: list[A | Exception] = []
        for command in commands:
            wallet = batch.wallet(command.account_id)
            try:
                results.append(decide(wallet, command, books, batch.now(wallet)))
            except Refusal as refusal:
                results.append(refusal)
        await apply(connection, batch.wallets.values(), batch.now)
        return results

    async def _connected(self, give_up_at: float) -> Connection:
        if self._connection is None:
            async with asyncio.timeout_at(give_up_at) as self._connecting:
                self._connection = await self._connect(self._left)
            self._connecting, self._left, self._posted = None, None, 0
        return self._connection

    async def _prove(self, proof: asyncio.Future[Proof]) -> None:
        """Answers `proof`. Where nothing was committed lately, it is by a commit that has to reach the disk. That does
        not say everything: a table may have no room, or not let us in, and the last batch has heard so."""
        loop = asyncio.get_running_loop()
        try:
            if self._given_up:
                raise DatabaseUnavailable()
            # A silent host has its time, and the next one too.
            connection = await self._connected(loop.time() + self._deadlines.transaction)
            write = time.monotonic() - self._committed_at > PROVEN_SECONDS
            with watched(connection, self._deadlines.proof):
                result = await prove(connection, write=write)
        except Exception as error:
            log.warning("lane cannot commit", reason=reason(error))
            self._discard()
            proof.set_exception(error)
            proof.exception()  # who asked may have gone away
            if remedy(error) is Remedy.LOST:  # whoever came meanwhile has waited as long
                self._refusal = DatabaseUnavailable()
                self._turn_away()
        else:
            if write:
                self._committed_at = time.monotonic()
            put_off = time.monotonic() - self._put_off_at < PUT_OFF_SECONDS
            proof.set_result(replace(result, put_off=put_off))

    async def _plan(self, connection: Connection) -> None:
        """Has statements planned anew at every power of two, as tables have at most doubled since, and now and then."""
        now = time.monotonic()
        if self._posted & (self._posted - 1) == 0 or now - self._planned_at > PLANS_SECONDS:
            await replan(connection)
            self._planned_at = now

    async def _roll_back(self) -> None:
        try:
            if self._connection is not None:
                await self._connection.execute("ROLLBACK")
        except Exception:
            self._discard()

    def _discard(self) -> None:
        if self._connection is not None:
            self._left = self._connection.backend
            self._connection.terminate()
            self._connection = None

    def _give_up(self) -> None:
        self._given_up = True
        if self._connection is not None:
            self._connection.terminate()
        elif self._connecting is not None and not self._connecting.expired():
            self._connecting.reschedule(0)
