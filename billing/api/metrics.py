"""Metrics for Prometheus: requests, the posting lanes, and the books' totals read from SQL when asked for."""

import time
from collections.abc import Iterable

from fastapi import APIRouter, Request
from fastapi.responses import Response
from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from billing.api.parameters import The
from billing.posting import Posting
from billing.store.totals import Totals, totals

router = APIRouter(tags=["service"])


class Requests:
    """ASGI: counts requests by route and status, and how long they take."""

    def __init__(self, app: ASGIApp, registry: CollectorRegistry) -> None:
        self._app = app
        labels = ("method", "route", "status")
        self._count = Counter("billing_http_requests", "HTTP requests answered", labels, registry=registry)
        self._seconds = Histogram(
            "billing_http_request_seconds",
            "Time from request to answer",
            ("route",),
            registry=registry,
            buckets=(0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5),
        )
        self._children: dict[tuple[str, str, int], tuple[Counter, Histogram]] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started = time.perf_counter()
        status = 500

        async def counted(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self._app(scope, receive, counted)
        finally:
            route = getattr(scope.get("route"), "path", "unknown")
            # A method that no route answers is any word that a stranger chose.
            method = scope["method"] if route != "unknown" and status != 405 else "-"
            key = (method, route, status)
            found = self._children.get(key)
            if found is None:
                found = self._children[key] = (
                    self._count.labels(key[0], route, str(status)),
                    self._seconds.labels(route),
                )
            found[0].inc()
            found[1].observe(time.perf_counter() - started)


class PostingMetrics(Collector):
    """What the lanes have done, read from their tallies."""

    def __init__(self, posting: Posting) -> None:
        self._posting = posting

    def collect(self) -> Iterable[Metric]:
        tallies = [lane.tally for lane in self._posting.lanes]
        yield GaugeMetricFamily("billing_posting_waiting", "Commands queued or in flight", self._posting.waiting)
        for name, text in (
            ("batches", "Transactions committed"),
            ("commands", "Commands decided"),
            ("retries", "Transactions repeated"),
            ("bisections", "Batches split to find what broke them"),
            ("seconds", "Seconds spent in transactions"),
        ):
            value = sum(getattr(tally, name) for tally in tallies)
            yield CounterMetricFamily(f"billing_posting_{name}", text, value=value)


class LedgerMetrics(Collector):
    """The books' totals, in credits."""

    def __init__(self, totals: Totals) -> None:
        self._totals = totals

    def collect(self) -> Iterable[Metric]:
        for name, text in (
            ("accounts", "Accounts"),
            ("posted", "Credits in all wallets"),
            ("held", "Credits reserved by open holds"),
            ("debt", "Credits owed"),
            ("open_holds", "Holds that are open"),
            ("due_holds", "Holds past their time that are not yet posted as expired"),
        ):
            yield GaugeMetricFamily(f"billing_ledger_{name}", text, getattr(self._totals, name))


@router.get("/metrics", response_class=Response)
async def metrics(request: Request, service: The) -> Response:
    """Prometheus text format. Protect it at the network: it needs no key."""
    registry: CollectorRegistry = request.app.state.registry
    now = CollectorRegistry()
    now.register(PostingMetrics(service.posting))
    now.register(LedgerMetrics(await totals(service.engine)))
    return Response(generate_latest(registry) + generate_latest(now), media_type="text/plain; version=0.0.4")
