"""What a request's headers tell of its caller: by which key it wants to be known, and whether it is sent again."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from .errors import invalid

LONGEST_KEY = 255
"""Characters of an `Idempotency-Key`."""

_QUOTED = re.compile(r'"((?:[^"\\]|\\["\\])*)"').fullmatch
_SPLITS = re.compile(r"(?:^|\s)ai(?:-sdk)?/").search
_UNPRINTABLE = re.compile(r"[^\x20-\x7e]")


@dataclass(frozen=True, slots=True)
class Caller:
    """`key`: the caller's `Idempotency-Key`. `trace`: its `X-Request-Id`, which names nothing (proxies give one to
    several calls); it is kept and said again. `repeat`: which repeat of a request this is, counted from 0; None from
    callers that do not say, as only official clients do. `splits`: the Vercel AI SDK, which sends one call for many
    images as several requests at once, all under one key.
    """

    key: str | None = None
    trace: str | None = None
    repeat: int | None = None
    splits: bool = False

    @classmethod
    def of(cls, headers: Mapping[str, str]) -> Caller:
        """Raises `Refused` for a key that is none."""
        repeat = headers.get("x-stainless-retry-count", "")
        return cls(
            key=_key(headers.get("idempotency-key", "")),
            trace=trace_of(headers),
            repeat=int(repeat) if re.fullmatch(r"[0-9]{1,4}", repeat) else None,
            splits=_SPLITS(headers.get("user-agent", "")) is not None,
        )


def trace_of(headers: Mapping[str, str]) -> str | None:
    """The `X-Request-Id`, as far as it may be stored and said again."""
    return _UNPRINTABLE.sub("", headers.get("x-request-id", ""))[:255].strip() or None


def _key(said: str) -> str | None:
    """Any printable text, also as a quoted string, which is how the IETF's draft spells it."""
    if not said:
        return None
    sent = said.encode("latin-1", "replace")  # as headers arrive
    try:
        key = sent.decode()
    except UnicodeDecodeError:
        key = said
    if quoted := _QUOTED(key):
        key = re.sub(r"\\(.)", r"\1", quoted[1])
    if not key.isprintable() or not 1 <= len(key) <= LONGEST_KEY or not key.strip():
        raise invalid(f"Idempotency-Key takes 1 to {LONGEST_KEY} printable characters.", "Idempotency-Key")
    return key
