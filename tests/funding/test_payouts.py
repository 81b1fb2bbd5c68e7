"""Payouts: what reaches the bank is what was paid less what was returned and kept, to the cent.

Each test has a currency of its own: a payout takes along all that there is of one.
"""

import asyncio
import itertools
from typing import Any

import httpx
import pytest

from billing.books.verify import verify
from tests.faults.served import KEY

from .town import PRICE_MICROS, Town

HOUSE = "_house"
FEE_MICROS = 590_000  # 2.9 % and 30 cents of 10 dollars
DISPUTE_FEE_MICROS = 15_000_000
_letters = (f"X{first}{second}" for first, second in itertools.product("BCDEGHIJKLMNQRSVWYZ", repeat=2))


@pytest.fixture
def currency() -> str:
    return next(_letters)


def bought(town: Town, currency: str, price_micros: int = PRICE_MICROS) -> tuple[str, str, str]:
    """(account, top-up, payment)."""
    account = town.account()
    return account, *town.bought(account, town.pack(price={"micros": price_micros, "currency": currency}))


def books(town: Town, currency: str) -> dict[str, int]:
    """The money book of all accounts together, in one currency: debits less credits."""
    found = town.query(
        """SELECT name, sum(amount)::bigint FROM (
               SELECT asset, debit AS name, amount FROM transfer UNION ALL SELECT asset, credit, -amount FROM transfer) t
           WHERE asset = $1 GROUP BY name""",
        currency,
    )
    return {name: amount for name, amount in found if amount}


def house(town: Town, currency: str) -> list[tuple[str, int]]:
    """(kind, amount) of what was posted on the house."""
    return town.query(
        "SELECT kind, amount FROM transfer WHERE account_id = $1 AND asset = $2 ORDER BY kind, amount", HOUSE, currency
    )


def event_of(town: Town, kind: str, object_id: str) -> Any:
    town.stripe.wait_delivered()
    ids = [event["id"] for event in town.stripe.events(kind) if event["data"]["object"]["id"] == object_id]
    return town.event(ids[-1])


def test_what_was_paid_less_fees_reaches_the_bank(town: Town, currency: str) -> None:
    for _ in range(3):
        bought(town, currency)
    town.stripe.stripe_fee(250, currency.lower(), "Radar")
    payout = town.stripe.pay_out(currency.lower())
    town.settled()
    arrived = 3 * (PRICE_MICROS - FEE_MICROS) - 2_500_000
    assert payout["amount"] * 10_000 == arrived
    assert books(town, currency) == {
        "bank": arrived,
        "processor_fees": 3 * FEE_MICROS + 2_500_000,
        "deferred_revenue": -3 * PRICE_MICROS,
    }
    assert house(town, currency) == [("fee", 2_500_000), ("payout", arrived)]
    event = event_of(town, "payout.paid", payout["id"])
    assert (event["state"], event["account_id"]) == ("done", HOUSE)
    items = town.query("SELECT type, amount_micros, fee_micros FROM payout_item WHERE payout_id = $1", payout["id"])
    assert sorted(items) == [
        *[("charge", PRICE_MICROS, FEE_MICROS)] * 3,
        ("payout", -arrived, 0),
        ("stripe_fee", -2_500_000, 0),
    ]


def test_with_refunds_and_disputes_in_it(town: Town, currency: str) -> None:
    _, _, refunded = bought(town, currency, 40_000_000)
    _, _, won = bought(town, currency, 40_000_000)
    _, _, lost = bought(town, currency, 40_000_000)
    town.stripe.refund(refunded, 1_000)
    town.stripe.win_dispute(town.stripe.dispute(won)["id"])
    town.stripe.lose_dispute(town.stripe.dispute(lost, 1_500)["id"])
    town.stripe.pay_out(currency.lower())
    town.settled()
    fees = 3 * 1_460_000 + 2 * DISPUTE_FEE_MICROS
    arrived = 120_000_000 - fees - 10_000_000 - 15_000_000
    assert books(town, currency) == {
        "bank": arrived,
        "processor_fees": fees,
        "deferred_revenue": -(120_000_000 - 10_000_000 - 15_000_000),
    }


