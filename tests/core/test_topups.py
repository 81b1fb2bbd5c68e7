"""Top-ups: credits come with the money, once, or not at all."""

from datetime import timedelta
from typing import Any

import pytest

from billing.core.commands import OpenAccount
from billing.core.decide import decide
from billing.core.funding_commands import (
    BookTransaction,
    FailTopup,
    OpenTopup,
    PayTopup,
    RecordCheckout,
    ReportCardRefund,
    ReportDispute,
    SetAutoRecharge,
)
from billing.core.payments import StripeObject, Topup
from billing.core.refusals import AccountNotFound, IdReused, Invalid, PackNotFound, Refusal, TopupNotFound
from billing.core.wallet import Wallet

from .examples import BOOKS, CENT, DAY, DOLLAR, ME, T0, Account, pack_of, small, state
from .invariants import check

PAID, LEFT = "https://shop/paid", "https://shop/left"


# The order.


def test_an_order_is_pending_and_brings_nothing() -> None:
    account = Account()
    answer = account.order(pack_of(bonus_credits=20, expires_in_days=90))
    assert not answer.replayed
    assert answer.topup == account.topup()
    assert answer.topup == Topup(
        account_id=ME, topup_id="t1", via="checkout", status="pending", pack_id="pack", credits=100, bonus_credits=20,
        bonus="own_grant", price_micros=10 * DOLLAR, currency="USD", expires_in_days=90, success_url=PAID,
        cancel_url=LEFT, payment_method=None, checkout_id=None, checkout_url=None, payment_id=None, failure=None,
        problem=None, returned_micros=0, returned_deferred_micros=0, disputed_micros=0, created_at=T0, paid_at=None,
        changed_at=T0,
    )  # fmt: skip
    assert (account.journal, account.wallet.grants) == ([], {})


def order(**changes: Any) -> OpenTopup:
    asked = {"topup_id": "t1", "pack_id": "pack", "pack": pack_of(), "success_url": PAID, "cancel_url": LEFT}
    return OpenTopup(ME, **(asked | changes))


@pytest.mark.parametrize("status", ["pending", "paid", "failed"])
def test_the_same_order_again_is_the_top_up_as_it_is_now(status: str) -> None:
    account = Account()
    account.order()
    if status != "pending":
        account.pay() if status == "paid" else account.fail()
    account.wait()
    answer: Any = account.do(order(pack=None))  # no longer on sale
    assert (answer.replayed, answer.topup) == (True, account.topup())
    assert answer.topup.status == status


@pytest.mark.parametrize("other", [{"pack_id": "other"}, {"success_url": LEFT}, {"cancel_url": PAID}])
def test_another_order_may_not_take_its_name(other: dict[str, Any]) -> None:
    account = Account()
    account.order()
    with pytest.raises(IdReused) as refused:
        account.do(order(**other))
    assert (refused.value.id, refused.value.differs) == ("t1", list(other))


def test_only_what_is_on_sale_can_be_ordered() -> None:
    account = Account()
    with pytest.raises(PackNotFound) as refused:
        account.do(order(pack=None))
    assert refused.value.pack_id == "pack"
    assert account.wallet.payments.rows == {}


def test_an_order_that_would_not_fit_is_refused_before_anybody_pays() -> None:
    account = Account(credit_limit=8)
    account.grant("g1", 2**63 - 1 - 8 - 119)
    with pytest.raises(Invalid) as refused:
        account.order(pack_of(bonus_credits=20))
    assert refused.value.errors[0]["field"] == "pack_id"
    account.order(pack_of(bonus_credits=19))


def test_money_for_more_than_fits_is_refused_and_nothing_has_happened() -> None:
    account = Account()
    account.order(pack_of(bonus_credits=20))
    account.grant("g1", 2**63 - 1 - 119)
    with pytest.raises(Invalid) as refused:
        account.pay()
    assert refused.value.errors[0]["field"] == "credits"
    assert (account.topup().status, account.topup().grants) == ("pending", [])


