"""Cursors: what a list gave out it takes back, and nothing else."""

import base64
import json
from typing import Any

import pytest

from billing.core.cursors import decode_cursor, encode_cursor
from billing.core.refusals import Invalid


@pytest.mark.parametrize("key", [["acme"], ["acme", 3], [-(2**62)], ["ñ", "", 0]])
def test_a_cursor_comes_back_as_the_key_it_was(key: list[Any]) -> None:
    assert decode_cursor(encode_cursor(key), *map(type, key)) == key


def text(value: Any) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).decode()


@pytest.mark.parametrize(
    "cursor",
    [
        "", "no", "!!!!", "e30", text("acme"), text({"a": 1}), text(["acme"]), text(["acme", "3"]), text(["acme", True]),
        text(["acme", 3, 4]), text(["ac\u0000me", 3]), text(["acme", 2**64]), text([[[["acme"]]], 3]), "ñ",
    ],
)  # fmt: skip
def test_what_no_list_gave_out(cursor: str) -> None:
    with pytest.raises(Invalid, match="cursor: is not one that this list gave out"):
        decode_cursor(cursor, str, int)
