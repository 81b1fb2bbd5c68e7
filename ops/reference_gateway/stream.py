"""A streamed answer as server-sent events, as OpenAI sends them: partial images, then the completed one.

The charge is settled before the completed image goes out, so that its event can say what it cost (`billing`).
"""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator
from typing import Any

from billing.client import Comment, Event

from .answer import Answer
from .errors import Refused
from .visit import Gone, Visit

KEEP_ALIVE = Comment("keep-alive")
"""Which every reader of events passes over."""


async def server_sent(visit: Visit, gone: Gone, quiet_seconds: float) -> AsyncGenerator[bytes, None]:
    """The events of a wish, a comment where nothing comes for so long. They end early where the customer hangs up.

    Before the first event errors are raised; afterwards they are events.
    """
    begun = False
    while not gone.done():
        partial = await visit.partial(gone, quiet_seconds)
        if partial is not None:
            yield _event(partial)
        elif visit.done:
            break
        elif not gone.done():
            yield bytes(KEEP_ALIVE)
        begun = True
    try:
        if visit.done:
            answer = visit.made()
            assert isinstance(answer, Answer)
            yield _event(answer.document)
    except Refused as refused:
        if not begun:
            raise
        yield _event({"type": "error", **refused.document})


def _event(event: dict[str, Any] | Comment) -> bytes:
    return bytes(event if isinstance(event, Comment) else Event(json.dumps(event), str(event.get("type"))))
