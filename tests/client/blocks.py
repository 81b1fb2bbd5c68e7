"""A block under a charging, run by either client: one table for both."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from billing.client import BillingClient, Charging, SyncBillingClient

WAYS = ("async", "sync")
ASKED: dict[str, Any] = {"model": "gpt-image-2", "n": 2, "size": "2048x2048", "quality": "high"}

Block = Callable[[Charging], None]


def run_block(
    way: str, url: str, key: str, ids: tuple[str, str], block: Block, *, resumed: bool = False, **asked: Any
) -> tuple[Charging | None, BaseException | None]:
    """The charging, if the block was entered, and what was raised; the client is closed by then."""
    entered: list[Charging] = []
    terms = {} if resumed else {**ASKED, **asked}

    async def asynchronous() -> None:
        async with BillingClient(url, key, sleep=_no_pause) as billing:
            scope = billing.resume(*ids) if resumed else billing.charging(*ids, **terms)
            async with scope as charge:
                entered.append(charge)
                block(charge)

    def blocking() -> None:
        with SyncBillingClient(url, key, sleep=lambda seconds: None) as billing:
            scope = billing.resume(*ids) if resumed else billing.charging(*ids, **terms)
            with scope as charge:
                entered.append(charge)
                block(charge)

    raised: BaseException | None = None
    try:
        asyncio.run(asynchronous()) if way == "async" else blocking()
    except BaseException as error:
        raised = error
    return (entered[0] if entered else None), raised


async def _no_pause(seconds: float) -> None:
    """Stands where `asyncio.sleep` would."""
