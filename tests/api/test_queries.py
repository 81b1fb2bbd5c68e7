"""What is asked and not known is said: a filter that was dropped in silence would answer with everything."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from fastapi.routing import APIRoute

from billing.http.route import Router

from .service import Api, created, image, problem, replayed
from .test_access import NAMES
from .test_usage import NEW_YEAR

DOCUMENT = json.loads((Path(__file__).parent / "openapi.json").read_text())


class Operation(NamedTuple):
    method: str
    path: str
    parameters: tuple[str, ...]
    needs_a_key: bool

    def __str__(self) -> str:
        return f"{self.method} {self.path}"


def operations() -> Iterator[Operation]:
    for path, methods in DOCUMENT["paths"].items():
        for method, operation in methods.items():
            query = [one["name"] for one in operation.get("parameters", ()) if one["in"] == "query"]
            yield Operation(method.upper(), path, tuple(query), bool(operation["security"]))


OPERATIONS = list(operations())
each = pytest.mark.parametrize("operation", OPERATIONS, ids=str)


@pytest.fixture(scope="module")
def account_id(quiet: Api) -> str:
    return quiet.account(1_000)


def call(api: Api, operation: Operation, query: str, account_id: str, role: str | None = "admin") -> Any:
    path = re.sub(
        r"\{(\w+)\}", lambda name: {"account_id": account_id}.get(name[1], NAMES.get(name[1], "1")), operation.path
    )
    return api.call(operation.method, f"{path}?{query}", {} if operation.method != "GET" else None, role)


@each
def test_a_parameter_that_no_route_knows(quiet: Api, account_id: str, operation: Operation) -> None:
    before = quiet.contents()
    document = problem(call(quiet, operation, "nobody_knows_this=1", account_id), 422, "validation_error")
    (error,) = document["errors"]
    assert error["field"] == "nobody_knows_this"
    assert all(name in error["message"] for name in operation.parameters or ("no query parameters",))
    assert quiet.contents() == before
    if operation.needs_a_key:
        problem(call(quiet, operation, "nobody_knows_this=1", account_id, None), 401, "unauthenticated")
    if "{account_id}" in operation.path:
        problem(call(quiet, operation, "nobody_knows_this=1", "nobody"), 404, "account_not_found")


@pytest.mark.parametrize(
    ("path", "query", "name", "meant"),
    [
        ("/v1/finance/exports/journal", "account=acme", "account", "account_id"),
        ("/v1/accounts/{account_id}/charges", "state=voided", "state", "status"),
        (
            "/v1/accounts/{account_id}/usage",
            f"start_time={NEW_YEAR}&time_zone=Asia/Tokyo&Group_by=model",
            "time_zone",
            "",
        ),
        ("/v1/accounts/{account_id}/usage", f"start_time={NEW_YEAR}&group-by=model", "group-by", "group_by"),
        ("/v1/accounts/{account_id}/balance", "as_of=2026-01-01T00:00:00Z", "as_of", ""),
        ("/v1/accounts/{account_id}/charges", "limit%5B%5D=3", "limit[]", "limit"),
    ],
)
def test_the_nearest_one_is_named(quiet: Api, account_id: str, path: str, query: str, name: str, meant: str) -> None:
    answer = quiet.call("GET", f"{path.format(account_id=account_id)}?{query}")
    error = problem(answer, 422, "validation_error")["errors"][0]
    assert error["field"] == name
    assert meant == "" or f"`{meant}`" in error["message"]


def test_an_account_key_learns_nothing_of_somebody_elses(quiet: Api, account_id: str) -> None:
    own = quiet.new_key("account", quiet.account())["key"]
    problem(quiet.call("GET", f"/v1/accounts/{account_id}/balance?as_of=1", role=own), 404, "account_not_found")
    problem(quiet.call("GET", "/v1/charges?state=voided", role=own), 403, "forbidden")


@pytest.mark.parametrize("query", ["status=voided&status=settled", "limit=1&limit=1", "end_user=a&end_user=b"])
def test_what_is_expected_once_is_not_given_twice(quiet: Api, account_id: str, query: str) -> None:
    document = problem(quiet.call("GET", f"/v1/accounts/{account_id}/charges?{query}"), 422, "validation_error")
    assert document["errors"] == [{"field": query.split("=")[0], "message": "must be given once"}]


def test_no_more_is_said_than_fits(quiet: Api, account_id: str) -> None:
    many = "&".join(f"{number}{'x' * 200}=1" for number in range(100))
    document = problem(quiet.call("GET", f"/v1/accounts/{account_id}/balance?{many}"), 422, "validation_error")
    assert len(document["errors"]) == 20
    problem(
        quiet.call("GET", "/v1/accounts/%00/balance?as_of=1"), 422, "validation_error"
    )  # and nothing asks for that account
    problem(quiet.call("GET", f"/v1/accounts/{account_id}/balance?%00=1"), 422, "validation_error")
    problem(quiet.call("POST", f"/v1/accounts/{account_id}/balance?as_of=1"), 405, "method_not_allowed")


@pytest.mark.parametrize("group_by", ["group_by%5B%5D=model&group_by%5B%5D=quality", "group_by=model&group_by[]=quality", "group_by=model,quality"])  # fmt: skip
def test_lists_as_the_official_clients_send_them(api: Api, group_by: str) -> None:
    account_id = api.account(1_000)
    for quality in ("low", "medium", "high"):
        created(api.post(f"/v1/accounts/{account_id}/charges", {"request_id": quality, "model": "gpt-image-2", "size": "1K", "quality": quality, "outputs": [image()]}))  # fmt: skip
    found = api.call("GET", f"/v1/accounts/{account_id}/usage?start_time={NEW_YEAR}&limit=1000&{group_by}&quality[]=low&quality[]=high").json()  # fmt: skip
    results = [(one["model"], one["quality"], one["credits"]) for day in found["data"] for one in day["results"]]
    assert results == [("gpt-image-2", "high", 14), ("gpt-image-2", "low", 1)]


def test_routes_that_are_added_later_know_their_parameters() -> None:
    router = Router()

    @router.get("/later")
    async def later(colour: str = "", sizes: list[str] | None = None) -> None: ...

    (route,) = router.routes
    assert isinstance(route, APIRoute)
    with pytest.raises(Exception, match="color"):
        route._understood(b"color=red")  # type: ignore[attr-defined]


def test_packs_come_in_pages_too(fresh: Api) -> None:
    """A client of ours asks every list for 200 at a time, and by cursor."""
    for number in range(3):
        pack = {
            "pack_id": f"p{number}",
            "credits": 10,
            "price": {"micros": 10_000_000 + number // 2 * 10_000, "currency": "USD"},
        }
        created(fresh.post("/v1/packs", pack))
    seen, cursor = [], {}
    while True:
        found = fresh.get("/v1/packs", limit=1, **cursor).json()
        seen += [pack["pack_id"] for pack in found["data"]]
        if not found["has_more"]:
            break
        cursor = {"cursor": found["next_cursor"]}
    assert seen == ["p0", "p1", "p2"]
    problem(fresh.get("/v1/packs", cursor="no"), 422, "validation_error")


def test_another_offer_may_not_take_a_packs_name(fresh: Api) -> None:
    pack = {"pack_id": "small", "credits": 10, "price": {"micros": 10_000_000, "currency": "USD"}}
    created(fresh.post("/v1/packs", pack))
    replayed(fresh.post("/v1/packs", pack | {"name": "small"}))
    for change, differs in (
        ({"credits": 11}, ["credits"]),
        ({"price": {"micros": 9_000_000, "currency": "EUR"}}, ["price.micros", "price.currency"]),
        ({"name": "Small", "expires_in_days": 30}, ["name", "expires_in_days"]),
    ):
        document = problem(fresh.post("/v1/packs", pack | change), 409, "id_reused")
        assert (document["id"], document["differs"]) == ("small", differs)


def test_a_page_with_a_campaign_in_its_address_is_a_page(quiet: Api) -> None:
    for path in ("/sign-in", "/docs", "/openapi.json"):
        assert quiet.client.get(f"{path}?utm_source=mail").status_code == 200
