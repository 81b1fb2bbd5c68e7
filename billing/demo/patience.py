"""What follows from events under way is looked for until it is there, or patience ends."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

T = TypeVar("T")
PATIENCE_SECONDS = 20.0
"""Far more than anything takes that the story waits for."""


async def until(read: Callable[[], Awaitable[T]], enough: Callable[[T], object]) -> T:
    """What `read` finds, as soon as that is `enough`; or what it finds when patience ends."""
    deadline = asyncio.get_running_loop().time() + PATIENCE_SECONDS
    while not enough(found := await read()) and asyncio.get_running_loop().time() < deadline:  # noqa: ASYNC110
        await asyncio.sleep(0.05)
    return found
