"""Money that goes back, by refunds and disputes: whole accounts, reckoned by hand.

Most packs here are 100 credits for 10 dollars: a credit is worth 100,000 micros, and Stripe keeps 590,000 of each
payment and 15 dollars of each dispute, whoever wins it.
"""

from typing import Any

import pytest

from .town import Town

CREDIT, PRICE, FEE, DISPUTE_FEE = 100_000, 10_000_000, 590_000, 15_000_000
TERMS: dict[str, Any] = {"credits": 100}


def bought(
    town: Town, *, granted: int = 0, spent: int = 0, card: str = "pm_card_visa", **terms: Any
) -> tuple[str, str, str]:
    """(account, top-up, payment), with `spent` of its credits spent, and `granted` others given to it afterwards."""
    account = town.account()
    topup_id, payment = town.bought(account, town.pack(**TERMS | terms), card)
    town.spend(account, spent)
    if granted:
        give(town, account, granted)
    return account, topup_id, payment


def give(town: Town, account: str, credits: int) -> None:
    grant = {"grant_id": "gift", "kind": "promotion", "credits": credits}
    town.call("POST", f"/v1/accounts/{account}/grants", grant, status=201)


def wallet(town: Town, account: str) -> dict[str, int]:
    """What of the balance is not 0."""
    balance = town.balance(account)
    return {name: balance[name] for name in ("posted", "held", "frozen", "available", "debt") if balance[name]}


def grants(town: Town, account: str) -> dict[str, dict[str, int]]:
    """What of each grant's figures is not 0; `pack:` and the top-up's id are left away."""
    found = town.get(f"/v1/accounts/{account}/grants")["data"]
    figures = ("granted", "remaining", "used", "expired", "revoked", "moved")
    return {one["grant_id"].rpartition(":")[2]: {name: one[name] for name in figures if one[name]} for one in found}


def story(town: Town, account: str, topup_id: str) -> dict[str, Any]:
    """What the top-up says of money that went back."""
    topup = town.topup(account, topup_id)
    shown = {name: topup[name] for name in ("status", "problem", "failure", "refunded_micros", "disputed_micros")}
    for several in ("card_refunds", "disputes"):
        shown[several] = [(one["status"], one["amount_micros"], one["clawed_credits"]) for one in topup[several]]
    return {name: value for name, value in shown.items() if value}


def whole(town: Town, account: str, topup_id: str) -> tuple[Any, Any, Any, Any]:
    town.settled()
    return wallet(town, account), grants(town, account), story(town, account, topup_id), town.money(account)


def refused(town: Town, account: str, n: int = 1) -> bool:
    """Whether `n` credits are too many."""
    body = {"request_id": town.new_id("hold"), "model": "gpt-image-2", "n": n, "size": "1K", "quality": "low"}
    answer = town.client.post(f"/v1/accounts/{account}/charges", json=body)
    assert answer.status_code in (201, 402), answer.text
    if answer.status_code == 201:
        void = f"/v1/accounts/{account}/charges/{body['request_id']}/void"
        town.call("POST", void, {}, status=200)
    return answer.status_code == 402


def dead(town: Town, object_id: str) -> list[str]:
    """What is the matter with the dead events about one object of Stripe's."""
    about = "SELECT problem FROM stripe_event WHERE state = 'dead' AND payload::jsonb #>> '{data,object,id}' = $1"
    return [problem for (problem,) in town.query(about, object_id)]


# Refunds in full.


def test_refund_of_what_nobody_has_used(town: Town) -> None:
    account, topup_id, payment = bought(town)
    town.stripe.refund(payment)
    assert whole(town, account, topup_id) == (
        {},
        {"1": {"granted": 100, "revoked": 100}},
        {"status": "refunded", "refunded_micros": PRICE, "card_refunds": [("succeeded", PRICE, 100)]},
        {"processor_fees": FEE, "stripe_clearing": -FEE},
    )
    assert refused(town, account)


def test_refund_of_what_was_used_in_part(town: Town) -> None:
    """30 of 100 are used: 70 are taken back, 30 are owed."""
    account, topup_id, payment = bought(town, spent=30)
    town.stripe.refund(payment)
    assert whole(town, account, topup_id) == (
        {"posted": -30, "available": -30, "debt": 30},
        {"1": {"granted": 100, "used": 30, "revoked": 70}},
        {"status": "refunded", "refunded_micros": PRICE, "card_refunds": [("succeeded", PRICE, 100)]},
        {
            "deferred_revenue": -30 * CREDIT,
            "refunds": 30 * CREDIT,
            "processor_fees": FEE,
            "stripe_clearing": -FEE,
        },
    )
    assert refused(town, account)
    give(town, account, 50)
    assert wallet(town, account) == {"posted": 20, "available": 20}
    assert grants(town, account)["gift"] == {"granted": 50, "remaining": 20, "used": 30}


