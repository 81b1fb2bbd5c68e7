"""A streamed answer as server-sent events, as OpenAI sends them: partial images, then the completed one.

The charge is settled before the completed image goes out, so that its event can say what it cost (`billing`).
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, AsyncIterator, Coroutine
from contextlib import aclosing, suppress
from typing import Any

from fastapi.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

from billing.client import Comment, Event

from .answer import Answer
from .errors import Refused


async def server_sent(
    work: Coroutine[Any, Any, tuple[Answer, bool]],
    partials: asyncio.Queue[dict[str, Any] | Comment],
    gone: asyncio.Task[None],
) -> AsyncGenerator[bytes, None]:
    """The events of `work`, which puts its partial images into `partials`.

    Before the first event errors are raised; afterwards they are events. Who hangs up (`gone`) stops the work.
    """
    making = asyncio.create_task(work)
    begun = False
    try:
        while not gone.done() and (partial := await _next(partials, making, gone)) is not None:
            yield _event(partial)
            begun = True
        if making.done():
            answer, _ = making.result()
            yield _event(answer.document)
    except Refused as refused:
        if not begun:
            raise
        yield _event({"type": "error", **refused.document})
    finally:
        making.cancel()
        gone.cancel()


class EventStream(StreamingResponse):
    """The answer; its events end with it, also where the customer hung up."""

    def __init__(self, first: bytes, events: AsyncGenerator[bytes, None], headers: dict[str, str]) -> None:
        super().__init__(_chained(first, events), headers=headers, media_type="text/event-stream")
        self._events = events

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async with aclosing(self._events):
            await super().__call__(scope, receive, send)


async def _chained(first: bytes, events: AsyncGenerator[bytes, None]) -> AsyncIterator[bytes]:
    yield first
    async for event in events:
        yield event


async def _next(
    partials: asyncio.Queue[dict[str, Any] | Comment], making: asyncio.Task[Any], gone: asyncio.Task[None]
) -> dict[str, Any] | Comment | None:
    """The next partial image, or sign of life; None when there will be no more."""
    coming = asyncio.create_task(partials.get())
    try:
        await asyncio.wait({coming, making, gone}, return_when=asyncio.FIRST_COMPLETED)
        return coming.result() if coming.done() else None
    finally:
        coming.cancel()
        with suppress(asyncio.CancelledError):
            await coming


def _event(event: dict[str, Any] | Comment) -> bytes:
    return bytes(event if isinstance(event, Comment) else Event(json.dumps(event), str(event.get("type"))))
