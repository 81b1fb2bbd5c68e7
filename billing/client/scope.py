"""A charging as a context manager: only who waits how differs, what is done is the charging's own."""

from __future__ import annotations

import asyncio
from contextlib import AbstractAsyncContextManager, AbstractContextManager
from types import TracebackType
from typing import TYPE_CHECKING

from billing.client.charging import Charging

if TYPE_CHECKING:
    from billing.client.wire import SyncWire, Wire


class SyncScope(AbstractContextManager[Charging, None]):
    """Opens the charging on entry and closes it on exit."""

    def __init__(self, wire: SyncWire, charging: Charging) -> None:
        self._wire = wire
        self._charging = charging

    def __enter__(self) -> Charging:
        self._wire.run(self._charging.opening())
        return self._charging

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        closing = self._charging.closing(error)
        if closing is not None:
            self._wire.run(closing)


class AsyncScope(AbstractAsyncContextManager[Charging, None]):
    """Opens the charging on entry and closes it on exit. What was delivered is settled even if the caller is
    cancelled meanwhile: the calls of the exit are a task of their own."""

    def __init__(self, wire: Wire, charging: Charging) -> None:
        self._wire = wire
        self._charging = charging

    async def __aenter__(self) -> Charging:
        await self._wire.run(self._charging.opening())
        return self._charging

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        closing = self._charging.closing(error)
        if closing is None:
            return
        try:
            task = self._wire.start(closing)
        except RuntimeError:  # no event loop: a generator that was dropped after its loop had ended
            self._charging.could_not_close(closing)
            return
        if not isinstance(error, GeneratorExit):  # a generator that is being closed may not wait
            await asyncio.shield(task)