def test_refund_of_what_was_used_up(town: Town) -> None:
    account, topup_id, payment = bought(town, spent=100)
    town.stripe.refund(payment)
    assert whole(town, account, topup_id) == (
        {"posted": -100, "available": -100, "debt": 100},
        {"1": {"granted": 100, "used": 100}},
        {"status": "refunded", "refunded_micros": PRICE, "card_refunds": [("succeeded", PRICE, 100)]},
        {"deferred_revenue": -PRICE, "refunds": PRICE, "processor_fees": FEE, "stripe_clearing": -FEE},
    )


def test_what_was_used_is_drawn_from_other_credits_before_it_is_owed(town: Town) -> None:
    account, topup_id, payment = bought(town, spent=30, granted=20)
    town.stripe.refund(payment)
    balance, found, _, money = whole(town, account, topup_id)
    assert balance == {"posted": -10, "available": -10, "debt": 10}
    assert found == {
        "1": {"granted": 100, "used": 30, "revoked": 70},
        "gift": {"granted": 20, "used": 20},
    }
    assert (money["deferred_revenue"], money["refunds"]) == (-30 * CREDIT, 30 * CREDIT)


def test_refund_of_what_paid_a_debt(town: Town) -> None:
    """40 were owed before the pack was bought: they are owed again."""
    account = town.account()
    town.call("PATCH", f"/v1/accounts/{account}", {"credit_limit": 40}, status=200)
    town.spend(account, 40)
    assert wallet(town, account) == {"posted": -40, "debt": 40}
    topup_id, payment = town.bought(account, town.pack(**TERMS))
    assert wallet(town, account) == {"posted": 60, "available": 100}
    town.stripe.refund(payment)
    assert whole(town, account, topup_id) == (
        {"posted": -40, "debt": 40},
        {"1": {"granted": 100, "used": 40, "revoked": 60}},
        {"status": "refunded", "refunded_micros": PRICE, "card_refunds": [("succeeded", PRICE, 100)]},
        {
            "deferred_revenue": -40 * CREDIT,
            "refunds": 40 * CREDIT,
            "processor_fees": FEE,
            "stripe_clearing": -FEE,
        },
    )


# Refunds in part.


def test_refunds_in_part_claw_back_in_all_what_one_would(town: Town) -> None:
    """⌈100·m/10⌉ of m dollars in all: 34 for 3.33, 67 for 6.66, 100 for 9.99; for the last cent there are none left."""
    account, topup_id, payment = bought(town)
    for _ in range(3):
        town.stripe.refund(payment, 333)
    town.settled()
    assert story(town, account, topup_id) == {
        "status": "paid",
        "refunded_micros": 9_990_000,
        "card_refunds": [("succeeded", 3_330_000, 34), ("succeeded", 3_330_000, 33), ("succeeded", 3_330_000, 33)],
    }
    town.stripe.refund(payment, 1)
    balance, found, told, money = whole(town, account, topup_id)
    assert (balance, found) == ({}, {"1": {"granted": 100, "revoked": 100}})
    assert told["status"] == "refunded"
    assert told["card_refunds"][3] == ("succeeded", 10_000, 0)
    assert money == {"processor_fees": FEE, "stripe_clearing": -FEE}


def test_a_refund_of_one_cent(town: Town) -> None:
    account, topup_id, payment = bought(town)
    town.stripe.refund(payment, 1)
    balance, found, told, money = whole(town, account, topup_id)
    assert (balance, found) == (
        {"posted": 99, "available": 99},
        {"1": {"granted": 100, "remaining": 99, "revoked": 1}},
    )
    assert (told["status"], told["card_refunds"]) == ("paid", [("succeeded", 10_000, 1)])
    assert (money["deferred_revenue"], "refunds" in money) == (-PRICE + 10_000, False)


def test_refunds_in_part_of_what_was_used_in_part(town: Town) -> None:
    """80 are used. 4 dollars: 40 are wanted, 20 are left, 20 are owed. 5 more: 50 owed, for nothing was deferred."""
    account, topup_id, payment = bought(town, spent=80)
    town.stripe.refund(payment, 400)
    assert whole(town, account, topup_id) == (
        {"posted": -20, "available": -20, "debt": 20},
        {"1": {"granted": 100, "used": 80, "revoked": 20}},
        {"status": "paid", "refunded_micros": 4_000_000, "card_refunds": [("succeeded", 4_000_000, 40)]},
        {
            "deferred_revenue": -80 * CREDIT,
            "refunds": 20 * CREDIT,
            "processor_fees": FEE,
            "stripe_clearing": 6_000_000 - FEE,
        },
    )
    town.stripe.refund(payment, 500)
    balance, _, _, money = whole(town, account, topup_id)
    assert balance == {"posted": -70, "available": -70, "debt": 70}
    assert (money["deferred_revenue"], money["refunds"]) == (-80 * CREDIT, 70 * CREDIT)


