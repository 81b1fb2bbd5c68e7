"""Our side in process: the same charges through `Posting`, as the service posts them."""

import asyncio
import time
from collections import deque

from billing.bench.cpu import Meter
from billing.bench.measurement import Turn
from billing.bench.workload import BATCH, Workload, opening
from billing.core.answers import ChargeAnswer
from billing.core.commands import Command
from billing.posting import Posting


class PostingSide:
    """`callers` of `post_many` at the same time, each with its next batch as soon as the last is answered."""

    def __init__(
        self, posting: Posting, workload: Workload, *, callers: int, size: int = BATCH, slice_size: int = BATCH
    ) -> None:
        self._posting = posting
        self._workload = workload
        self._callers = callers
        self._size = size
        self._slice_size = slice_size

    async def turn(self, charges: int, meter: Meter) -> Turn:
        """About `charges` charges, whose commands are made before the clock starts."""
        count = max(1, charges // self._size)
        batches = deque(self._workload.batch(self._size) for _ in range(count))
        before, started = meter.read(), time.perf_counter()
        await asyncio.gather(*(self._caller(batches) for _ in range(self._callers)))
        seconds = time.perf_counter() - started
        return Turn(count * self._size, seconds, meter.read() - before)

    async def _caller(self, batches: deque[list[list[Command[ChargeAnswer]]]]) -> None:
        while batches:
            for commands in batches.popleft():
                results = await self._posting.post_many(commands, slice_size=self._slice_size)
                for result in results:
                    if not isinstance(result, ChargeAnswer):
                        raise RuntimeError(f"a charge that must succeed did not: {result!r}")


async def open_accounts(posting: Posting, accounts: list[str]) -> None:
    """Opens `accounts` and grants them more than a run can spend."""
    for commands in opening(accounts):
        for start in range(0, len(commands), BATCH):
            for result in await posting.post_many(commands[start : start + BATCH], slice_size=BATCH):
                if isinstance(result, Exception):
                    raise result
