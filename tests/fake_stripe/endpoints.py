"""Every request of the API that the fake answers: method, path, parameters, and what it does.

A handler gets the world, the path's ids and the values of the parameters, and returns an object, or the objects of a
list, of which the caller then gets a page.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from . import (
    customers,
    expansion,
    intents,
    params,
    payment_methods,
    payouts,
    refunds,
    sessions,
)
from .kinds import read
from .lists import page
from .params import Specification
from .refusals import InvalidRequest
from .world import Object, World

Values = dict[str, Any]
Handler = Callable[..., Object | list[Object]]


@dataclass(frozen=True)
class Endpoint:
    method: str
    path: str
    specification: Specification
    handler: Handler

    def ids(self, path: str) -> tuple[str, ...] | None:
        """The ids in `path`, or None if it is another endpoint's."""
        pattern = re.sub(r"\{id\}", "([^/]+)", self.path)
        found = re.fullmatch(pattern, path)
        return found.groups() if found else None

    def values(self, fields: Values) -> Values:
        """Raises InvalidRequest."""
        return read(self.specification, fields)

    def answer(self, world: World, path: str, ids: tuple[str, ...], values: Values) -> Object:
        """Does it, and returns what Stripe would show. Raises Refusal."""
        made = self.handler(world, *ids, values)
        if isinstance(made, list):
            whole = page(made, values, path)
            shown = {**whole, "data": [world.shown(one) for one in whole["data"]]}
        else:
            shown = made if made["object"] == "list" else world.shown(made)
        return expansion.expanded(world, shown, values.get("expand", []))


def _retrieve(kind: str) -> Handler:
    return lambda world, object_id, values: world.at_path(kind, object_id)


def _list(kind: str, *filters: str) -> Handler:
    """Those whose fields equal the parameters named in `filters`."""

    def found(world: World, values: Values) -> list[Object]:
        wanted = {name: values[name] for name in filters if name in values}
        return [one for one in world.every(kind) if all(one[name] == value for name, value in wanted.items())]

    return found


def _customer_methods(world: World, customer_id: str, values: Values) -> list[Object]:
    world.at_path("customer", customer_id)
    return payment_methods.of_customer(world, customer_id, values.get("type"))


def _methods(world: World, values: Values) -> list[Object]:
    world.named("customer", values["customer"], "customer")
    return payment_methods.of_customer(world, values["customer"], values.get("type"))


def _customer_method(world: World, customer_id: str, method_id: str, values: Values) -> Object:
    world.at_path("customer", customer_id)
    return payment_methods.one_of_customer(world, customer_id, method_id)


def _attach(world: World, reference: str, values: Values) -> Object:
    method = payment_methods.at_path(world, reference)
    payment_methods.attach(world, method, values["customer"])
    return method


def _detach(world: World, method_id: str, values: Values) -> Object:
    method = world.at_path("payment_method", method_id)
    payment_methods.detach(world, method)
    return method


def _expire(world: World, session_id: str, values: Values) -> Object:
    return sessions.expire(world, world.at_path("checkout.session", session_id))


def _line_items(world: World, session_id: str, values: Values) -> Object:
    return expansion.line_items(world, world.at_path("checkout.session", session_id))


def _confirm(world: World, intent_id: str, values: Values) -> Object:
    return intents.confirm(world, world.at_path("payment_intent", intent_id), values)


def _cancel(world: World, intent_id: str, values: Values) -> Object:
    return intents.cancel(world, world.at_path("payment_intent", intent_id), values.get("cancellation_reason"))


def _balance_transactions(world: World, values: Values) -> list[Object]:
    if "payout" in values:
        contained = payouts.contents(world, world.named("payout", values["payout"], "payout"))
    else:
        contained = world.every("balance_transaction")
    wanted = {name: values[name] for name in ("currency", "source", "type") if name in values}
    return [one for one in contained if all(one[name] == value for name, value in wanted.items())]


def _events(world: World, values: Values) -> list[Object]:
    if "type" in values and "types" in values:
        raise InvalidRequest("You may only specify one of these parameters: type, types.", param="type")
    patterns = values.get("types") or ([values["type"]] if "type" in values else ["*"])
    return [one for one in world.every("event") if matches(one["type"], patterns)]


