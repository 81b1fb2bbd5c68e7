"""Text that may enter the ledger: identifiers, and free text without what would poison the database."""

import json
import math
import re
from collections.abc import Mapping
from typing import Any

from billing.core.refusals import Invalid

Metadata = Mapping[str, str | int | float | bool | None]

IDENTIFIER = r"^[A-Za-z0-9_.:\-]{1,64}$"
CURRENCY = r"^[A-Z]{3}$"
RESERVED_GRANT_PREFIXES = ("refund:", "correction:", "pack:", "recharge:")
METADATA_KEYS, METADATA_KEY_LENGTH, METADATA_VALUE_LENGTH = 50, 64, 512

# `$` would let a trailing newline pass: fullmatch does not.
_PATH_SEGMENTS = (".", "..")  # HTTP clients would resolve them away: such an account could not be reached
_identifier = re.compile(IDENTIFIER.strip("^$")).fullmatch


def is_identifier(text: str) -> bool:
    """Whether `text` is 1-64 of `A-Z a-z 0-9 _ . : -`."""
    return _identifier(text) is not None


def identifier(value: object, field: str) -> str:
    """`value` if it is 1-64 of `A-Z a-z 0-9 _ . : -`; raises Invalid naming `field`."""
    if type(value) is not str or not is_identifier(value):
        raise Invalid.of(field, "must be 1 to 64 of the characters A-Z a-z 0-9 _ . : -")
    if value in _PATH_SEGMENTS:
        raise Invalid.of(field, "must not be . or ..")
    return value


def free_text(value: object, field: str, *, longest: int = 512) -> str:
    """`value` if PostgreSQL can store it: no NUL, no lone surrogate, at most `longest` characters.

    JSON lets `"\\u0000"` and `"\\ud800"` pass; a `text` column refuses both. Raises Invalid.
    """
    if type(value) is not str:
        raise Invalid.of(field, "must be text")
    if len(value) > longest:
        raise Invalid.of(field, f"must have at most {longest} characters")
    if "\x00" in value or not _encodes(value):
        raise Invalid.of(field, "must not contain NUL or unpaired surrogates")
    return value


def metadata_json(value: Metadata | None, field: str = "metadata") -> str | None:
    """A flat object of labels as compact JSON with sorted keys; nothing for nothing. Raises Invalid."""
    if value is None or value == {}:
        return None
    if not isinstance(value, dict):
        raise Invalid.of(field, "must be an object")
    if len(value) > METADATA_KEYS:
        raise Invalid.of(field, f"must have at most {METADATA_KEYS} keys")
    for key, label in value.items():
        free_text(key, field, longest=METADATA_KEY_LENGTH)
        if isinstance(label, str):
            free_text(label, field, longest=METADATA_VALUE_LENGTH)
        elif isinstance(label, float) and not math.isfinite(label):
            raise Invalid.of(field, "numbers must be finite")
        elif isinstance(label, int) and not isinstance(label, bool) and label.bit_length() > 256:
            raise Invalid.of(field, "numbers must have at most 256 bits")
        elif label is not None and not isinstance(label, int | float | bool):
            raise Invalid.of(field, "values must be text, numbers, true, false or null")
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


class NamedTwice(Exception):
    """`name` stands twice in one object: which value would be meant?"""

    def __init__(self, name: str) -> None:
        super().__init__(f"{name!r} is there twice")
        self.name = name


def named_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """For JSON decoders (`object_pairs_hook`), which would take the last of two. Raises NamedTwice."""
    found = dict(pairs)
    if len(found) < len(pairs):
        gone = object()
        raise NamedTwice(next(name for name, _ in pairs if found.pop(name, gone) is gone))
    return found


def _encodes(value: str) -> bool:
    if value.isascii():
        return True
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True


def currency(value: object, field: str) -> str:
    """`value` if it looks like an ISO 4217 code; raises Invalid."""
    if type(value) is not str or len(value) != 3 or not (value.isascii() and value.isalpha() and value.isupper()):
        raise Invalid.of(field, f"must match {CURRENCY}")
    return value