def test_a_payout_that_comes_back(town: Town, currency: str) -> None:
    bought(town, currency)
    payout = town.stripe.pay_out(currency.lower())
    town.settled()
    arrived = PRICE_MICROS - FEE_MICROS
    town.stripe.fail_payout(payout["id"])
    town.settled()
    there_again = {"processor_fees": FEE_MICROS, "deferred_revenue": -PRICE_MICROS, "stripe_clearing": arrived}
    assert books(town, currency) == there_again
    assert house(town, currency) == [("payout", arrived), ("payout_failed", arrived)]
    bought(town, currency)
    town.stripe.pay_out(currency.lower())
    town.settled()
    assert books(town, currency) == {
        "bank": 2 * arrived,
        "processor_fees": 2 * FEE_MICROS,
        "deferred_revenue": -2 * PRICE_MICROS,
    }


def test_a_payout_that_never_arrives(town: Town, currency: str) -> None:
    """It is reported as failed only; what it consisted of left all the same, and came back."""
    bought(town, currency)
    town.stripe.stripe_fee(100, currency.lower())
    arrived = PRICE_MICROS - FEE_MICROS - 1_000_000
    payout = town.stripe.pay_out(currency.lower(), arrive=False)
    town.stripe.fail_payout(payout["id"])
    town.settled()
    assert books(town, currency) == {
        "processor_fees": FEE_MICROS + 1_000_000,
        "deferred_revenue": -PRICE_MICROS,
        "stripe_clearing": arrived,
    }
    town.stripe.pay_out(currency.lower())
    town.settled()
    assert books(town, currency) == {
        "bank": arrived,
        "processor_fees": FEE_MICROS + 1_000_000,
        "deferred_revenue": -PRICE_MICROS,
    }
    assert house(town, currency) == [
        ("fee", 1_000_000),
        ("payout", arrived),
        ("payout", arrived),
        ("payout_failed", arrived),
    ]


def test_it_failed_before_it_was_paid(town: Town, currency: str) -> None:
    """The two events the other way round, each twice."""
    bought(town, currency)
    town.stripe.deliver("hold", times=2)
    payout = town.stripe.pay_out(currency.lower())
    town.stripe.fail_payout(payout["id"])
    town.stripe.release("reversed")
    town.settled()
    arrived = PRICE_MICROS - FEE_MICROS
    assert books(town, currency)["stripe_clearing"] == arrived
    assert house(town, currency) == [("payout", arrived), ("payout_failed", arrived)]


def test_a_payout_before_the_payments_in_it(town: Town, currency: str) -> None:
    account = town.account()
    topup = town.order(account, town.pack(price={"micros": PRICE_MICROS, "currency": currency}))
    town.stripe.deliver("hold")
    intent = town.stripe.pay(town.checkout_of(topup))["payment_intent"]
    town.stripe.refund(intent, 200)
    payout = town.stripe.pay_out(currency.lower())
    town.stripe.release(["payout.paid"])
    town.settled()
    event = event_of(town, "payout.paid", payout["id"])
    assert event["state"] == "pending"
    assert "of which the ledger knows nothing" in event["problem"]
    arrived = PRICE_MICROS - FEE_MICROS - 2_000_000
    assert books(town, currency) == {"bank": arrived, "stripe_clearing": -arrived}
    town.stripe.release("reversed")
    town.settled()
    assert event_of(town, "payout.paid", payout["id"])["state"] == "done"
    assert books(town, currency) == {
        "bank": arrived,
        "processor_fees": FEE_MICROS,
        "deferred_revenue": -8_000_000,
    }


def test_a_payout_makes_good_for_a_charge_that_was_never_reported(town: Town, currency: str) -> None:
    """The payment itself was: what Stripe kept of it is known from the payout."""
    town.stripe.deliver("drop", types=["charge.*"])
    bought(town, currency)
    assert books(town, currency) == {"deferred_revenue": -PRICE_MICROS, "stripe_clearing": PRICE_MICROS}
    town.stripe.pay_out(currency.lower())
    town.settled()
    assert books(town, currency) == {
        "bank": PRICE_MICROS - FEE_MICROS,
        "processor_fees": FEE_MICROS,
        "deferred_revenue": -PRICE_MICROS,
    }


