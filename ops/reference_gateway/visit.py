"""One request's place at a wish."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from typing import Any

from billing.client import Comment

from .caller import Caller
from .errors import Again, Refused
from .wish import Weighed, Wish

_log = logging.getLogger("gateway")

Gone = asyncio.Task[None]
"""Is done once the customer has hung up."""


class Visit:
    """From when a request came until its answer went out: leave it, in the end."""

    def __init__(self, wish: Wish, caller: Caller, left: Callable[[Wish], None], *, replayed: bool) -> None:
        """`replayed`: the answer was there, or on its way."""
        self._replayed = replayed
        self._wish = wish
        self._left: Callable[[Wish], None] | None = left
        self._answer, self._work = wish.answer, wish.work
        self._partials: asyncio.Queue[dict[str, Any] | Comment] = asyncio.Queue()
        wish.listeners.append(self._partials)
        wish.returning |= caller.repeat is not None
        wish.attended += 1
        wish.handed += 1

    async def answer(self, gone: Gone, seconds: float) -> Weighed:
        """Raises what the work raises, to all who wait for it; `HungUp`; and after so many seconds `Refused`, while the
        work goes on."""
        if self._work is not None and not self.done:
            await asyncio.wait({self._work, gone}, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
            if gone.done() and not self.done:
                raise HungUp
        if not self.done:
            self._wish.returning = True
            raise _still_running()
        return self.made()

    async def partial(self, gone: Gone, seconds: float) -> dict[str, Any] | Comment | None:
        """The next partial image or sign of life; None if the work is done, the customer gone, or nothing came for so
        many seconds."""
        if self._work is None or self.done:
            return None if self._partials.empty() else self._partials.get_nowait()
        coming = asyncio.create_task(self._partials.get())
        await asyncio.wait({coming, self._work, gone}, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        if coming.done():
            return coming.result()
        coming.cancel()
        return None

    @property
    def done(self) -> bool:
        """Whether there is an answer, or a reason why not."""
        return self._work is None or self._work.done()

    def made(self) -> Weighed:
        """What the work has come to. Raises what it raised."""
        if self._work is None:
            assert self._answer is not None, "a wish has an answer, or somebody works on it"
            return self._answer
        try:
            return self._work.result()
        except asyncio.CancelledError:
            message = "The gateway is being restarted. Try again shortly."
            raise Refused(503, "server_error", "restarting", message, again=Again.SOON) from None

    @property
    def headers(self) -> dict[str, str]:
        replayed = {"Idempotent-Replayed": "true"} if self._replayed else {}
        return {"X-Billing-Request-Id": self._wish.ids.current, **replayed}

    def delivered(self) -> None:
        """The answer has gone out, and nothing was seen to break."""
        self._wish.delivered = True

    def broke_off(self) -> None:
        """The customer has hung up before all of it went out."""
        _log.info("charge %s %s: its answer broke off", self._wish.asking.customer.account_id, self._wish.ids.current)

    def leave(self) -> None:
        if self._left is not None:
            left, self._left = self._left, None
            self._wish.attended -= 1
            self._wish.idle_since = time.monotonic()
            self._wish.listeners.remove(self._partials)
            left(self._wish)


class HungUp(Exception):
    """Nobody is left to answer."""


def _still_running() -> Refused:
    """For callers that hear nothing of what takes longer: undici, under every `fetch`, waits 300 seconds for a head."""
    message = (
        "The image is still being made, and is kept: send the same request again to get it. "
        "For what takes so long there is POST /v1/async/images/…, which answers at once and is polled."
    )
    headers = {"Retry-After": "1"}
    return Refused(504, "server_error", "still_running", message, again=Again.SOON, headers=headers)
