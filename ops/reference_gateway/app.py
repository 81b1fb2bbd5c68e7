"""The gateway over HTTP. `python -m ops.reference_gateway` serves it."""

from __future__ import annotations

import asyncio
import ctypes
import json
import logging
import os
import signal
import sys
import uuid
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping
from contextlib import asynccontextmanager, suppress
from typing import Any

from fastapi import FastAPI, Request
from fastapi.responses import Response
from starlette.exceptions import HTTPException

from billing.client import BillingClient

from .answer import Answer
from .body import BodyLimit, read_edit, read_generation
from .callbacks import Callbacks
from .caller import Caller, trace_of
from .customers import Customer, Customers
from .errors import Again, Refused, invalid, whole_seconds
from .gateway import Gateway
from .handover import EventStream, Handover
from .image_request import ImageRequest
from .metrics import Metrics
from .provider import Provider
from .settings import Settings
from .stream import server_sent
from .tasks import Task, Tasks
from .unsettled import UnsettledBills
from .visit import Gone, HungUp, Visit
from .wish import Asking
from .wishes import Wishes, Work

_PR_SET_PDEATHSIG = 1


def serve() -> Any:
    """The application, set up from the environment; what the server's worker calls."""
    if sys.platform.startswith("linux"):  # a worker of a gateway that was killed must not go on answering on its port
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    logging.getLogger("httpx").setLevel(logging.WARNING)
    settings = Settings.read(os.environ)
    return BodyLimit(create_app(settings), settings.body_bytes)


def create_app(settings: Settings) -> FastAPI:
    app = FastAPI(title="Reference gateway", lifespan=_lifespan, docs_url=None, redoc_url=None)
    app.state.settings = settings
    app.add_api_route("/healthz", _healthz, methods=["GET"])
    app.add_api_route("/metrics", _metrics, methods=["GET"])
    app.add_api_route("/v1/images/generations", _generations, methods=["POST"])
    app.add_api_route("/v1/images/edits", _edits, methods=["POST"])
    app.add_api_route("/v1/async/images/generations", _async_generations, methods=["POST"])
    app.add_api_route("/v1/async/images/edits", _async_edits, methods=["POST"])
    app.add_api_route("/v1/async/images/{task_id}", _task, methods=["GET"])
    app.add_exception_handler(Refused, _refused)
    app.add_exception_handler(HTTPException, _no_such_route)
    app.add_exception_handler(Exception, _failed)
    return app


@asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    settings: Settings = app.state.settings
    app.state.customers = Customers(settings.customers)
    provider = Provider(settings.provider_url, settings.provider_key, settings.provider_seconds)
    callbacks = Callbacks(allow_private=settings.allow_private_callbacks, pause_seconds=settings.callback_pause_seconds)
    async with BillingClient(settings.billing_url, settings.billing_key) as billing:
        unsettled = UnsettledBills(settings.unsettled, billing, settings.settle_again_seconds)
        app.state.metrics = Metrics(unsettled)
        gateway = app.state.gateway = Gateway(
            billing,
            provider,
            unsettled,
            hold_seconds=settings.hold_seconds,
            task_hold_seconds=settings.task_hold_seconds,
        )
        wishes = app.state.wishes = Wishes(
            kept_bytes=settings.kept_bytes,
            kept_seconds=settings.kept_seconds,
            linger_seconds=settings.linger_seconds,
        )
        tasks = app.state.tasks = Tasks(
            gateway,
            wishes,
            callbacks,
            at_once=settings.tasks_at_once,
            waiting=settings.tasks_waiting,
            kept_bytes=settings.kept_bytes,
        )
        posting = asyncio.create_task(unsettled.run())
        try:
            yield
        finally:
            await wishes.close()
            await tasks.close()
            posting.cancel()
            with suppress(asyncio.CancelledError):
                await posting
            await callbacks.close()
            await provider.close()


async def _healthz() -> dict[str, str]:
    return {"status": "ok"}


async def _metrics(request: Request) -> Response:
    metrics: Metrics = request.app.state.metrics
    return Response(await asyncio.to_thread(metrics.text), media_type=metrics.media_type)


async def _generations(request: Request) -> Response:
    customer = _customer(request)
    return await _images(request, customer, await read_generation(request))


async def _edits(request: Request) -> Response:
    customer = _customer(request)
    return await _images(request, customer, await read_edit(request))


async def _async_generations(request: Request) -> Response:
    customer = _customer(request)
    return await _submitted(request, customer, await read_generation(request))


async def _async_edits(request: Request) -> Response:
    customer = _customer(request)
    return await _submitted(request, customer, await read_edit(request))