def test_a_payout_with_money_that_the_ledger_knows_nothing_of(town: Town, currency: str) -> None:
    """It stays visible, in the inbox and to `verify`; all else in it is booked. Found again, everything adds up."""
    bought(town, currency)
    account = town.account()
    topup = town.order(account, town.pack(price={"micros": PRICE_MICROS, "currency": currency}))
    town.stripe.deliver("drop")
    intent = town.stripe.pay(town.checkout_of(topup))["payment_intent"]
    unknown = town.stripe.object(town.stripe.object(intent)["latest_charge"])["balance_transaction"]
    town.stripe.stripe_fee(300, currency.lower())
    town.stripe.deliver("immediately")
    payout = town.stripe.pay_out(currency.lower())
    town.settled()
    event = event_of(town, "payout.paid", payout["id"])
    assert (event["state"], event["problem"]) == (
        "pending",
        f"the payout contains {unknown}, of which the ledger knows nothing",
    )
    arrived = 2 * (PRICE_MICROS - FEE_MICROS) - 3_000_000
    assert house(town, currency) == [("fee", 3_000_000), ("payout", arrived)]
    assert books(town, currency)["stripe_clearing"] == -(PRICE_MICROS - FEE_MICROS)
    report = asyncio.run(verify(town.dsn))
    finding = next(checked for checked in report.invariants if checked.finding).finding
    assert not report.ok
    assert unknown in str(finding)
    for event in town.stripe.events():
        if event["data"]["object"].get("metadata", {}).get("billing_account_id") == account:
            town.stripe.resend(event["id"])
    town.settled()
    assert event_of(town, "payout.paid", payout["id"])["state"] == "done"
    assert books(town, currency) == {
        "bank": arrived,
        "processor_fees": 2 * FEE_MICROS + 3_000_000,
        "deferred_revenue": -2 * PRICE_MICROS,
    }


# Movements of Stripe's own: type, cents → what they leave in the books, in micros.
OWN = [
    ("payout_minimum_balance_hold", -100, {"stripe_reserve": 1_000_000}),
    ("reserve_hold", -100, {"stripe_reserve": 1_000_000}),
    ("payment_network_reserve_hold", -100, {"stripe_reserve": 1_000_000}),
    ("advance_funding", -100, {"stripe_reserve": 1_000_000}),
    ("advance", 100, {"stripe_reserve": -1_000_000}),
    ("contribution", -100, {"processor_fees": FEE_MICROS + 1_000_000}),
    ("network_cost", -100, {"processor_fees": FEE_MICROS + 1_000_000}),
    ("climate_order_refund", 100, {"processor_fees": FEE_MICROS - 1_000_000}),
    ("topup", 100, {}),  # from the bank, and to it again
]


def test_movements_of_stripes_own_are_booked_by_what_they_are(town: Town) -> None:
    for kind, cents, left in OWN:
        currency = next(_letters)
        bought(town, currency)
        town.stripe.move(kind, cents, currency.lower())
        payout = town.stripe.pay_out(currency.lower())
        town.settled()
        assert event_of(town, "payout.paid", payout["id"])["state"] == "done", kind
        arrived = payout["amount"] * 10_000 - (cents * 10_000 if kind == "topup" else 0)
        expected = {"bank": arrived, "processor_fees": FEE_MICROS, "deferred_revenue": -PRICE_MICROS} | left
        assert books(town, currency) == expected, kind


def test_what_is_kept_back_and_released_comes_to_nothing(town: Town, currency: str) -> None:
    """A minimum balance is held from each payout, and released after it."""
    for _ in range(2):
        bought(town, currency)
        town.stripe.move("payout_minimum_balance_hold", -300, currency.lower())
        town.stripe.pay_out(currency.lower())
        town.stripe.move("payout_minimum_balance_release", 300, currency.lower())
    town.settled()
    assert books(town, currency)["stripe_reserve"] == 3_000_000
    town.stripe.pay_out(currency.lower())
    town.settled()
    assert books(town, currency) == {
        "bank": 2 * (PRICE_MICROS - FEE_MICROS),
        "processor_fees": 2 * FEE_MICROS,
        "deferred_revenue": -2 * PRICE_MICROS,
    }


