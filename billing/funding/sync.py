"""Catching up: Stripe's own list of events, for those that never arrived."""

from datetime import datetime, timedelta
from typing import Any, Final

import structlog

from billing.funding.effects import HANDLERS
from billing.funding.inbox import Inbox
from billing.funding.processor import Processor
from billing.posting.chore import repeat_every
from billing.store.clock import database_time
from billing.store.engine import Engine
from billing.store.inbox import last_event_at

# Events are not listed in the order in which they become visible, and one that was lost may be older than the last
# one seen: by no more than the interval, for until then they were listed.
OVERLAP: Final = timedelta(hours=1)
KEPT_BY_STRIPE: Final = timedelta(days=30)
AT_ONCE: Final = 100
log = structlog.get_logger("billing.funding")


class Sync:
    """Lists events since the last one seen, every `interval_seconds`, and puts the unknown ones into the inbox."""

    def __init__(self, processor: Processor, inbox: Inbox, engine: Engine, *, interval_seconds: float = 900.0) -> None:
        self._processor = processor
        self._inbox = inbox
        self._engine = engine
        self._interval = interval_seconds
        self._listed_at: datetime | None = None

    async def run(self) -> None:
        """Until cancelled; the first look is at the start."""
        await repeat_every("sync", self.once, self._interval, log)

    async def once(self, since: datetime | None = None) -> tuple[int, int]:
        """(listed, new) events since `since`, or else since the last one seen. Raises ProcessorUnavailable."""
        now = await database_time(self._engine)
        if since is None:
            last = self._listed_at or await last_event_at(self._engine)
            since = last - OVERLAP if last else now - KEPT_BY_STRIPE
        listed = new = 0
        events: list[dict[str, Any]] = []
        async for event in self._processor.events_since(since):
            listed += 1
            if event.get("type") in HANDLERS:
                events.append(event)
            if len(events) == AT_ONCE:
                new += await self._inbox.keep(events)
                events = []
        new += await self._inbox.keep(events)
        self._listed_at = now  # whatever was made before is known, also where later events came by themselves
        return listed, new
