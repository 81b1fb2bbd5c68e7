"""Trouble at Stripe: refused, broken, silent or gone, before or after it did what it was asked. Nothing is paid twice."""

import random
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest

from billing.embedded import EmbeddedPostgres
from tests.conftest import copied
from tests.fake_stripe import FakeStripe

from .buyers import asked, at_rest, buyer, customer, make_due, payments, put, recharges, statuses
from .town import CREDITS, PAGES, SECRET, Town

CUSTOMERS, SESSIONS, INTENTS = "/v1/customers", "/v1/checkout/sessions", "/v1/payment_intents"
METHODS, MOVEMENTS = "/v1/payment_methods", "/v1/balance_transactions"
# How many requests in a row must meet with it, so that the call fails: what may be repeated is repeated once.
TIMES = {
    "429": 1,
    "500": 2,
    "500_after": 1,
    "500_kept": 1,
    "reset": 2,
    "reset_after": 2,
    "timeout": 2,
    "timeout_after": 2,
}
EXECUTED = ("500_after", "reset_after", "timeout_after")
READING = ("429", "500", "reset", "timeout")


@pytest.fixture(scope="module")
def the_town(server: EmbeddedPostgres, template: str) -> Iterator[Town]:
    """A town whose service does not wait long for Stripe."""
    with copied(server, template) as dsn, FakeStripe() as stripe:
        town = Town(dsn, stripe, STRIPE_TIMEOUT_SECONDS="1")
        stripe.add_endpoint(town.webhook, SECRET)
        try:
            yield town.open()
        finally:
            town.close()


@pytest.fixture(scope="module")
def pack(the_town: Town) -> str:
    return the_town.pack(credits=20)


def break_(town: Town, kind: str, method: str, path: str) -> None:
    town.stripe.fault(kind, TIMES[kind], method, path)


def post(town: Town, account: str, pack: str, topup_id: str) -> httpx.Response:
    body = {"topup_id": topup_id, "pack_id": pack, **PAGES}
    return town.client.post(f"/v1/accounts/{account}/topups", json=body)


def ordered(town: Town, account: str, pack: str, topup_id: str) -> Any:
    """Repeats the order until it is answered, as callers do."""
    answer = town.until(
        lambda: (found := post(town, account, pack, topup_id)).status_code != 503 and found, "the order is answered"
    )
    assert answer.status_code in (200, 201), answer.text
    return answer.json()


def customers(town: Town, account: str) -> list[str]:
    """At Stripe, known to us or not."""
    found = town.stripe.objects("customer")
    return [one["id"] for one in found if one["metadata"].get("billing_account_id") == account]


def sessions(town: Town, account: str) -> list[Any]:
    found = town.stripe.objects("checkout.session")
    return [one for one in found if one["metadata"].get("billing_account_id") == account]


def met(town: Town, kind: str, method: str, path: str) -> int:
    """How many requests have met with a fault."""
    return sum(one["fault"] == kind for one in town.stripe.requests(method, path))


def hurry(town: Town) -> None:
    """Whatever is put off for later than this is due."""
    town.query("UPDATE auto_recharge SET due_at = clock_timestamp() WHERE due_at > clock_timestamp() + interval '20 s'")


# Top-ups.


@pytest.mark.parametrize("kind", TIMES)
def test_an_order_that_stripe_does_not_answer_is_repeated(town: Town, kind: str) -> None:
    pack = town.pack()
    new, known = town.account(), town.account()
    town.order(known, pack)
    town.stripe.clear_requests()

    def meets(account: str, path: str) -> None:
        break_(town, kind, "POST", path)
        refused = post(town, account, pack, "mine")
        assert (refused.status_code, refused.json()["code"]) == (503, "processor_unavailable")
        assert int(refused.headers["retry-after"]) > 0
        assert met(town, kind, "POST", path) == TIMES[kind]
        pending = town.topup(account, "mine")
        assert (pending["status"], pending["url"], pending["grants"]) == ("pending", None, [])

    with ThreadPoolExecutor() as pool:
        for done in [pool.submit(meets, new, CUSTOMERS), pool.submit(meets, known, SESSIONS)]:
            done.result()
    for account in (new, known):
        topup = ordered(town, account, pack, "mine")
        (session,) = [one for one in sessions(town, account) if one["metadata"]["billing_topup_id"] == "mine"]
        assert (topup["status"], topup["url"]) == ("pending", session["url"])
        assert session["customer"] == customer(town, account)
        # One that was made, yet told as a failure, and that failure kept: nobody can know it, and nobody uses it.
        unknown = kind == "500_after" and account == new
        assert len(customers(town, account)) == (2 if unknown else 1)
        assert ordered(town, account, pack, "mine") == topup
        town.stripe.pay(session["id"])
    town.settled()
    for account in (new, known):
        assert town.topup(account, "mine")["status"] == "paid"
        assert town.balance(account)["available"] == CREDITS


