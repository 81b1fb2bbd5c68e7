"""The lookout: what the parent knows of all its workers, and says for them.

Every worker tells each second what it has counted and why it cannot post. The parent adds it up, keeps what those that
have ended had counted, and computes the gauges of the whole service. So metrics are the same at every worker, and
health is told while workers are busy.
"""

import asyncio
import time
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import structlog
from fastapi import FastAPI

from billing.http.figures import Sums
from billing.http.gauges import ServiceGauges
from billing.http.metrics import Metrics, figures_of, text_of
from billing.http.readiness import Obstacle
from billing.http.service import Service
from billing.posting.chore import repeat_every, running_beside
from billing.serving.reports import Reporter, Reports
from billing.store.engine import read_engine
from billing.store.refusals import Overloaded

TELL_SECONDS = 1.0
SILENT_SECONDS = 5.0  # a worker that told nothing for so long is not there for callers either
TEXT_SECONDS = 1.0  # for so long metrics are the same: forty who read cost as much as one
ASK_SECONDS = 5.0
FIGURES, METRICS = "figures", "metrics"
log = structlog.get_logger("billing.serving")


class Teller:
    """A worker's end."""

    def __init__(self, parent: Reporter) -> None:
        self._parent = parent
        self._process = uuid.uuid4().hex  # numbers of processes come again

    async def metrics(self) -> str:
        """Of all workers. Raises Overloaded where the parent does not say."""
        try:
            async with asyncio.timeout(ASK_SECONDS):
                text: str = await self._parent.ask(METRICS)
        except (TimeoutError, ConnectionError, KeyError):
            raise Overloaded() from None
        return text

    @asynccontextmanager
    async def counted(self, app: FastAPI) -> AsyncIterator[Metrics]:
        """Tells of `app`, which has started, for as long as the block takes, and a last time at its end."""
        service: Service = app.state.service

        async def once() -> None:
            reasons = await service.readiness.reasons()
            self._tell(app, reasons)

        async with running_beside(repeat_every("telling", once, TELL_SECONDS, log)):
            yield self.metrics
        self._tell(app, service.readiness.known)

    def _tell(self, app: FastAPI, reasons: list[Obstacle]) -> None:
        report = {"process": self._process, "figures": figures_of(app), "reasons": reasons}
        self._parent.tell(FIGURES, report)


class Lookout:
    """The parent's end, on the loop of `reports`. `workers` is how many there should be."""

    def __init__(self, reports: Reports, dsn: str, workers: int) -> None:
        self._reports = reports
        self._workers = workers
        self._sums = Sums()
        self._engine = read_engine(dsn, size=1)
        self._gauges = ServiceGauges(self._engine)
        self._text, self._text_until = "", 0.0
        reports.heard[FIGURES] = self._hear
        reports.asked[METRICS] = self.metrics

    @asynccontextmanager
    async def looking(self) -> AsyncIterator[None]:
        async with running_beside(self._gauges.run()):
            yield
        await self._engine.dispose()

    def _hear(self, worker: int, report: Any) -> None:
        self._sums.hear(report["process"], report["figures"])
        report["heard_at"] = time.monotonic()

    def metrics(self) -> str:
        """Never older than a second, and never behind what was told before: no counter goes back."""
        if self._text_until < time.monotonic():
            self._sums.keep({report["process"] for report in self._newest.values()})
            self._text = text_of(self._sums, self._gauges)
            self._text_until = time.monotonic() + TEXT_SECONDS
        return self._text

    def reasons(self) -> list[Obstacle]:
        """Why not every worker can post; empty where all can."""
        heard_since = time.monotonic() - SILENT_SECONDS
        speaking = [report for report in self._newest.values() if report["heard_at"] > heard_since]
        found = dict.fromkeys(Obstacle(*reason) for report in speaking for reason in report["reasons"])
        if len(speaking) < self._workers:
            sentence = f"{len(speaking)} of {self._workers} workers answer."
            found[Obstacle("workers_missing", sentence)] = None
        return list(found)

    @property
    def _newest(self) -> dict[int, Any]:
        return self._reports.newest.get(FIGURES, {})
