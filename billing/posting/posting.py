"""Posting: commands in, answers out. Each account belongs to one lane, so its commands keep their order."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any
from zlib import crc32

from billing.core.commands import A, Command
from billing.core.prices import PriceBooks
from billing.posting.lane import Lane
from billing.store.clock import Now, as_told
from billing.store.connection import Backend, Connection, connect
from billing.store.deadlines import Deadlines
from billing.store.refusals import Overloaded

SLICE = 100  # commands of a big batch in one transaction: longer ones would make single requests wait


class Posting:
    """The only way to write to accounts. `books` says which price books this process knows, `now` how it takes the time.

    `lanes` connections work side by side; `batch` commands at most share a transaction; beyond `queue`
    waiting commands, and once it is closing, callers are told Overloaded.
    """

    def __init__(
        self,
        dsn: str,
        books: Callable[[], PriceBooks],
        *,
        lanes: int = 2,
        batch: int = 1_000,
        queue: int = 20_000,
        deadlines: Deadlines | None = None,
        now: Now = as_told,
    ) -> None:
        self._queue = queue
        self._closed = False
        deadlines = deadlines or Deadlines()

        def dial(instead_of: Backend | None) -> Awaitable[Connection]:
            return connect(dsn, deadlines=deadlines, instead_of=instead_of)

        self.lanes = [Lane(dial, books, batch=batch, deadlines=deadlines, now=now) for _ in range(lanes)]

    async def __aenter__(self) -> "Posting":
        for lane in self.lanes:
            lane.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        self._closed = True  # a lane that has ended would never answer
        await asyncio.gather(*(lane.close() for lane in self.lanes))

    def hurry(self) -> None:
        """The end is asked for, and callers still wait: lanes that stand still answer them."""
        for lane in self.lanes:
            lane.hurry()

    @property
    def waiting(self) -> int:
        """Commands queued or in flight."""
        return sum(lane.waiting for lane in self.lanes)

    async def post(self, command: Command[A]) -> A:
        """Posts one command. Raises its Refusal; Overloaded says that nothing was decided, DatabaseUnavailable that
        nobody knows.

        Cancelling the caller does not cancel the command.
        """
        self._check_room(1)
        result = (await self._lane(command).submit((command,), single=True))[0]
        if isinstance(result, Exception):
            raise result
        return result

    async def post_many(self, commands: Sequence[Command[A]], *, slice_size: int = SLICE) -> list[A | Exception]:
        """Posts `commands`, each for itself, and returns what came of each, in order.

        Commands for the same account keep their order; nothing is atomic between commands.
        """
        self._check_room(len(commands))
        shares: dict[Lane, list[int]] = {}
        for place, command in enumerate(commands):
            shares.setdefault(self._lane(command), []).append(place)
        queued = []
        for lane, places in shares.items():
            for start in range(0, len(places), slice_size):
                part = places[start : start + slice_size]
                queued.append((part, lane.submit([commands[place] for place in part], single=False)))
        results: list[A | Exception] = [Overloaded()] * len(commands)
        for part, done in queued:
            for place, result in zip(part, await done, strict=True):
                results[place] = result
        return results

    def _lane(self, command: Command[Any]) -> Lane:
        return self.lanes[crc32(command.account_id.encode()) % len(self.lanes)]

    def _check_room(self, commands: int) -> None:
        if self._closed or self.waiting + commands > self._queue:
            raise Overloaded()
