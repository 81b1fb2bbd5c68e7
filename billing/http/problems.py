"""Problems: the one table from a refusal to its HTTP status, and the documents that callers get."""

import json
from typing import Any

import structlog
from fastapi import Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import Response
from pydantic import BaseModel, ValidationError
from starlette.exceptions import HTTPException

from billing.core import refusals as r

log = structlog.get_logger("billing.http")

STATUS: dict[type[r.Refusal], int] = {
    r.SignatureInvalid: 400,
    r.Unauthenticated: 401,
    r.InsufficientCredits: 402,
    r.Forbidden: 403,
    r.CrossSite: 403,
    r.AccountSuspended: 403,
    r.SecondKeyNeeded: 403,
    r.ReconciliationNotFound: 404,
    r.RouteNotFound: 404,
    r.AccountNotFound: 404,
    r.ChargeNotFound: 404,
    r.GrantNotFound: 404,
    r.PriceBookNotFound: 404,
    r.KeyNotFound: 404,
    r.PackNotFound: 404,
    r.TopupNotFound: 404,
    r.AutoRechargeNotFound: 404,
    r.StripeEventNotFound: 404,
    r.PayoutNotFound: 404,
    r.TransactionNotFound: 404,
    r.WebhookEndpointNotFound: 404,
    r.WebhookEventNotFound: 404,
    r.StatementNotFound: 404,
    r.MethodNotAllowed: 405,
    r.BodyTooSlow: 408,
    r.IdReused: 409,
    r.ChargeNotOpen: 409,
    r.RefundExceedsBill: 409,
    r.NothingToCorrect: 409,
    r.PriceChanged: 409,
    r.TopupNotPaid: 409,
    r.ApprovalNotAwaited: 409,
    r.PaymentsNotConfigured: 409,
    r.TransactionKnown: 409,
    r.PeriodNotOver: 409,
    r.EarlierPeriodOpen: 409,
    r.PeriodNotClosed: 409,
    r.LaterPeriodClosed: 409,
    r.PayloadTooLarge: 413,
    r.Invalid: 422,
    r.ManifestUnreadable: 422,
    r.CheckoutRefused: 422,
    r.UnknownModel: 422,
    r.SizeNotAllowed: 422,
    r.SizeNotPriced: 422,
    r.QualityNotSupported: 422,
    r.TooManyAttempts: 429,
    r.ProcessorUnavailable: 503,
    r.Overloaded: 503,
    r.DatabaseUnavailable: 503,
    r.ClockDoubted: 503,
}

MEDIA_TYPE = "application/problem+json"
TYPE = "urn:billing:problem:"


def document(refusal: r.Refusal) -> dict[str, Any]:
    """The problem document of a refusal, with its facts as fields."""
    if isinstance(refusal, r.Invalid):  # names of fields come from the caller too
        refusal = r.Invalid([{name: _printable(text) for name, text in error.items()} for error in refusal.errors])
    return {
        "type": f"{TYPE}{refusal.code}",
        "title": refusal.title,
        "status": STATUS[type(refusal)],
        "detail": refusal.detail,
        "code": refusal.code,
        **refusal.facts(),
    }


INTERNAL = {
    "type": f"{TYPE}internal_error",
    "title": "Our fault",
    "status": 500,
    "detail": "This should not happen. Repeat the call with the same id: it takes effect at most once.",
    "code": "internal_error",
}


def response(refusal: r.Refusal, **more: str) -> Response:
    headers = more
    if isinstance(refusal, r.Unavailable | r.TooManyAttempts):
        headers["Retry-After"] = str(refusal.retry_after_seconds)
    if isinstance(refusal, r.Unauthenticated):
        headers["WWW-Authenticate"] = "Bearer"
    return Response(json.dumps(document(refusal)), STATUS[type(refusal)], headers, MEDIA_TYPE)


def invalid(error: RequestValidationError | ValidationError) -> r.Invalid:
    """What pydantic found, by field. Never the input itself: it may hold what must not be echoed or logged."""
    found = []
    for one in error.errors():
        where = [str(part) for part in one["loc"]]
        if where and where[0] in ("body", "path", "query", "header") and len(where) > 1:
            where = where[1:]
        if where and where[0] in ("authorize", "charge", "settle", "void") and len(where) > 1:
            where = where[1:]  # which operation of a batch it is: its place in the results says so
        if one["type"] == "json_invalid":
            where = ["body"]
        message = one["msg"].removeprefix("Value error, ")
        if one["type"] == "union_tag_invalid":  # pydantic's own words repeat the tag
            message = f"must be one of {one['ctx']['expected_tags']}"
        found.append({"field": ".".join(where) or "body", "message": message})
    return r.Invalid(found[:20])


def responses(*kinds: type[r.Refusal], again: type[BaseModel] | None = None) -> dict[int | str, dict[str, Any]]:
    """OpenAPI's description of the refusals that a route may answer with, beside those that all may.

    With `again`, also of what it says to a call that had been answered before.
    """
    by_status: dict[int, list[str]] = {}
    possible: list[type[r.Refusal]] = [r.Unauthenticated, r.Forbidden, r.Invalid, r.TooManyAttempts, *kinds]
    possible += [r.Overloaded, r.DatabaseUnavailable]
    for kind in possible:
        by_status.setdefault(STATUS[kind], []).append(kind.code)
    described: dict[int | str, dict[str, Any]] = {
        status: {
            "description": ", ".join(f"`{code}`" for code in dict.fromkeys(codes)),
            "content": {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}},
        }
        for status, codes in sorted(by_status.items())
    }
    if again is not None:
        described[200] = {"description": "Answered before: as it is now, `Idempotent-Replayed: true`", "model": again}
    return described


async def on_refusal(request: Request, error: Exception) -> Response:
    assert isinstance(error, r.Refusal)
    return response(error)


async def on_http(request: Request, error: Exception) -> Response:
    """What Starlette and FastAPI raise by themselves."""
    assert isinstance(error, HTTPException)
    if error.status_code == 404:
        return response(r.RouteNotFound())
    if error.status_code == 405:
        return response(r.MethodNotAllowed(), **(error.headers or {}))
    return response(r.Invalid.of("body", "cannot be read"))


async def on_error(request: Request, error: Exception) -> Response:
    log.error("request failed", method=request.method, path=request.url.path, error=repr(error))
    return Response(json.dumps(INTERNAL), 500, media_type=MEDIA_TYPE)


def _printable(text: str) -> str:
    return text.encode("ascii", "replace").decode().replace("\x00", "?")[:300]
