"""`expand[]`: ids become the objects they name, along a path of at most four steps."""

from typing import Any

from .refusals import InvalidRequest
from .world import Object, World

# Kind of object → fields that can be expanded. Those that are not ids are made here.
EXPANDABLE = {
    "checkout.session": ("customer", "line_items", "payment_intent"),
    "payment_intent": ("customer", "latest_charge", "payment_method"),
    "charge": ("balance_transaction", "customer", "failure_balance_transaction", "payment_intent", "refunds"),
    "refund": ("balance_transaction", "charge", "failure_balance_transaction", "payment_intent"),
    "dispute": ("charge", "payment_intent"),
    "balance_transaction": ("source",),
    "payout": ("balance_transaction", "failure_balance_transaction"),
    "payment_method": ("customer",),
}
_DEEPEST = 4


def expanded(world: World, answer: Object, paths: list[str]) -> Object:
    """`answer` itself, changed. Raises InvalidRequest for a path that leads nowhere, as it is not said to."""
    for path in paths:
        steps = path.split(".")
        if len(steps) > _DEEPEST:
            raise InvalidRequest("You cannot expand more than 4 levels of a property", param="expand")
        _walk(world, answer, steps, path)
    return answer


def _walk(world: World, place: Any, steps: list[str], path: str) -> None:
    if not steps or place is None:
        return
    step, *rest = steps
    if isinstance(place, dict) and place.get("object") == "list" and step == "data":
        for one in place["data"]:
            _walk(world, one, rest, path)
        return
    if not isinstance(place, dict) or step not in EXPANDABLE.get(place.get("object", ""), ()):
        raise InvalidRequest(f"This property cannot be expanded ({path}).", param="expand")
    place[step] = _found(world, place, step)
    _walk(world, place[step], rest, path)


def _found(world: World, place: Object, step: str) -> Any:
    if step == "line_items":
        return line_items(world, world.objects[place["id"]])
    if step == "refunds":
        refunds = [world.shown(one) for one in world.every("refund") if one["charge"] == place["id"]]
        return _whole(refunds, f"/v1/charges/{place['id']}/refunds")
    value = place.get(step)
    return world.shown(world.objects[value]) if isinstance(value, str) else value


def line_items(world: World, session: Object) -> Object:
    items = world.shown({"id": session["id"], "items": session["_line_items"]})["items"]
    return _whole(items, f"/v1/checkout/sessions/{session['id']}/line_items")


def _whole(data: list[Object], url: str) -> Object:
    return {"object": "list", "data": data, "has_more": False, "url": url}
