"""Webhook endpoints: who is told what the ledger announces; and what became of each event."""

import secrets
from datetime import datetime
from typing import Annotated, Any

from fastapi import Path, Query, Response

from billing.core.refusals import AccountNotFound, IdReused
from billing.core.text import IDENTIFIER
from billing.http.auth import Admin, Overseeing
from billing.http.models.common import Page
from billing.http.models.webhooks import (
    EndpointReplay,
    EndpointReplayed,
    EventReplay,
    EventShown,
    NewWebhookEndpoint,
    WebhookEndpointMade,
    WebhookEndpointPatch,
    WebhookEndpointShown,
)
from billing.http.pages import Keyset, Ordinal
from billing.http.parameters import Cursor, Limit, Search, answered, clean
from billing.http.problems import responses
from billing.http.route import Router
from billing.outbox import new_secret
from billing.store import deliveries, webhooks
from billing.store.refusals import WebhookEndpointNotFound, WebhookEventNotFound

router = Router(prefix="/v1", tags=["webhooks"])
OF_ENDPOINTS = Keyset(created_at=datetime, endpoint_id=str)
OF_DELIVERIES = Keyset(created_at=datetime, event_id=str)
OF_EVENTS = Keyset(announcement__created_at=datetime, announcement__account_id=str, announcement__position=Ordinal)
EndpointId = Annotated[str, Path(pattern=IDENTIFIER, max_length=64, description="as it was chosen, or `we_…`")]
EventId = Annotated[str, Path(pattern=IDENTIFIER, max_length=64, description="`evt_…`")]


@router.post(
    "/webhook-endpoints",
    status_code=201,
    response_model=WebhookEndpointMade,
    responses=responses(AccountNotFound, IdReused, again=WebhookEndpointMade),
)
async def create_endpoint(body: NewWebhookEndpoint, response: Response, caller: Admin) -> WebhookEndpointMade:
    """A new endpoint, and the secret that its events are signed with. The answer is the only place where it stands."""
    service = caller.service
    wanted = webhooks.NewEndpoint(
        body.endpoint_id or f"we_{secrets.token_hex(12)}", body.url, body.events, body.account_id, body.description
    )
    service.destinations.url(wanted.url)
    found = await webhooks.known(service.work, wanted)
    secret, new = new_secret(), False
    if found is None:
        await service.destinations.admit(wanted.url)
        found, new = await webhooks.create(service.work, wanted, secret)
    answered(response, not new)
    return _made(found, secret if new else None)


@router.get("/webhook-endpoints", response_model=Page[WebhookEndpointShown], responses=responses())
async def list_endpoints(caller: Admin, cursor: Cursor = None, limit: Limit = 50) -> Any:
    """Endpoints, also deleted ones, oldest first, without their secrets."""
    found = await webhooks.endpoints(caller.service.engine, after=OF_ENDPOINTS.after(cursor), limit=limit + 1)
    return OF_ENDPOINTS.page(found, limit)


@router.get(
    "/webhook-endpoints/{endpoint_id}",
    response_model=WebhookEndpointShown,
    responses=responses(WebhookEndpointNotFound),
)
async def get_endpoint(endpoint_id: EndpointId, caller: Admin) -> Any:
    """One endpoint, without its secret."""
    return await webhooks.endpoint(caller.service.engine, endpoint_id)


@router.patch(
    "/webhook-endpoints/{endpoint_id}",
    response_model=WebhookEndpointShown,
    responses=responses(WebhookEndpointNotFound),
)
async def change_endpoint(endpoint_id: EndpointId, body: WebhookEndpointPatch, caller: Admin) -> Any:
    """Changes what is sent. What waits for a disabled endpoint waits until it is enabled; it hears of nothing new."""
    changes = body.model_dump(exclude_unset=True)
    if "url" in changes:
        await caller.service.destinations.admit(body.url)
    return await webhooks.change(caller.service.work, endpoint_id, changes)


@router.delete(
    "/webhook-endpoints/{endpoint_id}",
    response_model=WebhookEndpointShown,
    responses=responses(WebhookEndpointNotFound),
)
async def delete_endpoint(endpoint_id: EndpointId, caller: Admin) -> Any:
    """Ends an endpoint, its secrets and what waits for it. Its id stays taken."""
    return await webhooks.delete(caller.service.work, endpoint_id)


@router.post(
    "/webhook-endpoints/{endpoint_id}/rotate",
    response_model=WebhookEndpointMade,
    responses=responses(WebhookEndpointNotFound),
)
async def rotate_secret(endpoint_id: EndpointId, caller: Admin) -> WebhookEndpointMade:
    """A new secret, shown this once. For 24 h events are signed with the one before as well; never with a third."""
    secret = new_secret()
    found = await webhooks.rotate(caller.service.work, endpoint_id, secret)
    return _made(found, secret)


@router.post(
    "/webhook-endpoints/{endpoint_id}/replay",
    response_model=EndpointReplayed,
    responses=responses(WebhookEndpointNotFound),
)
async def replay_since(endpoint_id: EndpointId, body: EndpointReplay, caller: Admin) -> EndpointReplayed:
    """Delivers again what the endpoint listens to, from a time on, oldest first; at most 10,000 events a call."""
    count, more = await deliveries.replay_since(caller.service.work, endpoint_id, body.since)
    return EndpointReplayed(endpoint_id=endpoint_id, events=count, next_since=more)


@router.get(
    "/webhook-endpoints/{endpoint_id}/deliveries",
    response_model=Page[deliveries.WebhookDelivery],
    responses=responses(WebhookEndpointNotFound),
)
async def list_deliveries(
    endpoint_id: EndpointId,
    caller: Overseeing,
    state: Annotated[deliveries.State | None, Query(description="only deliveries that are so by now")] = None,
    cursor: Cursor = None,
    limit: Limit = 50,
) -> Any:
    """What was sent to an endpoint, newest first, and what came of it."""
    after = OF_DELIVERIES.after(cursor)
    found = await deliveries.deliveries(caller.service.engine, endpoint_id, state=state, after=after, limit=limit + 1)
    return OF_DELIVERIES.page(found, limit)


@router.get("/webhook-events", response_model=Page[EventShown], responses=responses())
async def list_events(
    caller: Overseeing,
    type: Annotated[Search, Query(description="such as `topup.paid`")] = None,
    account_id: Search = None,
    cursor: Cursor = None,
    limit: Limit = 50,
) -> Any:
    """What was announced, newest first, with its deliveries."""
    clean(type=type, account_id=account_id)
    after = OF_EVENTS.after(cursor)
    found = await deliveries.events(
        caller.service.engine, kind=type, account_id=account_id, after=after, limit=limit + 1
    )
    return OF_EVENTS.page(found, limit, EventShown.of)


@router.post(
    "/webhook-events/{event_id}/replay",
    response_model=EventShown,
    responses=responses(WebhookEventNotFound, WebhookEndpointNotFound),
)
async def replay_event(event_id: EventId, caller: Admin, body: EventReplay | None = None) -> EventShown:
    """Delivers an event again, under its own id, whatever became of it before."""
    await deliveries.replay(caller.service.work, event_id, None if body is None else body.endpoint_id)
    return EventShown.of(await deliveries.event(caller.service.engine, event_id))


def _made(endpoint: webhooks.Endpoint, secret: str | None) -> WebhookEndpointMade:
    return WebhookEndpointMade.like(endpoint, previous_secret_until=endpoint.previous_until, secret=secret)
