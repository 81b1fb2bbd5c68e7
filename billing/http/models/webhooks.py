"""Webhook endpoints, events and their deliveries, over HTTP."""

import json
from datetime import datetime
from typing import Annotated, Any

from pydantic import Field

from billing.core.announcements import BY_DEFAULT, EVERY, SETTLED, TYPES
from billing.http.models.common import Body, Identifier, Shown, Text, Time
from billing.store.deliveries import WebhookDelivery, WebhookEvent

Url = Annotated[Text, Field(max_length=2_000, description="https, on a public address, up to 2,000 characters")]
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
    """yours to choose, and kept for ever: 1-64 of A-Z a-z 0-9 _ . : -; null: one is made up"""
    url: Url
    events: Events = Field(default_factory=lambda: list(BY_DEFAULT))
    account_id: Identifier | None = None
    """to hear of this account only; null: of all"""
    description: Text | None = None
    """for people, up to 512 characters; null: none"""


class WebhookEndpointPatch(Body):
    """Only the fields that are sent change."""

    url: Url = ""
    events: Events = Field(default_factory=lambda: list(BY_DEFAULT))
    description: Text | None = None
    """for people, up to 512 characters; null: none"""
    enabled: bool = True
    """while false nothing is sent, and nothing new waits"""


class WebhookEndpointShown(Shown):
    endpoint_id: str
    """as it was chosen, or `we_…`"""
    url: str
    """where events are sent"""
    events: list[str]
    """types that it hears of; `*`: all, also those to come"""
    account_id: str | None
    """the one account that it hears of; null: all"""
    description: str | None
    """for people, up to 512 characters; null: none"""
    enabled: bool
    """while false nothing is sent, and nothing new waits"""
    previous_secret_until: datetime | None = Field(validation_alias="previous_until")
    """until then the secret before signs too, RFC 3339 in UTC; null: only the one"""
    created_at: datetime
    """RFC 3339 in UTC: it hears of what happens from then on"""
    deleted_at: datetime | None
    """RFC 3339 in UTC; null: it is there"""


class WebhookEndpointMade(WebhookEndpointShown):
    secret: str | None
    """`whsec_…`, which signs: shown this once; null where the call had been answered before"""


class EventShown(Shown):
    """What was announced, and who has been told."""

    event_id: str
    """`evt_…`: the same happening has one id for ever"""
    type: str
    """`topup.paid`, `balance.low`, …"""
    account_id: str
    """whose event it is"""
    created_at: datetime
    """when it happened, RFC 3339 in UTC"""
    data: dict[str, Any]
    """the facts, as they are sent; which depends on the type"""
    dispatched: bool
    """whether the endpoints that listen have been found"""
    deliveries: list[WebhookDelivery]
    """one for each endpoint that is told; empty until it is dispatched"""

    @classmethod
    def of(cls, event: WebhookEvent) -> "EventShown":
        told = event.announcement
        return cls.like(told, data=json.loads(told.data), deliveries=event.deliveries)


class EventReplay(Body):
    endpoint_id: Identifier | None = None
    """who is told again; null: all that listen"""


class EndpointReplay(Body):
    since: Time
    """RFC 3339, inclusive"""


class EndpointReplayed(Shown):
    endpoint_id: str
    """who is told again"""
    events: int
    """how many are delivered again, 0 to 10,000"""
    next_since: datetime | None
    """there may be more: call again with this `since`, RFC 3339 in UTC; null: there are no more"""