def test_more_than_was_paid(town: Town) -> None:
    """It cannot be: nothing is taken, and somebody has to look."""
    account, topup_id, payment = bought(town)
    refund = town.stripe.refund(payment, 400)
    before = whole(town, account, topup_id)
    town.stripe.emit("refund.created", refund["id"], id="re_too_much", amount=601)
    town.settled()
    problem = "refund re_too_much is of 6010000 micros USD, but only 6000000 are left of the payment"
    after = whole(town, account, topup_id)
    assert after[2] == before[2] | {"problem": problem}
    assert (after[0], after[1], after[3]) == (before[0], before[1], before[3])
    assert dead(town, "re_too_much") == [problem]


@pytest.mark.parametrize("what", ["refund", "dispute"])
def test_in_another_currency(town: Town, what: str) -> None:
    account, topup_id, payment = bought(town)
    before = whole(town, account, topup_id)
    town.stripe.deliver("drop")
    made = getattr(town.stripe, what)(payment)
    town.stripe.deliver("immediately")
    town.stripe.tamper(made["id"], currency="eur")
    kind = {"refund": "refund.created", "dispute": "charge.dispute.created"}[what]
    town.stripe.emit(kind, made["id"])
    problem = f"{what} {made['id']} is in EUR, the payment was in USD"
    after = whole(town, account, topup_id)
    assert after[2] == before[2] | {"problem": problem}
    assert (after[0], after[1], after[3]) == (before[0], before[1], before[3])
    assert dead(town, made["id"]) == [problem]


# Bonuses.


def test_a_bonus_goes_with_what_was_paid_for_it(town: Town) -> None:
    """Half of the money: 50 of 100, and 10 of the 20 that came with them. 15 of those are used: 5 are taken, 5 owed,
    which come out of the pack's."""
    account, topup_id, payment = bought(town, bonus_credits=20, spent=15)
    town.stripe.refund(payment, 500)
    balance, found, told, money = whole(town, account, topup_id)
    assert balance == {"posted": 45, "available": 45}
    assert found == {
        "1": {"granted": 100, "remaining": 45, "used": 5, "revoked": 50},
        "2": {"granted": 20, "used": 15, "revoked": 5},
    }
    assert told["card_refunds"] == [("succeeded", 5_000_000, 60)]
    assert money["deferred_revenue"] == -5_000_000
    assert "refunds" not in money
    town.stripe.refund(payment)
    balance, found, told, money = whole(town, account, topup_id)
    # 50 and 10 more are wanted: 45 are left, 5 and 10 are owed.
    assert balance == {"posted": -15, "available": -15, "debt": 15}
    assert found["1"] == {"granted": 100, "used": 5, "revoked": 95}
    assert found["2"] == {"granted": 20, "used": 15, "revoked": 5}
    assert told["status"] == "refunded"
    assert (money["deferred_revenue"], money["refunds"]) == (-500_000, 500_000)


def test_a_bonus_that_dilutes(town: Town) -> None:
    """120 credits for 12 dollars: each is worth 10 cents. 60 used; 9 dollars take back 90: 60 unspent, 30 owed."""
    price = {"micros": 12_000_000, "currency": "USD"}
    account, topup_id, payment = bought(town, bonus_credits=20, bonus="dilutes", spent=60, price=price)
    town.stripe.refund(payment, 900)
    assert whole(town, account, topup_id) == (
        {"posted": -30, "available": -30, "debt": 30},
        {"1": {"granted": 120, "used": 60, "revoked": 60}},
        {"status": "paid", "refunded_micros": 9_000_000, "card_refunds": [("succeeded", 9_000_000, 90)]},
        {
            "deferred_revenue": -6_000_000,
            "refunds": 3_000_000,
            "processor_fees": 650_000,  # 2.9 % of 12 dollars are 34.8 cents: 35, and 30
            "stripe_clearing": 3_000_000 - 650_000,
        },
    )


# Refunds that take their time, or fail.


def test_a_refund_that_is_pending(town: Town) -> None:
    account, topup_id, payment = bought(town, card="pm_card_pendingRefund")
    before = whole(town, account, topup_id)
    refund = town.stripe.refund(payment, 400)
    assert whole(town, account, topup_id) == before
    town.stripe.settle_refund(refund["id"])
    balance, _, told, money = whole(town, account, topup_id)
    assert balance == {"posted": 60, "available": 60}
    assert told["card_refunds"] == [("succeeded", 4_000_000, 40)]
    assert money["deferred_revenue"] == -6_000_000


