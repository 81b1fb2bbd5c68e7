"""The terms of a request: all that its price depends on."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Required, TypedDict, cast


class Terms(TypedDict, total=False):
    """What billing must be told of a request, or it bills another one. What is left out the service fills in."""

    model: Required[str]
    n: int
    size: str
    quality: str


def terms_of(asked: Mapping[str, Any]) -> Terms:
    """The terms in a request's parsed body, nulls left out. What they say, and that there is a model, is the service's
    to check."""
    said = {name: asked[name] for name in Terms.__annotations__ if asked.get(name) is not None}
    return cast(Terms, {"model": None, **said})