def test_a_suspended_account_may_still_pay() -> None:
    account = Account()
    account.amend(status="suspended")
    account.buy()
    assert account.wallet.posted == 100


def test_the_first_checkout_stays() -> None:
    account = Account()
    account.order()
    account.wait()
    answer: Any = account.do(RecordCheckout(ME, "t1", "cs_1", "https://pay/1"))
    assert (answer.replayed, answer.topup.changed_at) == (False, account.now)
    again: Any = account.do(RecordCheckout(ME, "t1", "cs_2", "https://pay/2"))
    assert (again.replayed, again.topup.checkout_id, again.topup.checkout_url) == (True, "cs_1", "https://pay/1")
    assert account.wallet.payments.all(StripeObject) == {"cs_1": StripeObject("cs_1", ME, "t1")}


# The money.


def test_money_and_credits_come_together() -> None:
    account = Account()
    account.order()
    account.wait()
    answer = account.pay()
    assert not answer.replayed
    assert answer.problem is None
    topup = account.topup()
    assert (topup.status, topup.payment_id, topup.paid_at, topup.changed_at) == (
        "paid", "pi_t1", account.now, account.now,
    )  # fmt: skip
    grant = account.of_grant("pack:t1:1")
    assert (grant.kind, grant.granted, grant.remaining, grant.priority, grant.expires_at) == (
        "purchase", 100, 100, 50, None,
    )  # fmt: skip
    assert (grant.paid_micros, grant.currency, grant.funding, grant.reference) == (
        10 * DOLLAR, "USD", "stripe_clearing", "pi_t1",
    )  # fmt: skip
    assert [(row.kind, row.amount, row.grant_id, row.external_id) for row in account.journal] == [
        ("grant", 100, "pack:t1:1", None),
        ("purchase_stripe_clearing", 10 * DOLLAR, "pack:t1:1", "pi_t1"),
    ]
    assert account.money() == {"stripe_clearing": 10 * DOLLAR, "deferred_revenue": -10 * DOLLAR}
    assert account.wallet.payments.all(StripeObject)["pi_t1"] == StripeObject("pi_t1", ME, "t1")
    check(account)


def test_a_bonus_is_a_promotion_that_cost_nothing_and_burns_first() -> None:
    account = Account()
    account.buy(pack_of(bonus_credits=20, expires_in_days=30))
    bonus = account.of_grant("pack:t1:2")
    assert (bonus.kind, bonus.granted, bonus.priority, bonus.paid_micros, bonus.currency, bonus.reference) == (
        "promotion", 20, 10, 0, "USD", "pi_t1",
    )  # fmt: skip
    assert {grant.expires_at for grant in account.wallet.grants.values()} == {T0 + 30 * DAY}
    account.charge("r1", small())
    assert account.remaining == {"pack:t1:1": 100, "pack:t1:2": 10}
    assert account.money() == {"stripe_clearing": 10 * DOLLAR, "deferred_revenue": -10 * DOLLAR}
    check(account)


def test_a_bonus_that_dilutes_makes_one_grant() -> None:
    account = Account()
    grant = account.buy(pack_of(bonus_credits=20, bonus="dilutes"))
    assert (grant.granted, grant.paid_micros, list(account.wallet.grants)) == (120, 10 * DOLLAR, ["pack:t1:1"])
    assert (account.topup().bought, account.topup().grants) == (1, ["pack:t1:1"])
    check(account)


def test_a_pack_lasts_from_the_payment_not_from_the_order() -> None:
    account = Account()
    account.order(pack_of(expires_in_days=1))
    account.wait(10 * DAY)
    account.pay()
    assert account.of_grant("pack:t1:1").expires_at == T0 + 11 * DAY
    account.wait(DAY)
    account.lapse()
    assert account.wallet.posted == 0


def test_the_terms_are_those_of_the_order() -> None:
    account = Account()
    account.order(pack_of(100, 10 * DOLLAR))
    account.do(order(pack=pack_of(1, 10 * DOLLAR)))
    account.pay()
    assert account.of_grant("pack:t1:1").granted == 100


