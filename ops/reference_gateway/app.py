"""The gateway over HTTP. `python -m ops.reference_gateway` serves it."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import re
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any

from fastapi import FastAPI, Request
from fastapi.responses import Response
from starlette.exceptions import HTTPException

from billing.client import BillingClient, Comment

from .body import BodyLimit, read_edit, read_generation
from .callbacks import Callbacks
from .customers import Customer, Customers
from .errors import Refused, invalid
from .gateway import Gateway
from .image_request import ImageRequest
from .metrics import Metrics
from .provider import Provider
from .repeats import Gone, Repeats, unless_gone
from .settings import Settings
from .stream import EventStream, server_sent
from .tasks import Task, Tasks
from .unsettled import UnsettledBills

_ID = re.compile(r"[A-Za-z0-9_.:-]{1,64}").fullmatch


def serve() -> Any:
    """The application, set up from the environment; what the server's worker calls."""
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
        repeats = app.state.repeats = Repeats(settings.kept_bytes)
        tasks = app.state.tasks = Tasks(
            gateway,
            callbacks,
            at_once=settings.tasks_at_once,
            waiting=settings.tasks_waiting,
            kept_bytes=settings.kept_bytes,
        )
        posting = asyncio.create_task(unsettled.run())
        try:
            yield
        finally:
            await repeats.close()
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
    return _taken(await _submitted(request, customer, await read_generation(request)))


async def _async_edits(request: Request) -> Response:
    customer = _customer(request)
    return _taken(await _submitted(request, customer, await read_edit(request)))


async def _task(request: Request, task_id: str) -> Response:
    tasks: Tasks = request.app.state.tasks
    task = tasks.find(_customer(request), task_id)
    return _json(200, {**task.document(), "callback": task.callback}, _named(task.request_id))


async def _images(request: Request, customer: Customer, asked: ImageRequest) -> Response:
    """Waits for the images, or lets go when the customer does: the hold is then left to expire."""
    if asked.callback_url is not None:
        raise invalid("callback_url is for tasks: /v1/async/images/…", "callback_url")
    if asked.stream and asked.n != 1:
        raise invalid("A stream delivers one image.", "n")
    request_id, given = _request_id(request)
    gateway: Gateway = request.app.state.gateway
    repeats: Repeats = request.app.state.repeats
    partials: asyncio.Queue[dict[str, Any] | Comment] = asyncio.Queue()
    digest = f"{customer.api_key_id} {asked.digest()}"
    work = repeats.once(
        (customer.account_id, request_id),
        digest,
        lambda delivered: gateway.make(customer, request_id, asked, partials.put_nowait, delivered),
        keep=given,
    )
    gone = asyncio.create_task(_disconnected(request))
    if asked.stream:
        events = server_sent(work, partials, gone)
        first = await anext(events, None)  # until here errors are ordinary answers
        return Response(status_code=499) if first is None else EventStream(first, events, _named(request_id))
    try:
        answer, replayed = await unless_gone(work, gone)
    except Gone:
        return Response(status_code=499)
    finally:
        gone.cancel()
    headers = {**_named(request_id), **answer.headers, **({"Idempotent-Replayed": "true"} if replayed else {})}
    return _json(200, answer.document, headers)


async def _submitted(request: Request, customer: Customer, asked: ImageRequest) -> Task:
    tasks: Tasks = request.app.state.tasks
    request_id, _ = _request_id(request)
    return await tasks.submit(customer, request_id, asked)


def _taken(task: Task) -> Response:
    where = {"Location": f"/v1/async/images/{task.task_id}"}
    return _json(202, task.document(), {**_named(task.request_id), **where})


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


def _request_id(request: Request) -> tuple[str, bool]:
    """The id that names the charge, and whether the caller gave it."""
    if not hasattr(request.state, "request_id"):
        said = request.headers.get("idempotency-key") or request.headers.get("x-request-id")
        if said is not None and not _ID(said):
            raise invalid("Idempotency-Key (or X-Request-Id) takes 1 to 64 of A–Z a–z 0–9 _ . : -.", "Idempotency-Key")
        request.state.request_id = said or f"req_{uuid.uuid4().hex}", said is not None
    found: tuple[str, bool] = request.state.request_id
    return found


async def _disconnected(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass


async def _refused(request: Request, refused: Exception) -> Response:
    assert isinstance(refused, Refused)
    headers = dict(refused.headers)
    given = False
    with suppress(Refused):
        request_id, given = _request_id(request)
        headers |= _named(request_id)
    headers["X-Should-Retry"] = "true" if refused.again.advised(given) else "false"
    return _json(refused.status, refused.document, headers)


async def _no_such_route(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    refused = invalid(f"{request.method} {request.url.path}: {error.detail}", code="unknown_url")
    return _json(error.status_code, refused.document, dict(error.headers or {}))


async def _failed(request: Request, error: Exception) -> Response:
    """A mistake of ours; the server logs it."""
    refused = Refused(500, "server_error", "internal_error", "The gateway failed.")
    return _json(500, refused.document, {"X-Should-Retry": "false"})


def _named(request_id: str) -> dict[str, str]:
    """`X-Request-Id` is what the official client shows as `_request_id`."""
    return {"X-Request-Id": request_id, "X-Billing-Request-Id": request_id}


def _json(status: int, document: dict[str, Any], headers: dict[str, str]) -> Response:
    # ASCII: what a provider said may not be Unicode.
    return Response(json.dumps(document), status, headers, "application/json")
