"""Auto-recharge, end to end: one payment at a time with a saved card, while its holder is away."""

import asyncio
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg
import httpx
import pytest

from .buyers import (
    asked,
    at_rest,
    buyer,
    cards,
    charge_at_once,
    customer,
    held,
    make_due,
    one_credit,
    payments,
    put,
    recharges,
    shown,
    statuses,
    told,
)
from .town import PRICE_MICROS, Town

INTENTS = "/v1/payment_intents"
STOPPED = "auto_recharge.stopped"
OTHERS_ROLES = ("gateway", "finance")


@pytest.fixture(scope="module")
def pack(the_town: Town) -> str:
    """20 credits for 10 dollars: few, so that they are soon spent."""
    return the_town.pack(credits=20)


@pytest.fixture
def another(town: Town) -> Iterator[Town]:
    """Another process of the same service."""
    another = Town(town.dsn, town.stripe)
    try:
        yield another.open()
    finally:
        another.close()


def grant(town: Town, account: str, credits: int) -> None:
    body = {"grant_id": town.new_id("grant"), "kind": "promotion", "credits": credits}
    town.call("POST", f"/v1/accounts/{account}/grants", body, status=201)


def due_at(town: Town, account: str) -> datetime | None:
    found: datetime | None = town.ask("SELECT due_at FROM auto_recharge WHERE account_id = $1", account)
    return found


def put_off_by(town: Town, account: str) -> timedelta:
    """How long after its last change the recharge is looked at again."""
    found: timedelta = town.ask(
        """SELECT r.due_at - max(t.changed_at) FROM auto_recharge r JOIN topup t USING (account_id)
           WHERE r.account_id = $1 AND t.via = 'recharge' GROUP BY r.due_at""",
        account,
    )
    return found


# The terms.


def test_terms_are_set_shown_and_ended(town: Town, pack: str) -> None:
    account = town.account(granted=100)
    path = f"/v1/accounts/{account}/auto-recharge"
    for method in ("GET", "DELETE"):
        assert town.call(method, path, status=404)["code"] == "auto_recharge_not_found"
    new = put(town, account, pack, 50, 60, payment_method="pm_mine")
    terms = {"threshold": 50, "pack_id": pack, "monthly_limit": 60, "payment_method": "pm_mine"}
    blank = {"account_id": account, "month_credits": 0, "stopped_reason": None, "topup_id": None, "declines": 0}
    assert new | {"due_at": None} == terms | blank | {
        "status": "active", "due_at": None, "changed_at": new["changed_at"],
    }  # fmt: skip
    assert at_rest(town, account) == new | {"due_at": None}
    assert put(town, account, pack, 50, 60, payment_method="pm_mine") == new | {"due_at": None}  # nothing new
    ended = town.call("DELETE", path, status=200)
    assert (ended["status"], ended["due_at"]) == ("off", None)
    assert town.call("DELETE", path, status=200) == ended == shown(town, account)
    again = put(town, account, pack, 50, 60)
    assert (again["status"], again["payment_method"]) == ("active", None)
    assert again["changed_at"] > ended["changed_at"]


def test_terms_that_cannot_be(town: Town, pack: str) -> None:
    account = town.account()
    path = f"/v1/accounts/{account}/auto-recharge"
    withdrawn = town.pack()
    town.call("DELETE", f"/v1/packs/{withdrawn}", status=200)
    good = {"threshold": 5, "pack_id": pack, "monthly_limit": 100}
    for change, code in [
        ({"threshold": -1}, "validation_error"),
        ({"threshold": "5"}, "validation_error"),
        ({"threshold": 2**63}, "validation_error"),
        ({"monthly_limit": 0}, "validation_error"),
        ({"monthly_limit": 19}, "validation_error"),
        ({"payment_method": "card_1"}, "validation_error"),
        ({"payment_method": "pm_\u0000"}, "validation_error"),
        ({"nonsense": 1}, "validation_error"),
        ({"pack_id": "a b"}, "validation_error"),
        ({"pack_id": "nowhere"}, "pack_not_found"),
        ({"pack_id": withdrawn}, "pack_not_found"),
    ]:
        refused = town.call("PUT", path, good | change, status=404 if code == "pack_not_found" else 422)
        assert refused["code"] == code, change
        if code == "validation_error":
            assert [error["field"] for error in refused["errors"]] == list(change)
    assert town.call("GET", path, status=404)["code"] == "auto_recharge_not_found"
    assert town.call("PUT", "/v1/accounts/nobody/auto-recharge", good, status=404)["code"] == "account_not_found"


