"""What finance is told of payouts: complete, incomplete with names, by hand, returned; and what clearing consists of."""

import asyncio
import json
from datetime import timedelta
from typing import Any

import pytest

from billing.books.payouts.clearing import clearing
from billing.core.months import Month
from billing.store.engine import read_engine

from .test_payouts import FEE_MICROS, PRICE_MICROS, bought, currency, paid_out_by_hand
from .town import Town

__all__ = ["currency"]
NET = PRICE_MICROS - FEE_MICROS


def told(town: Town, currency: str, **query: Any) -> Any:
    found = town.get("/v1/finance/clearing", params=query)
    one = next((one for one in found["currencies"] if one["currency"] == currency), None)
    if one is not None:
        parts = one["not_paid_out_micros"] + one["not_settled_micros"] + one["unexplained_micros"]
        assert one["balance_micros"] == parts + sum(payout["off_by_micros"] for payout in one["incomplete_payouts"])
        assert one["unexplained_micros"] == 0
    return one


def payouts(town: Town, currency: str) -> list[Any]:
    found: list[Any] = town.get("/v1/finance/payouts", params={"limit": 200})["data"]
    return [payout for payout in found if payout["currency"] == currency]


def test_a_payout_of_everything(town: Town, currency: str) -> None:
    bought(town, currency)
    waiting = told(town, currency)
    assert (waiting["balance_micros"], waiting["not_paid_out_count"]) == (NET, 1)
    assert waiting["not_paid_out"][0]["event"] == "payment"
    town.stripe.stripe_fee(100, currency.lower())
    payout = town.stripe.pay_out(currency.lower())
    town.settled()
    assert told(town, currency)["balance_micros"] == 0
    (shown,) = payouts(town, currency)
    assert shown == {
        "payout_id": payout["id"],
        "currency": currency,
        "status": "complete",
        "returned": False,
        "booked_at": shown["booked_at"],
        "arrived_micros": NET - 1_000_000,
        "items": 3,
        "wrong_items": 0,
        "listed_micros": 0,
        "booked_micros": 0,
    }
    first = town.get(f"/v1/finance/payouts/{payout['id']}", params={"limit": 2})
    rest = town.get(f"/v1/finance/payouts/{payout['id']}", params={"limit": 2, "cursor": first["next_cursor"]})
    items = first["data"] + rest["data"]
    assert (first["has_more"], rest["has_more"]) == (True, False)
    assert sorted((item["type"], item["status"], item["off_by_micros"]) for item in items) == [
        ("charge", "booked", 0),
        ("payout", "booked", 0),
        ("stripe_fee", "booked", 0),
    ]
    assert town.get(f"/v1/finance/payouts/{payout['id']}", params={"wrong": True})["data"] == []
    month = shown["booked_at"][:7]
    assert payout["id"] in [
        one["payout_id"] for one in town.get(f"/v1/finance/payouts?period={month}&limit=200")["data"]
    ]
    assert town.get("/v1/finance/payouts?period=2001-01")["data"] == []
    assert town.call("GET", "/v1/finance/payouts/po_none", status=404)["code"] == "payout_not_found"


def test_a_payment_that_stripe_has_not_settled(town: Town, currency: str) -> None:
    town.stripe.deliver("drop", types=["charge.*"])
    bought(town, currency)
    one = told(town, currency)
    assert (one["balance_micros"], one["not_settled_micros"], one["not_settled_count"]) == (
        PRICE_MICROS,
        PRICE_MICROS,
        1,
    )
    assert one["not_settled"][0]["kind"] == "purchase_stripe_clearing"


