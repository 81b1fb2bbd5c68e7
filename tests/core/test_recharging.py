"""Auto-recharge: one payment in flight, a cool-down after a decline, an end after three, a limit for each month."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from billing.core.amounts import MAX_AMOUNT
from billing.core.answers import RechargeAnswer
from billing.core.commands import Authorize
from billing.core.decide import decide
from billing.core.funding_commands import EndAutoRecharge, FailTopup, PayTopup, Recharge, SetAutoRecharge
from billing.core.payments import AutoRecharge, Topup
from billing.core.refusals import AutoRechargeNotFound, Invalid, PackNotFound

from .examples import BOOKS, DAY, DOLLAR, HOUR, ME, T0, Account, pack_of, small
from .invariants import check

MINUTE = timedelta(minutes=1)
APRIL = datetime(2026, 4, 1, tzinfo=UTC)


def watched(credits: int = 50, threshold: int = 20, limit: int = 1_000, **opening: Any) -> Account:
    """So many credits, and a pack of 100 whenever fewer than the threshold are available."""
    account = Account(**opening)
    if credits:
        account.grant("g1", credits)
    account.recharge_at(threshold, limit)
    account.look()
    return account


def standing(account: Account) -> AutoRecharge:
    assert account.auto_recharge is not None
    return account.auto_recharge


def due_in(account: Account) -> timedelta | None:
    due_at = standing(account).due_at
    return None if due_at is None else due_at - account.now


# Terms.


def test_new_terms_are_active_and_looked_at_at_once() -> None:
    account = Account()
    answer = account.recharge_at(20, 500)
    assert answer == RechargeAnswer(
        False, AutoRecharge(ME, "active", 20, "pack", 500, "pm_1", None, 0, None, 0, "2026-03", 0, T0, T0)
    )
    assert (account.wallet.recharge_below, account.wallet.watched_otherwise) == (20, True)


def test_the_same_terms_again_change_nothing() -> None:
    account = watched()
    seen = standing(account)
    account.wait()
    answer: Any = account.do(SetAutoRecharge(ME, 20, "pack", None, 1_000, "pm_1"))
    assert answer == RechargeAnswer(True, seen)
    assert not account.wallet.watched_otherwise


@pytest.mark.parametrize(
    ("pack", "limit", "refusal"),
    [(None, 100, PackNotFound), (pack_of(100), 99, Invalid)],
)
def test_terms_that_could_buy_nothing_are_refused(pack: Any, limit: int, refusal: Any) -> None:
    account = Account()
    with pytest.raises(refusal):
        account.do(SetAutoRecharge(ME, 20, "pack", pack, limit))
    assert account.auto_recharge is None
    assert account.wallet.recharge_below is None
    account.recharge_at(20, 100)


def test_other_terms_begin_anew_but_what_the_month_has_bought_stays_counted() -> None:
    account = watched(10, limit=200)
    account.fail("recharge:1")
    account.now += HOUR
    account.look()
    account.pay("recharge:2")
    account.wait()
    account.recharge_at(30, 300, card="pm_2")
    after = standing(account)
    assert (after.status, after.threshold, after.monthly_limit, after.payment_method) == ("active", 30, 300, "pm_2")
    assert (after.declines, after.attempts, after.month_credits) == (0, 2, 100)
    assert (after.due_at, after.changed_at) == (account.now, account.now)


def test_terms_set_while_a_payment_is_in_flight_keep_it() -> None:
    account = watched(10)
    account.recharge_at(30)
    assert standing(account).topup_id == "recharge:1"
    answer = account.look()
    assert (answer.replayed, answer.topup) == (True, account.topup("recharge:1"))


def test_off_means_off() -> None:
    account = watched()
    account.wait()
    answer = account.recharge_off()
    assert (answer.replayed, answer.recharge.status, answer.recharge.due_at) == (False, "off", None)
    assert (answer.recharge.changed_at, account.wallet.recharge_below) == (account.now, None)
    account.spend(50)
    assert account.look().topup is None
    assert account.wallet.payments.all(Topup) == {}
    assert account.recharge_off().replayed
    assert account.told("auto_recharge.stopped") == []
    account.recharge_at(20)
    assert (standing(account).status, account.wallet.recharge_below) == ("active", 20)


@pytest.mark.parametrize(("reason", "status"), [(None, "off"), ("card_gone", "stopped")])
def test_a_payment_in_flight_is_not_called_back(reason: str | None, status: str) -> None:
    """It is looked at again until its outcome is known, and nothing is bought after it."""
    account = watched(10)
    account.recharge_off(reason)
    assert (standing(account).status, due_in(account)) == (status, timedelta(0))
    assert account.look().topup == account.topup("recharge:1")
    account.pay("recharge:1")
    assert account.wallet.posted == 110
    account.spend(110)
    assert due_in(account) is None
    account.look()
    assert list(account.wallet.payments.all(Topup)) == ["recharge:1"]
    assert account.told("auto_recharge.stopped") == (["auto_recharge.stopped"] if reason else [])


def test_a_decline_of_what_was_switched_off_is_no_reason_to_try_again() -> None:
    account = watched(10)
    account.recharge_off()
    account.fail("recharge:1", final=True)
    assert (standing(account).status, due_in(account), standing(account).topup_id) == ("off", None, None)
    assert standing(account).stopped_reason is None
    assert account.told("auto_recharge.stopped") == []


@pytest.mark.parametrize("command", [Recharge(ME, pack_of()), EndAutoRecharge(ME)])
def test_without_terms_there_is_nothing_to_do(command: Any) -> None:
    with pytest.raises(AutoRechargeNotFound):
        Account().do(command)


# When.


@pytest.mark.parametrize(
    ("credits", "threshold", "due"),
    [(20, 20, False), (19, 20, True), (0, 0, False), (0, 1, True), (21, 20, False)],
)
def test_it_is_due_below_the_threshold_and_not_at_it(credits: int, threshold: int, due: bool) -> None:
    account = watched(credits, threshold)
    assert (standing(account).topup_id is not None) == due
    assert due_in(account) == (MINUTE if due else None)


@pytest.mark.parametrize(("bills", "marked"), [([30], False), ([31], True), ([30, 1], True), ([31, 1], True)])
def test_a_charge_that_crosses_the_threshold_marks_the_account(bills: list[int], marked: bool) -> None:
    account = watched()
    for credits in bills:
        account.spend(credits)
    assert due_in(account) == (timedelta(0) if marked else None)


def test_a_hold_crosses_it_too_and_so_does_an_expiry() -> None:
    account = watched()
    account.authorize("r1", 20, 2)
    assert account.wallet.effects.recharge_due
    account = Account()
    account.grant("g1", 50, expires_at=T0 + HOUR)
    account.recharge_at(20)
    account.look()
    account.wait(HOUR)
    account.lapse()
    assert (account.wallet.effects.recharge_due, due_in(account)) == (True, timedelta(0))


def test_who_is_below_already_is_not_marked_again() -> None:
    account = watched(10)
    account.charge("r1", small(), quality=1)
    assert not account.wallet.effects.recharge_due


def test_hundred_crossings_open_one_top_up() -> None:
    """In one batch, and whoever looks how often: a top-up storm is one payment."""
    account = watched(200, 150)
    wallet = account.load()
    for k in range(100):
        decide(wallet, Authorize(ME, f"r{k}", "plain", quality="1"), BOOKS, account.now)
        if k > 48:
            decide(wallet, Recharge(ME, pack_of()), BOOKS, account.now)
    account.keep(wallet)
    for _ in range(10):
        account.wait()
        account.look()
    assert list(account.wallet.payments.all(Topup)) == ["recharge:1"]
    check(account)


def test_what_it_opens_is_a_top_up_like_any_other() -> None:
    account = watched(10)
    topup = account.topup("recharge:1")
    assert (topup.via, topup.status, topup.pack_id, topup.credits, topup.price_micros, topup.payment_method) == (
        "recharge", "pending", "pack", 100, 10 * DOLLAR, "pm_1",
    )  # fmt: skip
    assert (topup.success_url, topup.cancel_url) == (None, None)
    assert not account.fail("recharge:1").replayed
    account.wait(HOUR)
    opened = account.look()
    assert (opened.replayed, opened.topup) == (False, account.topup("recharge:2"))
    account.pay("recharge:2")
    assert account.remaining == {"g1": 10, "recharge:2:1": 100}
    after = standing(account)
    assert (after.topup_id, after.month_credits, after.attempts, after.declines) == (None, 100, 2, 0)
    assert due_in(account) == timedelta(0)  # perhaps that was not enough
    account.look()
    assert due_in(account) is None
    check(account)


def test_the_level_is_written_with_the_account_only_where_it_changes() -> None:
    account = watched(10)
    assert not account.wallet.watched_otherwise  # looking for what is due
    account.pay("recharge:1")
    assert not account.wallet.watched_otherwise
    account.recharge_at(30)
    assert (account.wallet.watched_otherwise, account.wallet.recharge_below) == (True, 30)


def test_where_one_was_not_enough_another_follows() -> None:
    account = watched(0, 250)
    for attempt in (1, 2, 3):
        account.pay(f"recharge:{attempt}")
        account.look()
    assert (account.wallet.posted, list(account.wallet.payments.all(Topup))) == (
        300,
        [f"recharge:{k}" for k in (1, 2, 3)],
    )


def test_an_outcome_that_nobody_wrote_down_is_asked_for_again_ever_more_seldom() -> None:
    """A bank debit takes days: a look a minute for each of them would be thousands."""
    account = watched(10)
    looks = 0
    while account.now - account.topup("recharge:1").created_at < 4 * DAY:
        due = due_in(account)
        assert MINUTE <= due <= HOUR
        account.wait(due)
        answer = account.look(pack=pack_of(1))
        assert (answer.replayed, answer.topup) == (True, account.topup("recharge:1"))
        looks += 1
    assert (looks, due_in(account)) == (102, HOUR)


def test_a_suspended_account_is_looked_at_again() -> None:
    account = watched()
    account.amend(status="suspended")
    account.grant("g2", 1)
    account.amend(status="active")
    account.spend(51)
    account.amend(status="suspended")
    assert account.look().topup is None
    assert due_in(account) == HOUR
    account.amend(status="active")
    assert account.look().topup is not None


def test_a_pack_that_is_no_longer_on_sale_stops_it() -> None:
    account = watched()
    account.spend(50)
    answer: Any = account.do(Recharge(ME, None))
    assert (answer.recharge.status, answer.recharge.stopped_reason, answer.topup) == ("stopped", "pack_withdrawn", None)
    assert (account.told("auto_recharge.stopped"), account.wallet.recharge_below) == (["auto_recharge.stopped"], None)
    again: Any = account.do(Recharge(ME, None))
    assert again.recharge.status == "stopped"
    assert account.told("auto_recharge.stopped") == ["auto_recharge.stopped"]


def test_another_pack_than_was_asked_for_is_never_bought() -> None:
    account = watched()
    account.spend(50)
    other = pack_of()._replace(pack_id="other")
    assert account.look(other).recharge.stopped_reason == "pack_withdrawn"


# Whose card.


@pytest.mark.parametrize(
    ("chosen", "saved", "charged"), [("pm_1", None, "pm_1"), ("pm_1", "pm_2", "pm_1"), (None, "pm_2", "pm_2")]
)
def test_the_card_chosen_or_else_the_one_saved_last(chosen: str | None, saved: str | None, charged: str) -> None:
    account = Account()
    account.recharge_at(20, card=chosen)
    assert account.look(saved_method=saved).topup == account.topup("recharge:1")
    assert account.topup("recharge:1").payment_method == charged


def test_what_no_balance_can_hold_is_not_bought() -> None:
    account = Account()
    account.recharge_at(20, MAX_AMOUNT, pack=pack_of(MAX_AMOUNT))
    account.grant("gift", 1)
    with pytest.raises(Invalid):
        account.do(Recharge(ME, pack_of(MAX_AMOUNT), "pm_1"))
    assert standing(account).topup_id is None


def test_no_card_stops_it() -> None:
    account = Account()
    account.recharge_at(20, card=None)
    answer = account.look()
    assert (answer.recharge.status, answer.recharge.stopped_reason) == ("stopped", "no_payment_method")


def test_the_card_that_was_missing_comes_with_the_next_purchase() -> None:
    account = Account()
    account.recharge_at(20, card=None)
    account.look()
    account.order()
    account.fail()  # and no card
    assert (standing(account).status, account.wallet.recharge_below) == ("stopped", None)
    account.buy(topup_id="t2")
    assert (standing(account).status, standing(account).stopped_reason) == ("active", None)
    assert (due_in(account), account.wallet.recharge_below) == (timedelta(), 20)


def test_what_was_stopped_for_another_reason_or_switched_off_stays_so() -> None:
    for reason in ("pack_withdrawn", None):
        account = watched()
        account.recharge_off(reason)
        before = standing(account)
        account.buy()
        assert standing(account) == before


def test_what_was_looked_up_for_other_terms_is_looked_up_again() -> None:
    account = Account()
    account.recharge_at(20, card=None)
    seen = standing(account)
    account.recharge_at(20, card="pm_2")
    answer: Any = account.do(Recharge(ME, None, None, seen))
    assert (answer.recharge.status, answer.topup, due_in(account)) == ("active", None, timedelta(0))
    answer = account.do(Recharge(ME, pack_of(), None, standing(account)))
    assert answer.topup.payment_method == "pm_2"


def test_who_looked_before_somebody_else_was_declined_respects_the_cool_down() -> None:
    account = Account()
    account.recharge_at(20)
    seen = standing(account)
    account.look()
    account.wait()
    account.fail("recharge:1")
    account.wait()
    answer: Any = account.do(Recharge(ME, pack_of(), None, seen))
    assert (answer.topup, due_in(account)) == (None, HOUR - timedelta(seconds=1))
    assert list(account.wallet.payments.all(Topup)) == ["recharge:1"]


# Declines.


def test_one_hour_then_four_then_an_end() -> None:
    account = watched(10)
    for attempt, cool_down in ((1, HOUR), (2, 4 * HOUR)):
        account.wait()
        account.fail(f"recharge:{attempt}", "card_declined")
        after = standing(account)
        assert (after.status, after.topup_id, after.declines, after.month_credits) == ("active", None, attempt, 0)
        assert due_in(account) == cool_down
        account.wait(cool_down)
        account.look()
    account.fail("recharge:3", "insufficient_funds")
    after = standing(account)
    assert (after.status, after.stopped_reason, after.declines, after.due_at) == (
        "stopped", "insufficient_funds", 3, None,
    )  # fmt: skip
    assert account.wallet.recharge_below is None
    assert sorted(account.told()) == ["auto_recharge.stopped", *["topup.failed"] * 3]
    account.wait(DAY)
    account.look()
    assert len(account.wallet.payments.all(Topup)) == 3


def test_charges_during_a_cool_down_do_not_shorten_it() -> None:
    account = watched(10)
    account.fail("recharge:1")
    account.grant("g2", 20)
    account.spend(15)  # above the threshold, and below it again
    assert due_in(account) == HOUR


def test_a_final_decline_ends_it_at_once() -> None:
    account = watched(10)
    account.fail("recharge:1", "lost_card", final=True)
    after = standing(account)
    assert (after.status, after.stopped_reason, after.due_at) == ("stopped", "lost_card", None)
    assert sorted(account.told()) == ["auto_recharge.stopped", "topup.failed"]


def test_a_decline_without_a_reason_is_a_decline() -> None:
    account = watched(10)
    account.fail("recharge:1", "", final=True)
    assert standing(account).stopped_reason == "declined"


def test_a_payment_forgives_the_declines_before_it() -> None:
    account = watched(10)
    for attempt in (1, 2):
        account.fail(f"recharge:{attempt}")
        account.wait(4 * HOUR)
        account.look()
    account.pay("recharge:3")
    assert standing(account).declines == 0
    account.spend(100)
    account.look()
    account.fail("recharge:4")
    assert (standing(account).status, due_in(account)) == ("active", HOUR)


def test_the_same_decline_told_twice_counts_once() -> None:
    account = watched(10)
    account.fail("recharge:1")
    account.wait()
    assert account.fail("recharge:1").replayed
    assert (standing(account).declines, due_in(account)) == (1, HOUR - timedelta(seconds=1))


def test_a_checkout_of_the_same_account_is_another_matter() -> None:
    account = watched(10)
    before = standing(account)
    account.order()
    account.fail(final=True)
    account.buy(topup_id="t2")
    assert standing(account) == before


def test_an_outcome_is_written_though_nobody_knows_of_terms_any_more() -> None:
    """Only a top-up's own name says that it was a recharge."""
    account = Account()
    wallet = account.load()
    wallet.payments.load(Topup.of(ME, "recharge:1", "recharge", pack_of(), T0))
    decide(wallet, PayTopup(ME, "recharge:1", "pi_1", 10 * DOLLAR, "USD"), BOOKS, T0)
    account.keep(wallet)
    assert (account.remaining, account.auto_recharge) == ({"recharge:1:1": 100}, None)


