"""Problems: the one table from a refusal to its HTTP status, and the documents that callers get."""

import json
from typing import Any

import structlog
from fastapi import Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import Response
from pydantic import ValidationError
from starlette.exceptions import HTTPException

from billing.core.refusals import Invalid, Refusal, Unavailable
from billing.http.refusals import Forbidden, MethodNotAllowed, RouteNotFound, TooManyAttempts, Unauthenticated
from billing.store.refusals import DatabaseUnavailable, Overloaded

log = structlog.get_logger("billing.http")

# By code: what a room above refuses is known here by its name alone. A test holds it complete.
STATUS: dict[str, int] = {
    "signature_invalid": 400,
    "unauthenticated": 401,
    "insufficient_credits": 402,
    "forbidden": 403,
    "cross_site": 403,
    "account_suspended": 403,
    "second_key_needed": 403,
    "reconciliation_not_found": 404,
    "route_not_found": 404,
    "account_not_found": 404,
    "charge_not_found": 404,
    "price_book_not_found": 404,
    "key_not_found": 404,
    "pack_not_found": 404,
    "topup_not_found": 404,
    "auto_recharge_not_found": 404,
    "stripe_event_not_found": 404,
    "payout_not_found": 404,
    "transaction_not_found": 404,
    "webhook_endpoint_not_found": 404,
    "webhook_event_not_found": 404,
    "statement_not_found": 404,
    "method_not_allowed": 405,
    "body_too_slow": 408,
    "id_reused": 409,
    "charge_not_open": 409,
    "refund_exceeds_bill": 409,
    "nothing_to_correct": 409,
    "price_changed": 409,
    "topup_not_paid": 409,
    "approval_not_awaited": 409,
    "payments_not_configured": 409,
    "transaction_known": 409,
    "period_not_over": 409,
    "earlier_period_open": 409,
    "period_not_closed": 409,
    "later_period_closed": 409,
    "payload_too_large": 413,
    "validation_error": 422,
    "manifest_unreadable": 422,
    "checkout_refused": 422,
    "unknown_model": 422,
    "size_not_allowed": 422,
    "size_not_priced": 422,
    "quality_not_supported": 422,
    "too_many_attempts": 429,
    "processor_unavailable": 503,
    "overloaded": 503,
    "database_unavailable": 503,
    "clock_doubted": 503,
}

MEDIA_TYPE = "application/problem+json"
TYPE = "urn:billing:problem:"


def document(refusal: Refusal) -> dict[str, Any]:
    """The problem document of a refusal, with its facts as fields."""
    if isinstance(refusal, Invalid):  # names of fields come from the caller too
        refusal = Invalid([{name: _printable(text) for name, text in error.items()} for error in refusal.errors])
    return {
        "type": f"{TYPE}{refusal.code}",
        "title": refusal.title,
        "status": STATUS[refusal.code],
        "detail": refusal.detail,
        "code": refusal.code,
        "retry": refusal.retry,
        **refusal.facts(),
    }


INTERNAL = {
    "type": f"{TYPE}internal_error",
    "title": "Our fault",
    "status": 500,
    "detail": "This should not happen. Repeat the call with the same id: it takes effect at most once.",
    "code": "internal_error",
    "retry": "same_id",
}


def response(refusal: Refusal, **more: str) -> Response:
    headers = more
    if isinstance(refusal, Unavailable | TooManyAttempts):
        headers["Retry-After"] = str(refusal.retry_after_seconds)
    if isinstance(refusal, Unauthenticated):
        headers["WWW-Authenticate"] = "Bearer"
    return Response(json.dumps(document(refusal)), STATUS[refusal.code], headers, MEDIA_TYPE)


def invalid(error: RequestValidationError | ValidationError) -> Invalid:
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
    return Invalid(found[:20])


def responses(*kinds: type[Refusal], again: type[Any] | None = None) -> dict[int | str, dict[str, Any]]:
    """OpenAPI's description of the refusals that a route may answer with, beside those that all may.

    With `again`, also of what it says to a call that had been answered before.
    """
    by_status: dict[int, list[str]] = {}
    possible: list[type[Refusal]] = [Unauthenticated, Forbidden, Invalid, TooManyAttempts, *kinds]
    possible += [Overloaded, DatabaseUnavailable]
    for kind in possible:
        by_status.setdefault(STATUS[kind.code], []).append(kind.code)
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
    assert isinstance(error, Refusal)
    return response(error)


async def on_http(request: Request, error: Exception) -> Response:
    """What Starlette and FastAPI raise by themselves."""
    assert isinstance(error, HTTPException)
    if error.status_code == 404:
        return response(RouteNotFound())
    if error.status_code == 405:
        return response(MethodNotAllowed(), **(error.headers or {}))
    return response(Invalid.of("body", "cannot be read"))


async def on_error(request: Request, error: Exception) -> Response:
    log.error("request failed", method=request.method, path=request.url.path, error=repr(error))
    return Response(json.dumps(INTERNAL), 500, media_type=MEDIA_TYPE)


def _printable(text: str) -> str:
    return text.encode("ascii", "replace").decode().replace("\x00", "?")[:300]