def test_orders_in_a_storm(town: Town) -> None:
    """Everything goes wrong at once, and customers repeat what was not answered."""
    chance = random.Random(5)
    pack = town.pack()
    accounts = [town.account() for _ in range(8)]
    for kind in chance.sample([kind for kind in TIMES for _ in range(4) if not kind.startswith("timeout")], 24):
        town.stripe.fault(kind, 1, "POST", chance.choice([CUSTOMERS, SESSIONS]))
    with ThreadPoolExecutor(16) as pool:
        topups = list(pool.map(lambda account: ordered(town, account, pack, "mine"), accounts * 2))
    assert topups[:8] == topups[8:]
    for account in accounts:
        (session,) = sessions(town, account)
        town.stripe.pay(session["id"])
    town.settled()
    assert [town.balance(account)["available"] for account in accounts] == [CREDITS] * 8


def test_an_account_called_customer_is_in_nobodys_way(town: Town) -> None:
    pack, another = town.pack(), town.account()
    town.call("POST", "/v1/accounts", {"account_id": "customer"}, status=201)
    town.order("customer", pack, another)
    town.order(another, pack)


def test_many_first_orders_at_once_make_one_customer(town: Town) -> None:
    pack, account = town.pack(), town.account()
    with ThreadPoolExecutor(20) as pool:
        topups = list(pool.map(lambda n: ordered(town, account, pack, f"topup-{n}"), range(20)))
    assert len(customers(town, account)) == 1
    assert len({topup["url"] for topup in topups}) == 20
    assert len(asked(town, "POST", CUSTOMERS, account)) == 1


def test_one_order_posted_many_times_at_once_makes_one_checkout(town: Town) -> None:
    pack, account = town.pack(), town.account()
    with ThreadPoolExecutor(10) as pool:
        answers = list(pool.map(lambda _: post(town, account, pack, "mine"), range(10)))
    assert {answer.status_code for answer in answers} <= {200, 201, 503}
    assert sum(answer.status_code == 201 for answer in answers) <= 1
    (session,) = sessions(town, account)
    assert {answer.json()["url"] for answer in answers if answer.is_success} == {session["url"]}
    assert ordered(town, account, pack, "mine")["url"] == session["url"]


def test_an_order_that_stripe_refuses_has_failed(town: Town) -> None:
    cheap = town.pack(price={"micros": 100_000, "currency": "USD"})  # Stripe takes nothing below half a dollar
    account = town.account()
    refused = post(town, account, cheap, "mine")
    assert (refused.status_code, refused.json()["code"]) == (422, "checkout_refused")
    assert "at least $0.50" in refused.json()["detail"]
    failed = town.topup(account, "mine")
    assert (failed["status"], failed["url"]) == ("failed", None)
    assert "at least $0.50" in failed["failure"]
    again = post(town, account, cheap, "mine")
    assert (again.status_code, again.headers["idempotent-replayed"], again.json()) == (200, "true", failed)


def test_an_order_that_nobody_repeated_for_a_day_has_expired(town: Town) -> None:
    pack, account = town.pack(), town.account()
    break_(town, "429", "POST", SESSIONS)
    assert post(town, account, pack, "mine").status_code == 503
    town.query("UPDATE topup SET created_at = created_at - interval '23 h' WHERE account_id = $1", account)
    again = post(town, account, pack, "mine")
    assert (again.status_code, again.json()["status"], again.json()["url"]) == (200, "expired", None)
    assert sessions(town, account) == []


# Recharges.