def test_a_bank_debit_that_fails_after_it_was_shown_on_the_balance(town: Town, currency: str) -> None:
    """Stripe shows it, and takes it off: it comes to nothing, and no payout waits for it."""
    bought(town, currency)
    account = town.account()
    topup = town.order(account, town.pack(price={"micros": PRICE_MICROS, "currency": currency}))
    intent = town.stripe.pay(town.checkout_of(topup), "pm_usBankAccount")["payment_intent"]
    town.stripe.bounce(intent)
    charge = town.stripe.object(intent)["latest_charge"]
    for kind, cents in (("payment", 1_000), ("payment_failure_refund", -1_000)):
        town.stripe.tamper(town.stripe.move(kind, cents, currency.lower())["id"], source=charge)
    payout = town.stripe.pay_out(currency.lower())
    town.settled()
    assert event_of(town, "payout.paid", payout["id"])["state"] == "done"
    assert town.topup(account, topup["topup_id"])["status"] == "failed"
    assert books(town, currency) == {
        "bank": PRICE_MICROS - FEE_MICROS,
        "processor_fees": FEE_MICROS,
        "deferred_revenue": -PRICE_MICROS,
    }


def test_a_payout_whose_items_are_not_all_listed_yet_is_too_early(town: Town, currency: str) -> None:
    """It waits, and nothing is held against it; `payout.reconciliation_completed` says that they are."""
    for _ in range(3):
        bought(town, currency)
    payout = town.stripe.pay_out(currency.lower(), listed=False)
    town.settled()
    event = event_of(town, "payout.paid", payout["id"])
    assert event["state"] == "pending"
    assert "not all of them are listed yet" in event["problem"]
    assert town.ask("SELECT count(*) FROM payout_item WHERE payout_id = $1", payout["id"]) == 0
    town.books()
    town.stripe.reconcile(payout["id"])
    town.settled()
    for kind in ("payout.reconciliation_completed", "payout.paid"):
        assert event_of(town, kind, payout["id"])["state"] == "done"
    assert town.ask("SELECT count(*) FROM payout_item WHERE payout_id = $1", payout["id"]) == 4
    assert "stripe_clearing" not in books(town, currency)


def test_a_dispute_that_was_never_reported_is_booked_with_the_payout_that_it_is_in(town: Town, currency: str) -> None:
    account, _, payment = bought(town, currency, 40_000_000)
    town.stripe.deliver("drop", types=["charge.dispute.*"])
    town.stripe.lose_dispute(town.stripe.dispute(payment, 1_000)["id"])
    town.stripe.pay_out(currency.lower())
    town.settled()
    assert town.balance(account)["posted"] == 750
    assert "stripe_clearing" not in books(town, currency)


@pytest.mark.parametrize("first", ["dispute", "payout"])
def test_a_fee_that_a_dispute_lists_is_booked_once(town: Town, currency: str, first: str) -> None:
    """The dispute tells of it, and so does the payout: by itself, as whatever has no amount of its own."""
    _, _, payment = bought(town, currency, 40_000_000)
    town.stripe.deliver("hold", types=["charge.dispute.*"])
    dispute = town.stripe.dispute(payment, 1_000)
    fee = town.stripe.move("stripe_fee", -300, currency.lower())
    town.stripe.tamper(fee["id"], source=dispute["id"])
    listed = [*dispute["balance_transactions"], town.stripe.object(fee["id"])]
    town.stripe.tamper(dispute["id"], balance_transactions=listed)
    if first == "dispute":
        town.stripe.release()
        town.settled()
    town.stripe.pay_out(currency.lower())
    town.settled()
    town.stripe.release()
    town.settled()
    fees = 1_460_000 + DISPUTE_FEE_MICROS + 3_000_000
    assert books(town, currency) == {
        "bank": 40_000_000 - 10_000_000 - fees,
        "processor_fees": fees,
        "deferred_revenue": -40_000_000,
        "disputed": 10_000_000,
    }


def test_a_payout_is_not_whole_while_its_dispute_does_not_list_what_was_withdrawn(town: Town, currency: str) -> None:
    _, _, payment = bought(town, currency, 40_000_000)
    town.stripe.deliver("drop", types=["charge.dispute.*"])
    dispute = town.stripe.dispute(payment, 1_000)
    town.stripe.tamper(dispute["id"], balance_transactions=[])
    payout = town.stripe.pay_out(currency.lower())
    town.settled()
    withdrawal = dispute["balance_transactions"][0]["id"]
    event = event_of(town, "payout.paid", payout["id"])
    assert (event["state"], withdrawal in event["problem"]) == ("pending", True)
    town.stripe.restore(dispute["id"])
    town.settled()
    assert event_of(town, "payout.paid", payout["id"])["state"] == "done"
    assert "stripe_clearing" not in books(town, currency)


# What only a person can explain.


