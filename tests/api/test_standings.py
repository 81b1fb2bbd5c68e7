"""All accounts side by side and together, and what stands out among them."""

from collections.abc import Iterator

import pytest

from billing.embedded import EmbeddedPostgres
from tests.conftest import copied

from .service import Api, image, on, path_of, problem, serving
from .test_lists import ids, pages

FIGURES = ("posted", "held", "frozen", "lapsed", "available", "credit_limit", "debt")


@pytest.fixture(scope="module")
def api(server: EmbeddedPostgres, template: str) -> Iterator[Api]:
    """On a database of this module's own: totals are those of its accounts."""
    with copied(server, template, "billing_standings") as dsn, serving(dsn) as api:
        yield api


@pytest.fixture(scope="module", autouse=True)
def accounts(api: Api) -> list[str]:
    """One that holds, one that owes, one with a limit, one with nothing; one owes and was suspended since."""
    for account_id, settings in {
        "north-1": {}, "north-2": {}, "north-3": {"credit_limit": 50, "name": "Three"}, "south-1": {}, "south-2": {},
    }.items():  # fmt: skip
        api.post("/v1/accounts", {"account_id": account_id, **settings})
    api.grant("north-1", 1_000)
    api.authorize("north-1", "open")
    for account_id, edge in (("north-2", 2048), ("south-2", 3840)):
        api.grant(account_id, 14)
        api.settle(api.authorize(account_id, "large"), image(0, edge, edge))
    api.settle(api.authorize("north-1", "blind"), {"index": 0, "status": "succeeded"})
    api.call("PATCH", "/v1/accounts/south-2", {"status": "suspended"})
    return ["north-1", "north-2", "north-3", "south-1", "south-2"]


def test_each_account_stands_as_its_balance_says(api: Api, accounts: list[str]) -> None:
    found = api.get("/v1/balances").json()["data"]
    assert [one["account_id"] for one in found] == accounts
    for one in found:
        balance, account = api.balance(one["account_id"]), api.get(f"/v1/accounts/{one['account_id']}").json()
        assert {name: one[name] for name in FIGURES} == {name: balance[name] for name in FIGURES}
        assert {name: one[name] for name in ("name", "status", "asset", "created_at")} == {
            name: account[name] for name in ("name", "status", "asset", "created_at")
        }


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ({"prefix": "north"}, ["north-1", "north-2", "north-3"]),
        ({"prefix": "north-2"}, ["north-2"]),
        ({"prefix": "orth"}, []),
        ({"prefix": "North"}, []),
        ({"owing": True}, ["north-2", "south-2"]),
        ({"owing": True, "prefix": "south"}, ["south-2"]),
        ({"owing": False}, ["north-1", "north-2", "north-3", "south-1", "south-2"]),
    ],
)
def test_filters_page_by_page(api: Api, query: dict[str, str], expected: list[str]) -> None:
    for limit in (1, 2, 200):
        assert ids(pages(api, "/v1/balances", limit, **query), "account_id") == expected


def test_what_is_due_is_no_longer_held_or_left(api: Api) -> None:
    api.post("/v1/accounts", {"account_id": "west-1"})
    api.grant("west-1", 100, expires_at="2090-01-01T00:00:00Z")
    api.authorize("west-1", "forgotten", hold_seconds=30)
    (before,) = api.get("/v1/balances", prefix="west").json()["data"]
    assert (before["held"], before["lapsed"], before["available"]) == (14, 0, 86)
    on(api.dsn, lambda c: c.execute("UPDATE hold SET expires_at = authorized_at WHERE account_id = 'west-1'"))
    on(api.dsn, lambda c: c.execute("UPDATE charge SET expires_at = authorized_at WHERE account_id = 'west-1'"))
    on(api.dsn, lambda c: c.execute("UPDATE \"grant\" SET expires_at = created_at WHERE account_id = 'west-1'"))
    on(api.dsn, lambda c: c.execute("UPDATE account SET due_at = created_at WHERE account_id = 'west-1'"))
    (after,) = api.get("/v1/balances", prefix="west").json()["data"]
    assert {name: after[name] for name in FIGURES} == {name: api.balance("west-1")[name] for name in FIGURES}
    assert (after["held"], after["available"]) == (0, 0)
    for table in ("account", "hold", "charge"):
        on(api.dsn, lambda c, table=table: c.execute(f"DELETE FROM {table} WHERE account_id = 'west-1'"))