def test_a_pending_refund_that_fails(town: Town) -> None:
    """No credit is ever touched; the money went and came back."""
    account, topup_id, payment = bought(town, card="pm_card_pendingRefund", spent=20)
    before = whole(town, account, topup_id)
    refund = town.stripe.refund(payment)
    town.stripe.fail_refund(refund["id"])
    after = whole(town, account, topup_id)
    assert (after[0], after[1], after[3]) == (before[0], before[1], before[3])
    assert after[2] == before[2] | {"card_refunds": [("failed", PRICE, 0)]}


def test_a_refund_that_fails_later(town: Town) -> None:
    """What was taken comes back, what was owed is owed no more, and the money is ours again."""
    account, topup_id, payment = bought(town, spent=30)
    before = whole(town, account, topup_id)
    refund = town.stripe.refund(payment)
    assert whole(town, account, topup_id)[0] == {"posted": -30, "available": -30, "debt": 30}
    town.stripe.fail_refund(refund["id"])
    assert whole(town, account, topup_id) == (
        {"posted": 70, "available": 70},
        # The 30 that were owed come back as credits of their own, which paid for what was owed.
        {
            "1": {"granted": 100, "remaining": 70, "used": 30},
            "2": {"granted": 30, "used": 30},
        },
        {"status": "paid", "card_refunds": [("failed", PRICE, 100)]},
        before[3],
    )
    town.stripe.refund(payment)
    again = whole(town, account, topup_id)
    assert again[0] == {"posted": -30, "available": -30, "debt": 30}
    assert again[2]["card_refunds"] == [("failed", PRICE, 100), ("succeeded", PRICE, 100)]
    assert (again[3]["deferred_revenue"], again[3]["refunds"]) == (-30 * CREDIT, 30 * CREDIT)


def test_a_refund_that_fails_after_what_was_owed_was_paid(town: Town) -> None:
    account, topup_id, payment = bought(town, spent=30)
    refund = town.stripe.refund(payment)
    town.settled()
    give(town, account, 50)
    assert wallet(town, account) == {"posted": 20, "available": 20}
    town.stripe.fail_refund(refund["id"])
    balance, found, _, _ = whole(town, account, topup_id)
    assert balance == {"posted": 120, "available": 120}
    assert found == {
        "1": {"granted": 100, "remaining": 70, "used": 30},
        "2": {"granted": 30, "remaining": 30},
        "gift": {"granted": 50, "remaining": 20, "used": 30},
    }


def test_one_of_two_refunds_fails(town: Town) -> None:
    account, topup_id, payment = bought(town)
    first = town.stripe.refund(payment, 333)
    town.stripe.refund(payment, 333)
    town.stripe.fail_refund(first["id"])
    balance, found, told, money = whole(town, account, topup_id)
    assert balance == {"posted": 66, "available": 66}
    assert found == {"1": {"granted": 100, "remaining": 66, "revoked": 34}}
    assert (told["status"], told["refunded_micros"]) == ("paid", 3_330_000)
    assert money == {
        "deferred_revenue": -PRICE + 3_330_000,
        "processor_fees": FEE,
        "stripe_clearing": PRICE - FEE - 3_330_000,
    }


# Disputes.


def test_billing_pain_a_chargeback_leaves_credits_spendable(town: Town) -> None:
    """Under dispute, credits are not spendable, and not lost."""
    account, topup_id, payment = bought(town, spent=30)
    town.stripe.dispute(payment, reason="product_not_received")
    assert whole(town, account, topup_id) == (
        {"posted": 70, "frozen": 70},
        {"1": {"granted": 100, "remaining": 70, "used": 30}},
        {"status": "disputed", "disputed_micros": PRICE, "disputes": [("open", PRICE, 0)]},
        {
            "deferred_revenue": -PRICE,
            "disputed": PRICE,
            "processor_fees": FEE + DISPUTE_FEE,
            "stripe_clearing": -FEE - DISPUTE_FEE,
        },
    )
    assert town.topup(account, topup_id)["disputes"][0]["reason"] == "product_not_received"
    assert town.balance(account)["grants"][0]["status"] == "frozen"
    assert refused(town, account)
    give(town, account, 5)  # other credits can be spent
    assert wallet(town, account) == {"posted": 75, "frozen": 70, "available": 5}
    assert (refused(town, account, 5), refused(town, account, 6)) == (False, True)


def test_billing_pain_over_clawed_after_a_won_dispute(town: Town) -> None:
    account, topup_id, payment = bought(town, spent=30, bonus_credits=20)
    before = whole(town, account, topup_id)
    dispute = town.stripe.dispute(payment)
    town.settled()
    assert wallet(town, account) == {"posted": 90, "frozen": 90}
    town.stripe.review_dispute(dispute["id"])
    town.settled()
    assert wallet(town, account) == {"posted": 90, "frozen": 90}
    town.stripe.win_dispute(dispute["id"])
    after = whole(town, account, topup_id)
    assert after[0] == before[0] == {"posted": 90, "available": 90}
    assert after[1] == before[1]
    assert after[2] == {"status": "paid", "disputes": [("won", PRICE, 0)]}
    assert after[3] == before[3] | {
        "processor_fees": FEE + DISPUTE_FEE,
        "stripe_clearing": PRICE - FEE - DISPUTE_FEE,
    }
    assert refused(town, account, 10) is False


