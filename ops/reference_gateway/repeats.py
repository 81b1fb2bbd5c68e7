"""Requests that are sent again: one id, one piece of work, one answer.

A repeat that comes while the work runs waits for it. One that comes later gets the answer that was kept, in this
process and while there is room; after that, billing knows that the id was charged, and the provider is not called.
Work that nobody waits for any more is stopped, unless its images are there already: they are billed, so they are kept.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass
from typing import Any

from .answer import Answer
from .errors import invalid

Name = tuple[str, str]
"""Account and request id."""


Work = Callable[[Callable[[], None]], Coroutine[Any, Any, Answer]]
"""Makes an answer; calls what it is given once the images are there."""


@dataclass(slots=True)
class _Running:
    digest: str
    task: asyncio.Task[Answer]
    delivered: asyncio.Event
    waiting: int = 0


class Repeats:
    """Work by name while it runs, and answers by name up to `kept_bytes`, the oldest forgotten first."""

    def __init__(self, kept_bytes: int) -> None:
        self._room = kept_bytes
        self._running: dict[Name, _Running] = {}
        self._kept: OrderedDict[Name, tuple[str, Answer]] = OrderedDict()

    async def once(self, name: Name, digest: str, work: Work, *, keep: bool) -> tuple[Answer, bool]:
        """The answer, and whether it was there or on its way already. Raises what the work raises, to all who wait for
        it, and `Refused` where the name stands for another request."""
        if kept := self._kept.get(name):
            _check(kept[0], digest, name)
            return kept[1], True
        running = self._running.get(name)
        if running is None:
            delivered = asyncio.Event()
            running = self._running[name] = _Running(digest, asyncio.create_task(work(delivered.set)), delivered)
            running.task.add_done_callback(lambda task: self._done(name, digest, task, keep))
        _check(running.digest, digest, name)
        replayed = running.waiting > 0
        running.waiting += 1
        try:
            return await asyncio.shield(running.task), replayed
        finally:
            running.waiting -= 1
            if not running.waiting and not running.delivered.is_set():
                self._forget(name, running.task)  # whoever comes now begins anew, and goes on with the same hold
                running.task.cancel()

    async def close(self) -> None:
        """Cancels what runs: its holds are left to expire."""
        tasks = [running.task for running in self._running.values()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _forget(self, name: Name, task: asyncio.Task[Answer]) -> None:
        if (running := self._running.get(name)) is not None and running.task is task:
            del self._running[name]

    def _done(self, name: Name, digest: str, task: asyncio.Task[Answer], keep: bool) -> None:
        self._forget(name, task)
        if task.cancelled() or task.exception() is not None or not keep or task.result().weight > self._room:
            return
        self._kept[name] = digest, task.result()
        while sum(answer.weight for _, answer in self._kept.values()) > self._room:
            self._kept.popitem(last=False)


def _check(known: str, digest: str, name: Name) -> None:
    if known != digest:
        raise invalid(f"The id {name[1]!r} stands for another request.", code="request_id_reused", status=409)


async def unless_gone(work: Awaitable[Any], gone: asyncio.Task[None]) -> Any:
    """What comes of `work`; raises `Gone`, the work cancelled, if the customer hangs up first."""
    task = asyncio.ensure_future(work)
    try:
        await asyncio.wait({task, gone}, return_when=asyncio.FIRST_COMPLETED)
        if not task.done():
            raise Gone
        return task.result()
    finally:
        task.cancel()


class Gone(Exception):
    """The customer has hung up: nobody is left to answer."""