def test_debt_is_paid_first_by_the_bonus_and_by_what_was_bought() -> None:
    account = Account(credit_limit=200)
    account.spend(110)
    account.buy(pack_of(bonus_credits=20))
    assert (account.wallet.debt, account.remaining) == (0, {"pack:t1:1": 0, "pack:t1:2": 10})
    check(account)


def test_duplicate_webhook_grants_once() -> None:
    account = Account()
    account.order()
    account.pay()
    journal, topup = account.journal[:], account.topup()
    for _ in range(3):
        account.wait()
        answer = account.pay()
        assert (answer.replayed, answer.problem, answer.topup) == (True, None, topup)
    assert (account.journal, account.told()) == (journal, ["topup.paid"])


def test_a_second_payment_for_the_same_top_up_is_a_problem() -> None:
    """The same top-up accepted twice: the second payment brings no credits, and somebody is told to return it."""
    account = Account()
    account.buy()
    account.wait()
    answer = account.pay(payment_id="pi_2")
    problem = "paid again, by pi_2: return that payment"
    assert (answer.replayed, answer.problem, account.topup().problem) == (True, problem, problem)
    assert (account.topup().status, account.topup().payment_id, account.topup().changed_at) == (
        "paid", "pi_t1", account.now,
    )  # fmt: skip
    seen = account.topup()
    account.wait()
    assert account.pay(payment_id="pi_2").problem == problem
    assert account.pay().problem is None  # the first one was right
    assert account.topup() == seen
    assert account.wallet.posted == 100
    check(account)


@pytest.mark.parametrize(
    ("amount", "currency", "problem"),
    [
        (10 * DOLLAR - CENT, "USD", "payment pi_1 is of 9.990000 USD, not of 10.000000 USD"),
        (10 * DOLLAR + 1, "USD", "payment pi_1 is of 10.000001 USD, not of 10.000000 USD"),
        (10 * DOLLAR, "EUR", "payment pi_1 is of 10.000000 EUR, not of 10.000000 USD"),
    ],
)
def test_a_payment_of_another_amount_or_currency_never_brings_credits(amount: int, currency: str, problem: str) -> None:
    account = Account()
    account.order()
    account.wait()
    answer: Any = account.do(PayTopup(ME, "t1", "pi_1", amount, currency))
    assert (answer.replayed, answer.problem) == (True, problem)
    topup = account.topup()
    assert (topup.status, topup.problem, topup.paid_at, topup.changed_at) == ("pending", problem, None, account.now)
    assert (account.journal, account.wallet.grants, account.told()) == ([], {}, [])
    account.wait()
    account.do(PayTopup(ME, "t1", "pi_1", amount, currency))
    assert account.topup() == topup
    account.pay()
    assert (account.topup().status, account.topup().problem) == ("paid", None)
    check(account)


# No money.


@pytest.mark.parametrize("status", ["failed", "expired"])
def test_money_that_comes_after_all_is_money_all_the_same(status: Any) -> None:
    account = Account()
    account.order()
    account.wait()
    answer: Any = account.do(FailTopup(ME, "t1", status, "card_declined"))
    assert (answer.replayed, answer.topup.status, answer.topup.failure) == (False, status, "card_declined")
    assert answer.topup.changed_at == account.now
    account.wait()
    again: Any = account.do(FailTopup(ME, "t1", "expired" if status == "failed" else "failed", "other"))
    assert (again.replayed, again.topup) == (True, answer.topup)
    account.pay()
    topup = account.topup()
    assert (topup.status, topup.failure, account.wallet.posted) == ("paid", None, 100)
    assert account.told() == ["topup.failed", "topup.paid"]
    check(account)


@pytest.mark.parametrize("after", ["paid", "refunded", "disputed"])
def test_a_failure_told_after_the_payment_changes_nothing(after: str) -> None:
    account = Account()
    account.buy()
    if after == "refunded":
        account.card_refund(10 * DOLLAR)
    if after == "disputed":
        account.dispute(10 * DOLLAR)
    answer = account.fail()
    assert (answer.replayed, answer.topup.status, account.told("topup.failed")) == (True, after, [])