def test_a_payout_with_a_transaction_that_never_came(town: Town, currency: str) -> None:
    bought(town, currency)
    account = town.account()
    topup = town.order(account, town.pack(price={"micros": PRICE_MICROS, "currency": currency}))
    town.stripe.deliver("drop")
    intent = town.stripe.pay(town.checkout_of(topup))["payment_intent"]
    unknown = town.stripe.object(town.stripe.object(intent)["latest_charge"])["balance_transaction"]
    town.stripe.deliver("immediately")
    payout = town.stripe.pay_out(currency.lower())
    town.settled()
    one = told(town, currency)
    assert one["incomplete_payouts"] == [
        {"payout_id": payout["id"], "off_by_micros": -NET, "missing_items": 1, "missing": [unknown]}
    ]
    assert not town.get("/v1/finance/clearing")["ok"]
    (shown,) = payouts(town, currency)
    assert (shown["status"], shown["wrong_items"], shown["listed_micros"], shown["booked_micros"]) == (
        "incomplete",
        1,
        0,
        -NET,
    )
    (missing,) = town.get(f"/v1/finance/payouts/{payout['id']}", params={"wrong": True})["data"]
    assert (missing["transaction_id"], missing["type"], missing["status"], missing["off_by_micros"]) == (
        unknown,
        "charge",
        "not_booked",
        -NET,
    )
    # At the end of the month before there was none of this.
    month = Month.of(shown["booked_at"][:7])

    async def before() -> list[str]:
        engine = read_engine(town.dsn, size=1)
        found = await clearing(engine, period=Month.containing(month.starts_at - timedelta(days=1)).name, limit=10)
        assert (await clearing(engine, period=month.name, limit=10)).ok is False
        await engine.dispose()
        return [one.currency for one in found.currencies if one.balance_micros or one.incomplete_payouts]

    assert asyncio.run(before()) == []
    for event in town.stripe.events():
        if event["data"]["object"].get("metadata", {}).get("billing_account_id") == account:
            town.stripe.resend(event["id"])
    town.settled()
    assert told(town, currency)["incomplete_payouts"] == []
    assert payouts(town, currency)[0]["status"] == "complete"


def test_a_payout_that_comes_back(town: Town, currency: str) -> None:
    bought(town, currency)
    payout = town.stripe.pay_out(currency.lower())
    town.settled()
    town.stripe.fail_payout(payout["id"])
    town.settled()
    one = told(town, currency)
    assert (one["balance_micros"], [waiting["event"] for waiting in one["not_paid_out"]]) == (NET, ["payout_failed"])
    (shown,) = payouts(town, currency)
    assert (shown["status"], shown["returned"], shown["arrived_micros"]) == ("complete", True, NET)
    town.stripe.pay_out(currency.lower())
    town.settled()
    assert told(town, currency)["balance_micros"] == 0
    assert [one["status"] for one in payouts(town, currency)] == ["complete", "complete"]


def test_a_payout_by_hand(town: Town, currency: str) -> None:
    bought(town, currency)
    made = paid_out_by_hand(town, currency, 400)
    town.stripe.arrive(made["id"])
    town.settled()
    one = told(town, currency)
    assert sorted(waiting["event"] for waiting in one["not_paid_out"]) == ["payment", "payout"]
    assert payouts(town, currency)[0]["status"] == "by_hand"
    town.stripe.pay_out(currency.lower())
    town.settled()
    assert told(town, currency)["balance_micros"] == 0


def test_transfers_that_are_gone(town: Town, currency: str) -> None:
    """Booked, but a transfer that carries it is not there: named, and put back for the other tests."""
    account, _, payment = bought(town, currency)
    payout = town.stripe.pay_out(currency.lower())
    town.settled()
    town.query("UPDATE transfer SET external_id = 'gone' WHERE account_id = $1 AND external_id = $2", account, payment)
    (wrong,) = town.get(f"/v1/finance/payouts/{payout['id']}", params={"wrong": True})["data"]
    assert (wrong["type"], wrong["status"], wrong["off_by_micros"]) == ("charge", "transfers_missing", -PRICE_MICROS)
    assert payouts(town, currency)[0]["status"] == "incomplete"
    town.query("UPDATE transfer SET external_id = $2 WHERE account_id = $1 AND external_id = 'gone'", account, payment)
    assert payouts(town, currency)[0]["status"] == "complete"


def test_on_the_command_line(town: Town, currency: str) -> None:
    bought(town, currency)
    town.stripe.pay_out(currency.lower())
    town.settled()
    run = town.run("payouts", "--json", "--limit", "10000")
    assert run.returncode == 0, run.stderr
    found = json.loads(run.stdout)
    assert [payout["status"] for payout in found["payouts"] if payout["currency"] == currency] == ["complete"]
    assert found["clearing"]["currencies"]


@pytest.mark.parametrize(
    "path",
    [
        "payouts?period=2026-13",
        "payouts?limit=0",
        "payouts?cursor=!",
        "payouts?cursor=WyJ4IiwgInkiXQ",
        "payouts/po_1?cursor=!",
        "payouts/po_%00",
        f"payouts/{'x' * 257}",
        "clearing?period=2900-01",
        "clearing?limit=201",
    ],
)
def test_bad_input(town: Town, path: str) -> None:
    assert town.call("GET", f"/v1/finance/{path}", status=422)["code"] == "validation_error"
