"""Lists: filters, and pages on which no row is lost or stands twice while rows arrive."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from .service import MODEL, Api, image, path_of


def pages(
    api: Api, path: str, limit: int, meanwhile: Callable[[], Any] = lambda: None, **query: Any
) -> Iterator[list[Any]]:
    cursor: dict[str, str] = {}
    while True:
        answer = api.get(path, limit=limit, **query, **cursor)
        assert answer.status_code == 200, answer.text
        page = answer.json()
        assert set(page) == {"data", "has_more", "next_cursor"}
        assert len(page["data"]) <= limit
        assert page["has_more"] == (page["next_cursor"] is not None)
        yield page["data"]
        if not page["has_more"]:
            return
        assert len(page["data"]) == limit
        cursor = {"cursor": page["next_cursor"]}
        meanwhile()


def ids(found: Iterator[list[Any]], name: str) -> list[Any]:
    return [item[name] for page in found for item in page]


@pytest.fixture(scope="module")
def account(api: Api) -> str:
    """Seven charges, each of another kind."""
    account_id = api.account(10_000)
    charge = api.authorize(account_id, "r1", api_key_id="k1", end_user="u1")
    api.settle(charge, image(0, 2048, 2048))
    api.authorize(account_id, "r2", api_key_id="k2", end_user="u1")
    voided = api.authorize(account_id, "r3", api_key_id="k1", end_user="u2")
    api.post(f"{path_of(voided)}/void", {})
    api.authorize(account_id, "r4", model="gpt-image-1.5")
    api.settle(api.authorize(account_id, "r5"), {"index": 0, "status": "succeeded"})
    api.settle(api.authorize(account_id, "r6"), image(0, 5000, 100))
    api.authorize(account_id, "r7")
    return account_id


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ({}, ["r7", "r6", "r5", "r4", "r3", "r2", "r1"]),
        ({"status": "settled"}, ["r6", "r5", "r1"]),
        ({"status": "authorized"}, ["r7", "r4", "r2"]),
        ({"status": "voided"}, ["r3"]),
        ({"status": "expired"}, []),
        ({"model": "gpt-image-1.5"}, ["r4"]),
        ({"api_key_id": "k1"}, ["r3", "r1"]),
        ({"end_user": "u1"}, ["r2", "r1"]),
        ({"end_user": "u1", "api_key_id": "k1"}, ["r1"]),
        ({"flag": "unmeasured"}, ["r5"]),
        ({"flag": "unpriced_size"}, ["r6"]),
        ({"status": "settled", "flag": "late"}, []),
    ],
)
def test_filters(api: Api, account: str, query: dict[str, str], expected: list[str]) -> None:
    for limit in (1, 2, 200):
        assert ids(pages(api, f"/v1/accounts/{account}/charges", limit, **query), "request_id") == expected
        across = pages(api, "/v1/charges", limit, account_id=account, **query)
        assert ids(across, "request_id") == expected


def test_times_start_inclusive_and_end_exclusive(api: Api, account: str) -> None:
    path = f"/v1/accounts/{account}/charges"
    when = {charge["request_id"]: charge["authorized_at"] for charge in api.get(path).json()["data"]}
    assert ids(pages(api, path, 50, start=when["r5"]), "request_id") == ["r7", "r6", "r5"]
    assert ids(pages(api, path, 50, end=when["r3"]), "request_id") == ["r2", "r1"]
    assert ids(pages(api, path, 50, start=when["r2"], end=when["r4"]), "request_id") == ["r3", "r2"]


def test_a_list_shows_charges_as_they_are_alone(api: Api, account: str) -> None:
    for charge in api.get(f"/v1/accounts/{account}/charges").json()["data"]:
        assert charge | {"balance": None} == api.get(path_of(charge)).json() | {"balance": None}


def test_charges_while_charges_arrive(api: Api) -> None:
    account_id = api.account(1_000)
    path = f"/v1/accounts/{account_id}/charges"
    there = [api.authorize(account_id)["request_id"] for _ in range(7)]
    seen = ids(pages(api, path, 2, lambda: api.authorize(account_id)), "request_id")
    assert seen == there[::-1]  # newest first: what arrives stands before the first page


def test_charges_of_one_batch_share_almost_an_instant(api: Api) -> None:
    account_id = api.account(1_000)
    there = [f"r{number:03}" for number in range(30)]
    api.batch(*({"op": "authorize", "account_id": account_id, "request_id": r, "model": MODEL} for r in there))
    for limit in (1, 7, 29, 30):
        seen = ids(pages(api, f"/v1/accounts/{account_id}/charges", limit), "request_id")
        assert sorted(seen) == there


def test_transfers_and_grants_while_grants_arrive(api: Api) -> None:
    account_id = api.account()
    for number in range(5):
        api.grant(account_id, 1, grant_id=f"g{number}")
    for noun, name in (("grants", "grant_id"), ("transfers", "seq")):
        path = f"/v1/accounts/{account_id}/{noun}"
        before = ids(pages(api, path, 200), name)
        arriving = iter(range(2))

        def arrive(arriving: Iterator[int] = arriving) -> None:
            if next(arriving, None) is not None:
                api.grant(account_id, 1)

        seen = ids(pages(api, path, 2, arrive), name)
        assert seen[: len(before)] == before
        assert seen == ids(pages(api, path, 200), name)  # in the order of seq: what arrived stands at the end


def test_accounts_while_accounts_arrive(api: Api) -> None:
    there = sorted(f"list-{number}" for number in range(5))
    for account_id in there:
        api.post("/v1/accounts", {"account_id": account_id})
    found = ids(pages(api, "/v1/accounts", 3, api.account), "account_id")
    assert len(found) == len(set(found))
    assert found == sorted(found)
    assert [one for one in found if one.startswith("list-")] == there


def test_charges_across_accounts(api: Api) -> None:
    accounts = [api.account(100) for _ in range(3)]
    made = [api.authorize(account_id) for account_id in accounts for _ in range(2)]
    listed = pages(api, "/v1/charges", 2, api.account, start=made[0]["authorized_at"])
    found = [(charge["account_id"], charge["request_id"]) for page in listed for charge in page]
    assert sorted(found) == sorted((charge["account_id"], charge["request_id"]) for charge in made)


def test_changes_refunds_keys_and_price_books_have_pages_too(api: Api) -> None:
    account_id = api.account(100)
    for status in ("suspended", "active") * 2:
        api.call("PATCH", f"/v1/accounts/{account_id}", {"status": status})
    charge = api.authorize(account_id)
    api.settle(charge, image())
    for number in range(5):
        api.post(f"{path_of(charge)}/refunds", {"refund_id": f"f{number}", "reason": "r", "credits": 1})
    for _ in range(3):
        api.new_key("finance")
    for path in (f"/v1/accounts/{account_id}/changes", f"{path_of(charge)}/refunds", "/v1/keys", "/v1/price-books"):
        every = [item for page in pages(api, path, 200) for item in page]
        for limit in (1, 2) if path != "/v1/keys" else (50,):
            assert [item for page in pages(api, path, limit) for item in page] == every
    assert len(api.get(f"{path_of(charge)}/refunds").json()["data"]) == 5
