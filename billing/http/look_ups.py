"""Look-ups: rows that callers name by a digest, asked of the database together with whoever else waits.

While one question is on its way the next collects, so a stranger with a thousand secrets costs a question or two, and
who holds a real one waits for those at most. Where a question fails, so does what collected behind it, which has waited
as long. What is not there is remembered for a while, in a ring of a fixed size.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Generic, TypeVar

from billing.store.snapshot import asked_twice

ABSENT_SECONDS = 10.0  # secrets are random and told once they are stored: what was not there does not appear later
ABSENT_AT_MOST = 1_000
DIGESTS_AT_ONCE = 500
PATIENCE_SECONDS = 0.25

Row = TypeVar("Row")
Ask = Callable[[Sequence[bytes]], Awaitable[Mapping[bytes, Row]]]


class LookUps(Generic[Row]):
    """`ask` answers with those of the digests that are there."""

    def __init__(self, ask: Ask[Row]) -> None:
        self._prompt = _Questions(ask, pause_seconds=0)
        self._patient = _Questions(ask, pause_seconds=PATIENCE_SECONDS)
        self._absent: dict[bytes, float] = {}  # digest → until when that is believed, the oldest first

    def is_absent(self, digest: bytes) -> bool:
        """Whether a look-up found nothing, not long ago."""
        return self._absent.get(digest, 0.0) > time.monotonic()

    async def find(self, digest: bytes, *, patient: bool = False) -> Row | None:
        """The row, or None, as the database has it now. With `patient` it is asked four times a second at most."""
        row = await (self._patient if patient else self._prompt).answer(digest)
        if row is None:
            self._absent.pop(digest, None)
            if len(self._absent) >= ABSENT_AT_MOST:
                del self._absent[next(iter(self._absent))]
            self._absent[digest] = time.monotonic() + ABSENT_SECONDS
        return row


class _Questions(Generic[Row]):
    """One question at a time, about all that was wanted meanwhile."""

    def __init__(self, ask: Ask[Row], *, pause_seconds: float) -> None:
        self._ask = ask
        self._pause = pause_seconds
        self._wanted: dict[bytes, asyncio.Future[Row | None]] = {}
        self._asking: asyncio.Task[None] | None = None

    async def answer(self, digest: bytes) -> Row | None:
        future = self._wanted.get(digest)
        if future is None:
            future = self._wanted[digest] = asyncio.get_running_loop().create_future()
            if self._asking is None:
                self._asking = asyncio.create_task(self._run())
        return await asyncio.shield(future)  # others may wait for it too

    async def _run(self) -> None:
        try:
            while self._wanted:
                if self._pause:
                    await asyncio.sleep(self._pause)
                await self._put({digest: self._wanted.pop(digest) for digest in list(self._wanted)[:DIGESTS_AT_ONCE]})
        finally:
            self._asking = None

    async def _put(self, wanted: dict[bytes, asyncio.Future[Row | None]]) -> None:
        try:
            found = await asked_twice(lambda: self._ask(list(wanted)))
        except BaseException as error:
            behind, self._wanted = self._wanted, {}
            for future in (*wanted.values(), *behind.values()):
                future.set_exception(error)
                future.exception()  # who wanted to know may have gone away
            if not isinstance(error, Exception):
                raise
        else:
            for digest, future in wanted.items():
                future.set_result(found.get(digest))