def test_a_decline_of_another_than_the_one_in_flight_changes_nothing() -> None:
    account = watched(10)
    account.wallet.payments.load(Topup.of(ME, "recharge:9", "recharge", pack_of(), T0))
    before = standing(account)
    account.fail("recharge:9", final=True)
    assert (account.topup("recharge:9").status, standing(account)) == ("failed", before)


# The month.


def test_no_more_than_the_limit_is_bought_in_a_month() -> None:
    account = watched(0, limit=250)
    account.pay("recharge:1")
    account.spend(100)
    account.look()
    account.pay("recharge:2")
    account.spend(100)
    for _ in range(2):
        answer = account.look()
        assert (answer.topup, answer.recharge.status, answer.recharge.stopped_reason) == (
            None,
            "active",
            "monthly_limit",
        )
        assert answer.recharge.due_at == APRIL
        assert account.told("auto_recharge.stopped") == ["auto_recharge.stopped"]
        account.wait()
    assert account.told("auto_recharge.stopped") == ["auto_recharge.stopped"]
    account.now = APRIL - timedelta(microseconds=1)
    assert account.look().topup is None
    account.now = APRIL
    answer = account.look()
    assert answer.topup == account.topup("recharge:3")
    assert (answer.recharge.month, answer.recharge.month_credits, answer.recharge.stopped_reason) == (
        "2026-04",
        100,
        None,
    )
    account.pay("recharge:3")
    account.spend(100)
    account.look()
    account.pay("recharge:4")
    account.spend(100)
    account.look()
    assert account.told("auto_recharge.stopped") == ["auto_recharge.stopped"] * 2  # once each month


