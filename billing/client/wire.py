"""Who makes the calls: a wire that is awaited, and one that blocks."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from types import TracebackType
from typing import Any, Self

import httpx

from billing.client.call import Awaited, Blocking
from billing.client.request import Flow, Listing, Request, T, present
from billing.client.retry import Pause, Retry, steps
from billing.client.scope import AsyncScope, S, SyncScope


class Wire(Awaited):
    """A pool of connections to the service with one key. Close it, or use it as a context manager.

    `timeout_seconds` holds for connecting and for each read or write: the service says 503 before that is over where its
    database does not answer. No repeat begins later than `retry.longest_seconds`. `sleep` is how it waits between attempts.
    """

    def __init__(
        self,
        base_url: str,
        key: str,
        *,
        timeout_seconds: float = 10.0,
        connections: int = 100,
        retry: Retry | None = None,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._retry = retry or Retry()
        self._sleep = sleep
        self._http = httpx.AsyncClient(**_options(base_url, key, timeout_seconds, connections))
        self._finishing: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Closes the connections once what is being settled has been; the client is of no use afterwards."""
        await asyncio.gather(*self._finishing, return_exceptions=True)
        await self._http.aclose()

    async def run(self, flow: Flow[T]) -> T:
        """What comes of the flow when its requests are made. Raises `Problem`."""
        todo = steps(flow, self._retry)
        try:
            step = next(todo)
            while True:
                try:
                    response = await self._do(step)
                except BaseException as error:
                    step = todo.throw(error)
                else:
                    step = todo.send(response)
        except StopIteration as end:
            result: T = end.value
            return result

    async def _do(self, step: Request | Pause) -> httpx.Response | None:
        if isinstance(step, Pause):
            await self._sleep(step.seconds)
            return None
        return await self._http.request(step.method, step.path, json=step.body, params=_params(step))

    def start(self, flow: Flow[None]) -> asyncio.Task[None]:
        """Makes the flow's calls in the background: they go on when the caller is cancelled, and `close` waits."""
        task = asyncio.get_running_loop().create_task(self.run(flow))
        self._finishing.add(task)
        task.add_done_callback(self._finished)
        return task

    def _finished(self, task: asyncio.Task[None]) -> None:
        self._finishing.discard(task)
        if not task.cancelled():
            task.exception()  # was logged where it arose; asyncio need not say that nobody asked

    async def rows(self, listing: Listing[T]) -> AsyncIterator[T]:
        """Every row of a list, page after page."""
        rows, cursor = await self.run(listing.page(None))
        while True:
            for row in rows:
                yield row
            if cursor is None:
                return
            rows, cursor = await self.run(listing.page(cursor))

    def scope(self, scoped: S) -> AsyncScope[S]:
        """It as an asynchronous context manager."""
        return AsyncScope(self, scoped)


class SyncWire(Blocking):
    """A pool of connections to the service with one key, for threads. Close it, or use it as a context manager.

    Its options are those of `Wire`.
    """

    def __init__(
        self,
        base_url: str,
        key: str,
        *,
        timeout_seconds: float = 10.0,
        connections: int = 100,
        retry: Retry | None = None,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._retry = retry or Retry()
        self._sleep = sleep
        self._options = _options(base_url, key, timeout_seconds, connections)
        self._http, self._process = httpx.Client(**self._options), os.getpid()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Closes the connections; the client is of no use afterwards."""
        self._http.close()

    def run(self, flow: Flow[T]) -> T:
        """What comes of the flow when its requests are made. Raises `Problem`."""
        todo = steps(flow, self._retry)
        try:
            step = next(todo)
            while True:
                try:
                    response = self._do(step)
                except BaseException as error:
                    step = todo.throw(error)
                else:
                    step = todo.send(response)
        except StopIteration as end:
            result: T = end.value
            return result

    def _do(self, step: Request | Pause) -> httpx.Response | None:
        if isinstance(step, Pause):
            self._sleep(step.seconds)
            return None
        if self._process != os.getpid():  # forked: its parent's connections would give it its parent's answers
            self._http, self._process = httpx.Client(**self._options), os.getpid()
        return self._http.request(step.method, step.path, json=step.body, params=_params(step))

    def rows(self, listing: Listing[T]) -> Iterator[T]:
        """Every row of a list, page after page."""
        rows, cursor = self.run(listing.page(None))
        while True:
            yield from rows
            if cursor is None:
                return
            rows, cursor = self.run(listing.page(cursor))

    def scope(self, scoped: S) -> SyncScope[S]:
        """It as a context manager."""
        return SyncScope(self, scoped)


def _options(base_url: str, key: str, timeout_seconds: float, connections: int) -> dict[str, Any]:
    return {
        "base_url": base_url,
        "headers": {"Authorization": f"Bearer {key}"},
        # Waiting for a free connection is our own doing, not a failure of the service: no limit.
        "timeout": httpx.Timeout(timeout_seconds, pool=None),
        "limits": httpx.Limits(max_connections=connections, max_keepalive_connections=connections),
    }


def _params(request: Request) -> dict[str, Any] | None:
    return None if request.params is None else present(request.params)
