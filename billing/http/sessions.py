"""Sessions: a browser that signed in with a key calls under that key, by a cookie instead of a header.

A cookie goes with every request that the browser makes, whoever wrote the page. So what changes anything must come
from a page of ours: it carries a header that no form of another site can set, and says where it comes from.
"""

import secrets
from hashlib import sha256
from urllib.parse import urlsplit

from fastapi import Request

from billing.http.refusals import CrossSite
from billing.http.service import Service
from billing.store import sessions
from billing.store.keys import Key, digest

COOKIE = "billing_session"
SESSION_SECONDS = 12 * 3600
PAGE_HEADER = "x-billing-dashboard"
_TOKEN_BYTES = 32  # 256 bits, 43 characters
_TOKEN_LENGTH = 43
_SAFE = frozenset(("GET", "HEAD", "OPTIONS"))


async def session_key(request: Request) -> Key | None:
    """The key that the request's session was opened with, asked anew: a revoked key ends its sessions at once."""
    token = cookie(request, COOKIE)
    if len(token) != _TOKEN_LENGTH:
        return None
    service: Service = request.app.state.service
    hashed = _digest(token)
    session = None if service.sessions.is_absent(hashed) else await service.sessions.find(hashed)
    if session is None:
        return None
    # As by header: who holds one secret is one key, whichever way it is sent.
    return service.keys.environment_key(session.key_hash) or session.key


def cookie(request: Request, name: str) -> str:
    """A cookie's value, or nothing. Others are passed over: to read what a stranger can send takes tens of ms."""
    _, found, rest = ("; " + request.headers.get("cookie", "")).rpartition(f"; {name}=")
    return rest.partition(";")[0] if found else ""


def check_origin(request: Request) -> None:
    """Raises CrossSite for a call by cookie that changes something and was not made by a page of ours."""
    if request.method not in _SAFE and not (PAGE_HEADER in request.headers and same_origin(request)):
        raise CrossSite()


def same_origin(request: Request) -> bool:
    """Whether the browser says that a page of ours sent this. Who says nothing is no browser of this decade."""
    site, origin = request.headers.get("sec-fetch-site"), request.headers.get("origin")
    if site is None and origin is None:
        return False
    # The scheme may have been lost at a proxy; host and port have not.
    return site in (None, "same-origin") and (origin is None or _host_of(origin) == request.headers.get("host"))


async def sign_in(request: Request, secret: str) -> str | None:
    """Opens a session with a key and returns its token, for the cookie; None where there is no such key.

    Raises TooManyAttempts for a wrong one where many were: here also what has not even the form of a key.
    """
    service: Service = request.app.state.service
    client = request.scope.get("client")
    if await service.keys.find(secret, client) is None:
        if not service.keys.may_be_one(secret):
            service.keys.attempts.failed(client)
        return None
    token = secrets.token_urlsafe(_TOKEN_BYTES)
    await sessions.open_session(service.work, _digest(token), digest(secret), seconds=SESSION_SECONDS)
    return token


async def sign_out(request: Request) -> None:
    """Ends the request's session, if it has one."""
    token = cookie(request, COOKIE)
    if len(token) == _TOKEN_LENGTH:
        service: Service = request.app.state.service
        await sessions.close_session(service.work, _digest(token))


def _digest(token: str) -> bytes:
    return sha256(token.encode("utf-8", "surrogatepass")).digest()


def _host_of(origin: str) -> str | None:
    try:
        return urlsplit(origin).netloc or None
    except ValueError:
        return None