def explained(town: Town, transaction_id: str, to: str, reason: str = "asked Stripe", **more: Any) -> Any:
    body = {"to": to, "reason": reason}
    return town.client.post(f"/v1/stripe/transactions/{transaction_id}/book", json=body, **more)


def test_what_the_ledger_cannot_know_waits_until_a_person_says_what_it_is(town: Town, currency: str) -> None:
    bought(town, currency)
    unknown = town.stripe.move("issuing_transaction", -250, currency.lower())["id"]
    payout = town.stripe.pay_out(currency.lower())
    town.settled()
    event = event_of(town, "payout.paid", payout["id"])
    assert event["state"] == "pending"
    says = f"{unknown} is a issuing_transaction: say what it is, by `billing stripe book {unknown} --to … --reason …`"
    assert event["problem"] == says
    key = town.call("POST", "/v1/keys", {"role": "finance", "name": "ada"}, status=201)
    finance = {"Authorization": f"Bearer {key['key']}"}
    answer = explained(town, unknown, "other", "a card of the other shop", headers=finance)
    assert answer.status_code == 201, answer.text
    shown = answer.json()
    assert (shown["event"], shown["amount_micros"], shown["currency"]) == ("other", -2_500_000, currency)
    assert (shown["booked_by"], shown["reason"]) == (key["id"], "a card of the other shop")
    town.until(lambda: event_of(town, "payout.paid", payout["id"])["state"] == "done", "the payout is whole")
    assert books(town, currency)["other_business"] == 2_500_000
    assert "stripe_clearing" not in books(town, currency)
    again = explained(town, unknown, "other", "a card of the other shop")
    assert (again.status_code, again.headers["Idempotent-Replayed"], again.json()) == (200, "true", shown)
    for other, differs in (
        (explained(town, unknown, "fees", "a card of the other shop"), "to"),
        (explained(town, unknown, "other"), "reason"),
    ):
        document = other.json()
        assert (other.status_code, document["code"], document["differs"]) == (409, "id_reused", [differs])


def test_a_payout_that_was_given_up_is_whole_once_it_is_explained(town: Town, currency: str) -> None:
    """By the command, too."""
    bought(town, currency)
    unknown = town.stripe.move("a_type_of_next_year", -250, currency.lower())["id"]
    payout = town.stripe.pay_out(currency.lower())
    town.settled()
    town.query(
        "UPDATE stripe_event SET state = 'dead', next_attempt_at = NULL, done_at = clock_timestamp() WHERE state = 'pending'"
    )
    key = town.call("POST", "/v1/keys", {"role": "finance", "name": "ada"}, status=201)["key"]
    command = ("stripe", "book", unknown, "--to", "fees", "--reason", "a new fee")
    nobody = town.run(*command)
    assert (nobody.returncode, "somebody's name" in nobody.stderr) == (1, True)
    done = town.run(*command, BILLING_KEY=key)
    assert (done.returncode, done.stdout) == (0, f"{unknown} is booked to fees: -2.500000 {currency}.\n"), done.stderr
    assert town.run(*command, BILLING_KEY=key).stdout == f"{unknown} was booked before to fees: -2.500000 {currency}.\n"
    town.until(lambda: event_of(town, "payout.paid", payout["id"])["state"] == "done", "the payout is whole")
    assert books(town, currency) == {
        "bank": payout["amount"] * 10_000,
        "processor_fees": FEE_MICROS + 2_500_000,
        "deferred_revenue": -PRICE_MICROS,
    }


def test_what_the_ledger_books_by_itself_is_nobodys_to_explain(town: Town, currency: str) -> None:
    account = town.account()
    topup = town.order(account, town.pack(price={"micros": PRICE_MICROS, "currency": currency}))
    town.stripe.deliver("drop")
    intent = town.stripe.pay(town.checkout_of(topup))["payment_intent"]
    ours = town.stripe.object(town.stripe.object(intent)["latest_charge"])["balance_transaction"]
    held = town.stripe.move("reserve_hold", -10, currency.lower())["id"]
    for transaction_id in (ours, held):
        answer = explained(town, transaction_id, "other")
        assert (answer.status_code, answer.json()["code"]) == (409, "transaction_known")
    for event in town.stripe.events("payment_intent.succeeded")[-1:] + town.stripe.events("charge.succeeded")[-1:]:
        town.stripe.resend(event["id"])
    town.settled()
    booked = explained(town, ours, "other")
    assert (booked.status_code, booked.json()["code"], booked.json()["differs"]) == (409, "id_reused", ["to"])
    missing = explained(town, "txn_none", "fees")
    assert (missing.status_code, missing.json()["code"]) == (404, "transaction_not_found")
    for to, reason in (("elsewhere", "x"), ("fees", ""), ("fees", " "), ("fees", "x" * 513)):
        assert explained(town, held, to, reason).status_code == 422
    gateway = town.call("POST", "/v1/keys", {"role": "gateway", "name": "g"}, status=201)["key"]
    refused = explained(town, held, "fees", headers={"Authorization": f"Bearer {gateway}"})
    assert (refused.status_code, refused.json()["code"]) == (403, "forbidden")


