"""Cursors: the key after which a page of a list goes on, as text that means nothing to whoever holds it."""

import base64
import json
from typing import Any

from billing.core.amounts import MAX_AMOUNT
from billing.core.refusals import Invalid


def encode_cursor(key: list[Any]) -> str:
    return base64.urlsafe_b64encode(json.dumps(key).encode()).decode().rstrip("=")


def decode_cursor(cursor: str, *kinds: type) -> list[Any]:
    """The key that a cursor stands for. Raises Invalid."""
    try:
        key = json.loads(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
        alike = len(key) == len(kinds) and all(type(part) is kind for part, kind in zip(key, kinds, strict=True))
        if alike and all(part.isprintable() if isinstance(part, str) else abs(part) <= MAX_AMOUNT for part in key):
            return list(key)
    except (ValueError, TypeError, RecursionError):
        pass
    raise not_ours()


def not_ours() -> Invalid:
    return Invalid.of("cursor", "is not one that this list gave out")