def matches(event_type: str, patterns: list[str] | tuple[str, ...]) -> bool:
    """`*` stands for anything: `*`, `charge.*`, `charge.dispute.*`."""
    return any(re.fullmatch(re.escape(pattern).replace(r"\*", ".*"), event_type) for pattern in patterns)


ENDPOINTS = [
    Endpoint(method, f"/v1/{path}", specification, handler)
    for method, path, specification, handler in [
        ("POST", "customers", params.CUSTOMER_CREATE, customers.create),
        ("GET", "customers/{id}", params.RETRIEVE, _retrieve("customer")),
        ("GET", "customers/{id}/payment_methods", params.CUSTOMER_PAYMENT_METHOD_LIST, _customer_methods),
        ("GET", "customers/{id}/payment_methods/{id}", params.RETRIEVE, _customer_method),
        ("GET", "payment_methods", params.PAYMENT_METHOD_LIST, _methods),
        ("GET", "payment_methods/{id}", params.RETRIEVE, lambda world, id_, _: payment_methods.at_path(world, id_)),
        ("POST", "payment_methods/{id}/attach", params.PAYMENT_METHOD_ATTACH, _attach),
        ("POST", "payment_methods/{id}/detach", params.PAYMENT_METHOD_DETACH, _detach),
        ("POST", "checkout/sessions", params.SESSION_CREATE, sessions.create),
        (
            "GET",
            "checkout/sessions",
            params.SESSION_LIST,
            _list("checkout.session", "customer", "payment_intent", "status"),
        ),
        ("GET", "checkout/sessions/{id}", params.RETRIEVE, _retrieve("checkout.session")),
        ("POST", "checkout/sessions/{id}/expire", params.SESSION_EXPIRE, _expire),
        ("GET", "checkout/sessions/{id}/line_items", params.LINE_ITEMS, _line_items),
        ("POST", "payment_intents", params.PAYMENT_INTENT_CREATE, intents.create),
        ("GET", "payment_intents", params.PAYMENT_INTENT_LIST, _list("payment_intent", "customer")),
        ("GET", "payment_intents/{id}", params.RETRIEVE, _retrieve("payment_intent")),
        ("POST", "payment_intents/{id}/confirm", params.PAYMENT_INTENT_CONFIRM, _confirm),
        ("POST", "payment_intents/{id}/cancel", params.PAYMENT_INTENT_CANCEL, _cancel),
        ("GET", "charges", params.CHARGE_LIST, _list("charge", "customer", "payment_intent")),
        ("GET", "charges/{id}", params.RETRIEVE, _retrieve("charge")),
        ("POST", "refunds", params.REFUND_CREATE, refunds.create),
        ("GET", "refunds", params.REFUND_LIST, _list("refund", "charge", "payment_intent")),
        ("GET", "refunds/{id}", params.RETRIEVE, _retrieve("refund")),
        ("GET", "disputes", params.DISPUTE_LIST, _list("dispute", "charge", "payment_intent")),
        ("GET", "disputes/{id}", params.RETRIEVE, _retrieve("dispute")),
        ("GET", "balance_transactions", params.BALANCE_TRANSACTION_LIST, _balance_transactions),
        ("GET", "balance_transactions/{id}", params.RETRIEVE, _retrieve("balance_transaction")),
        ("POST", "payouts", params.PAYOUT_CREATE, payouts.create),
        ("GET", "payouts", params.PAYOUT_LIST, _list("payout", "status")),
        ("GET", "payouts/{id}", params.RETRIEVE, _retrieve("payout")),
        ("GET", "events", params.EVENT_LIST, _events),
        ("GET", "events/{id}", params.RETRIEVE, _retrieve("event")),
    ]
]


def endpoint_at(method: str, path: str) -> tuple[Endpoint, tuple[str, ...]] | None:
    for endpoint in ENDPOINTS:
        if endpoint.method == method and (ids := endpoint.ids(path)) is not None:
            return endpoint, ids
    return None