async def _task(request: Request, task_id: str) -> Response:
    tasks: Tasks = request.app.state.tasks
    task = tasks.find(_customer(request), task_id)
    document = {**task.document(), "callback": task.callback}
    return _json(200, document, _named(request, {"X-Billing-Request-Id": task.request_id}))


async def _images(request: Request, customer: Customer, asked: ImageRequest) -> Response:
    """The images, made now or before."""
    if asked.callback_url is not None:
        raise invalid("callback_url is for tasks: /v1/async/images/…", "callback_url")
    if asked.stream and asked.n != 1:
        raise invalid("A stream delivers one image.", "n")
    gateway: Gateway = request.app.state.gateway
    asking = Asking.of(customer, Caller.of(request.headers), asked, "sync")
    answered = _streamed if asked.stream else _answered
    return await _visited(request, asking, lambda wish: gateway.make(wish, asking, asked), answered)


async def _submitted(request: Request, customer: Customer, asked: ImageRequest) -> Response:
    """A task: its wish is answered as soon as it is taken."""
    tasks: Tasks = request.app.state.tasks
    await tasks.check(customer, asked)
    asking = Asking.of(customer, Caller.of(request.headers), asked, "async")
    return await _visited(request, asking, lambda wish: tasks.take(wish, asking, asked), _taken)


async def _visited(
    request: Request,
    asking: Asking,
    work: Work,
    hand_over: Callable[[Request, Visit, Gone], Coroutine[Any, Any, Response]],
) -> Response:
    """What the wish is answered with; the response leaves it once it is sent."""
    wishes: Wishes = request.app.state.wishes
    visit = wishes.visit(asking, work)
    gone = asyncio.create_task(_disconnected(request))
    try:
        return await hand_over(request, visit, gone)
    except BaseException as error:
        visit.leave()
        gone.cancel()
        if isinstance(error, HungUp):
            return Response(status_code=499)
        raise


async def _answered(request: Request, visit: Visit, gone: Gone) -> Response:
    settings: Settings = request.app.state.settings
    answer = await visit.answer(gone, settings.answer_seconds)
    assert isinstance(answer, Answer)
    return Handover(200, answer.document, _named(request, answer.headers | visit.headers), visit, gone)


async def _streamed(request: Request, visit: Visit, gone: Gone) -> Response:
    settings: Settings = request.app.state.settings
    events = server_sent(visit, gone, settings.quiet_seconds)
    first = await anext(events, None)  # until here errors are ordinary answers
    if first is None:
        raise HungUp
    return EventStream(first, events, _named(request, visit.headers), visit, gone)


async def _taken(request: Request, visit: Visit, gone: Gone) -> Response:
    settings: Settings = request.app.state.settings
    task = await visit.answer(gone, settings.answer_seconds)
    assert isinstance(task, Task)
    headers = visit.headers | {"Location": f"/v1/async/images/{task.task_id}"}
    return Handover(202, task.document(), _named(request, headers), visit, gone)


def _customer(request: Request) -> Customer:
    """Asked before the body is read. No route takes a query: what stands there would be left out of the request."""
    customers: Customers = request.app.state.customers
    customer = customers.of(request.headers.get("authorization"))
    for name in request.query_params:
        raise invalid(
            f"Unknown parameter in the query: '{name}'. All of a request is in its body.",
            name,
            code="unknown_parameter",
        )
    return customer


async def _disconnected(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass


async def _refused(request: Request, refused: Exception) -> Response:
    assert isinstance(refused, Refused)
    headers = _named(request, refused.headers)
    if (wait := whole_seconds(headers.pop("Retry-After", ""))) is not None:
        headers["Retry-After"] = wait
    headers["X-Should-Retry"] = "false" if refused.again is Again.NEVER else "true"
    return _json(refused.status, refused.document, headers)


async def _no_such_route(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    refused = invalid(f"{request.method} {request.url.path}: {error.detail}", code="unknown_url")
    return _json(error.status_code, refused.document, dict(error.headers or {}))


async def _failed(request: Request, error: Exception) -> Response:
    """A mistake of ours; the server logs it."""
    refused = Refused(500, "server_error", "internal_error", "The gateway failed.")
    return _json(500, refused.document, {"X-Should-Retry": "false"})


def _named(request: Request, headers: Mapping[str, str]) -> dict[str, str]:
    """`X-Request-Id` is what the official client shows as `_request_id`: the caller's own, or the charge's."""
    ours = headers.get("X-Billing-Request-Id") or f"req_{uuid.uuid4().hex}"
    return {"X-Request-Id": trace_of(request.headers) or ours, **headers}


def _json(status: int, document: dict[str, Any], headers: dict[str, str]) -> Response:
    # ASCII: what a provider said may not be Unicode.
    return Response(json.dumps(document), status, headers, "application/json")
