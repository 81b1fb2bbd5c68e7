"""Over HTTP: single authorizations beside the echo, with a big client beside them, batches, and balances."""

import asyncio
import os

from billing.bench import database
from billing.bench.address import Served
from billing.bench.cpu import Meter
from billing.bench.load import Load, LoadPlan
from billing.bench.measurement import Measurement, Side, Target, Turn
from billing.bench.options import Options
from billing.bench.posting import PostingSide
from billing.bench.progress import Progress
from billing.bench.server import served
from billing.bench.workload import Workload, account_ids
from billing.posting import Posting
from billing.posting.posting import SLICE

BIG_BATCH = 5_000
BATCH = 500
_MOST_SINGLES_PER_SECOND = 12_000
_MOST_BATCHED_PER_SECOND = 40_000


async def measure(
    dsn: str, posting: Posting, postmaster: int, options: Options, progress: Progress, *, stored: bool
) -> list[Measurement]:
    """All of it against one process that serves; the echo runs beside it and waits for its turns."""
    with served("service", dsn) as service, served("echo", dsn) as echo:
        bench = _HttpBench(dsn, postmaster, options, progress, stored)
        return [
            await bench.singles(service, echo),
            await bench.singles_beside_batches(service),
            await bench.batches(service, posting),
            await bench.balances(service),
        ]


class _HttpBench:
    def __init__(self, dsn: str, postmaster: int, options: Options, progress: Progress, stored: bool) -> None:
        self._dsn = dsn
        self._postmaster = postmaster
        self._options = options
        self._progress = progress
        self._stored = stored

    async def singles(self, service: Served, echo: Served) -> Measurement:
        name = f"authorize, {self._options.connections} connections"
        ours, floor = Side("service", self._stored), Side("echo", self._stored)
        await self._warm_up(service)
        await self._warm_up(echo)
        await database.settle_down(self._dsn)
        with self._progress.step(name, total=2 * self._options.turns) as step:
            for turn in range(self._options.turns):
                for side, server in ((floor, echo), (ours, service)):
                    await self._checkpoint_at(turn)
                    side.turns.append(await self._turn(server, self._singles()))
                    step.advance()
        found = Measurement(name, "requests/s", ours, floor)
        found.targets = [
            Target("of the echo", found.ratio or 0.0, at_least=0.70),
            Target("p99 of the echo's", _p99(ours) / _p99(floor), at_most=2.0),
        ]
        return found

    async def singles_beside_batches(self, service: Served) -> Measurement:
        name = f"the same beside one client with batches of {BIG_BATCH:,}"
        ours = Side("service", self._stored)
        with self._progress.step(name, total=self._options.turns) as step:
            for turn in range(self._options.turns):
                await self._checkpoint_at(turn)
                big = self._batched(BIG_BATCH, connections=1)
                ours.turns.append(await self._turn(service, self._singles(), beside=big))
                step.advance()
        found = Measurement(name, "requests/s", ours)
        found.targets = [Target("p99 ms", _p99(ours), at_most=60.0)]
        return found

    async def batches(self, service: Served, posting: Posting) -> Measurement:
        """Authorizations a second in batches: as many callers over HTTP as in process."""
        name = f"batches of {BATCH}, authorize"
        ours, floor = Side("service", self._stored), Side("in process", self._stored)
        options = self._options
        workload = Workload(account_ids(options.accounts), one_step=False, settles=False)
        inside = PostingSide(posting, workload, callers=options.callers, size=BATCH, slice_size=SLICE)
        meter = Meter(self._postmaster, os.getpid())
        rate = (await inside.turn(4 * BATCH, meter)).rate
        seconds = (options.seconds or 0.0) / options.turns
        with self._progress.step(name, total=2 * options.turns) as step:
            for turn in range(options.turns):
                await self._checkpoint_at(turn)
                floor.turns.append(await inside.turn(int(rate * seconds), meter))
                rate = floor.turns[-1].rate
                await self._checkpoint_at(turn)
                order = self._batched(BATCH, connections=options.callers)
                ours.turns.append(await self._turn(service, order))
                step.advance(2)
        found = Measurement(name, "charges/s", ours, floor)
        found.targets = [Target("of in process", found.ratio or 0.0, at_least=0.60)]
        return found

    async def balances(self, service: Served) -> Measurement:
        """How long one reader waits for a balance, without other load."""
        ours = Side("service", self._stored)
        order = LoadPlan("balance", 1, 20_000, (self._options.seconds or 0.0) / 3, self._options.accounts)
        with self._progress.step("balance", total=1):
            ours.turns.append(await self._turn(service, order))
        return Measurement("balance, one connection", "requests/s", ours)

    async def _turn(self, server: Served, order: LoadPlan, *, beside: LoadPlan | None = None) -> Turn:
        """One load, perhaps with another beside it that is not counted; waits of batches are not of interest."""
        loads: list[Load] = []
        try:
            loads.append(Load(order, server))
            if beside is not None:
                loads.append(Load(beside, server))
            meter = Meter(self._postmaster, server.worker, loads[0].pid)
            before = meter.read()
            for load in loads:
                load.go()
            seen = await asyncio.to_thread(loads[0].seen)
            cpu = meter.read() - before
            for load in loads[1:]:
                await asyncio.to_thread(load.seen)
        finally:
            for load in loads:
                load.stop()
        waits = seen.waits_ms if order.size == 1 else []
        return Turn(seen.count * order.size, seen.seconds, cpu, waits)

    async def _warm_up(self, server: Served) -> None:
        await self._turn(server, self._singles(self._options.warm_up_seconds))

    async def _checkpoint_at(self, turn: int) -> None:
        if self._stored and turn == self._options.turns // 2:
            await database.checkpoint(self._dsn)

    def _singles(self, seconds: float | None = None) -> LoadPlan:
        seconds = seconds or (self._options.seconds or 0.0) / self._options.turns
        count = int(seconds * _MOST_SINGLES_PER_SECOND) + 1
        return LoadPlan("authorize", self._options.connections, count, seconds, self._options.accounts)

    def _batched(self, size: int, connections: int) -> LoadPlan:
        seconds = (self._options.seconds or 0.0) / self._options.turns
        count = int(seconds * _MOST_BATCHED_PER_SECOND / size) + connections
        return LoadPlan("batch", connections, count, seconds, self._options.accounts, size)


def _p99(side: Side) -> float:
    return side.percentile_ms(99) or 0.0
