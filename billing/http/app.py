"""The application: routes, refusals and what surrounds every request."""

from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import Response
from fastapi.routing import APIRoute
from starlette.exceptions import HTTPException

from billing.core.refusals import Invalid, Refusal
from billing.core.text import is_identifier
from billing.http import (
    accounts,
    batch,
    charges,
    description,
    health,
    keys,
    metrics,
    packs,
    prices,
    problems,
    standings,
    stripe_events,
    topups,
    transfers,
    webhook_endpoints,
)
from billing.http.auth import Allow
from billing.http.front import Front, Requests
from billing.http.refusals import BodyTooSlow, PayloadTooLarge
from billing.http.route import Route, Router
from billing.http.service import Chores, running
from billing.http.visits import Visits
from billing.settings import Settings
from billing.store.accounts import account

_ROOMS = (
    charges,
    batch,
    accounts,
    standings,
    topups,
    packs,
    stripe_events,
    prices,
    transfers,
    webhook_endpoints,
    keys,
    health,
    metrics,
)


def create_app(
    shelves: Iterable[Router],
    settings: Settings,
    dsn: str,
    counted: metrics.Counted = metrics.counted_alone,
    chores: Chores = lambda service: (),
) -> FastAPI:
    """The application on the migrated database at `dsn`.

    `shelves` are routes of reports, `chores` what runs beside them; `counted` says where figures go, and who adds them.
    """

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with running(settings, dsn, chores) as service:
            app.state.service = service
            async with counted(app) as app.state.metrics:
                yield

    app = FastAPI(
        title=description.TITLE,
        version=description.VERSION,
        lifespan=lifespan,
        redirect_slashes=False,
        openapi_url=None,  # FastAPI's own pages run another origin's scripts, and make the document while others wait
    )
    app.state.requests = Requests()
    app.state.visits = Visits()
    for router in (*(room.router for room in _ROOMS), *shelves):
        # Not include_router, which keeps a router within the router: one more search for every request.
        app.router.routes.extend(router.routes)
    assert all(isinstance(route, Route) for route in app.routes if isinstance(route, APIRoute)), (
        "use billing.http.route"
    )
    app.add_exception_handler(Invalid, _on_invalid)
    app.add_exception_handler(Refusal, problems.on_refusal)
    app.add_exception_handler(RequestValidationError, _on_unread)
    app.add_exception_handler(HTTPException, _on_http)
    app.add_exception_handler(Exception, problems.on_error)
    app.add_middleware(
        Front, requests=app.state.requests, visits=app.state.visits, manifest_bytes=settings.manifest_bytes
    )
    described = description.Description(app)
    app.router.routes.append(described.route)
    app.openapi = described.document  # type: ignore[method-assign]
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
    if isinstance(error.__cause__, BodyTooSlow):  # told to whoever it is: looking for their key is not for free
        return problems.response(error.__cause__)
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