@pytest.mark.parametrize(
    "command",
    [
        RecordCheckout(ME, "t2", "cs_1", "https://pay"),
        PayTopup(ME, "t2", "pi_1", 1, "USD"),
        FailTopup(ME, "t2", "failed", "declined"),
        ReportCardRefund(ME, "t2", "re_1", 1, "USD", "succeeded"),
        ReportDispute(ME, "t2", "dp_1", 1, "USD", "needs_response"),
    ],
)
def test_what_was_never_ordered_is_not_found(command: Any) -> None:
    account = Account()
    account.order()
    before = state(account.load())
    with pytest.raises(TopupNotFound) as refused:
        account.do(command)
    assert refused.value.topup_id == "t2"
    assert state(account.load()) == before


@pytest.mark.parametrize(
    "command",
    [order(), PayTopup(ME, "t1", "pi_1", 1, "USD"), SetAutoRecharge(ME, 1, "pack", pack_of(), 100)],
)
def test_without_an_account_there_is_nothing_to_pay_into(command: Any) -> None:
    with pytest.raises(AccountNotFound):
        decide(Wallet(ME), command, BOOKS, T0)
    house = Wallet("_house")
    decide(house, BookTransaction("_house", "txn_1", "fee", "txn_1", 0, 1, "USD"), BOOKS, T0)
    command.account_id = "_house"
    try:
        with pytest.raises(AccountNotFound):
            decide(house, command, BOOKS, T0)
    finally:
        command.account_id = ME


# Names.


def test_grants_of_a_top_up_are_named_after_it() -> None:
    account = Account()
    account.order(topup_id="a:1")
    assert account.topup("a:1").grant_id(2) == "pack:a:1:2"
    assert Topup.of(ME, "recharge:7", "recharge", pack_of(), T0).grant_id(1) == "recharge:7:1"


# Commands that do not exist.