def test_a_lost_dispute(town: Town) -> None:
    account, topup_id, payment = bought(town, spent=30)
    town.stripe.lose_dispute(town.stripe.dispute(payment)["id"])
    assert whole(town, account, topup_id) == (
        {"posted": -30, "available": -30, "debt": 30},
        {"1": {"granted": 100, "used": 30, "revoked": 70}},
        {"status": "disputed", "refunded_micros": PRICE, "disputes": [("lost", PRICE, 100)]},
        {
            "deferred_revenue": -30 * CREDIT,
            "dispute_losses": 30 * CREDIT,
            "processor_fees": FEE + DISPUTE_FEE,
            "stripe_clearing": -FEE - DISPUTE_FEE,
        },
    )


def test_a_dispute_about_a_part(town: Town) -> None:
    """All that is left is frozen; lost, only its part is taken."""
    account, topup_id, payment = bought(town, spent=30)
    dispute = town.stripe.dispute(payment, 400)
    balance, _, _, money = whole(town, account, topup_id)
    assert balance == {"posted": 70, "frozen": 70}
    assert money["disputed"] == 4_000_000
    town.stripe.lose_dispute(dispute["id"])
    assert whole(town, account, topup_id) == (
        {"posted": 30, "available": 30},
        {"1": {"granted": 100, "remaining": 30, "used": 30, "revoked": 40}},
        {"status": "disputed", "refunded_micros": 4_000_000, "disputes": [("lost", 4_000_000, 40)]},
        {
            "deferred_revenue": -6_000_000,
            "processor_fees": FEE + DISPUTE_FEE,
            "stripe_clearing": 6_000_000 - FEE - DISPUTE_FEE,
        },
    )


def test_an_inquiry_changes_nothing(town: Town) -> None:
    account, topup_id, payment = bought(town)
    before = whole(town, account, topup_id)
    inquiry = town.stripe.dispute(payment, inquiry=True)
    assert whole(town, account, topup_id) == before
    town.stripe.review_dispute(inquiry["id"])
    town.stripe.win_dispute(inquiry["id"])
    assert whole(town, account, topup_id) == before


def test_an_inquiry_that_becomes_a_dispute(town: Town) -> None:
    account, topup_id, payment = bought(town)
    inquiry = town.stripe.dispute(payment, inquiry=True)
    town.stripe.escalate_dispute(inquiry["id"])
    balance, _, told, _ = whole(town, account, topup_id)
    assert balance == {"posted": 100, "frozen": 100}
    assert told["disputes"] == [("open", PRICE, 0)]
    town.stripe.lose_dispute(inquiry["id"])
    assert whole(town, account, topup_id)[0] == {}


def test_two_disputes(town: Town) -> None:
    """What is left stays frozen until both are closed."""
    account, topup_id, payment = bought(town, spent=10)
    first = town.stripe.dispute(payment, 400)
    second = town.stripe.dispute(payment, 500, again=True)
    balance, _, told, money = whole(town, account, topup_id)
    assert balance == {"posted": 90, "frozen": 90}
    assert (told["disputed_micros"], money["disputed"]) == (9_000_000, 9_000_000)
    town.stripe.win_dispute(first["id"])
    balance, _, told, money = whole(town, account, topup_id)
    assert balance == {"posted": 90, "frozen": 90}
    assert (told["status"], told["disputed_micros"], money["disputed"]) == ("disputed", 5_000_000, 5_000_000)
    town.stripe.lose_dispute(second["id"])
    balance, found, told, money = whole(town, account, topup_id)
    assert balance == {"posted": 40, "available": 40}
    assert found == {"1": {"granted": 100, "remaining": 40, "used": 10, "revoked": 50}}
    assert told == {
        "status": "disputed",
        "refunded_micros": 5_000_000,
        "disputes": [("won", 4_000_000, 0), ("lost", 5_000_000, 50)],
    }
    assert money["deferred_revenue"] == -5_000_000
    assert not {"disputed", "dispute_losses"} & set(money)


# Disputes that go to and fro.


def verdict(town: Town, account: str, topup_id: str) -> tuple[str, str, dict[str, int], dict[str, int]]:
    """The last dispute's status and Stripe's word, the wallet, and what the dispute left in the books."""
    town.settled()
    dispute = town.topup(account, topup_id)["disputes"][-1]
    money = town.money(account)
    left = {name: money[name] for name in ("deferred_revenue", "disputed", "dispute_losses") if name in money}
    return dispute["status"], dispute["stripe_status"], wallet(town, account), left


