"""Batches: each operation answered for itself and in order, as its own request would have been."""

from typing import Any

from .service import MODEL, Api, check_problem, image, problem


def op(kind: str, account_id: str, request_id: str, **more: Any) -> dict[str, Any]:
    return {"op": kind, "account_id": account_id, "request_id": request_id, **more}


def authorize(account_id: str, request_id: str, **more: Any) -> dict[str, Any]:
    return op("authorize", account_id, request_id, model=MODEL, **more)


def settle(account_id: str, request_id: str, *outputs: Any, **more: Any) -> dict[str, Any]:
    return op("settle", account_id, request_id, outputs=list(outputs), **more)


def statuses(results: list[Any]) -> list[int]:
    return [result["status"] for result in results]


def test_an_empty_batch(api: Api) -> None:
    assert api.batch() == []


def test_mixed_operations_are_answered_as_their_own_requests_would_be(api: Api) -> None:
    account = api.account(1_000)
    results = api.batch(
        authorize(account, "a"),
        authorize(account, "b", n=2),
        op("charge", account, "c", model=MODEL, outputs=[image(0, 2048, 2048)]),
        settle(account, "a", image()),
        op("void", account, "b", reason="cancelled"),
    )
    assert [set(result) for result in results] == [{"status", "replayed", "body"}] * 5
    assert statuses(results) == [201, 201, 201, 200, 200]
    assert not any(result["replayed"] for result in results)
    assert [result["body"]["status"] for result in results] == [
        "authorized",
        "authorized",
        "settled",
        "settled",
        "voided",
    ]
    assert [result["body"]["balance"] for result in results] == [
        {"posted": 1_000, "held": 14, "available": 986},
        {"posted": 1_000, "held": 42, "available": 958},
        {"posted": 933, "held": 42, "available": 891},
        {"posted": 919, "held": 28, "available": 891},
        {"posted": 919, "held": 0, "available": 919},
    ]
    for request_id, place in (("a", 3), ("b", 4), ("c", 2)):
        alone = api.get(f"/v1/accounts/{account}/charges/{request_id}").json()
        assert results[place]["body"] | {"balance": None} == alone | {"balance": None}


def test_the_same_batch_again(api: Api) -> None:
    account = api.account(1_000)
    operations = (authorize(account, "a"), settle(account, "a", image()), authorize(account, "b"))
    first, again = api.batch(*operations), api.batch(*operations)
    assert statuses(again) == [200, 200, 200]
    assert all(result["replayed"] for result in again)
    assert [result["body"]["status"] for result in again] == ["settled", "settled", "authorized"]
    assert again[1]["body"]["outputs"] == first[1]["body"]["outputs"]
    figures = api.balance(account)
    assert (figures["posted"], figures["held"]) == (986, 14)


def test_the_same_id_twice_in_one_batch(api: Api) -> None:
    account = api.account(1_000)
    results = api.batch(authorize(account, "a"), authorize(account, "a"), authorize(account, "a", n=2))
    assert statuses(results) == [201, 200, 409]
    assert [result.get("replayed") for result in results] == [False, True, None]
    check_problem(results[2]["body"], 409, "id_reused")
    assert api.balance(account)["held"] == 14


def test_what_fails_fails_alone(api: Api) -> None:
    poor, suspended, good = api.account(14), api.account(100), api.account(1_000)
    api.call("PATCH", f"/v1/accounts/{suspended}", {"status": "suspended"})
    refused: list[tuple[dict[str, Any], int, str]] = [
        ({"op": "authorize"}, 422, "validation_error"),
        (authorize("nobody", "r"), 404, "account_not_found"),
        (authorize(suspended, "r"), 403, "account_suspended"),
        (authorize(poor, "r", n=2), 402, "insufficient_credits"),
        (authorize(good, "r", size="1025x1024"), 422, "size_not_allowed"),
        (authorize(good, "r", size="4096x1376"), 422, "size_not_priced"),
        (authorize(good, "r", quality="ultra"), 422, "quality_not_supported"),
        (op("authorize", good, "r", model="gpt-image-9"), 422, "unknown_model"),
        (authorize(good, "r", price_version=9), 409, "price_changed"),
        (settle(good, "missing", image()), 404, "charge_not_found"),
        (settle(good, "r0", image()), 409, "charge_not_open"),
        (op("void", good, "r0", reason="again"), 409, "charge_not_open"),
        (authorize(good, "r0", n=3), 409, "id_reused"),
    ]
    operations: list[Any] = [authorize(good, "r0"), op("void", good, "r0")]
    for number, (operation, _, _) in enumerate(refused, 1):
        operations += [operation, authorize(good, f"r{number}")]
    results = api.batch(*operations)
    for (_, status, code), result in zip(refused, results[2::2], strict=True):
        assert set(result) == {"status", "body"}
        assert result["status"] == status
        check_problem(result["body"], status, code)
    assert statuses(results[3::2]) == [201] * len(refused)
    assert api.balance(good)["held"] == 14 * len(refused)
    facts = {result["body"]["code"]: result["body"] for result in results if result["status"] >= 400}
    assert (facts["insufficient_credits"]["shortfall"], facts["size_not_allowed"]["rule"]) == (14, "multiple_of")
    assert facts["price_changed"]["current"] == 1


def test_credits_run_out_in_the_order_of_the_batch(api: Api) -> None:
    account = api.account(30)
    results = api.batch(*(authorize(account, f"r{number}", quality="medium") for number in range(10)))
    assert statuses(results) == [201] * 7 + [402] * 3
    assert [result["body"].get("available") for result in results[7:]] == [2] * 3


def test_five_thousand_operations(api: Api) -> None:
    accounts = [api.account(100_000) for _ in range(5)]
    pairs = [(accounts[number % 5], f"r{number}") for number in range(2_500)]
    operations = [authorize(*pair, quality="low") for pair in pairs] + [settle(*pair, image()) for pair in pairs]
    results = api.batch(*operations)
    assert statuses(results) == [201] * 2_500 + [200] * 2_500
    assert [(r["body"]["account_id"], r["body"]["request_id"]) for r in results] == pairs * 2
    for account in accounts:
        figures = api.balance(account)
        assert (figures["posted"], figures["held"]) == (100_000 - 500, 0)
    again = api.batch(*operations)
    assert statuses(again) == [200] * 5_000
    assert {result["body"]["status"] for result in again} == {"settled"}


def test_one_too_many(api: Api) -> None:
    account = api.account(100)
    operations = [authorize(account, "r")] * 5_001
    problem(api.post("/v1/charges/batch", {"operations": operations}, "gateway"), 422, "validation_error")
    assert api.balance(account)["held"] == 0
