"""Signing in with a key, and out again."""

import re
from urllib.parse import parse_qs

from starlette.requests import ClientDisconnect, Request
from starlette.responses import RedirectResponse, Response

from billing.dashboard import frame
from billing.dashboard.route import PageRoute
from billing.dashboard.security import secured
from billing.http.auth import (
    COOKIE,
    SESSION_SECONDS,
    TooManyAttempts,
    Unavailable,
    cookie,
    same_origin,
    sign_in,
    sign_out,
)

_OURS = re.compile(r"/(?![/\\])[ -~]{0,2000}")
_FORM_BYTES = 4096
_KEY_LENGTH = 512


async def show(request: Request) -> Response:
    """The form."""
    return _form(request, _next(request.query_params.get("next")))


async def enter(request: Request) -> Response:
    """Takes the form: with a valid key it sets the cookie and leads to where the visitor wanted to go."""
    form = await _read(request)
    where = _next(form.get("next"))
    if not same_origin(request):
        return _form(request, where, status=403, failure="elsewhere")
    secret = form.get("key", "").strip()
    try:
        if cookie(request, COOKIE):
            await sign_out(request)
        token = await sign_in(request, secret) if 0 < len(secret) <= _KEY_LENGTH else None
    except TooManyAttempts as refusal:
        response = _form(request, where, status=429, failure="too_many")
        response.headers["Retry-After"] = str(refusal.retry_after_seconds)
        return response
    except Unavailable:
        return _form(request, where, status=503, failure="unavailable")
    if token is None:
        return _form(request, where, status=401, failure="wrong")
    response = RedirectResponse(where, 303)
    response.set_cookie(
        COOKIE, token, max_age=SESSION_SECONDS, path="/", secure=_by_https(request), httponly=True, samesite="strict"
    )
    return secured(response)


async def leave(request: Request) -> Response:
    """Ends the session, here and in the database."""
    if not same_origin(request):
        return frame.problem(request, 403, "elsewhere")
    try:
        await sign_out(request)
    except Unavailable:
        return frame.problem(request, 503, "unavailable")
    response = RedirectResponse("/sign-in", 303)
    response.delete_cookie(COOKIE, path="/", secure=_by_https(request), httponly=True, samesite="strict")
    return secured(response)


def _form(request: Request, where: str, *, status: int = 200, failure: str | None = None) -> Response:
    return frame.page(request, "sign_in.html", status=status, where=where, failure=failure)


async def _read(request: Request) -> dict[str, str]:
    """The form's fields, the first of each name; nothing where it is longer than a form of ours."""
    body = bytearray()
    try:
        async for part in request.stream():
            body += part
            if len(body) > _FORM_BYTES:
                return {}
        return {name: values[0] for name, values in parse_qs(body.decode("ascii"), max_num_fields=10).items()}
    except (ValueError, ClientDisconnect):
        return {}


def _next(wanted: str | None) -> str:
    """Where to go after signing in: a page of ours, never another site."""
    return wanted if wanted and _OURS.fullmatch(wanted) else "/"


def _by_https(request: Request) -> bool:
    """Whether the browser spoke https, also where a proxy ended it."""
    return "https" in (request.url.scheme, request.headers.get("origin", "").partition(":")[0])


ROUTES = [
    PageRoute("/sign-in", show, methods=["GET"]),
    PageRoute("/sign-in", enter, methods=["POST"]),
    PageRoute("/sign-out", leave, methods=["POST"]),
]