@pytest.mark.parametrize("kind", EXECUTED)
def test_a_payment_that_nobody_was_told_of_is_found_again(town: Town, pack: str, kind: str) -> None:
    account = buyer(town, pack)
    town.stripe.deliver("hold")
    break_(town, kind, "POST", INTENTS)
    town.stripe.clear_requests()
    put(town, account, pack, 21)
    town.until(lambda: met(town, kind, "POST", INTENTS) == TIMES[kind], "the payment was made")
    assert statuses(recharges(town, account)) == ["pending"]
    make_due(town, account)
    resting = at_rest(town, account)
    assert (resting["status"], resting["declines"], resting["month_credits"]) == ("active", 0, 20)
    assert statuses(recharges(town, account)) == ["paid"]
    assert statuses(payments(town, account)) == ["succeeded"]
    assert len(asked(town, "POST", INTENTS, account)) == TIMES[kind]  # found, not made again
    town.stripe.release()
    town.settled()
    assert town.balance(account)["available"] == 40


def test_a_decline_that_nobody_was_told_of_is_found_again(town: Town, pack: str) -> None:
    account = buyer(town, pack)
    town.stripe.deliver("hold")
    town.stripe.change_card(payment_card(town, account), "pm_card_chargeDeclinedInsufficientFunds")
    break_(town, "reset_after", "POST", INTENTS)
    put(town, account, pack, 21)
    town.until(lambda: payments(town, account), "the payment was declined")
    make_due(town, account)
    resting = at_rest(town, account)
    assert (resting["status"], resting["declines"]) == ("active", 1)
    assert [one["failure"] for one in recharges(town, account)] == ["insufficient_funds"]
    town.stripe.release()
    town.settled()
    assert len(payments(town, account)) == 1


def payment_card(town: Town, account: str) -> str:
    whose = customer(town, account)
    (card,) = [one["id"] for one in town.stripe.objects("payment_method") if one["customer"] == whose]
    return str(card)


def test_a_failure_that_stripe_keeps_gives_way_to_another_key(town: Town, pack: str) -> None:
    account = buyer(town, pack)
    break_(town, "500_kept", "POST", INTENTS)
    town.stripe.clear_requests()
    put(town, account, pack, 21)

    def replayed() -> int:
        return sum(one["replayed"] for one in asked(town, "POST", INTENTS, account))

    town.until(lambda: asked(town, "POST", INTENTS, account), "Stripe has kept a failure")
    for number in (1, 2):
        make_due(town, account)
        town.until(lambda n=number: replayed() == n, "Stripe repeats it")
    assert payments(town, account) == []
    town.query(
        "UPDATE topup SET created_at = created_at - interval '16 min' WHERE via = 'recharge' AND account_id = $1",
        account,
    )
    make_due(town, account)
    at_rest(town, account)
    assert statuses(recharges(town, account)) == ["paid"]
    assert statuses(payments(town, account)) == ["succeeded"]
    keys = [one["idempotency_key"] for one in asked(town, "POST", INTENTS, account)]
    assert keys == [f"{account}/recharge:1"] * 3 + [f"{account}/recharge:1/1"]


def test_another_key_is_not_used_where_the_payment_was_made(town: Town, pack: str) -> None:
    account = buyer(town, pack)
    town.stripe.deliver("hold")
    break_(town, "500_after", "POST", INTENTS)
    town.stripe.clear_requests()
    put(town, account, pack, 21)
    town.until(lambda: payments(town, account), "the payment was made")
    town.query(
        "UPDATE topup SET created_at = created_at - interval '16 min' WHERE via = 'recharge' AND account_id = $1",
        account,
    )
    break_(town, "429", "GET", INTENTS)  # and looking for it fails at first
    make_due(town, account)
    town.until(lambda: met(town, "429", "GET", INTENTS), "it cannot be looked for")
    make_due(town, account)
    at_rest(town, account)
    assert len(asked(town, "POST", INTENTS, account)) == len(payments(town, account)) == 1
    assert statuses(recharges(town, account)) == ["paid"]