def test_who_may_buy_with_a_saved_card(town: Town, pack: str) -> None:
    mine, other = town.account(granted=100), town.account(granted=100)
    body = {"threshold": 5, "pack_id": pack, "monthly_limit": 100}

    def ask(key: str, method: str, account: str) -> tuple[int, str | None]:
        answer = town.client.request(
            method,
            f"/v1/accounts/{account}/auto-recharge",
            json=body if method == "PUT" else None,
            headers={"Authorization": f"Bearer {key}"},
        )
        return answer.status_code, answer.json().get("code")

    def new_key(**who: Any) -> str:
        return str(town.call("POST", "/v1/keys", {"name": "test", **who}, status=201)["key"])

    owner = new_key(role="account", account_id=mine)
    assert ask(owner, "PUT", mine) == (200, None)
    for method in ("PUT", "GET", "DELETE"):
        assert ask(owner, method, other) == (404, "account_not_found")
        assert ask("nonsense", method, mine) == (401, "unauthenticated")
    for role in OTHERS_ROLES:
        key = new_key(role=role)
        assert ask(key, "PUT", mine) == ask(key, "DELETE", mine) == (403, "forbidden")
        assert ask(key, "GET", mine) == (200, None)
    assert shown(town, mine)["status"] == "active"
    assert ask(owner, "DELETE", mine) == (200, None)


# The payment.


def test_a_charge_that_crosses_the_threshold_makes_one_payment(town: Town, pack: str) -> None:
    account = buyer(town, pack)
    put(town, account, pack, 15)
    at_rest(town, account)
    town.spend(account, 5)  # 15 are not fewer than 15
    assert due_at(town, account) is None
    assert payments(town, account) == []
    town.spend(account, 1)
    resting = at_rest(town, account)
    town.settled()
    (topup,) = recharges(town, account)
    (payment,) = payments(town, account)
    assert (topup["topup_id"], topup["status"], topup["grants"]) == ("recharge:1", "paid", ["recharge:1:1"])
    assert (payment["status"], payment["amount_received"]) == ("succeeded", 1000)
    assert (resting["month_credits"], resting["declines"], resting["due_at"]) == (20, 0, None)
    assert town.balance(account)["available"] == 34
    assert told(town, account, "topup.paid") == 2
    assert town.money(account) == {
        "deferred_revenue": -2 * PRICE_MICROS,
        "processor_fees": 2 * 590_000,
        "stripe_clearing": 2 * (PRICE_MICROS - 590_000),
    }


def test_what_stripe_is_asked(town: Town, pack: str) -> None:
    account = buyer(town, pack)
    put(town, account, pack, 21, 20)
    at_rest(town, account)
    (request,) = asked(town, "POST", INTENTS, account)
    assert request["idempotency_key"] == f"{account}/recharge:1"
    assert request["params"] == {
        "amount": "1000",
        "currency": "usd",
        "customer": customer(town, account),
        "payment_method": cards(town, account)[-1],
        "off_session": "true",
        "confirm": "true",
        "metadata": {"billing_account_id": account, "billing_topup_id": "recharge:1"},
    }


def test_the_card_saved_last_pays_or_the_one_that_was_named(town: Town, pack: str) -> None:
    both = [buyer(town, pack) for _ in range(2)]
    for account in both:
        town.stripe.save_card(customer(town, account), "pm_card_mastercard")
    last, named = both
    put(town, last, pack, 21)
    put(town, named, pack, 21, payment_method=cards(town, named)[0])
    for account, card in ((last, cards(town, last)[1]), (named, cards(town, named)[0])):
        at_rest(town, account)
        assert [one["payment_method"] for one in payments(town, account)] == [card]


