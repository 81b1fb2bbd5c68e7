"""A route of the API: it answers what was asked, or says what of it nobody here knows. Where GET is, HEAD is.

FastAPI drops what a route does not declare: a filter with a slip of the pen in its name would answer with everything.
"""

from collections import Counter
from collections.abc import AsyncGenerator, Callable, Coroutine, Iterable
from copy import copy
from difflib import get_close_matches
from typing import Any
from urllib.parse import parse_qsl, urlencode

from fastapi import APIRouter, Request
from fastapi._compat import field_annotation_is_sequence
from fastapi.dependencies.utils import get_flat_params
from fastapi.params import Query
from fastapi.responses import Response, StreamingResponse
from fastapi.routing import APIRoute
from starlette.types import Receive, Scope, Send

from billing.core.refusals import Invalid
from billing.store.snapshot import asked_twice

_MOST = 20  # errors that are told at once
_ARRAY = "[]"  # OpenAI's clients send arrays as group_by[]=a&group_by[]=b


class Route(APIRoute):
    """Takes the query parameters that its endpoint and its dependencies declare: lists as often as they come, others
    once. What these are is read once, when the route is made; a call without a query pays for one comparison.
    """

    def __init__(self, *arguments: Any, **more: Any) -> None:
        super().__init__(*arguments, **more)
        declared = [one for one in get_flat_params(self.dependant) if isinstance(one.field_info, Query)]
        self._known = [one.alias for one in declared]
        self._lists = {one.alias for one in declared if field_annotation_is_sequence(one.field_info.annotation)}

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """A read is answered at the second attempt where its connection ended in the first: it changes nothing."""
        answer = super().get_route_handler()
        if self.methods is None or "GET" not in self.methods:
            return answer
        self.methods.add("HEAD")

        async def answer_or_head(request: Request) -> Response:
            response = await asked_twice(lambda: answer(request))
            return response if request.method == "GET" else await _head_of(response)

        return answer_or_head

    def described(self) -> "Route":
        """The route as OpenAPI tells it: that HEAD is where GET is goes without saying."""
        route = copy(self)
        route.methods = (self.methods or set()) - {"HEAD"}
        return route

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Raises Invalid, which the application tells those who may call and see the account."""
        if scope["query_string"] and scope["method"] in (self.methods or ()):
            scope["query_string"] = self._understood(scope["query_string"])
        await super().handle(scope, receive, send)

    def _understood(self, query: bytes) -> bytes:
        """The query by the names that are declared. Raises Invalid."""
        given = [(self._name(name), value) for name, value in _read(query)]
        count = Counter(name for name, _ in given)
        wrong = [
            name for name, times in count.items() if name not in self._known or (times > 1 and name not in self._lists)
        ]
        if wrong:
            raise Invalid([{"field": name, "message": self._objection(name)} for name in wrong[:_MOST]])
        return urlencode(given).encode()

    def _name(self, given: str) -> str:
        name = given.removesuffix(_ARRAY)
        return name if name in self._lists else given

    def _objection(self, name: str) -> str:
        if name in self._known:
            return "must be given once"
        if not self._known:
            return "is not known here: there are no query parameters"
        nearest = " or ".join(f"`{one}`" for one in get_close_matches(name, self._known, n=2))
        meant = f" Did you mean {nearest}?" if nearest else ""
        return f"is not known here.{meant} There are: {', '.join(self._known)}"


class Router(APIRouter):
    """Where routes of the API are made."""

    def __init__(self, **more: Any) -> None:
        super().__init__(route_class=Route, **more)


async def _head_of(response: Response) -> Response:
    """The status and headers of what GET answers. A file is not made for it."""
    if isinstance(response, StreamingResponse) and isinstance(response.body_iterator, AsyncGenerator):
        await response.body_iterator.aclose()
    head = Response(status_code=response.status_code)
    head.raw_headers = response.raw_headers
    return head


def _read(query: bytes) -> Iterable[tuple[str, str]]:
    return parse_qsl(query.decode("latin-1"), keep_blank_values=True)  # as Starlette reads it