@pytest.mark.parametrize(
    "query",
    [{"prefix": ""}, {"prefix": "a%"}, {"prefix": "a" * 65}, {"prefix": "\x00"}, {"owing": "perhaps"}, {"limit": 0}],
)
def test_what_nobody_can_search_for(api: Api, query: dict[str, str]) -> None:
    (error,) = problem(api.get("/v1/balances", **query), 422, "validation_error")["errors"]
    assert error["field"] == next(iter(query))


def test_a_cursor_of_another_list(api: Api) -> None:
    other = api.get("/v1/accounts/north-1/transfers", limit=1).json()["next_cursor"]
    problem(api.get("/v1/balances", cursor=other), 422, "validation_error")


def test_totals_are_the_sums_of_what_stands_there(api: Api, accounts: list[str]) -> None:
    totals = api.get("/v1/totals", "finance").json()
    each = api.get("/v1/balances").json()["data"]
    assert totals == {
        "accounts": len(accounts),
        **{name: sum(one[name] for one in each) for name in ("posted", "held", "frozen", "debt")},
        "owing_accounts": 2,
        "open_holds": 1,
        "due_holds": 0,
    }
    assert totals["debt"] == 67 - 14 + 133 - 14


def test_charges_with_any_flag(api: Api) -> None:
    for limit in (1, 200):
        found = [
            (one["account_id"], one["request_id"], one["flags"])
            for page in pages(api, "/v1/charges", limit, flagged=True)
            for one in page
        ]
        assert found == [
            ("north-1", "blind", ["unmeasured"]),
            ("north-2", "large", ["overdrawn"]),
            ("south-2", "large", ["overdrawn"]),
        ]
    assert ids(pages(api, "/v1/charges", 1, flag="overdrawn"), "account_id") == ["north-2", "south-2"]
    assert ids(pages(api, "/v1/charges", 200, flagged=False), "request_id") == ["blind", "open", "large", "large"]


def test_what_stands_out_is_found_by_an_index(api: Api) -> None:
    async def plans(connection: object) -> str:
        await connection.execute("SET enable_seqscan = off; SET enable_sort = off")  # type: ignore[attr-defined]
        asked = (
            "SELECT 1 FROM account WHERE account_id > '' AND starts_with(account_id, '') AND debt > 0 ORDER BY account_id",
            "SELECT 1 FROM charge WHERE charge.flags <> '{}' AND account_id = 'a' ORDER BY authorized_at DESC, request_id DESC",
        )
        rows = [row[0] for one in asked for row in await connection.fetch(f"EXPLAIN {one}")]  # type: ignore[attr-defined]
        return "\n".join(rows)

    found = on(api.dsn, plans)
    assert "account_owing" in found
    assert "charge_flagged" in found


def test_transfers_newest_first(api: Api) -> None:
    account_id = api.account()
    path = f"/v1/accounts/{account_id}/transfers"
    for _ in range(7):
        api.grant(account_id, 20)
    charge = api.authorize(account_id)
    api.settle(charge, image())
    oldest_first = [one for page in pages(api, path, 200) for one in page]
    assert [one["seq"] for one in oldest_first] == list(range(1, 9))
    assert [one for page in pages(api, path, 200, order="asc") for one in page] == oldest_first
    for limit in (1, 3, 8, 200):
        assert [one for page in pages(api, path, limit, order="desc") for one in page] == oldest_first[::-1]
    assert ids(pages(api, path, 2, order="desc", kind="grant"), "seq") == [7, 6, 5, 4, 3, 2, 1]
    since = oldest_first[5]["effective_at"]
    assert ids(pages(api, path, 2, order="desc", start=since), "seq") == [8, 7, 6]
    assert path_of(charge).endswith(oldest_first[-1]["request_id"])
    problem(api.get(path, order="newest"), 422, "validation_error")


def test_transfers_newest_first_while_transfers_arrive(api: Api) -> None:
    account_id = api.account()
    for _ in range(5):
        api.grant(account_id, 1)
    seen = ids(
        pages(api, f"/v1/accounts/{account_id}/transfers", 2, lambda: api.grant(account_id, 1), order="desc"), "seq"
    )
    assert seen == [5, 4, 3, 2, 1]  # what arrives stands before the first page


@pytest.mark.parametrize("order", ["asc", "desc"])
@pytest.mark.parametrize("cursor", ["", "x", "W10", "WzkyMjMzNzIwMzY4NTQ3NzU4MDhd", "WyJhIl0"])
def test_cursors_that_no_list_gave_out(api: Api, order: str, cursor: str) -> None:
    problem(api.get("/v1/accounts/north-1/transfers", order=order, cursor=cursor), 422, "validation_error")