@pytest.mark.parametrize(("limit", "bought"), [(199, 1), (200, 2), (299, 2), (300, 3)])
def test_the_limit_may_be_reached_and_not_passed(limit: int, bought: int) -> None:
    account = watched(0, 10_000, limit)
    for attempt in range(1, 5):
        if account.look().topup is None:
            break
        account.pay(f"recharge:{attempt}")
    assert account.wallet.posted == 100 * bought


def test_a_higher_limit_helps_at_once() -> None:
    account = watched(0, 150, limit=100)
    account.pay("recharge:1")
    assert account.look().recharge.stopped_reason == "monthly_limit"
    account.recharge_at(150, 200)
    assert standing(account).stopped_reason is None
    assert account.look().topup == account.topup("recharge:2")


@pytest.mark.parametrize(
    ("now", "following"),
    [
        (datetime(2026, 1, 31, 23, 59, 59, 999_999, tzinfo=UTC), datetime(2026, 2, 1, tzinfo=UTC)),
        (datetime(2026, 2, 28, tzinfo=UTC), datetime(2026, 3, 1, tzinfo=UTC)),
        (datetime(2028, 2, 29, 12, tzinfo=UTC), datetime(2028, 3, 1, tzinfo=UTC)),
        (datetime(2026, 12, 1, tzinfo=UTC), datetime(2027, 1, 1, tzinfo=UTC)),
    ],
)
def test_months_are_those_of_utc(now: datetime, following: datetime) -> None:
    account = Account(T0 - 90 * DAY)
    account.now = now
    account.recharge_at(150, 100)
    account.look()
    account.pay("recharge:1")
    assert account.look().recharge.due_at == following


