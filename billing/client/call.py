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

from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from functools import wraps
from typing import Any, Concatenate, Generic, ParamSpec, Self, overload

from billing.client.request import Flow, Listing, T

P = ParamSpec("P")


class Awaited:
    """Who has calls that are awaited."""


class Blocking:
    """Who has calls that block."""


class call(Generic[P, T]):
    """A flow as a method."""

    def __init__(self, flow: Callable[Concatenate[Any, P], Flow[T]]) -> None:
        self._flow = flow
        self.__doc__, self.__wrapped__ = flow.__doc__, flow

    @overload
    def __get__(self, caller: None, owner: type) -> Self: ...
    @overload
    def __get__(self, caller: Awaited, owner: type) -> Callable[P, Coroutine[Any, Any, T]]: ...
    @overload
    def __get__(self, caller: Blocking, owner: type) -> Callable[P, T]: ...
    @overload
    def __get__(self, caller: Plan, owner: type) -> Callable[P, Flow[T]]: ...
    def __get__(self, caller: Any, owner: type) -> Any:
        return self if caller is None else bound(self._flow, caller, "run")


class listing(Generic[P, T]):
    """A list as a method: an iterator over its rows, asynchronous or not."""

    def __init__(self, rows: Callable[Concatenate[Any, P], Listing[T]]) -> None:
        self._rows = rows
        self.__doc__, self.__wrapped__ = rows.__doc__, rows

    @overload
    def __get__(self, caller: None, owner: type) -> Self: ...
    @overload
    def __get__(self, caller: Awaited, owner: type) -> Callable[P, AsyncIterator[T]]: ...
    @overload
    def __get__(self, caller: Blocking, owner: type) -> Callable[P, Iterator[T]]: ...
    def __get__(self, caller: Any, owner: type) -> Any:
        return self if caller is None else bound(self._rows, caller, "rows")


class Plan:
    """Makes no call: its methods are flows, for longer flows to be made of."""

    def run(self, flow: Flow[T]) -> Flow[T]:
        """The flow as it is."""
        return flow


def bound(described: Callable[..., Any], caller: Any, way: str) -> Callable[..., Any]:
    """What is described, as a method of `caller`, made in its `way`."""

    @wraps(described)
    def calling(*args: Any, **kwargs: Any) -> Any:
        return getattr(caller, way)(described(caller, *args, **kwargs))

    return calling
