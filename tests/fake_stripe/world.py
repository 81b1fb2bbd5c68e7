"""All that the fake knows, in memory: objects by id, the events they made, and what is told wrongly on purpose.

Objects are dicts as Stripe shows them. What Stripe knows but does not show stands in them under names that begin with
an underscore. Everything here runs on the server's own event loop, in one thread, without a pause: a request is
executed as a whole.
"""

from collections.abc import Callable
from copy import deepcopy
from typing import Any

from stripe import api_version

from .clock import Clock
from .ids import new_id
from .refusals import Missing, no_such

Object = dict[str, Any]

# What a path's id is called when the object is not there.
_PATH_PARAMS = {
    "checkout.session": "session",
    "payment_intent": "intent",
    "refund": "refund",
    "dispute": "dispute",
    "payout": "payout",
    "payment_method": "payment_method",
}
_WITHOUT_LIVEMODE = {"refund", "balance_transaction"}
_SPOKEN = {"payment_method": "PaymentMethod"}


class World:
    def __init__(self, base_url: str = "") -> None:
        self.base_url = base_url
        self.clock = Clock()
        self.heard: Callable[[Object], None] = lambda event: None  # who delivers events
        self.endpoints = 0  # how many webhooks wait for an event
        self.clear()

    def clear(self) -> None:
        """Forgets every object and every switch; the clock goes on."""
        self.objects: dict[str, Object] = {}
        self.tampered: dict[str, Object] = {}
        self.late_balance_transactions = False
        self.request: Object = {"id": None, "idempotency_key": None}

    # objects

    def new(self, kind: str, fields: Object, *, shape: str | None = None) -> Object:
        """A new object of `kind`, with an id, created now. `shape` is the id's, if not the kind's."""
        made = {"id": new_id(shape or kind), "object": kind, "created": self.clock.now(), **fields}
        if kind not in _WITHOUT_LIVEMODE:
            made["livemode"] = False
        self.objects[made["id"]] = made
        return made

    def find(self, kind: str, object_id: str | None) -> Object | None:
        found = self.objects.get(object_id or "")
        return found if found and found["object"] == kind else None

    def at_path(self, kind: str, object_id: str) -> Object:
        """Raises Missing (404)."""
        if not (found := self.find(kind, object_id)):
            raise Missing(_SPOKEN.get(kind, kind), object_id, _PATH_PARAMS.get(kind, "id"))
        return found

    def named(self, kind: str, object_id: str, param: str) -> Object:
        """Raises InvalidRequest (400)."""
        if not (found := self.find(kind, object_id)):
            raise no_such(_SPOKEN.get(kind, kind), object_id, param)
        return found

    def every(self, kind: str) -> list[Object]:
        """Newest first."""
        return [one for one in reversed(self.objects.values()) if one["object"] == kind]

    def change(self, changed: Object, **fields: Any) -> Object:
        """Sets fields; returns what they were, as `previous_attributes` tell it."""
        previous = {name: changed.get(name) for name, value in fields.items() if changed.get(name) != value}
        changed.update(fields)
        return deepcopy(previous)

    def shown(self, whole: Object) -> Object:
        """A copy without what Stripe keeps to itself, and with what `tamper` falsified."""
        told = {name: value for name, value in whole.items() if not name.startswith("_")}
        return deepcopy({**told, **self.tampered.get(whole["id"], {})})

    # events

    def emit(self, event_type: str, about: Object, previous: Object | None = None) -> Object:
        """An event with a snapshot of `about`, kept for `GET /v1/events` and handed to who delivers."""
        data = {"object": self.shown(about)}
        if previous is not None:
            data["previous_attributes"] = previous
        event = self.new(
            "event",
            {
                "api_version": api_version,
                "data": data,
                "pending_webhooks": self.endpoints,
                "request": dict(self.request),
                "type": event_type,
            },
        )
        self.heard(self.shown(event))
        return event
