"""Gauges of the whole service: the books' totals, and what waits outside of them. A job computes them, in one place.

They are sums over all accounts: nobody who reads metrics waits for them, and however many read, they are computed as often.
"""

import asyncio
import time
from collections.abc import Iterable
from typing import Any, NamedTuple

import structlog
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from billing.posting.chore import repeat
from billing.store.deliveries import backlog
from billing.store.engine import Engine
from billing.store.inbox import concerns
from billing.store.totals import totals

PAUSE_SECONDS = 15.0
PAUSE_FACTOR = 20.0  # however long they take, they take a twentieth of one core
log = structlog.get_logger("billing.gauges")

LEDGER = {
    "accounts": "Accounts",
    "posted": "Credits in all wallets",
    "held": "Credits reserved by open holds",
    "debt": "Credits owed",
    "open_holds": "Holds that are open",
    "due_holds": "Holds past their time that are not yet posted as expired",
    "accounts_ahead": "Accounts whose last row lies in the future: a clock has jumped",
    "clock_ahead_seconds": "How far the database's clock is ahead of what is believed; 0: it is believed",
}
WEBHOOKS = {
    "undispatched": "Events whose endpoints have not been looked for",
    "waiting": "Deliveries that wait, also for their next attempt",
    "dead": "Deliveries that were given up",
}
STRIPE = {
    "events_pending": "Events of Stripe's that have not taken effect yet",
    "events_dead": "Events of Stripe's that were given up: somebody has to look",
    "topups_stopped": "Top-ups about which Stripe reports what cannot be: somebody has to look",
}


class _Computed(NamedTuple):
    at: float
    figures: list[tuple[str, dict[str, str], Any]]


class ServiceGauges(Collector):
    """What was computed last; nothing before the first time."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._computed: _Computed | None = None
        self._pause = PAUSE_SECONDS

    async def run(self) -> None:
        """Until cancelled. What fails is tried again the next time."""
        await repeat("gauges", self.once, lambda: asyncio.sleep(self._pause), log)

    async def once(self) -> None:
        began = time.monotonic()
        found = [
            ("billing_ledger", LEDGER, await totals(self._engine)),
            ("billing_webhooks", WEBHOOKS, await backlog(self._engine)),
            ("billing_stripe", STRIPE, await concerns(self._engine)),
        ]
        self._computed = _Computed(time.time(), found)
        self._pause = max(PAUSE_SECONDS, PAUSE_FACTOR * (time.monotonic() - began))

    def collect(self) -> Iterable[Metric]:
        if self._computed is None:
            return
        for prefix, texts, figures in self._computed.figures:
            for name, text in texts.items():
                yield GaugeMetricFamily(f"{prefix}_{name}", text, getattr(figures, name))
        yield GaugeMetricFamily(
            "billing_gauges_timestamp_seconds",
            "When those of the ledger, webhooks and Stripe were computed",
            self._computed.at,
        )