@pytest.mark.parametrize("returned", [False, True])
def test_a_dispute_that_is_prevented_leaves_nothing_frozen(town: Town, returned: bool) -> None:
    """Withdrawn and not returned, it is lost, whatever Stripe's word is; returned, it is as if it had not been."""
    account, topup_id, payment = bought(town, spent=30)
    dispute = town.stripe.dispute(payment)
    assert verdict(town, account, topup_id)[2] == {"posted": 70, "frozen": 70}
    town.stripe.prevent_dispute(dispute["id"], returned=returned)
    lost = {"deferred_revenue": -30 * CREDIT, "dispute_losses": 30 * CREDIT}
    assert verdict(town, account, topup_id) == (
        ("averted", "prevented", {"posted": 70, "available": 70}, {"deferred_revenue": -PRICE})
        if returned
        else ("lost", "prevented", {"posted": -30, "available": -30, "debt": 30}, lost)
    )


def test_a_dispute_for_which_no_money_ever_went_is_as_if_it_had_not_been(town: Town) -> None:
    account, topup_id, payment = bought(town, spent=30)
    before = whole(town, account, topup_id)
    dispute = town.stripe.dispute(payment, withdraw=False)
    balance, _, told, money = whole(town, account, topup_id)
    assert (balance, told["status"]) == ({"posted": 70, "frozen": 70}, "disputed")
    assert (money, told.get("disputed_micros")) == (before[3], None)
    town.stripe.prevent_dispute(dispute["id"])
    after = whole(town, account, topup_id)
    assert (after[0], after[1], after[3]) == (before[0], before[1], before[3])
    assert after[2] == {"status": "paid", "disputes": [("averted", PRICE, 0)]}


def test_a_verdict_may_change_as_often_as_it_does(town: Town) -> None:
    """Won, appealed, lost; appealed again, won: frozen and thawed, taken and given back, each by transfers of its own."""
    account, topup_id, payment = bought(town, spent=30)
    dispute = town.stripe.dispute(payment)["id"]
    lost = {"deferred_revenue": -30 * CREDIT, "dispute_losses": 30 * CREDIT}
    frozen, deferred = {"posted": 70, "frozen": 70}, {"deferred_revenue": -PRICE}
    town.stripe.win_dispute(dispute)
    assert verdict(town, account, topup_id) == ("won", "won", {"posted": 70, "available": 70}, deferred)
    town.stripe.appeal_dispute(dispute)
    assert verdict(town, account, topup_id) == ("open", "appeal_needs_response", frozen, deferred)
    town.stripe.review_dispute(dispute)
    town.stripe.win_dispute(dispute)
    town.stripe.appeal_dispute(dispute, withdraw=True)
    assert verdict(town, account, topup_id)[2:] == (frozen, deferred | {"disputed": PRICE})
    town.stripe.lose_dispute(dispute)
    owing = {"posted": -30, "available": -30, "debt": 30}
    assert verdict(town, account, topup_id) == ("lost", "lost", owing, lost)
    town.stripe.appeal_dispute(dispute)
    # What was owed is no more: it came back as credits that paid it.
    assert verdict(town, account, topup_id)[2:] == (frozen, deferred | {"disputed": PRICE})
    town.stripe.win_dispute(dispute)
    assert verdict(town, account, topup_id) == ("won", "won", {"posted": 70, "available": 70}, deferred)
    kinds = [kind for (kind,) in town.query(
        "SELECT kind FROM transfer WHERE external_id = $1 AND book = 'money' ORDER BY seq", dispute
    )]  # fmt: skip
    assert kinds == [
        "dispute_opened",
        "dispute_won",
        "dispute_opened",
        "dispute_lost_deferred",
        "dispute_lost",
        "dispute_lost_deferred_undone",
        "dispute_lost_undone",
        "dispute_won",
    ]
    assert (town.topup(account, topup_id)["status"], refused(town, account, 10)) == ("paid", False)


def test_a_dispute_that_is_won_in_part_is_lost_for_the_rest(town: Town) -> None:
    account, topup_id, payment = bought(town, spent=30)
    town.stripe.win_dispute(town.stripe.dispute(payment)["id"], 600)
    assert verdict(town, account, topup_id) == (
        "lost", "won", {"posted": 30, "available": 30}, {"deferred_revenue": -6_000_000},
    )  # fmt: skip
    dispute = town.topup(account, topup_id)["disputes"][0]
    figures = ("withdrawn_micros", "reinstated_micros", "lost_micros", "clawed_credits")
    assert [dispute[name] for name in figures] == [PRICE, 6_000_000, 4_000_000, 40]