GOOD: dict[Any, dict[str, Any]] = {
    OpenTopup: {"topup_id": "t", "pack_id": "p", "pack": None, "success_url": PAID, "cancel_url": LEFT},
    RecordCheckout: {"topup_id": "t", "checkout_id": "cs_1", "checkout_url": "https://pay"},
    PayTopup: {"topup_id": "t", "payment_id": "pi_1", "amount_micros": 1, "currency": "USD"},
    FailTopup: {"topup_id": "t", "status": "failed", "reason": "declined"},
    ReportCardRefund: {
        "topup_id": "t", "card_refund_id": "re_1", "amount_micros": 1, "currency": "USD", "status": "succeeded",
    },
    ReportDispute: {"topup_id": "t", "dispute_id": "dp_1", "amount_micros": 1, "currency": "USD", "stripe_status": "won"},
    BookTransaction: {
        "transaction_id": "txn_1", "event": "fee", "booked_as": "txn_1", "amount_micros": 0, "fee_micros": 0,
        "currency": "USD",
    },
    SetAutoRecharge: {"threshold": 0, "pack_id": "p", "pack": None, "monthly_limit": 1},
}  # fmt: skip
IDS = ["", "x" * 256, "a\n", "ä", None, 7]
BAD: list[tuple[Any, str, Any, str]] = [
    *((OpenTopup, "topup_id", bad, "topup_id") for bad in ["", "a b", "pack:1", "recharge:1", "refund:x:1", "x" * 65]),
    *((OpenTopup, "account_id", bad, "account_id") for bad in ["", ".."]),
    *((OpenTopup, "pack_id", bad, "pack_id") for bad in ["", "a b", None]),
    *(
        (OpenTopup, name, bad, name)
        for name in ("success_url", "cancel_url")
        for bad in ["", "ftp://x", "javascript:alert(1)", "https://a b", "https://a\n", "https://" + "x" * 1993, None]
    ),
    *((RecordCheckout, "checkout_id", bad, "checkout_id") for bad in IDS),
    *((PayTopup, "payment_id", bad, "payment_id") for bad in IDS),
    *((ReportCardRefund, "card_refund_id", bad, "card_refund_id") for bad in IDS),
    *((ReportDispute, "dispute_id", bad, "dispute_id") for bad in IDS),
    *((BookTransaction, "transaction_id", bad, "transaction_id") for bad in IDS),
    *((BookTransaction, "booked_as", bad, "booked_as") for bad in IDS),
    *(
        (kind, field, bad, field)
        for kind in (PayTopup, ReportCardRefund, ReportDispute)
        for field, bads in (("amount_micros", [0, -1, 1.5, 2**63, True]), ("currency", ["usd", "US", "", None]))
        for bad in bads
    ),
    *((BookTransaction, "currency", bad, "currency") for bad in ["usd", None]),
    *((BookTransaction, "amount_micros", bad, "amount_micros") for bad in [2**63, -(2**63), 0.5]),
    *((BookTransaction, "fee_micros", bad, "fee_micros") for bad in [2**63, -(2**63), 0.5]),
    *((FailTopup, "reason", bad, "reason") for bad in ["\x00", "x" * 201, None]),
    *((ReportDispute, "reason", bad, "reason") for bad in ["\x00", "x" * 201]),
    *((ReportDispute, "stripe_status", bad, "stripe_status") for bad in ["open", "arbitration", "", None]),
    *((BookTransaction, "reason", bad, "reason") for bad in ["\x00", "x" * 513]),
    *((SetAutoRecharge, "account_id", bad, "account_id") for bad in ["", ".."]),
    *((SetAutoRecharge, "pack_id", bad, "pack_id") for bad in ["", "a b"]),
    *((SetAutoRecharge, "threshold", bad, "threshold") for bad in [-1, 2**63, True]),
    *((SetAutoRecharge, "monthly_limit", bad, "monthly_limit") for bad in [0, -1, 2**63]),
    *((SetAutoRecharge, "payment_method", bad, "payment_method") for bad in ["", "card_1", "pm_\n", "pm_" + "x" * 253]),
]


@pytest.mark.parametrize(("kind", "field", "value", "named"), BAD)
def test_an_invalid_report_does_not_exist(kind: Any, field: str, value: Any, named: str) -> None:
    assert kind(ME, **GOOD[kind])
    with pytest.raises(Invalid) as refused:
        kind(**{"account_id": ME, **GOOD[kind], field: value})
    assert [error["field"] for error in refused.value.errors] == [named]


def test_what_lies_on_the_edge_is_accepted() -> None:
    assert OpenTopup(ME, "x" * 64, "p", None, "https://" + "x" * 1992, "http://left")
    assert PayTopup(ME, "t", "x" * 255, 2**63 - 1, "USD")
    assert BookTransaction(ME, "t", "fee", "t", -(2**63 - 1), 2**63 - 1, "USD", "key_1", "x" * 512)
    assert FailTopup(ME, "t", "expired", "x" * 200, True)
    assert ReportDispute(ME, "t", "dp", 1, "USD", "lost", reason="x" * 200)
    assert SetAutoRecharge(ME, 0, "p", None, 1, "pm_" + "x" * 252)


def test_a_refused_report_leaves_a_batch_as_it_was() -> None:
    account = Account()
    account.order()
    wallet = account.load()
    before = state(wallet)
    for command in (order(pack_id="x"), PayTopup(ME, "t9", "pi", 1, "USD"), OpenAccount(ME, credit_limit=3)):
        with pytest.raises(Refusal):
            decide(wallet, command, BOOKS, account.now + timedelta(seconds=1))
    assert state(wallet) == before


def test_a_wallet_says_whether_there_are_payments_to_write() -> None:
    account = Account()
    account.order()
    assert account.wallet.pays
    wallet = account.load()
    assert not wallet.pays
    decide(wallet, order(), BOOKS, account.now)
    assert not wallet.pays
    assert not Wallet(ME).pays