@pytest.mark.parametrize("saved", ["pm_link", "pm_usBankAccount", "pm_sepaDebit"])
def test_whatever_the_checkout_saved_can_be_charged(town: Town, pack: str, saved: str) -> None:
    """Not only cards: the customer was told that it is saved for this."""
    account = town.account()
    topup = town.order(account, pack)
    checkout = town.checkout_of(topup)
    town.stripe.pay(checkout, saved)
    if saved != "pm_link":
        town.stripe.settle(checkout)
    town.settled()
    put(town, account, pack, 21)
    town.until(lambda: payments(town, account), "it is charged")
    (payment,) = payments(town, account)
    assert payment["payment_method"] == cards(town, account)[0]
    if saved != "pm_link":
        assert (payment["status"], statuses(recharges(town, account))) == ("processing", ["pending"])
        town.stripe.settle(payment["id"])
        town.settled()
    at_rest(town, account)
    assert statuses(recharges(town, account)) == ["paid"]
    assert town.balance(account)["available"] == 40


def test_the_customers_default_comes_before_what_was_saved_last(town: Town, pack: str) -> None:
    """And what its holder would have to pay by hand each time is passed over."""
    chosen, unfit = buyer(town, pack), buyer(town, pack)
    for account, default in ((chosen, 0), (unfit, -1)):
        whose = customer(town, account)
        town.stripe.save_card(whose, "pm_link")
        town.stripe.save_card(whose, "pm_boleto")
        town.stripe.default_method(whose, cards(town, account)[default])
        put(town, account, pack, 21)
        at_rest(town, account)
    card, _, _ = cards(town, chosen)
    assert [one["payment_method"] for one in payments(town, chosen)] == [card]
    _, link, _ = cards(town, unfit)
    assert [one["payment_method"] for one in payments(town, unfit)] == [link]


def test_somebody_elses_card_is_refused_by_stripe(town: Town, pack: str) -> None:
    account, other = buyer(town, pack), buyer(town, pack)
    put(town, account, pack, 21, payment_method=cards(town, other)[0])
    resting = at_rest(town, account)
    assert resting["status"] == "stopped"
    assert resting["stopped_reason"].startswith("refused: ")
    assert payments(town, account) == payments(town, other) == []


# Never two at a time.


def test_a_hundred_charges_at_once_make_one_payment(town: Town) -> None:
    pack = town.pack(credits=200)
    account = buyer(town, pack)
    put(town, account, pack, 200)
    at_rest(town, account)
    charge_at_once(town, account, 100)
    at_rest(town, account)
    assert len(asked(town, "POST", INTENTS, account)) == 1
    assert statuses(payments(town, account)) == ["succeeded"]
    assert town.balance(account)["available"] == 300


def test_charges_while_a_payment_is_in_flight_make_no_second_one(town: Town, another: Town) -> None:
    """One process waits for Stripe, and another one looks: it is told that the same payment is under way."""
    pack = town.pack(credits=200)
    account = buyer(town, pack)
    town.stripe.fault("hold", method="POST", path=INTENTS)
    put(town, account, pack, 150)
    charge_at_once(town, account, 51)
    held(town, "POST", INTENTS, account)
    grant(town, account, 10)
    charge_at_once(town, account, 49)  # crosses again
    assert put(town, account, pack, 160)["topup_id"] == "recharge:1"  # due at once, and the other looks
    town.until(
        lambda: any(one["status"] == 409 for one in town.stripe.requests("POST", INTENTS)), "the other asks, too"
    )
    assert statuses(recharges(another, account)) == ["pending"]
    town.stripe.release_requests()
    make_due(town, account)
    resting = at_rest(town, account)
    assert (resting["status"], resting["stopped_reason"], resting["month_credits"]) == ("active", None, 200)
    assert {one["idempotency_key"] for one in asked(town, "POST", INTENTS, account)} == {f"{account}/recharge:1"}
    assert statuses(payments(town, account)) == ["succeeded"]
    assert statuses(recharges(town, account)) == ["paid"]
    assert town.balance(account)["available"] == 310