def test_a_dispute_that_is_won_is_not_lost_while_its_money_is_on_its_way(town: Town) -> None:
    """Stripe tells the verdict before it returns the money: nothing is taken, nobody owes, and no card pays for that."""
    account, topup_id, payment = bought(town, spent=30)
    dispute = town.stripe.dispute(payment)["id"]
    town.settled()
    town.stripe.tamper(dispute, status="won")
    closed = town.stripe.emit("charge.dispute.closed", dispute)["id"]
    assert verdict(town, account, topup_id)[::2] == ("open", {"posted": 70, "frozen": 70})
    assert town.event(closed)["problem"] == f"{dispute} is won, and of what was withdrawn nothing has come back yet"
    town.stripe.restore(dispute)
    town.stripe.win_dispute(dispute)
    assert verdict(town, account, topup_id)[:3] == ("won", "won", {"posted": 70, "available": 70})
    assert town.event(closed)["state"] == "done"
    assert (
        town.ask("SELECT count(*) FROM transfer WHERE account_id = $1 AND kind IN ('revoke', 'restore')", account) == 0
    )


def test_a_status_that_nobody_knows_waits_as_dead_with_its_word(town: Town) -> None:
    account, topup_id, payment = bought(town)
    before = whole(town, account, topup_id)
    town.stripe.deliver("drop")
    dispute = town.stripe.dispute(payment)
    town.stripe.deliver("immediately")
    town.stripe.tamper(dispute["id"], status="arbitration_pending")
    event = town.stripe.emit("charge.dispute.created", dispute["id"])
    assert whole(town, account, topup_id) == before
    problem = f"{dispute['id']} is arbitration_pending, which the ledger does not know"
    assert dead(town, dispute["id"]) == [problem]
    town.stripe.restore(dispute["id"])
    town.call("POST", f"/v1/stripe/events/{event['id']}/retry", status=200)
    assert whole(town, account, topup_id)[0] == {"posted": 100, "frozen": 100}


def test_billing_pain_refunded_and_then_charged_back(town: Town) -> None:
    """Both went: the credits are taken once, and what is more than was paid is a loss."""
    account, topup_id, payment = bought(town, spent=30)
    town.stripe.refund(payment)
    dispute = town.stripe.dispute(payment)
    town.stripe.lose_dispute(dispute["id"])
    assert whole(town, account, topup_id) == (
        {"posted": -30, "available": -30, "debt": 30},
        {"1": {"granted": 100, "used": 30, "revoked": 70}},
        {
            "status": "disputed",
            "refunded_micros": 2 * PRICE,
            "card_refunds": [("succeeded", PRICE, 100)],
            "disputes": [("lost", PRICE, 0)],
        },
        {
            "deferred_revenue": -30 * CREDIT,
            "refunds": 30 * CREDIT,
            "dispute_losses": PRICE,
            "processor_fees": FEE + DISPUTE_FEE,
            "stripe_clearing": -PRICE - FEE - DISPUTE_FEE,
        },
    )


@pytest.mark.parametrize("first", ["refund", "dispute"])
def test_a_refund_and_a_chargeback_in_either_order(town: Town, first: str) -> None:
    """A refund is never too much because of a dispute."""
    account, topup_id, payment = bought(town, spent=30)
    town.stripe.deliver("hold")
    town.stripe.refund(payment)
    town.stripe.lose_dispute(town.stripe.dispute(payment)["id"])
    if first == "dispute":
        town.stripe.release("reversed")
    town.stripe.release()
    balance, _, told, money = whole(town, account, topup_id)
    assert (balance, told.get("problem")) == ({"posted": -30, "available": -30, "debt": 30}, None)
    assert money["refunds"] + money["dispute_losses"] == PRICE + 30 * CREDIT


def test_billing_pain_a_dispute_about_more_than_was_paid(town: Town) -> None:
    """10.37 on 10.00, by the exchange rate: what is left is frozen at once; lost, 0.37 are a loss beside the rest."""
    account, topup_id, payment = bought(town, spent=30)
    dispute = town.stripe.dispute(payment, 1037)
    balance, _, told, money = whole(town, account, topup_id)
    assert (balance, told["disputed_micros"], money["disputed"]) == (
        {"posted": 70, "frozen": 70}, PRICE + 370_000, PRICE + 370_000,
    )  # fmt: skip
    town.stripe.lose_dispute(dispute["id"])
    assert verdict(town, account, topup_id) == (
        "lost",
        "lost",
        {"posted": -30, "available": -30, "debt": 30},
        {"deferred_revenue": -30 * CREDIT, "dispute_losses": 30 * CREDIT + 370_000},
    )
    assert not dead(town, dispute["id"])


