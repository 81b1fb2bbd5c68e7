"""The pages: a frame for whoever is signed in and may look. What is in it their scripts ask of the API."""

import re
from collections.abc import Awaitable, Callable
from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from billing.dashboard import frame
from billing.dashboard.menu import ACCOUNT_PAGES, BOOKS_PAGES, HOUSE_PAGES, DashboardPage, home
from billing.dashboard.route import PageRoute
from billing.dashboard.security import secured
from billing.http.auth import ACCOUNT, Key, Unavailable, session_key

_IDENTIFIER = re.compile(r"[A-Za-z0-9_.:-]{1,64}")
Answer = Callable[[Request, Key], Response]


def signed_in(answer: Answer) -> Callable[[Request], Awaitable[Response]]:
    """An endpoint that answers whoever has a session; others sign in first and come back."""

    async def endpoint(request: Request) -> Response:
        try:
            key = await session_key(request)
        except Unavailable:
            return frame.problem(request, 503, "unavailable")
        if key is not None:
            return answer(request, key)
        if request.headers.get("sec-fetch-site") == "cross-site":
            # Whoever comes by a link of another site (from a checkout, say) comes without the strict cookie, but
            # not when the page itself leads here.
            return frame.page(request, "return.html")
        where = request.url.path + (f"?{request.url.query}" if request.url.query else "")
        return secured(RedirectResponse(f"/sign-in?{urlencode({'next': where})}", 303))

    return endpoint


def _endpoint(page: DashboardPage) -> Callable[[Request], Awaitable[Response]]:
    def answer(request: Request, key: Key) -> Response:
        if key.role not in page.roles:
            return frame.problem(request, 404, "page", key=key)
        ids = request.path_params
        if not all(_IDENTIFIER.fullmatch(value) for value in ids.values()):
            return frame.problem(request, 404, "page", key=key)
        account_id = ids.get("account_id")
        if key.role == ACCOUNT and account_id not in (None, key.account_id):
            return frame.problem(request, 404, "account", key=key, account_id=str(account_id))
        template = f"{page.name}.html"
        values = {name: value for name, value in ids.items() if name != "account_id"}
        return frame.page(
            request, template, key=key, account_id=account_id, name=page.name, under=page.under, ids=values
        )

    return signed_in(answer)


def _home(request: Request, key: Key) -> Response:
    return secured(RedirectResponse(home(key), 303))


def _nothing(request: Request, key: Key) -> Response:
    return frame.problem(request, 404, "page", key=key)


ROUTES = [
    PageRoute("/", signed_in(_home)),
    *(PageRoute(page.path, _endpoint(page)) for page in (*HOUSE_PAGES, *BOOKS_PAGES, *ACCOUNT_PAGES)),
    PageRoute("/accounts/{rest:path}", signed_in(_nothing)),
]
