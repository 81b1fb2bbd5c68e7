"""Webhook endpoints, events and their deliveries, over HTTP."""

import json
from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import Field

from billing.core.announcements import BY_DEFAULT, EVERY, SETTLED, TYPES
from billing.http.models.common import Body, Identifier, Shown, Text, Time
from billing.store.deliveries import WebhookDelivery, WebhookEvent
from billing.store.webhooks import Endpoint

State = Literal["pending", "delivered", "dead"]
Url = Annotated[Text, Field(max_length=2_000, description="https, on a public address")]
Events = Annotated[
    list[Annotated[str, Field(max_length=64)]],
    Field(
        min_length=1,
        max_length=50,
        description=f"types to hear of: {', '.join(TYPES)}; `{EVERY}` is all, also those to come; "
        f"left out: all but {SETTLED}",
    ),
]


class NewWebhookEndpoint(Body):
    endpoint_id: Identifier | None = None
    url: Url
    events: Events = Field(default_factory=lambda: list(BY_DEFAULT))
    account_id: Annotated[Identifier, Field(description="to hear of this account only")] | None = None
    description: Text | None = None


class WebhookEndpointPatch(Body):
    """Only the fields that are sent change."""

    url: Url = ""
    events: Events = Field(default_factory=lambda: list(BY_DEFAULT))
    description: Text | None = None
    enabled: Annotated[bool, Field(description="while false nothing is sent, and nothing new waits")] = True


class WebhookEndpointShown(Shown):
    endpoint_id: str
    url: str
    events: list[str]
    account_id: str | None
    description: str | None
    enabled: bool
    previous_secret_until: Annotated[datetime | None, Field(description="until then the secret before signs too")]
    created_at: datetime
    deleted_at: datetime | None

    @classmethod
    def of(cls, e: Endpoint) -> "WebhookEndpointShown":
        return cls(**_fields(e))


class WebhookEndpointMade(WebhookEndpointShown):
    secret: Annotated[str | None, Field(description="shown this once; null where the call had been answered before")]

    @classmethod
    def with_secret(cls, e: Endpoint, secret: str | None) -> "WebhookEndpointMade":
        return cls(**_fields(e), secret=secret)


class DeliveryShown(Shown):
    """`attempts` since the delivery was last asked for; while it is pending, `next_attempt_at` is when it is due."""

    event_id: str
    account_id: str
    endpoint_id: str
    state: State
    attempts: int
    next_attempt_at: datetime | None
    last_attempt_at: datetime | None
    last_status: int | None
    problem: str | None
    created_at: datetime

    @classmethod
    def of(cls, d: WebhookDelivery) -> "DeliveryShown":
        return cls.like(d)


class EventShown(Shown):
    """`dispatched`: the endpoints that listen have been found, and `deliveries` says how far each has come."""

    event_id: str
    type: str
    account_id: str
    created_at: datetime
    data: dict[str, Any]
    dispatched: bool
    deliveries: list[DeliveryShown]

    @classmethod
    def of(cls, e: WebhookEvent) -> "EventShown":
        told = e.announcement
        return cls.like(told, data=json.loads(told.data), deliveries=[DeliveryShown.of(one) for one in e.deliveries])


class EventReplay(Body):
    endpoint_id: Annotated[Identifier, Field(description="left out: all that listen")] | None = None


class EndpointReplay(Body):
    since: Annotated[Time, Field(description="RFC 3339, inclusive")]


class EndpointReplayed(Shown):
    endpoint_id: str
    events: Annotated[int, Field(description="how many are delivered again")]
    next_since: Annotated[datetime | None, Field(description="there may be more: call again with this `since`")]


def _fields(e: Endpoint) -> dict[str, Any]:
    return {
        "endpoint_id": e.endpoint_id,
        "url": e.url,
        "events": e.events,
        "account_id": e.account_id,
        "description": e.description,
        "enabled": e.enabled,
        "previous_secret_until": e.previous_until,
        "created_at": e.created_at,
        "deleted_at": e.deleted_at,
    }
