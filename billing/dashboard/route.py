"""A route of the dashboard: no part of the API's description, but counted under its own name."""

from typing import Any

from starlette.routing import Match, Route
from starlette.types import Scope


class PageRoute(Route):
    """A plain route that says in the scope which it is, as the API's do: requests are counted by that."""

    def __init__(self, path: str, endpoint: Any, methods: list[str] | None = None) -> None:
        super().__init__(path, endpoint, methods=methods, include_in_schema=False)

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        match, found = super().matches(scope)
        return match, {**found, "route": self}  # which nobody reads where there is no match
