"""Metrics for Prometheus: what processes have counted, and gauges of the whole service, as text."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager

from fastapi import FastAPI, Request
from fastapi.responses import Response
from prometheus_client import CollectorRegistry, generate_latest

from billing.http.auth import Overseeing
from billing.http.figures import Sums, Told, told
from billing.http.gauges import ServiceGauges
from billing.http.problems import responses
from billing.http.route import Router
from billing.http.service import Service
from billing.posting.chore import running_beside

MEDIA_TYPE = "text/plain; version=0.0.4"
Metrics = Callable[[], Awaitable[str]]  # the text, for whoever asks
Counted = Callable[[FastAPI], AbstractAsyncContextManager[Metrics]]  # of an application that has started, until it ends
router = Router(tags=["service"])


@router.get("/metrics", response_class=Response, responses=responses())
async def metrics(request: Request, caller: Overseeing) -> Response:
    """Prometheus text format: sums over all processes of the service. On its own port it needs no key."""
    text: Metrics = request.app.state.metrics
    return Response(await text(), media_type=MEDIA_TYPE)


def text_of(sums: Sums, gauges: ServiceGauges) -> str:
    registry = CollectorRegistry()
    registry.register(sums)
    registry.register(gauges)
    return generate_latest(registry).decode()


def figures_of(app: FastAPI) -> Told:
    """What this process has counted, and whether it could post when that was last looked at."""
    service: Service = app.state.service
    return told(
        app.state.requests,
        service.posting,
        cleared=service.retention.cleared.total(),
        ready=not service.readiness.known,
    )


@asynccontextmanager
async def counted_alone(app: FastAPI) -> AsyncIterator[Metrics]:
    """The metrics of an application that is the whole service: one process without a parent."""
    service: Service = app.state.service
    sums, gauges = Sums(), ServiceGauges(service.long_reads)

    async def text() -> str:
        sums.hear("alone", figures_of(app))
        return text_of(sums, gauges)

    async with running_beside(gauges.run()):
        yield text
