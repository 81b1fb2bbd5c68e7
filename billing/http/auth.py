"""Roles: who calls, and whether they may."""

from typing import Annotated, NamedTuple

from fastapi import Depends, Request
from fastapi.routing import APIRoute

from billing.core.refusals import AccountNotFound, Unavailable
from billing.http.refusals import Forbidden, TooManyAttempts, Unauthenticated
from billing.http.service import Service
from billing.http.sessions import (
    COOKIE,
    SESSION_SECONDS,
    check_origin,
    cookie,
    same_origin,
    session_key,
    sign_in,
    sign_out,
)
from billing.store.keys import Key

# What the dashboard knows of the service comes from here.
__all__ = [
    "ACCOUNT", "ADMIN", "COOKIE", "FINANCE", "GATEWAY", "SESSION_SECONDS", "Admin", "Allow", "Browsing", "Buying",
    "Caller", "Charging", "Key", "Ordering", "Overseeing", "Reading", "Refunding", "TooManyAttempts", "Unavailable",
    "cookie", "same_origin", "session_key", "sign_in", "sign_out",
]  # fmt: skip


class Caller(NamedTuple):
    """Who calls, and what answers: one dependency for both, because each costs every request."""

    key: Key
    service: Service


class Allow:
    """A dependency: a valid key of one of `roles`, and for role `account` only its own account.

    The key is that of the header, or without one that of the session: what most calls send is looked at first.
    """

    def __init__(self, *roles: str) -> None:
        self.roles = frozenset(roles)

    async def __call__(self, request: Request) -> Caller:
        header = request.headers.get("authorization")
        service: Service = request.app.state.service
        if header is not None:
            scheme, _, secret = header.partition(" ")
            bearer = scheme.lower() == "bearer" and secret
            key = await service.keys.find(secret.strip(), request.scope.get("client")) if bearer else None
        else:
            key = await session_key(request)
        if key is None:
            raise Unauthenticated()
        request.scope["visit"].is_known = True
        if header is None:
            check_origin(request)
        if key.role not in self.roles:
            raise Forbidden(key.role)
        if key.role == "account":
            account_id = request.path_params.get("account_id")
            if account_id is not None and account_id != key.account_id:
                raise AccountNotFound(account_id)
        return Caller(key, service)


def asks_for_a_key(route: APIRoute) -> bool:
    return any(isinstance(one.call, Allow) for one in route.dependant.dependencies)


ADMIN, GATEWAY, FINANCE, ACCOUNT = "admin", "gateway", "finance", "account"
Admin = Annotated[Caller, Depends(Allow(ADMIN))]
Charging = Annotated[Caller, Depends(Allow(ADMIN, GATEWAY))]
Ordering = Annotated[Caller, Depends(Allow(ADMIN, GATEWAY, ACCOUNT))]  # a checkout, which somebody else pays
Buying = Annotated[Caller, Depends(Allow(ADMIN, ACCOUNT))]  # with a saved card
Refunding = Annotated[Caller, Depends(Allow(ADMIN, FINANCE))]
Overseeing = Annotated[Caller, Depends(Allow(ADMIN, FINANCE))]
Browsing = Annotated[Caller, Depends(Allow(ADMIN, GATEWAY, FINANCE))]
Reading = Annotated[Caller, Depends(Allow(ADMIN, GATEWAY, FINANCE, ACCOUNT))]
