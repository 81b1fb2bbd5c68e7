"""Requests and answers: what flows are made of, and how the contract writes what they say."""

from __future__ import annotations

from collections.abc import Generator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Generic, TypeAlias, TypeVar
from urllib.parse import quote

from billing.client.problem import UNEXPECTED_ANSWER, Problem

PAGE_ROWS = 200
"""Rows asked for per page of a list, the most that the service gives."""

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Request:
    """What to ask: `body` is sent as it is; members of `params` that are None are left out."""

    method: str
    path: str
    body: Mapping[str, Any] | None = None
    params: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class Answer:
    """A success: HTTP status, parsed JSON, and whether the service had seen this id before."""

    status: int
    document: Any
    replayed: bool

    def resource(self) -> dict[str, Any]:
        """The document, and `replayed` in it. Raises `Problem` (`unexpected_answer`) if it is no object."""
        if not isinstance(self.document, Mapping):
            raise Problem(self.status, UNEXPECTED_ANSWER, "the answer is no object")
        return {**self.document, "replayed": self.replayed}

    def resource_of(self, **ids: str) -> dict[str, Any]:
        """The resource, if it has these ids: a connection that got mixed up must not pass for a hold or a bill.

        Raises `Problem` (`unexpected_answer`).
        """
        resource = self.resource()
        if any(resource.get(name) != value for name, value in ids.items()):
            raise Problem(self.status, UNEXPECTED_ANSWER, "the answer is about something else than was asked")
        return resource


Flow: TypeAlias = Generator[Request, Answer, T]
"""Yields requests, is sent their answers or thrown a `Problem`, and returns what came of it."""


@dataclass(frozen=True, slots=True)
class Listing(Generic[T]):
    """A list of the service, to be read page after page."""

    path: str
    params: Mapping[str, Any]

    def page(self, cursor: str | None) -> Flow[tuple[list[T], str | None]]:
        """The rows of one page, and the cursor of the next one or None."""
        answer = yield Request("GET", self.path, params={"limit": PAGE_ROWS, **self.params, "cursor": cursor})
        more = answer.document.get("next_cursor") if answer.document.get("has_more") else None
        return answer.document["data"], more


def present(members: Mapping[str, Any]) -> dict[str, Any]:
    """The members that are not None, instants as the contract writes them (RFC 3339, UTC).

    What is left out the service fills in with its defaults.
    """
    return {
        name: instant(value) if isinstance(value, datetime) else value
        for name, value in members.items()
        if value is not None
    }


def instant(at: datetime) -> str:
    """`at` as RFC 3339 in UTC. Refuses a naive time: it names no instant."""
    if at.tzinfo is None:
        raise ValueError("a time without a zone names no instant")
    return at.astimezone(UTC).isoformat().replace("+00:00", "Z")


def path_of(*segments: str | int) -> str:
    """The path `/v1/…` of the segments. Refuses an empty or dot segment: it would name another resource."""
    for segment in segments:
        if segment in ("", ".", ".."):
            raise ValueError(f"{segment!r} cannot stand in a path")
    return "/v1/" + "/".join(quote(str(segment), safe=":") for segment in segments)
