"""Payments as Stripe reports them: late, declined, twice, of the wrong amount. Credits come with the right money only."""

from typing import Any

import httpx
import pytest

from .town import CREDITS, PRICE_MICROS, Town

PAID = {"deferred_revenue": -PRICE_MICROS, "processor_fees": 590_000, "stripe_clearing": PRICE_MICROS - 590_000}


def ordered(town: Town, **terms: Any) -> tuple[str, str, str]:
    """(account, top-up, checkout) of a pack that was ordered."""
    account = town.account()
    topup = town.order(account, town.pack(**terms))
    return account, topup["topup_id"], town.checkout_of(topup)


def nothing_came(town: Town, account: str) -> None:
    assert town.balance(account)["posted"] == 0
    assert town.get(f"/v1/accounts/{account}/grants")["data"] == []
    assert town.money(account) == {}


def credited_once(town: Town, account: str, topup_id: str) -> None:
    topup = town.topup(account, topup_id)
    assert (topup["status"], topup["problem"], topup["failure"]) == ("paid", None, None)
    assert town.balance(account)["available"] == CREDITS
    assert town.money(account) == PAID


def states(town: Town, object_id: str) -> dict[str, tuple[str, str | None]]:
    """Type → (state, problem) of the service's events about one object of Stripe's."""
    about = [event["id"] for event in town.stripe.events() if event["data"]["object"]["id"] == object_id]
    return {event["type"]: (event["state"], event["problem"]) for event in map(town.event, about)}


def test_declined_then_paid_with_another_card(town: Town) -> None:
    account, topup_id, checkout = ordered(town)
    town.stripe.pay(checkout, "pm_card_chargeDeclined")
    town.settled()
    assert town.topup(account, topup_id)["status"] == "pending"
    nothing_came(town, account)
    town.stripe.pay(checkout)
    town.settled()
    credited_once(town, account, topup_id)


def test_three_d_secure(town: Town) -> None:
    account, topup_id, checkout = ordered(town)
    town.stripe.pay(checkout, "pm_card_authenticationRequired")
    town.settled()
    assert town.topup(account, topup_id)["status"] == "pending"
    town.stripe.authenticate(checkout, succeed=False)
    town.settled()
    assert town.topup(account, topup_id)["status"] == "pending"
    nothing_came(town, account)
    town.stripe.pay(checkout, "pm_card_authenticationRequired")
    town.stripe.authenticate(checkout)
    town.settled()
    credited_once(town, account, topup_id)


def test_a_bank_debit_is_paid_days_later(town: Town) -> None:
    account, topup_id, checkout = ordered(town)
    session = town.stripe.pay(checkout, "pm_usBankAccount")
    assert (session["status"], session["payment_status"]) == ("complete", "unpaid")
    town.settled()
    assert town.topup(account, topup_id)["status"] == "pending"
    nothing_came(town, account)
    town.stripe.deliver("hold", types=["payment_intent.*"])  # the session alone must do
    town.stripe.settle(checkout)
    town.settled()
    credited_once(town, account, topup_id)
    assert states(town, checkout)["checkout.session.async_payment_succeeded"] == ("done", None)


def test_a_bank_debit_is_not_paid(town: Town) -> None:
    account, topup_id, checkout = ordered(town)
    town.stripe.pay(checkout, "pm_usBankAccount")
    town.stripe.bounce(checkout)
    town.settled()
    topup = town.topup(account, topup_id)
    assert (topup["status"], topup["failure"], topup["url"]) == ("failed", "the payment failed", None)
    nothing_came(town, account)


@pytest.mark.parametrize("outcome", ["settle", "bounce"])
def test_a_bank_debits_events_the_other_way_round(town: Town, outcome: str) -> None:
    account, topup_id, checkout = ordered(town)
    town.stripe.deliver("hold")
    town.stripe.pay(checkout, "pm_usBankAccount")
    getattr(town.stripe, outcome)(checkout)
    town.stripe.release("reversed")
    town.settled()
    if outcome == "settle":
        credited_once(town, account, topup_id)
    else:
        assert town.topup(account, topup_id)["status"] == "failed"
        nothing_came(town, account)