def test_what_was_declined_was_not_bought() -> None:
    account = watched(0, limit=100)
    account.fail("recharge:1")
    assert standing(account).month_credits == 0
    account.wait(HOUR)
    assert account.look().topup == account.topup("recharge:2")


def test_what_was_bought_before_a_decline_stays_bought() -> None:
    account = watched(0, 500, limit=300)
    account.pay("recharge:1")
    account.look()
    account.fail("recharge:2")
    assert standing(account).month_credits == 100


def test_what_was_given_up_and_paid_after_all_counts() -> None:
    account = watched(0, 500, limit=300)
    account.fail("recharge:1")
    account.wait(HOUR)
    account.look()
    account.pay("recharge:1")
    after = standing(account)
    assert (after.topup_id, after.month_credits) == ("recharge:2", 200)
    account.pay("recharge:2")
    assert (account.wallet.posted, standing(account).month_credits) == (200, 200)
    check(account)


def test_what_ends_in_another_month_leaves_that_months_count_alone() -> None:
    account = Account(APRIL - HOUR)
    account.recharge_at(500, 300)
    account.look()
    account.fail("recharge:1")  # an hour to wait: midnight
    account.now = APRIL
    account.look()
    assert (standing(account).month, standing(account).month_credits) == ("2026-04", 100)
    account.pay("recharge:1")
    assert standing(account).month_credits == 100
    check(account)


