"""What a scene orders the stand-in provider to do with a request, written in one header."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, Self, get_args

HEADER = "X-Demo-Orders"
CLIENT_REQUEST_ID = "X-Client-Request-Id"
"""A caller's own name for a request, which the provider keeps beside what it made."""

Claims = Literal["true", "auto", "absent"]


@dataclass(frozen=True, slots=True)
class ProviderOrders:
    """How the provider departs from what was asked; without orders it delivers just that.

    `sizes` are delivered in turn, image by image, as "WIDTHxHEIGHT" in pixels; `fail` and `truncate` are
    indexes of images that fail or arrive cut off in their header; `claims` is what the answer's top level
    says of size and quality; `refuse` answers 400 for the whole request; `hang` never answers.
    """

    sizes: tuple[str, ...] = ()
    fail: frozenset[int] = frozenset()
    truncate: frozenset[int] = frozenset()
    claims: Claims = "true"
    refuse: bool = False
    hang: bool = False

    @classmethod
    def read(cls, text: str) -> Self:
        """The orders in a header such as `sizes=1672x941; fail=1,3; claims=absent; hang`.

        Raises ValueError for what is no order.
        """
        said: dict[str, str] = {}
        for part in filter(None, (part.strip() for part in text.split(";"))):
            name, _, value = part.partition("=")
            said[name] = value
        claims = next((claim for claim in get_args(Claims) if claim == said.get("claims", "true")), None)
        if claims is None or said.keys() - cls.__slots__:
            raise ValueError(f"no such orders: {text}")
        return cls(
            sizes=tuple(filter(None, said.get("sizes", "").split(","))),
            fail=_indexes(said.get("fail", "")),
            truncate=_indexes(said.get("truncate", "")),
            claims=claims,
            refuse="refuse" in said,
            hang="hang" in said,
        )

    def __str__(self) -> str:
        """The header that `read` reads."""
        parts = []
        if self.sizes:
            parts.append("sizes=" + ",".join(self.sizes))
        if self.fail:
            parts.append("fail=" + ",".join(map(str, sorted(self.fail))))
        if self.truncate:
            parts.append("truncate=" + ",".join(map(str, sorted(self.truncate))))
        if self.claims != "true":
            parts.append("claims=" + self.claims)
        parts += [name for name in ("refuse", "hang") if getattr(self, name)]
        return "; ".join(parts)


def _indexes(text: str) -> frozenset[int]:
    return frozenset(int(part) for part in text.split(",") if part)