def test_expired(town: Town) -> None:
    account, topup_id, checkout = ordered(town)
    town.stripe.expire(checkout)
    town.settled()
    topup = town.topup(account, topup_id)
    assert (topup["status"], topup["failure"], topup["url"]) == ("expired", "the checkout expired", None)
    nothing_came(town, account)


def test_expired_after_a_day_and_a_declined_card(town: Town) -> None:
    account, topup_id, checkout = ordered(town)
    town.stripe.pay(checkout, "pm_card_chargeDeclined")
    town.stripe.advance(90_000)
    town.settled()
    assert town.topup(account, topup_id)["status"] == "expired"
    nothing_came(town, account)


def test_paid_although_it_was_reported_as_expired(town: Town) -> None:
    """Money is money, whatever was said before."""
    account, topup_id, checkout = ordered(town)
    town.stripe.emit("checkout.session.expired", checkout, status="expired")
    town.settled()
    assert town.topup(account, topup_id)["status"] == "expired"
    town.stripe.pay(checkout)
    town.settled()
    credited_once(town, account, topup_id)


def test_an_older_failure_after_the_payment(town: Town) -> None:
    account, topup_id, checkout = ordered(town)
    town.stripe.pay(checkout)
    town.settled()
    town.stripe.emit("checkout.session.expired", checkout, status="expired", payment_status="unpaid")
    town.stripe.emit("checkout.session.async_payment_failed", checkout, payment_status="unpaid")
    town.settled()
    credited_once(town, account, topup_id)
    assert set(states(town, checkout).values()) == {("done", None)}  # of no effect, not in vain


@pytest.mark.parametrize("first", ["checkout.session.completed", "payment_intent.succeeded", "charge.succeeded"])
def test_one_event_of_the_payment_is_enough(town: Town, first: str) -> None:
    """A charge alone brings no credits: it waits for what says that the order is paid."""
    account, topup_id, checkout = ordered(town)
    town.stripe.deliver("hold")
    intent = town.stripe.pay(checkout)["payment_intent"]
    town.stripe.release([first])
    town.settled()
    if first == "charge.succeeded":
        nothing_came(town, account)
        state, problem = states(town, town.stripe.object(intent)["latest_charge"])[first]
        assert state == "pending"
        assert "not paid yet" in str(problem)
    else:
        assert town.topup(account, topup_id)["status"] == "paid"
        assert town.balance(account)["available"] == CREDITS
    town.stripe.release()
    town.settled()
    credited_once(town, account, topup_id)


def test_a_balance_transaction_that_comes_late(town: Town) -> None:
    account, topup_id, checkout = ordered(town)
    town.stripe.late_balance_transactions()
    try:
        town.stripe.pay(checkout)
        town.settled()
        assert town.topup(account, topup_id)["status"] == "paid"
        assert town.money(account) == {"deferred_revenue": -PRICE_MICROS, "stripe_clearing": PRICE_MICROS}
        town.stripe.book(checkout)
        town.settled()
        credited_once(town, account, topup_id)
    finally:
        town.stripe.late_balance_transactions(False)


@pytest.mark.parametrize(
    ("amount", "currency", "what"),
    [
        (999, None, "is of 9.990000 USD, not of 10.000000 USD"),
        (1_001, None, "is of 10.010000 USD, not of 10.000000 USD"),
        (100_000, None, "is of 1000.000000 USD, not of 10.000000 USD"),
        (None, "eur", "is of 10.000000 EUR, not of 10.000000 USD"),
        (None, "jpy", "is of 1000.000000 JPY, not of 10.000000 USD"),
    ],
)
def test_paid_is_not_what_was_asked(town: Town, amount: int | None, currency: str | None, what: str) -> None:
    """Nothing is credited and somebody has to look, at the top-up and at the events."""
    account, topup_id, checkout = ordered(town)
    intent = town.stripe.pay(checkout, amount=amount, currency=currency)["payment_intent"]
    town.settled()
    topup = town.topup(account, topup_id)
    assert topup["status"] == "pending"
    assert topup["problem"] == f"payment {intent} {what}"
    nothing_came(town, account)
    for object_id, kind in ((checkout, "checkout.session.completed"), (intent, "payment_intent.succeeded")):
        assert states(town, object_id)[kind] == ("dead", topup["problem"])
    listed = [event["problem"] for event in town.events(state="dead")]
    assert listed.count(topup["problem"]) == 2
    forget_waiting(town)


