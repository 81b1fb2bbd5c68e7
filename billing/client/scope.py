"""What is done before a block and after it, as a context manager: only who waits how differs."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager, AbstractContextManager
from inspect import GEN_CREATED, getgeneratorstate
from types import TracebackType
from typing import Any, Concatenate, Generic, Protocol, Self, TypeVar, overload

from billing.client.call import Awaited, Blocking, P, bound
from billing.client.request import Flow, T


class Scoped(Protocol):
    """What a block is put around: its flows before and after. See `billing.client.charging.Charging`."""

    def opening(self) -> Flow[None]: ...
    def closing(self, error: BaseException | None) -> Flow[None] | None: ...
    def could_not_close(self, closing: Flow[None]) -> None: ...


S = TypeVar("S", bound=Scoped)


class Runs(Protocol):
    """A wire that blocks."""

    def run(self, flow: Flow[T]) -> T: ...


class Starts(Protocol):
    """A wire that is awaited, and can go on in the background."""

    async def run(self, flow: Flow[T]) -> T: ...
    def start(self, flow: Flow[None]) -> asyncio.Task[None]: ...


class scope(Generic[P, S]):
    """Something scoped as a method: a context manager, asynchronous or not."""

    def __init__(self, scoped: Callable[Concatenate[Any, P], S]) -> None:
        self._scoped = scoped
        self.__doc__, self.__wrapped__ = scoped.__doc__, scoped

    @overload
    def __get__(self, caller: None, owner: type) -> Self: ...
    @overload
    def __get__(self, caller: Awaited, owner: type) -> Callable[P, AbstractAsyncContextManager[S, None]]: ...
    @overload
    def __get__(self, caller: Blocking, owner: type) -> Callable[P, AbstractContextManager[S, None]]: ...
    def __get__(self, caller: Any, owner: type) -> Any:
        return self if caller is None else bound(self._scoped, caller, "scope")


class SyncScope(AbstractContextManager[S, None]):
    """Opens it on entry and closes it on exit."""

    def __init__(self, wire: Runs, scoped: S) -> None:
        self._wire = wire
        self._scoped = scoped

    def __enter__(self) -> S:
        self._wire.run(self._scoped.opening())
        return self._scoped

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        closing = self._scoped.closing(error)
        if closing is not None:
            self._wire.run(closing)


class AsyncScope(AbstractAsyncContextManager[S, None]):
    """Opens it on entry and closes it on exit. What was delivered is settled even if the caller is
    cancelled meanwhile: the calls of the exit are a task of their own."""

    def __init__(self, wire: Starts, scoped: S) -> None:
        self._wire = wire
        self._scoped = scoped

    async def __aenter__(self) -> S:
        await self._wire.run(self._scoped.opening())
        return self._scoped

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        closing = self._scoped.closing(error)
        if closing is None:
            return
        try:
            task = self._wire.start(closing)
        except RuntimeError:  # no event loop: a generator that was dropped after its loop had ended
            self._scoped.could_not_close(closing)
            return
        task.add_done_callback(lambda _: self._not_begun(closing))
        if not isinstance(error, GeneratorExit):  # a generator that is being closed may not wait
            await asyncio.shield(task)

    def _not_begun(self, closing: Flow[None]) -> None:
        """A loop that ends cancels its tasks, also one that has not made its first step."""
        if getgeneratorstate(closing) == GEN_CREATED:
            self._scoped.could_not_close(closing)
