"""The front: what every request passes on its way in and out. It limits bodies, counts answers and sees who waits.

One thin layer, because whatever stands here is paid for by every charge.
"""

import asyncio
from bisect import bisect_left
from collections.abc import Iterable
from operator import add
from time import perf_counter
from typing import Any

from prometheus_client.core import CounterMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from billing.http.refusals import BodyTooSlow, PayloadTooLarge
from billing.http.visits import Visit, Visits

BODY_BYTES = 1 << 20
BATCH_BYTES = 8 << 20
LARGE_PATHS = ("/v1/charges/batch", "/v1/provider-reports")
MANIFEST_PATH = "/v1/reconciliations"  # as large as a setting says: it is never in memory as a whole
BUCKETS_SECONDS = (0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)


class Requests(Collector):
    """Answers by method, route and status, and how long each route took."""

    def __init__(self) -> None:
        self._counts: dict[tuple[str, str, int], int] = {}
        self._seconds: dict[str, tuple[list[int], list[float]]] = {}  # by route: answers by bucket, and [sum]

    def count(self, method: str, route: str, status: int, seconds: float) -> None:
        key = (method, route, status)
        self._counts[key] = self._counts.get(key, 0) + 1
        found = self._seconds.get(route)
        if found is None:
            found = self._seconds[route] = ([0] * (len(BUCKETS_SECONDS) + 1), [0.0])
        found[0][bisect_left(BUCKETS_SECONDS, seconds)] += 1
        found[1][0] += seconds

    def told(self) -> Any:
        """All of it, as JSON can say it."""
        return [[*key, count] for key, count in self._counts.items()], [
            [route, counts, total] for route, (counts, (total,)) in self._seconds.items()
        ]

    def add(self, told: Any) -> None:
        """What another process has counted."""
        answers, seconds = told
        for method, route, status, count in answers:
            key = (method, route, status)
            self._counts[key] = self._counts.get(key, 0) + count
        for route, counts, total in seconds:
            mine = self._seconds.setdefault(route, ([0] * len(counts), [0.0]))
            mine[0][:] = map(add, mine[0], counts)
            mine[1][0] += total

    def collect(self) -> Iterable[Metric]:
        answers = CounterMetricFamily(
            "billing_http_requests", "HTTP requests answered", labels=("method", "route", "status")
        )
        for (method, route, status), count in self._counts.items():
            answers.add_metric((method, route, str(status)), count)
        yield answers
        waits = HistogramMetricFamily("billing_http_request_seconds", "Time from request to answer", labels=("route",))
        for route, (counts, (total,)) in self._seconds.items():
            running, buckets = 0, []
            for bound, count in zip((*BUCKETS_SECONDS, "+Inf"), counts, strict=True):
                running += count
                buckets.append((str(bound), running))
            waits.add_metric((route,), buckets, total)
        yield waits


class Front:
    """ASGI. Who reads more than the limit gets PayloadTooLarge; a batch and a provider's report may be larger.

    Who is kept waiting for the body gets BodyTooSlow. It is the application that answers, so that key, role and account
    are refused first.
    """

    def __init__(self, app: ASGIApp, requests: Requests, visits: Visits, manifest_bytes: int) -> None:
        self._app = app
        self._requests = requests
        self._visits = visits
        self._limits = dict.fromkeys(LARGE_PATHS, BATCH_BYTES) | {MANIFEST_PATH: manifest_bytes}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started = perf_counter()
        status = 500
        visit = self._visits.get(scope["client"])
        if visit is None:
            visit = self._visits[scope["client"]] = Visit()
        visit.since = None
        scope["visit"] = visit

        async def counted(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                if visit.is_late or (self._visits.is_full and not visit.is_known):
                    message["headers"].append((b"connection", b"close"))
            await send(message)

        try:
            await self._app(
                scope, _limited(scope, receive, visit, self._limits.get(scope["path"], BODY_BYTES)), counted
            )
        finally:
            route = getattr(scope.get("route"), "path", "unknown")
            # A method that no route answers is any word that a stranger chose.
            method = scope["method"] if route != "unknown" and status != 405 else "-"
            visit.since = now = perf_counter()
            self._requests.count(method, route, status, now - started)


def _limited(scope: Scope, receive: Receive, visit: Visit, limit: int) -> Receive:
    """`receive`, but no further than the limit, whatever the headers say, and no slower than the caller may be."""
    for name, value in scope["headers"]:
        if name == b"content-length":
            if not _exceeds(value, limit):
                return _hurried(receive, visit, limit)
            break
    else:
        return receive if scope["method"] in ("GET", "HEAD") else _hurried(receive, visit, limit)

    async def refusing() -> Message:
        raise PayloadTooLarge(limit)

    return refusing


def _hurried(receive: Receive, visit: Visit, limit: int) -> Receive:
    visit.received, visit.waited, visit.is_late = 0, 0.0, False
    more = True

    async def hurried() -> Message:
        nonlocal more
        if not more:  # who waits now waits for the caller to hang up
            return await receive()
        visit.since, visit.body_task = perf_counter(), asyncio.current_task()
        try:
            message = await receive()
        except asyncio.CancelledError:
            task, visit.body_task = visit.body_task, None
            if task is None or not visit.is_late:
                raise
            task.uncancel()
            waited, visit.since = visit.waited + visit.seconds(perf_counter()), None
            raise BodyTooSlow(visit.received, round(waited)) from None
        visit.body_task = None
        visit.received += len(message.get("body", b""))
        if visit.received > limit:
            raise PayloadTooLarge(limit)
        if more := message.get("more_body", False):
            visit.waited += visit.seconds(perf_counter())
        visit.since = None
        return message

    return hurried


def _exceeds(length: bytes, limit: int) -> bool:
    digits = length.lstrip(b"0")
    # Python refuses to read integers of thousands of digits.
    return digits.isdigit() and (len(digits) > 18 or int(digits) > limit)