def test_another_shops_payment_on_the_same_stripe_account_is_explained(town: Town, currency: str) -> None:
    """Nothing of it is ours: without a word from somebody the payout that holds its money would never be whole."""
    bought(town, currency)
    made = httpx.post(
        f"{town.stripe.url}/v1/payment_intents",
        data={"amount": "500", "currency": currency.lower(), "confirm": "true", "off_session": "true",
              "payment_method": "pm_card_visa"},
        headers={"Authorization": f"Bearer {town.stripe.key}"},
        trust_env=False,
    )  # fmt: skip
    foreign = town.stripe.object(made.json()["latest_charge"])["balance_transaction"]
    payout = town.stripe.pay_out(currency.lower())
    town.settled()
    assert foreign in event_of(town, "payout.paid", payout["id"])["problem"]
    assert explained(town, foreign, "other").status_code == 201
    town.until(lambda: event_of(town, "payout.paid", payout["id"])["state"] == "done", "the payout is whole")
    assert (books(town, currency)["other_business"], books(town, currency).get("stripe_clearing")) == (-5_000_000, None)


def paid_out_by_hand(town: Town, currency: str, cents: int) -> Any:
    made = httpx.post(
        f"{town.stripe.url}/v1/payouts",
        data={"amount": str(cents), "currency": currency.lower()},
        headers={"Authorization": f"Bearer {town.stripe.key}"},
        trust_env=False,
    )
    assert made.status_code == 200, made.text
    return made.json()


def test_a_payout_made_by_hand_that_never_arrives(town: Town, currency: str) -> None:
    """Nothing but its own event says that it ever left."""
    bought(town, currency)
    made = paid_out_by_hand(town, currency, 400)
    town.stripe.fail_payout(made["id"])
    town.settled()
    assert house(town, currency) == [("payout", 4_000_000), ("payout_failed", 4_000_000)]
    assert books(town, currency)["stripe_clearing"] == PRICE_MICROS - FEE_MICROS
    town.stripe.pay_out(currency.lower())
    town.settled()
    assert "stripe_clearing" not in books(town, currency)


def test_a_payout_made_by_hand(town: Town, currency: str) -> None:
    """Nobody can say what it consists of; it is part of the next one that Stripe makes."""
    bought(town, currency)
    made = paid_out_by_hand(town, currency, 400)
    town.stripe.arrive(made["id"])
    town.settled()
    event = event_of(town, "payout.paid", made["id"])
    assert (event["state"], event["problem"]) == ("done", None)
    left = PRICE_MICROS - FEE_MICROS - 4_000_000
    assert books(town, currency)["stripe_clearing"] == left
    town.stripe.pay_out(currency.lower())
    town.settled()
    assert house(town, currency) == [("payout", 4_000_000), ("payout", left)]
    assert "stripe_clearing" not in books(town, currency)


def test_a_payout_of_many_things(town: Town, currency: str) -> None:
    """More than a page of Stripe's list."""
    bought(town, currency, 100 * PRICE_MICROS)
    for _ in range(105):
        town.stripe.stripe_fee(100, currency.lower())
    payout = town.stripe.pay_out(currency.lower())
    town.settled()
    assert event_of(town, "payout.paid", payout["id"])["state"] == "done"
    assert town.ask("SELECT count(*) FROM payout_item WHERE payout_id = $1", payout["id"]) == 107
    assert books(town, currency) == {
        "bank": payout["amount"] * 10_000,
        "processor_fees": 29_300_000 + 105_000_000,
        "deferred_revenue": -100 * PRICE_MICROS,
    }