def test_a_payment_of_which_nothing_is_known_for_a_day_is_given_up(town: Town, pack: str) -> None:
    account = buyer(town, pack)
    break_(town, "429", "POST", INTENTS)
    put(town, account, pack, 21)
    town.until(lambda: met(town, "429", "POST", INTENTS), "Stripe refuses")
    town.query(
        "UPDATE topup SET created_at = created_at - interval '24 h' WHERE via = 'recharge' AND account_id = $1", account
    )
    make_due(town, account)
    resting = at_rest(town, account)
    assert (resting["status"], resting["declines"]) == ("active", 1)
    assert [(one["status"], one["failure"]) for one in recharges(town, account)] == [
        ("failed", "processor_unavailable")
    ]
    assert payments(town, account) == []


def test_recharges_in_a_storm(town: Town, pack: str) -> None:
    """Every call of a recharge meets with every kind of trouble: each account pays once, as if there were none."""
    chance = random.Random(3)
    accounts = [buyer(town, pack) for _ in range(8)]
    town.stripe.deliver("hold")
    for kind in chance.sample(list(TIMES) * 2, 16):
        if kind != "500_kept":  # which lasts for a quarter of an hour
            town.stripe.fault(kind, 1, "POST", INTENTS)
    for kind in chance.sample(READING * 2, 6):
        town.stripe.fault(kind, 1, "GET", METHODS)
        town.stripe.fault(kind, 1, "GET", INTENTS)
    for account in accounts:
        put(town, account, pack, 21)

    def all_paid() -> bool:
        hurry(town)
        waits = "SELECT count(*) FROM auto_recharge WHERE account_id = ANY($1) AND (topup_id IS NOT NULL OR due_at IS NOT NULL)"
        return not town.ask(waits, accounts)

    town.until(all_paid, "every recharge is done")
    for account in accounts:
        assert statuses(payments(town, account)) == ["succeeded"]
        assert statuses(recharges(town, account)) == ["paid"]
    town.stripe.release()
    town.settled()
    assert [town.balance(account)["available"] for account in accounts] == [40] * 8


# Events that need to ask Stripe something.


@pytest.mark.parametrize("kind", READING)
def test_an_event_waits_for_stripe_to_answer(town: Town, kind: str) -> None:
    account = town.account()
    topup = town.order(account, town.pack())
    break_(town, kind, "GET", f"{MOVEMENTS}/")
    town.stripe.clear_requests()
    town.stripe.pay(town.checkout_of(topup))
    town.until(lambda: met(town, kind, "GET", MOVEMENTS) == TIMES[kind], "Stripe was asked")
    waiting = (
        "SELECT problem FROM stripe_event WHERE type = 'charge.succeeded' AND state = 'pending' AND problem IS NOT NULL"
    )
    town.until(
        lambda: town.ask(waiting) == "The payment processor cannot be reached" or booked(town, account), "it is put off"
    )
    town.settled()
    assert town.topup(account, topup["topup_id"])["status"] == "paid"
    assert town.money(account)["processor_fees"] == 590_000
    assert booked(town, account) == 1


def booked(town: Town, account: str) -> int:
    """How many of Stripe's balance transactions the account's books hold."""
    return int(town.ask("SELECT count(*) FROM stripe_transaction WHERE account_id = $1", account))


@pytest.mark.parametrize("kind", READING)
def test_a_payout_is_read_again_when_its_list_broke_off(town: Town, kind: str) -> None:
    bought = [town.bought(town.account())[1] for _ in range(2)]
    town.stripe.clear_requests()
    town.stripe.fault("hold", method="GET", path=f"{MOVEMENTS}/")  # the payout's own: it passes, its list does not
    break_(town, kind, "GET", MOVEMENTS)
    payout = town.stripe.pay_out()
    town.until(town.stripe.release_requests, "the payout is looked at")
    town.until(lambda: met(town, kind, "GET", MOVEMENTS) == TIMES[kind], "its list was asked for")
    town.settled()
    (own,) = town.query("SELECT amount_micros FROM stripe_transaction WHERE booked_as = $1", payout["id"])
    assert own == (-payout["amount"] * 10_000,)
    items = "SELECT count(*), sum(amount_micros - fee_micros)::bigint FROM payout_item WHERE payout_id = $1 AND type = 'charge'"
    (count, net) = town.query(items, payout["id"])[0]
    assert count >= len(bought)
    assert net == payout["amount"] * 10_000
