"""HEAD is where GET is: the same status and headers, nothing behind them, and no file made for it."""

import pytest

from billing.dashboard import assets

from .service import Api
from .test_access import ROUTES, Place, Route, call

GETS = [route for route in ROUTES if route.method == "GET"]
OTHERS = [
    "/healthz", "/readyz", "/metrics", "/openapi.json", "/docs", "/sign-in", "/.well-known/billing-keys.json",
    f"{assets.BASE}/dashboard.css", "/accounts", "/",
]  # fmt: skip


@pytest.fixture(scope="module")
def place(api: Api) -> Place:
    return Place(api)


@pytest.mark.parametrize("route", GETS, ids=lambda route: route.path)
def test_a_route_of_the_api(api: Api, place: Place, route: Route) -> None:
    request_id = place.charge["request_id"]
    got = call(api, route, "admin", place.account_id, request_id)
    head = call(api, route._replace(method="HEAD"), "admin", place.account_id, request_id)
    assert head.status_code == got.status_code
    assert set(head.headers) == set(got.headers)
    assert head.headers["content-type"] == got.headers["content-type"]
    assert call(api, route._replace(method="HEAD"), None, place.account_id).status_code == 401


@pytest.mark.parametrize("path", OTHERS)
def test_whatever_else_is_got(api: Api, path: str) -> None:
    got = api.call("GET", path, follow_redirects=False)
    head = api.call("HEAD", path, follow_redirects=False)
    assert head.status_code == got.status_code < 400
    assert set(head.headers) == set(got.headers)


def test_a_file_is_not_made_for_its_head(api: Api, place: Place) -> None:
    for _ in range(12):  # more than there are sessions to read it with
        head = api.call("HEAD", "/v1/finance/exports/journal?format=csv&start=2020-01-01T00:00:00Z")
        assert (head.status_code, head.content) == (200, b"")
        assert head.headers["content-type"].startswith("text/csv")
        assert "export-as-of" in head.headers


def test_a_head_of_what_only_changes_things_is_refused(api: Api) -> None:
    refused = api.call("HEAD", "/v1/charges/batch")
    assert refused.status_code == 405