def test_below_the_threshold_after_a_payment_makes_another_one_after_the_other(town: Town, pack: str) -> None:
    account = buyer(town, pack)
    town.stripe.fault("hold", times=3, method="POST", path=INTENTS)
    put(town, account, pack, 80)
    for number in (1, 2, 3):
        town.until(lambda n=number: len(asked(town, "POST", INTENTS, account)) == n, f"payment {number} is under way")
        assert statuses(recharges(town, account)) == ["paid"] * (number - 1) + ["pending"]
        assert len(payments(town, account)) == number - 1
        town.until(town.stripe.release_requests, "it is stopped, and goes on")
    resting = at_rest(town, account)
    assert resting["month_credits"] == 60
    assert len(asked(town, "POST", INTENTS, account)) == 3
    assert statuses(payments(town, account)) == ["succeeded"] * 3
    assert town.balance(account)["available"] == 80


# Limits.


def test_the_monthly_limit_ends_it_for_the_month_and_says_so_once(town: Town, pack: str) -> None:
    account = buyer(town, pack)
    put(town, account, pack, 200, 50)
    resting = at_rest(town, account)
    assert (resting["status"], resting["stopped_reason"], resting["month_credits"]) == ("active", "monthly_limit", 40)
    now = datetime.now(UTC)
    assert due_at(town, account) == datetime(now.year + now.month // 12, now.month % 12 + 1, 1, tzinfo=UTC)
    assert told(town, account, STOPPED) == 1
    grant(town, account, 500)
    town.spend(account, 420)  # crosses
    make_due(town, account)
    at_rest(town, account)
    assert (len(payments(town, account)), told(town, account, STOPPED)) == (2, 1)
    # Next month.
    town.query("UPDATE auto_recharge SET month = '2020-01', due_at = clock_timestamp() WHERE account_id = $1", account)
    resting = at_rest(town, account)
    assert (resting["stopped_reason"], resting["month_credits"]) == ("monthly_limit", 40)
    assert (len(payments(town, account)), told(town, account, STOPPED)) == (4, 2)


def test_a_higher_limit_goes_on(town: Town, pack: str) -> None:
    account = buyer(town, pack)
    put(town, account, pack, 200, 20)
    assert at_rest(town, account)["stopped_reason"] == "monthly_limit"
    put(town, account, pack, 200, 60)
    resting = at_rest(town, account)
    assert (resting["month_credits"], len(payments(town, account))) == (60, 3)  # what was bought stays counted


# Declines.


def test_declines_cool_down_and_the_third_is_the_last(town: Town, pack: str) -> None:
    account = buyer(town, pack)
    town.stripe.change_card(cards(town, account)[0], "pm_card_chargeCustomerFail")
    put(town, account, pack, 25)
    for number, hours in ((1, 1), (2, 4)):
        resting = at_rest(town, account)
        assert (resting["status"], resting["declines"], resting["month_credits"]) == ("active", number, 0)
        assert put_off_by(town, account) == timedelta(hours=hours)
        until = due_at(town, account)
        grant(town, account, 20)
        charge_at_once(town, account, 20)  # crosses, and goes on below
        assert due_at(town, account) == until
        assert len(payments(town, account)) == number
        make_due(town, account)
    resting = at_rest(town, account)
    assert (resting["status"], resting["stopped_reason"], resting["due_at"]) == ("stopped", "generic_decline", None)
    grant(town, account, 20)
    town.spend(account, 20)
    assert due_at(town, account) is None
    assert statuses(recharges(town, account)) == ["failed"] * 3
    assert {one["failure"] for one in recharges(town, account)} == {"generic_decline"}
    assert (told(town, account, "topup.failed"), told(town, account, STOPPED)) == (3, 1)
    # A new card, and PUT starts anew, with the same terms.
    town.stripe.save_card(customer(town, account))
    assert put(town, account, pack, 25)["declines"] == 0
    assert at_rest(town, account)["status"] == "active"
    assert statuses(recharges(town, account)) == [*["failed"] * 3, "paid"]
    assert town.balance(account)["available"] == 40


def test_a_payment_forgives_the_declines_before_it(town: Town, pack: str) -> None:
    account = buyer(town, pack)
    (card,) = cards(town, account)
    town.stripe.change_card(card, "pm_card_chargeDeclinedInsufficientFunds")
    put(town, account, pack, 21)
    assert at_rest(town, account)["declines"] == 1
    town.stripe.change_card(card, "pm_card_visa")
    make_due(town, account)
    resting = at_rest(town, account)
    assert (resting["declines"], resting["status"], resting["month_credits"]) == (0, "active", 20)
    assert [one["failure"] for one in recharges(town, account)] == ["insufficient_funds", None]


FINAL = {
    "pm_card_chargeDeclinedLostCard": "lost_card",
    "pm_card_chargeDeclinedStolenCard": "stolen_card",
    "pm_card_chargeDeclinedExpiredCard": "expired_card",
    "pm_card_authenticationRequired": "authentication_required",
}


@pytest.mark.parametrize("first", ["the answer", "the event"])
def test_a_final_decline_stops_at_once_whoever_tells_of_it_first(town: Town, pack: str, first: str) -> None:
    accounts = {buyer(town, pack): card for card in FINAL}
    if first == "the answer":
        town.stripe.deliver("hold")
    else:
        town.stripe.fault("reset_after", times=2 * len(accounts), method="POST", path=INTENTS)
    for account, card in accounts.items():
        town.stripe.change_card(cards(town, account)[0], card)
        put(town, account, pack, 21)
    for account, card in accounts.items():
        resting = at_rest(town, account)
        assert (resting["status"], resting["stopped_reason"], resting["declines"]) == ("stopped", FINAL[card], 1)
        assert resting["due_at"] is None
    town.stripe.release()
    town.settled()
    for account in accounts:
        assert statuses(recharges(town, account)) == ["failed"]
        assert len(payments(town, account)) == 1
        assert (told(town, account, STOPPED), told(town, account, "topup.failed")) == (1, 1)
        assert town.balance(account)["available"] == 20


def test_a_payment_that_is_made_after_all_brings_its_credits(town: Town, pack: str) -> None:
    account = buyer(town, pack)
    town.stripe.change_card(cards(town, account)[0], "pm_card_chargeDeclinedLostCard")
    put(town, account, pack, 21)
    assert at_rest(town, account)["status"] == "stopped"
    (payment,) = payments(town, account)
    confirmed = httpx.post(
        f"{town.stripe.url}{INTENTS}/{payment['id']}/confirm",
        data={"payment_method": "pm_card_visa", "return_url": "https://shop.example"},
        headers={"Authorization": f"Bearer {town.stripe.key}"},
    )
    assert confirmed.json()["status"] == "succeeded"
    town.settled()
    assert statuses(recharges(town, account)) == ["paid"]
    assert town.balance(account)["available"] == 40
    resting = at_rest(town, account)
    assert (resting["status"], resting["month_credits"]) == ("stopped", 20)


def test_a_payment_that_takes_days(town: Town, pack: str) -> None:
    paid, bounced = buyer(town, pack), buyer(town, pack)
    for account in (paid, bounced):
        (card,) = cards(town, account)
        town.stripe.change_card(card, "pm_usBankAccount")
        put(town, account, pack, 21, payment_method=card)
    for account in (paid, bounced):
        town.until(lambda a=account: statuses(payments(town, a)) == ["processing"], "the payment is under way")
        make_due(town, account)  # it is looked for, and found
    for account in (paid, bounced):
        town.until(lambda a=account: due_at(town, a) > datetime.now(UTC), "it was looked for")
        assert statuses(recharges(town, account)) == ["pending"]
    # Days later it is still under way: it is neither given up nor paid twice, and is looked for once an hour.
    town.query(
        "UPDATE topup SET created_at = created_at - interval '4 days' WHERE via = 'recharge' AND account_id = ANY($1)",
        [paid, bounced],
    )
    hourly = "SELECT due_at > clock_timestamp() + interval '50 minutes' FROM auto_recharge WHERE account_id = $1"
    for account in (paid, bounced):
        make_due(town, account)
        town.until(lambda a=account: town.ask(hourly, a), "it was looked for")
        assert (statuses(recharges(town, account)), len(payments(town, account))) == (["pending"], 1)
    town.stripe.settle(payments(town, paid)[0]["id"])
    town.stripe.bounce(payments(town, bounced)[0]["id"])
    town.settled()
    assert (at_rest(town, paid)["status"], statuses(recharges(town, paid))) == ("active", ["paid"])
    assert (at_rest(town, bounced)["declines"], statuses(recharges(town, bounced))) == (1, ["failed"])
    assert [len(payments(town, account)) for account in (paid, bounced)] == [1, 1]


# Nothing to pay with, or for.


def test_without_a_card_it_stops(town: Town, pack: str) -> None:
    removed, named, gone = (buyer(town, pack) for _ in range(3))
    stranger, strange = town.account(), town.account()
    (card,) = cards(town, named)
    for account in (removed, named):
        town.stripe.remove_card(cards(town, account)[0])
    town.query("UPDATE stripe_customer SET customer_id = 'cus_gone' WHERE account_id = $1", gone)
    put(town, removed, pack, 21)
    put(town, named, pack, 21, payment_method=card)
    put(town, gone, pack, 21)
    put(town, stranger, pack, 21)
    put(town, strange, pack, 21, payment_method=card)
    for account in (removed, named, gone, stranger, strange):
        resting = at_rest(town, account)
        assert (resting["status"], resting["due_at"], told(town, account, STOPPED)) == ("stopped", None, 1)
        if account == named:
            assert resting["stopped_reason"].startswith("refused: ")
        else:
            assert resting["stopped_reason"] == "no_payment_method"
        assert payments(town, account) == []
        tried = account in (named, strange)
        assert statuses(recharges(town, account)) == (["failed"] if tried else [])


def test_a_customer_who_is_gone_with_a_card_that_was_named(town: Town, pack: str) -> None:
    account = buyer(town, pack)
    (card,) = cards(town, account)
    town.query("UPDATE stripe_customer SET customer_id = 'cus_gone' WHERE account_id = $1", account)
    put(town, account, pack, 21, payment_method=card)
    resting = at_rest(town, account)
    assert (resting["status"], resting["stopped_reason"]) == ("stopped", "payment_method_gone")
    assert payments(town, account) == []


def test_a_pack_that_is_no_longer_sold_stops_it(town: Town) -> None:
    pack = town.pack(credits=20)
    account = buyer(town, pack)
    put(town, account, pack, 15)
    at_rest(town, account)
    town.call("DELETE", f"/v1/packs/{pack}", status=200)
    town.spend(account, 6)
    resting = at_rest(town, account)
    assert (resting["status"], resting["stopped_reason"]) == ("stopped", "pack_withdrawn")
    assert (told(town, account, STOPPED), payments(town, account)) == (1, [])


def test_a_suspended_account_buys_nothing(town: Town, pack: str) -> None:
    account = buyer(town, pack)
    town.call("PATCH", f"/v1/accounts/{account}", {"status": "suspended"}, status=200)
    put(town, account, pack, 21)
    resting = at_rest(town, account)
    assert (resting["status"], payments(town, account), recharges(town, account)) == ("active", [], [])
    town.call("PATCH", f"/v1/accounts/{account}", {"status": "active"}, status=200)
    make_due(town, account)
    at_rest(town, account)
    assert len(payments(town, account)) == 1


# Changes of mind.


def test_ended_while_a_payment_is_in_flight(town: Town, pack: str) -> None:
    account = buyer(town, pack)
    town.stripe.fault("hold", method="POST", path=INTENTS)
    put(town, account, pack, 1_000)
    held(town, "POST", INTENTS, account)
    ended = town.call("DELETE", f"/v1/accounts/{account}/auto-recharge", status=200)
    assert (ended["status"], ended["topup_id"]) == ("off", "recharge:1")
    town.stripe.release_requests()
    resting = at_rest(town, account)
    assert (resting["status"], resting["due_at"], statuses(recharges(town, account))) == ("off", None, ["paid"])
    assert town.balance(account)["available"] == 40
    assert len(asked(town, "POST", INTENTS, account)) == 1


def test_a_card_that_was_never_charged_is_not_charged_once_it_is_switched_off(town: Town, pack: str) -> None:
    account = buyer(town, pack)
    town.stripe.clear_requests()
    town.stripe.fault("500", times=2, method="POST", path=INTENTS)
    put(town, account, pack, 21)
    town.until(lambda: len(asked(town, "POST", INTENTS)) == 2, "the payment was asked for, and once more")
    town.call("DELETE", f"/v1/accounts/{account}/auto-recharge", status=200)
    town.stripe.clear_faults()
    town.query("UPDATE topup SET created_at = created_at - interval '15 minutes' WHERE account_id = $1", account)
    town.until(lambda: make_due(town, account) or statuses(recharges(town, account)) != ["pending"], "it was given up")
    assert [(one["status"], one["failure"]) for one in recharges(town, account)] == [("failed", "switched_off")]
    assert payments(town, account) == []


def test_a_threshold_that_is_raised_is_crossed_at_once(town: Town, pack: str) -> None:
    account = buyer(town, pack)
    put(town, account, pack, 5)
    at_rest(town, account)
    assert payments(town, account) == []
    put(town, account, pack, 21)
    at_rest(town, account)
    assert len(payments(town, account)) == 1
    put(town, account, pack, 10)
    at_rest(town, account)
    town.spend(account, 30)  # 10 are left
    assert due_at(town, account) is None
    town.spend(account, 1)
    at_rest(town, account)
    assert len(payments(town, account)) == 2


def test_credits_that_come_before_it_is_looked_at_make_a_payment_needless(town: Town, pack: str) -> None:
    busy, account = buyer(town, pack), buyer(town, pack)
    put(town, account, pack, 15)
    at_rest(town, account)
    town.stripe.fault("hold", method="POST", path=INTENTS)
    put(town, busy, pack, 21)
    held(town, "POST", INTENTS, busy)  # whoever looks is busy
    town.spend(account, 6)
    assert due_at(town, account) is not None
    grant(town, account, 1)
    town.stripe.release_requests()
    assert at_rest(town, account)["due_at"] is None
    at_rest(town, busy)
    assert (recharges(town, account), payments(town, account)) == ([], [])
    town.spend(account, 1)  # and it is crossed again
    at_rest(town, account)
    assert len(payments(town, account)) == 1


def test_what_changes_while_somebody_looks_does_not_stop_it(town: Town, pack: str) -> None:
    """The pack in flight is paid, and not enough, between looking up the terms and deciding."""
    account = buyer(town, pack)
    town.stripe.deliver("hold")
    town.stripe.fault("reset_after", times=2, method="POST", path=INTENTS)
    put(town, account, pack, 60)
    town.until(lambda: payments(town, account), "it is paid, and nobody knows")
    with asyncio.Runner() as runner:
        lock = runner.run(asyncpg.connect(town.dsn))
        runner.run(lock.execute("BEGIN"))
        runner.run(lock.execute("SELECT 1 FROM account WHERE account_id = $1 FOR UPDATE", account))
        waiting = (
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
        )
        town.stripe.release(["payment_intent.succeeded"])
        town.until(lambda: town.ask(waiting), "the payment waits to be booked")
        make_due(town, account)
        town.until(lambda: "billing_posting_waiting 2.0" in town.client.get("/metrics").text, "somebody has looked")
        runner.run(lock.execute("COMMIT"))
        runner.run(lock.close())
    town.stripe.deliver("immediately")
    town.stripe.release()
    resting = at_rest(town, account)
    assert (resting["status"], resting["stopped_reason"]) == ("active", None)
    assert statuses(recharges(town, account)) == ["paid"] * 2


# It is nobody's burden.


def test_a_charge_waits_for_nobody(town: Town, pack: str) -> None:
    account = buyer(town, pack)
    put(town, account, pack, 15)
    at_rest(town, account)
    town.stripe.fault("hold", times=50)
    before = len(town.stripe.requests())
    for _ in range(20):
        body = one_credit(town.new_id("request"))
        town.call("POST", f"/v1/accounts/{account}/charges", body, status=201, timeout=5)
    asked_since = town.stripe.requests()[before:]
    assert all(request["status"] is None for request in asked_since)  # Stripe answered nothing all the while
    assert town.balance(account)["available"] == 0
    held(town, "GET", "/v1/payment_methods")  # by who looks after recharges, not by a charge
    town.stripe.clear_faults()
    at_rest(town, account)
    assert len(payments(town, account)) == 1