def test_the_payouts_event_several_times(town: Town, currency: str) -> None:
    bought(town, currency)
    town.stripe.deliver("immediately", times=3, together=True)
    payout = town.stripe.pay_out(currency.lower())
    town.settled()
    event = event_of(town, "payout.paid", payout["id"])
    town.call("POST", f"/v1/stripe/events/{event['event_id']}/retry", status=200)
    town.settled()
    assert house(town, currency) == [("payout", PRICE_MICROS - FEE_MICROS)]
    assert town.ask("SELECT count(*) FROM payout_item WHERE payout_id = $1", payout["id"]) == 2


def test_stripe_is_in_trouble_while_it_is_asked_what_was_paid_out(town: Town, currency: str) -> None:
    bought(town, currency)
    town.stripe.fault("500", 2, method="GET", path="/v1/balance_transactions")
    town.stripe.pay_out(currency.lower())
    town.settled()
    assert "stripe_clearing" not in books(town, currency)


def test_nothing_can_be_done_with_the_house(town: Town, currency: str) -> None:
    bought(town, currency)
    town.stripe.pay_out(currency.lower())
    town.settled()
    before = house(town, currency), town.query("SELECT * FROM account WHERE account_id = $1", HOUSE)
    here = f"/v1/accounts/{HOUSE}"
    pages = {"success_url": "https://a.example", "cancel_url": "https://a.example"}
    charge = {"request_id": "r", "model": "gpt-image-2", "size": "1K", "quality": "low"}
    calls = [
        ("POST", "/v1/accounts", {"account_id": HOUSE}, 422),
        ("PATCH", here, {"credit_limit": 100}, 404),
        ("PATCH", here, {"status": "suspended"}, 404),
        ("POST", f"{here}/grants", {"grant_id": "g", "kind": "promotion", "credits": 1}, 404),
        ("POST", f"{here}/charges", charge, 404),
        ("POST", f"{here}/charges/r/settle", {"outputs": []}, 404),
        ("POST", f"{here}/charges/r/void", {}, 404),
        ("POST", f"{here}/charges/r/refunds", {"refund_id": "f", "reason": "x"}, 404),
        ("POST", f"{here}/topups", {"topup_id": "t", "pack_id": town.pack(), **pages}, 404),
        ("PUT", f"{here}/auto-recharge", {"threshold": 1, "pack_id": town.pack(), "monthly_limit": 10_000}, 404),
        ("DELETE", f"{here}/auto-recharge", None, 404),
    ]
    for method, path, body, status in calls:
        answer = town.client.request(method, path, json=body)
        assert (method, path, answer.status_code) == (method, path, status), answer.text
        if status == 404:
            assert answer.json()["code"] == "account_not_found"
    batch = {"operations": [{"op": "authorize", "account_id": HOUSE, **charge}]}
    result = town.call("POST", "/v1/charges/batch", batch, status=200)["results"][0]
    assert (result["status"], result["body"]["code"]) == (404, "account_not_found")
    assert (house(town, currency), town.query("SELECT * FROM account WHERE account_id = $1", HOUSE)) == before


def test_who_may_read_the_transfers_of_the_house(town: Town, currency: str) -> None:
    account, _, _ = bought(town, currency)
    town.stripe.stripe_fee(100, currency.lower())
    town.stripe.pay_out(currency.lower())
    town.settled()
    path = f"/v1/accounts/{HOUSE}/transfers?book=money&limit=200"
    answers = {}
    for role in ("finance", "gateway", "account"):
        more = {"account_id": account} if role == "account" else {}
        key = town.call("POST", "/v1/keys", {"role": role, "name": role, **more}, status=201)["key"]
        answers[role] = town.client.get(path, headers={"Authorization": f"Bearer {key}"})
    assert {role: answer.status_code for role, answer in answers.items()} == {
        "finance": 200,
        "gateway": 403,
        "account": 404,
    }
    shown = [one for one in answers["finance"].json()["data"] if one["asset"] == currency]
    assert sorted((one["kind"], one["debit"], one["credit"], one["amount"]) for one in shown) == [
        ("fee", "processor_fees", "stripe_clearing", 1_000_000),
        ("payout", "bank", "stripe_clearing", PRICE_MICROS - FEE_MICROS - 1_000_000),
    ]
    assert town.get(f"/v1/accounts/{HOUSE}/transfers")["data"] == []
    assert KEY not in answers["finance"].text
