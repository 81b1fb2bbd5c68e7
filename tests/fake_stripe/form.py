"""Form fields with brackets: `line_items[0][price_data][currency]=usd` becomes nested dicts.

Arrays stay dicts with "0", "1", … as keys: only the parameter's kind tells an array from metadata that has numbers
for keys. A `[]` counts on from what is there.
"""

import re
from typing import Any
from urllib.parse import parse_qsl

from .refusals import InvalidRequest

_NAME = re.compile(r"^[^\[\]]+(\[[^\[\]]*\])*$")


def decode(encoded: str) -> dict[str, Any]:
    """Raises InvalidRequest if brackets do not match, or a name is both a value and a group."""
    fields: dict[str, Any] = {}
    for name, value in parse_qsl(encoded, keep_blank_values=True):
        if not _NAME.match(name):
            raise InvalidRequest(f"Invalid parameter name: {name}", param=name)
        first, *rest = name.split("[")
        place, key = fields, first
        for step in (part.removesuffix("]") for part in rest):
            place = place.setdefault(key, {})
            if not isinstance(place, dict):
                raise InvalidRequest(f"Invalid parameter: {name} is a value and a group", param=name)
            key = step or str(len(place))
        place[key] = value
    return fields
