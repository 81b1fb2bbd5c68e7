"""Handing an answer over to who asked, and seeing whether it arrives.

A server tells little of that: what fits into the buffers of the system counts as sent. But who hangs up while a long
answer is still going out is seen, if it goes out in pieces and one looks in between.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import aclosing
from typing import Any

from fastapi.responses import Response
from starlette.types import Receive, Scope, Send

from .visit import Gone, Visit

PIECE_BYTES = 32 << 10

LAST_LOOK_SECONDS = 0.05
"""Before the last piece of several: pieces to nobody go fast, and word of a hang-up comes from another thread."""


class Handover(Response):
    """An answer, or a task that was taken, to the visitor of a wish."""

    def __init__(self, status: int, document: Any, headers: Mapping[str, str], visit: Visit, gone: Gone) -> None:
        # ASCII: what a provider said may not be Unicode.
        super().__init__(json.dumps(document), status, headers, "application/json")
        self._visit = visit
        self._gone = gone

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await _handed_over(self, _one(bytes(self.body)), send, self._visit, self._gone)


class EventStream(Response):
    """The same as server-sent events, after a `first` one; they end with it, also where the customer hung up."""

    def __init__(
        self, first: bytes, events: AsyncGenerator[bytes, None], headers: Mapping[str, str], visit: Visit, gone: Gone
    ) -> None:
        super().__init__(None, 200, headers, "text/event-stream")
        del self.headers["content-length"]
        self._first = first
        self._events = events
        self._visit = visit
        self._gone = gone

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async with aclosing(self._events):
            await _handed_over(self, _chained(self._first, self._events), send, self._visit, self._gone)


async def _handed_over(head: Response, parts: AsyncIterator[bytes], send: Send, visit: Visit, gone: Gone) -> None:
    try:
        await send({"type": "http.response.start", "status": head.status_code, "headers": head.raw_headers})
        async for part in parts:
            if not await _poured(part, send, gone):
                return visit.broke_off()
        whole = visit.done  # else the customer hung up between two events
        await send({"type": "http.response.body"})
        if whole:
            visit.delivered()
    except OSError:  # how some servers say that nobody is there
        visit.broke_off()
    finally:
        visit.leave()
        gone.cancel()


async def _one(body: bytes) -> AsyncIterator[bytes]:
    yield body


async def _poured(body: bytes, send: Send, gone: Gone) -> bool:
    """Whether nobody hung up before all of it was sent. Once it was, a server says the same of who got all of it as of
    who is gone."""
    for begin in range(0, len(body), PIECE_BYTES):
        is_last = 0 < begin >= len(body) - PIECE_BYTES
        await asyncio.wait({gone}, timeout=LAST_LOOK_SECONDS if is_last else 0)
        if gone.done():
            return False
        await send({"type": "http.response.body", "body": body[begin : begin + PIECE_BYTES], "more_body": True})
    return True


async def _chained(first: bytes, events: AsyncGenerator[bytes, None]) -> AsyncIterator[bytes]:
    yield first
    async for event in events:
        yield event
