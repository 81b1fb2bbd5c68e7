"""List objects: newest first, a page at a time."""

from typing import Any

from .refusals import no_such
from .world import Object

DEFAULT_LIMIT = 10


def page(found: list[Object], values: dict[str, Any], url: str) -> Object:
    """One page of `found` (newest first). Raises InvalidRequest if a cursor names nothing of it."""
    found = [one for one in found if _within(one["created"], values.get("created", {}))]
    limit = values.get("limit", DEFAULT_LIMIT)
    if "ending_before" in values:
        newer = found[: _position(found, values, "ending_before")]
        data, has_more = newer[-limit:], len(newer) > limit
    else:
        rest = found[_position(found, values, "starting_after") + 1 :] if "starting_after" in values else found
        data, has_more = rest[:limit], len(rest) > limit
    return {"object": "list", "data": data, "has_more": has_more, "url": url}


def _position(found: list[Object], values: dict[str, Any], param: str) -> int:
    for position, one in enumerate(found):
        if one["id"] == values[param]:
            return position
    kind = found[0]["object"] if found else "object"
    raise no_such(kind, values[param], param)


def _within(created: int, bounds: dict[str, int]) -> bool:
    return (
        created > bounds.get("gt", created - 1)
        and created >= bounds.get("gte", created)
        and created < bounds.get("lt", created + 1)
        and created <= bounds.get("lte", created)
    )