def test_a_report_that_was_wrong_and_is_put_right(town: Town) -> None:
    account, topup_id, checkout = ordered(town)
    town.stripe.tamper(checkout, amount_total=1)
    town.stripe.deliver("hold", types=["payment_intent.*"])
    town.stripe.pay(checkout)
    town.settled()
    assert "is of 0.010000 USD" in town.topup(account, topup_id)["problem"]
    nothing_came(town, account)
    town.stripe.restore(checkout)
    town.stripe.release()
    town.settled()
    credited_once(town, account, topup_id)


@pytest.mark.parametrize(
    "wrong",
    [
        {"amount_total": 10.0},
        {"amount_total": "1000"},
        {"amount_total": None},
        {"amount_total": -1_000},
        {"amount_total": 0},
        {"amount_total": 2**70},
        {"amount_total": True},
        {"currency": ""},
        {"currency": "dollars"},
        {"currency": None},
        {"payment_intent": None},
        {"payment_intent": 7},
        {"payment_intent": "pi_" + "x" * 300},
    ],
    ids=str,
)
def test_a_report_that_cannot_be_read(town: Town, wrong: dict[str, Any]) -> None:
    account, topup_id, checkout = ordered(town)
    event = town.stripe.emit(
        "checkout.session.completed",
        checkout,
        **{"payment_status": "paid", "status": "complete", "payment_intent": "pi_by_hand", **wrong},
    )
    town.settled()
    state, problem = states(town, checkout)["checkout.session.completed"]
    assert state == "dead"
    assert problem
    assert town.topup(account, topup_id)["status"] == "pending"
    nothing_came(town, account)
    assert town.event(event["id"])["attempts"] == 1


def test_billing_pain_the_same_top_up_paid_twice(town: Town) -> None:
    """Two payments for one order: the second is nobody's, until somebody has returned it."""
    account, topup_id, checkout = ordered(town)
    town.stripe.pay(checkout)
    town.settled()
    credited_once(town, account, topup_id)
    second = paid_again(town, account, topup_id)
    town.settled()
    topup = town.topup(account, topup_id)
    assert topup["status"] == "paid"
    assert topup["problem"] == f"paid again, by {second['id']}: return that payment"
    assert states(town, second["id"])["payment_intent.succeeded"] == ("dead", topup["problem"])
    assert states(town, second["latest_charge"])["charge.succeeded"][0] == "pending"
    assert town.balance(account)["available"] == CREDITS
    assert town.money(account) == PAID
    forget_waiting(town)


def paid_again(town: Town, account: str, topup_id: str) -> Any:
    """A payment with the marks of a top-up, that the service did not ask for."""
    answer = httpx.post(
        f"{town.stripe.url}/v1/payment_intents",
        data={
            "amount": "1000",
            "currency": "usd",
            "payment_method": "pm_card_visa",
            "confirm": "true",
            "automatic_payment_methods[enabled]": "true",
            "automatic_payment_methods[allow_redirects]": "never",
            "metadata[billing_account_id]": account,
            "metadata[billing_topup_id]": topup_id,
        },
        headers={"Authorization": f"Bearer {town.stripe.key}"},
        trust_env=False,
    )
    assert answer.status_code == 200, answer.text
    return answer.json()


def forget_waiting(town: Town) -> None:
    """What no test will come back to need not be tried again after each of them."""
    town.query("UPDATE stripe_event SET state = 'dead', next_attempt_at = NULL WHERE state = 'pending' RETURNING 1")