@pytest.mark.parametrize("verdict", ["win", "lose"])
def test_closed_before_it_was_opened(town: Town, verdict: str) -> None:
    account, topup_id, payment = bought(town, spent=30)
    town.stripe.deliver("hold")
    dispute = town.stripe.dispute(payment)
    getattr(town.stripe, f"{verdict}_dispute")(dispute["id"])
    town.stripe.release(["charge.dispute.closed"])
    closed = whole(town, account, topup_id)
    town.stripe.release("reversed")
    after = whole(town, account, topup_id)
    assert after == closed
    if verdict == "win":
        assert after[0] == {"posted": 70, "available": 70}
        assert after[2] == {"status": "paid", "disputes": [("won", PRICE, 0)]}
    else:
        assert after[0] == {"posted": -30, "available": -30, "debt": 30}
        assert after[2]["disputes"] == [("lost", PRICE, 100)]


def test_a_dispute_about_what_a_refund_has_left(town: Town) -> None:
    account, topup_id, payment = bought(town, spent=10)
    town.stripe.refund(payment, 300)
    dispute = town.stripe.dispute(payment, 700)
    balance, _, told, money = whole(town, account, topup_id)
    assert balance == {"posted": 60, "frozen": 60}
    assert (told["refunded_micros"], told["disputed_micros"], money["disputed"]) == (3_000_000, 7_000_000, 7_000_000)
    town.stripe.lose_dispute(dispute["id"])
    assert whole(town, account, topup_id) == (
        {"posted": -10, "available": -10, "debt": 10},
        {"1": {"granted": 100, "used": 10, "revoked": 90}},
        {
            "status": "disputed",
            "refunded_micros": PRICE,
            "card_refunds": [("succeeded", 3_000_000, 30)],
            "disputes": [("lost", 7_000_000, 70)],
        },
        {
            "deferred_revenue": -10 * CREDIT,
            "dispute_losses": 10 * CREDIT,
            "processor_fees": FEE + DISPUTE_FEE,
            "stripe_clearing": -FEE - DISPUTE_FEE,
        },
    )


def test_a_refund_while_it_is_disputed(town: Town) -> None:
    """Its credits are taken out of what is frozen."""
    account, topup_id, payment = bought(town)
    refund = town.stripe.refund(payment, 100)
    dispute = town.stripe.dispute(payment, 400)
    town.stripe.emit("refund.created", refund["id"], id="re_while", amount=300, balance_transaction=None)
    balance, found, told, _ = whole(town, account, topup_id)
    assert balance == {"posted": 60, "frozen": 60}
    assert found == {"1": {"granted": 100, "remaining": 60, "revoked": 40}}
    assert told["status"] == "disputed"
    town.stripe.lose_dispute(dispute["id"])
    assert whole(town, account, topup_id) == (
        {"posted": 20, "available": 20},
        {"1": {"granted": 100, "remaining": 20, "revoked": 80}},
        {
            "status": "disputed",
            "refunded_micros": 8_000_000,
            "card_refunds": [("succeeded", 1_000_000, 10), ("succeeded", 3_000_000, 30)],
            "disputes": [("lost", 4_000_000, 40)],
        },
        {
            "deferred_revenue": -2_000_000,
            "processor_fees": FEE + DISPUTE_FEE,
            "stripe_clearing": 2_000_000 - FEE - DISPUTE_FEE,
        },
    )


def test_another_pack_is_not_touched(town: Town) -> None:
    account, _, payment = bought(town)
    other, _ = town.bought(account, town.pack(**TERMS))
    dispute = town.stripe.dispute(payment)
    town.settled()
    assert wallet(town, account) == {"posted": 200, "frozen": 100, "available": 100}
    assert story(town, account, other) == {"status": "paid"}
    town.stripe.lose_dispute(dispute["id"])
    town.settled()
    assert wallet(town, account) == {"posted": 100, "available": 100}
    assert story(town, account, other) == {"status": "paid"}


def test_what_is_held_when_a_dispute_comes(town: Town) -> None:
    """What was authorized before is billed all the same: the pictures were delivered."""
    account, topup_id, payment = bought(town)
    body = {"request_id": "before", "model": "gpt-image-2", "n": 10, "size": "1K", "quality": "low"}
    town.call("POST", f"/v1/accounts/{account}/charges", body, status=201)
    dispute = town.stripe.dispute(payment)
    town.settled()
    assert wallet(town, account) == {"posted": 100, "held": 10, "frozen": 100, "available": -10}
    outputs = [{"index": index, "status": "succeeded", "width": 1024, "height": 1024} for index in range(10)]
    settle = f"/v1/accounts/{account}/charges/before/settle"
    charge = town.call("POST", settle, {"outputs": outputs}, status=200)
    assert (charge["settled_credits"], "overdrawn" in charge["flags"]) == (10, True)
    assert wallet(town, account) == {"posted": 90, "frozen": 100, "available": -10, "debt": 10}
    town.stripe.win_dispute(dispute["id"])
    assert whole(town, account, topup_id)[0] == {"posted": 90, "available": 90}
    assert grants(town, account) == {"1": {"granted": 100, "remaining": 90, "used": 10}}
