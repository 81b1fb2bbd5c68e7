"""Retention: clears, by age, what stands beside the books. What is read is right without it; it keeps tables small."""

import asyncio
from collections import Counter
from datetime import timedelta

import structlog

from billing.posting.chore import repeat_every
from billing.store.clock import database_time
from billing.store.engine import Engine
from billing.store.retention import EVENTS_IN, EVENTS_OUT, MANIFESTS, SESSIONS, SILENT, Rule, clear

PAUSE_SECONDS = 0.1  # after each slice: whoever charges meanwhile notices nothing
log = structlog.get_logger("billing.retention")


class Retention:
    """Looks every `interval_seconds` for what is past keeping. Several processes work side by side.

    `cleared`: rows that this process deleted, by table.
    """

    def __init__(
        self,
        engine: Engine,
        work: Engine,
        *,
        webhook_event_days: int,
        stripe_event_days: int,
        interval_seconds: float = 3_600.0,
    ) -> None:
        self._engine = engine
        self._work = work
        self._interval = interval_seconds
        self._ages: tuple[tuple[Rule, timedelta], ...] = (
            (EVENTS_OUT, timedelta(days=webhook_event_days)),
            (EVENTS_IN, timedelta(days=stripe_event_days)),
            (SESSIONS, timedelta()),
            (MANIFESTS, SILENT),
        )
        self.cleared: Counter[str] = Counter()

    async def run(self) -> None:
        """Until cancelled. What fails is tried again the next time."""
        await repeat_every("retention", self.once, self._interval, log)

    async def once(self) -> None:
        """One round, by the time that is believed (`database_time`): a clock that jumps ahead makes nothing old."""
        before = self.cleared.copy()
        for rule, age in self._ages:
            async for gone in clear(self._work, rule, await database_time(self._engine) - age):
                self.cleared += gone
                await asyncio.sleep(PAUSE_SECONDS)
        if gone := self.cleared - before:
            log.info("cleared", **gone)
