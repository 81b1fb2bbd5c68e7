"""The API's description as a page: Swagger UI, under the policy of every page."""

from starlette.requests import Request
from starlette.responses import Response

from billing.dashboard import frame
from billing.dashboard.route import PageRoute


async def show(request: Request) -> Response:
    """Needs no key: it says what the API is, and calls it with the key that is typed there."""
    return frame.page(request, "docs.html")


ROUTES = [PageRoute("/docs", show)]
