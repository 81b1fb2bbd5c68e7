"""Chores: work that a process comes back to for as long as it runs."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any

from billing.core.refusals import Refusal


async def repeat(name: str, work: Callable[[], Awaitable[Any]], pause: Callable[[], Awaitable[Any]], log: Any) -> None:
    """Does `work` and pauses, until cancelled. What fails is logged under `name` and tried again the next time."""
    put_off, failed = f"{name} put off", f"{name} failed"
    while True:
        try:
            await work()
        except Refusal as refusal:
            log.warning(put_off, reason=refusal.code)
        except Exception:
            log.exception(failed)
        await pause()


async def repeat_every(name: str, work: Callable[[], Awaitable[Any]], seconds: float, log: Any) -> None:
    await repeat(name, work, lambda: asyncio.sleep(seconds), log)


@asynccontextmanager
async def running_beside(*chores: Coroutine[Any, Any, None]) -> AsyncIterator[None]:
    """Does `chores` for as long as the block takes."""
    tasks = [asyncio.create_task(chore) for chore in chores]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def until_nothing_is_left(work: Callable[[], Awaitable[int]]) -> None:
    """Does `work` again for as long as it finds something."""
    while await work():
        pass
