"""Top-ups: from the order to the credits, with the money in the books."""

import pytest

from .town import CREDITS, PAGES, PRICE_MICROS, Town

FEE_MICROS = 590_000  # 2.9 % and 30 cents of 10 dollars


def test_bought_and_paid(town: Town) -> None:
    account = town.account()
    topup = town.order(account, town.pack())
    assert (topup["status"], topup["via"], topup["grants"], topup["paid_at"]) == ("pending", "checkout", [], None)
    assert topup["url"].startswith("http")
    assert town.balance(account)["posted"] == 0
    town.stripe.pay(town.checkout_of(topup))
    town.settled()
    paid = town.topup(account, topup["topup_id"])
    assert (paid["status"], paid["url"], paid["problem"], paid["failure"]) == ("paid", None, None, None)
    assert paid["grants"] == [f"pack:{topup['topup_id']}:1"]
    assert town.balance(account)["available"] == CREDITS
    assert town.money(account) == {
        "deferred_revenue": -PRICE_MICROS,
        "processor_fees": FEE_MICROS,
        "stripe_clearing": PRICE_MICROS - FEE_MICROS,
    }


def test_what_stripe_is_asked(town: Town) -> None:
    account, pack = town.account(), town.pack()
    topup = town.order(account, pack)
    asked = town.stripe.requests("POST", "/v1/checkout/sessions")[-1]
    assert asked["idempotency_key"] == f"{account}/{topup['topup_id']}"
    assert asked["params"]["metadata"] == {"billing_account_id": account, "billing_topup_id": topup["topup_id"]}
    assert asked["params"]["success_url"] == PAGES["success_url"]
    item = asked["params"]["line_items"]["0"]["price_data"]
    assert (item["currency"], item["unit_amount"]) == ("usd", "1000")


@pytest.mark.parametrize("bonus", ["own_grant", "dilutes"])
def test_bonus(town: Town, bonus: str) -> None:
    account = town.account()
    topup_id, _ = town.bought(account, town.pack(bonus_credits=100, bonus=bonus, expires_in_days=30))
    grants = town.get(f"/v1/accounts/{account}/grants")["data"]
    figures = [(grant["granted"], grant["amount_paid"], grant["kind"]) for grant in grants]
    paid = {"micros": PRICE_MICROS, "currency": "USD"}
    if bonus == "dilutes":
        assert figures == [(1_100, paid, "purchase")]
    else:
        assert figures == [(1_000, paid, "purchase"), (100, {"micros": 0, "currency": "USD"}, "promotion")]
    assert {grant["grant_id"] for grant in grants} == set(town.topup(account, topup_id)["grants"])
    assert all(grant["expires_at"] for grant in grants)


def test_the_same_order_again(town: Town) -> None:
    account, pack = town.account(), town.pack()
    first = town.order(account, pack, "mine")
    again = town.client.post(f"/v1/accounts/{account}/topups", json={"topup_id": "mine", "pack_id": pack, **PAGES})
    assert (again.status_code, again.headers["idempotent-replayed"]) == (200, "true")
    assert again.json()["url"] == first["url"]
    other = town.call(
        "POST", f"/v1/accounts/{account}/topups", {"topup_id": "mine", "pack_id": town.pack(), **PAGES}, status=409
    )
    assert (other["code"], other["differs"]) == ("id_reused", ["pack_id"])
    town.call("DELETE", f"/v1/packs/{pack}", status=200)
    assert (
        town.client.post(
            f"/v1/accounts/{account}/topups", json={"topup_id": "mine", "pack_id": pack, **PAGES}
        ).status_code
        == 200
    )
    new = town.call("POST", f"/v1/accounts/{account}/topups", {"topup_id": "new", "pack_id": pack, **PAGES}, status=404)
    assert new["code"] == "pack_not_found"


def test_a_customer_that_was_deleted_at_stripe(town: Town) -> None:
    account, pack = town.account(), town.pack()
    town.bought(account, pack)
    town.ask("UPDATE stripe_customer SET customer_id = 'cus_gone' WHERE account_id = $1", account)
    order = {"topup_id": "late", "pack_id": pack, **PAGES}
    refused = town.call("POST", f"/v1/accounts/{account}/topups", order, status=422)
    assert (refused["code"], town.topup(account, "late")["status"]) == ("checkout_refused", "failed")
    town.bought(account, pack)
    assert town.balance(account)["available"] == 2 * CREDITS
