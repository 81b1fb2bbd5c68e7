"""The application: routes, refusals and what surrounds every request."""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.openapi.utils import get_openapi
from fastapi.responses import Response
from fastapi.routing import APIRoute
from pydantic.json_schema import models_json_schema
from starlette.exceptions import HTTPException

from billing.api import (
    accounts,
    batch,
    charges,
    health,
    keys,
    metrics,
    packs,
    prices,
    problems,
    provider_reports,
    reconciliations,
    standings,
    statements,
    stripe_events,
    topups,
    transfers,
    usage,
    webhook_endpoints,
)
from billing.api.auth import Allow
from billing.api.finance import exports, margins, payouts, periods, revenue, trial_balance
from billing.api.front import Front, Requests
from billing.api.models.common import Problem
from billing.api.route import Route
from billing.api.service import running
from billing.core.refusals import Invalid, PayloadTooLarge, Refusal
from billing.core.text import is_identifier
from billing.settings import Settings
from billing.store.accounts import account

DESCRIPTION = """
Credits for image generation: authorize before you call a provider, settle with what came back.

* **Charged exactly once.** Every write carries an id that you choose. Send it again when no answer came.
* **By the pixels that were delivered.** The bill follows each output's measured size; failures cost nothing.
* **Explained.** `/explain` shows every number from the request down to the journal row.

Amounts are JSON integers of whole credits (or of micros where money is meant). Times are RFC 3339 in UTC.
"""
TAGS = [
    {
        "name": "charges",
        "description": "What the gateway asks before it calls a provider, and tells afterwards.",
    },
    {"name": "accounts", "description": "Customers, their settings, grants and balances."},
    {
        "name": "funding",
        "description": "Packs, top-ups and auto-recharge: credits that customers pay for, and what Stripe reports.",
    },
    {
        "name": "prices",
        "description": "Price books are immutable versions; a charge keeps its own to the end.",
    },
    {"name": "usage", "description": "What was used, when and of which kind; exact at the moment of the call."},
    {"name": "finance", "description": "The books: trial balances, closed months, revenue, exports, reconciliation."},
    {"name": "reconciliation", "description": "What was delivered beside what was charged, and its corrections."},
    {"name": "ledger", "description": "The double-entry journal, hash-chained for each account."},
    {
        "name": "webhooks",
        "description": "Events out: announcements of the ledger, signed as Standard Webhooks, told at least once.",
    },
    {"name": "keys", "description": "Who may call."},
    {"name": "service", "description": "For operators."},
]


OPEN_PATHS = ("/healthz", "/readyz", "/metrics", "/v1/stripe/webhook", statements.KEYS_PATH)  # events carry a signature


def create_app(settings: Settings | None = None, dsn: str | None = None) -> FastAPI:
    """The application on a migrated database: `dsn`, or what the environment says (`DATABASE_URL`)."""
    chosen = settings or Settings.read()
    database = dsn or os.environ["DATABASE_URL"]

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with running(chosen, database) as service:
            app.state.service = service
            yield

    app = FastAPI(
        title="Billing",
        version="1",
        description=DESCRIPTION,
        openapi_tags=TAGS,
        lifespan=lifespan,
        redirect_slashes=False,
    )
    app.state.requests = Requests()
    for room in (
        charges,
        batch,
        accounts,
        standings,
        topups,
        packs,
        stripe_events,
        prices,
        transfers,
        usage,
        statements,
        webhook_endpoints,
        revenue,
        trial_balance,
        periods,
        exports,
        payouts,
        provider_reports,
        margins,
        reconciliations,
        keys,
        health,
        metrics,
    ):
        # Not include_router, which keeps a router within the router: one more search for every request.
        app.router.routes.extend(room.router.routes)
    # FastAPI's own pages beside them (/docs, /openapi.json) have one answer, whatever a link or a proxy appends.
    assert all(isinstance(route, Route) for route in app.routes if isinstance(route, APIRoute)), "use billing.api.route"
    app.add_exception_handler(Invalid, _on_invalid)
    app.add_exception_handler(Refusal, problems.on_refusal)
    app.add_exception_handler(RequestValidationError, _on_unread)
    app.add_exception_handler(HTTPException, _on_http)
    app.add_exception_handler(Exception, problems.on_error)
    app.add_middleware(Front, requests=app.state.requests, manifest_bytes=chosen.manifest_bytes)
    app.openapi = lambda: _openapi(app)  # type: ignore[method-assign]
    return app


async def _on_unread(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    return await _refuse_in_order(request, problems.invalid(error))


async def _on_invalid(request: Request, error: Exception) -> Response:
    assert isinstance(error, Invalid)
    return await _refuse_in_order(request, error)


async def _on_http(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    if isinstance(error.__cause__, PayloadTooLarge):
        return await _refuse_in_order(request, error.__cause__)
    if error.status_code == 400:  # FastAPI's word for a body that cannot be read
        return await _refuse_in_order(request, Invalid.of("body", "cannot be read as JSON"))
    return await problems.on_http(request, error)


async def _refuse_in_order(request: Request, refusal: Invalid | PayloadTooLarge) -> Response:
    """A bad query or body is told only to those who may call and see the account: key, role, account, and then those.

    They are read first. On the way to a refusal there is time to look.
    """
    try:
        for dependency in getattr(getattr(request.scope.get("route"), "dependant", None), "dependencies", ()):
            if isinstance(dependency.call, Allow):
                await dependency.call(request)
        account_id = request.path_params.get("account_id")
        if account_id is not None and is_identifier(account_id):
            await account(request.app.state.service.engine, account_id)
    except Refusal as first:
        return problems.response(first)
    return problems.response(refusal)


def _openapi(app: FastAPI) -> dict[str, Any]:
    if app.openapi_schema is None:
        schema = get_openapi(
            title=app.title,
            version=app.version,
            description=app.description,
            routes=app.routes,
            tags=app.openapi_tags,
        )
        components = schema.setdefault("components", {})
        components["securitySchemes"] = {"key": {"type": "http", "scheme": "bearer", "bearerFormat": "bk_…"}}
        _, extra = models_json_schema(
            [(batch.Batch, "validation"), (Problem, "serialization")], ref_template="#/components/schemas/{model}"
        )
        components["schemas"] = {**extra["$defs"], **components["schemas"]}
        for path, operations in schema["paths"].items():
            for operation in operations.values():
                if "requestBody" in operation:
                    operation["responses"] |= {"413": problems.responses(PayloadTooLarge)[413]}
                operation["security"] = [] if path in OPEN_PATHS else [{"key": []}]
        app.openapi_schema = schema
    return app.openapi_schema
