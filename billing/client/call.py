"""A call of the contract, described once and made in three ways.

    class ChargeCalls:
        @call
        def void(self, account_id: str, request_id: str) -> Flow[Charge]:
            answer = yield Request("POST", …)
            return answer.document

A flow yields requests, is sent their answers and does no input or output of its own. Who has the method decides what
becomes of it: `BillingClient().void(…)` is a coroutine, `SyncBillingClient().void(…)` the charge itself, and
`Plan().void(…)` the bare flow, to `yield from` in a longer one. Type checkers see just that, parameters included.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Coroutine, Generator, Iterator, Mapping
from contextlib import AbstractAsyncContextManager, AbstractContextManager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import wraps
from typing import TYPE_CHECKING, Any, Concatenate, Generic, ParamSpec, Self, TypeAlias, TypeVar, overload
from urllib.parse import quote

if TYPE_CHECKING:
    from billing.client.charging import Charging
    from billing.client.wire import SyncWire, Wire

PAGE_ROWS = 200
"""Rows asked for per page of a list, the most that the service gives."""

P = ParamSpec("P")
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
        """The document, and `replayed` in it."""
        return {**self.document, "replayed": self.replayed}


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
        # Short lists come whole, and may leave out that there is nothing more.
        more = answer.document.get("next_cursor") if answer.document.get("has_more") else None
        return answer.document["data"], more


class call(Generic[P, T]):
    """A flow as a method."""

    def __init__(self, flow: Callable[Concatenate[Any, P], Flow[T]]) -> None:
        self._flow = flow
        self.__doc__, self.__wrapped__ = flow.__doc__, flow

    @overload
    def __get__(self, caller: None, owner: type) -> Self: ...
    @overload
    def __get__(self, caller: Wire, owner: type) -> Callable[P, Coroutine[Any, Any, T]]: ...
    @overload
    def __get__(self, caller: SyncWire, owner: type) -> Callable[P, T]: ...
    @overload
    def __get__(self, caller: Plan, owner: type) -> Callable[P, Flow[T]]: ...
    def __get__(self, caller: Any, owner: type) -> Any:
        return self if caller is None else _bound(self._flow, caller, "run")


class listing(Generic[P, T]):
    """A list as a method: an iterator over its rows, asynchronous or not."""

    def __init__(self, rows: Callable[Concatenate[Any, P], Listing[T]]) -> None:
        self._rows = rows
        self.__doc__, self.__wrapped__ = rows.__doc__, rows

    @overload
    def __get__(self, caller: None, owner: type) -> Self: ...
    @overload
    def __get__(self, caller: Wire, owner: type) -> Callable[P, AsyncIterator[T]]: ...
    @overload
    def __get__(self, caller: SyncWire, owner: type) -> Callable[P, Iterator[T]]: ...
    def __get__(self, caller: Any, owner: type) -> Any:
        return self if caller is None else _bound(self._rows, caller, "rows")


class scope(Generic[P]):
    """A charging as a method: a context manager, asynchronous or not."""

    def __init__(self, charging: Callable[Concatenate[Any, P], Charging]) -> None:
        self._charging = charging
        self.__doc__, self.__wrapped__ = charging.__doc__, charging

    @overload
    def __get__(self, caller: None, owner: type) -> Self: ...
    @overload
    def __get__(self, caller: Wire, owner: type) -> Callable[P, AbstractAsyncContextManager[Charging, None]]: ...
    @overload
    def __get__(self, caller: SyncWire, owner: type) -> Callable[P, AbstractContextManager[Charging, None]]: ...
    def __get__(self, caller: Any, owner: type) -> Any:
        return self if caller is None else _bound(self._charging, caller, "scope")


class Plan:
    """Makes no call: its methods are flows, for longer flows to be made of."""

    def run(self, flow: Flow[T]) -> Flow[T]:
        """The flow as it is."""
        return flow


def _bound(described: Callable[..., Any], caller: Any, way: str) -> Callable[..., Any]:
    @wraps(described)
    def bound(*args: Any, **kwargs: Any) -> Any:
        return getattr(caller, way)(described(caller, *args, **kwargs))

    return bound


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