doings = st.sampled_from(["look", "look", "pay", "fail", "final", "spend", "spend", "wait", "set"])


@settings(deadline=None, max_examples=60)
@given(st.lists(st.tuples(doings, st.integers(1, 40)), max_size=30))
def test_whatever_happens_one_payment_is_in_flight_and_the_month_keeps_its_limit(steps: list[tuple[str, int]]) -> None:
    account = watched(30, 20, limit=300)
    for step, number in steps:
        account.wait(timedelta(seconds=1))
        pending = [one for one in account.wallet.payments.all(Topup).values() if one.status == "pending"]
        assert len(pending) <= 1
        assert [one.topup_id for one in pending] == ([standing(account).topup_id] if pending else [])
        if step == "look" and due_in(account) is not None and (due_in(account) or timedelta()) <= timedelta(0):
            account.look()
        elif step == "pay" and pending:
            account.do(PayTopup(ME, pending[0].topup_id, f"pi_{number}", 10 * DOLLAR, "USD"))
        elif step in ("fail", "final") and pending:
            account.do(FailTopup(ME, pending[0].topup_id, "failed", "declined", step == "final"))
        elif step == "spend":
            account.spend(min(number, max(account.wallet.available, 0)))
        elif step == "wait":
            account.wait(number * HOUR)
        elif step == "set":
            account.recharge_at(20 + number % 3, 300)
        below = account.wallet.available < standing(account).threshold
        if standing(account).status == "active" and below:
            assert standing(account).due_at is not None, "who is below the threshold is looked at"
        month = f"{account.now:%Y-%m}"
        bought = sum(
            one.credits
            for one in account.wallet.payments.all(Topup).values()
            if f"{one.created_at:%Y-%m}" == month and one.status in ("paid", "pending")
        )
        assert bought <= 300
        check(account)
