"""Disputes: opened, what is left is frozen; won, it thaws exactly; lost, it is clawed back. Reports in any order."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any, NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from billing.core.commands import Authorize, Refund
from billing.core.decide import decide
from billing.core.funding_commands import ReportCardRefund
from billing.core.payments import BookedTransaction, Dispute, Topup
from billing.core.refusals import IdReused, InsufficientCredits, Invalid, TopupNotPaid
from tests.disputes import reported, withdrawn

from .examples import BOOKS, CENT, DAY, DOLLAR, HOUR, ME, T0, Account, pack_of, small, state
from .invariants import check


def bought(spent: int = 0, **pack: Any) -> Account:
    account = Account()
    account.buy(pack_of(**pack))
    account.spend(spent)
    return account


def figures(account: Account) -> tuple[int, int, int, int]:
    """Posted, frozen, available, debt."""
    wallet = account.wallet
    return (wallet.posted, wallet.frozen, wallet.available, wallet.debt)


# Opened.


def test_what_is_left_is_frozen_not_lost() -> None:
    account = bought(30, bonus_credits=20)
    account.grant("other", 5)
    answer = account.dispute(10 * DOLLAR)
    assert not answer.replayed
    assert answer.topup == account.topup()
    assert figures(account) == (95, 90, 5, 0)
    assert account.remaining == {"pack:t1:1": 90, "pack:t1:2": 0, "other": 5}
    assert {grant.grant_id for grant in account.wallet.grants.values() if grant.frozen} == {"pack:t1:1", "pack:t1:2"}
    assert (account.topup().status, account.topup().disputed_micros) == ("disputed", 10 * DOLLAR)
    row = account.dispute_row()
    assert (row.topup_id, row.status, row.reason, row.opened_at, row.closed_at) == (
        "t1", "open", "fraudulent", account.now, None,
    )  # fmt: skip
    assert (row.amount_micros, row.deferred_micros, row.clawed) == (10 * DOLLAR, 0, ())
    assert account.money() == {"disputed": 10 * DOLLAR, "deferred_revenue": -10 * DOLLAR}
    assert [(row.kind, row.external_id) for row in account.journal if row.book == "money"][1:] == [
        ("dispute_opened", "dp_1")
    ]
    with pytest.raises(InsufficientCredits) as refused:
        account.charge("r1", small())
    assert refused.value.available == 5
    account.charge("r2", small(), quality=5)
    assert account.remaining["other"] == 0
    check(account)


def test_a_part_disputed_freezes_all_the_same() -> None:
    account = bought()
    account.dispute(CENT)
    assert figures(account) == (100, 100, 0, 0)
    check(account)


def test_open_holds_settle_as_debt_while_the_credits_are_frozen_and_thaw_pays_it() -> None:
    account = bought()
    account.authorize("r1", 20)
    account.dispute(10 * DOLLAR)
    assert figures(account) == (100, 100, -20, 0)
    account.settle("r1", small())
    assert figures(account) == (80, 100, -20, 20)
    account.dispute(10 * DOLLAR, "won")
    assert figures(account) == (80, 0, 80, 0)
    assert account.fills == {(2, "pack:t1:1"): 20}
    check(account)


def test_credits_bought_meanwhile_can_be_spent() -> None:
    account = bought()
    account.dispute(10 * DOLLAR)
    account.buy(topup_id="t2")
    assert figures(account) == (200, 100, 100, 0)
    account.spend(100)
    account.dispute(10 * DOLLAR, "won")
    assert figures(account) == (100, 0, 100, 0)
    check(account)


# Won.


@pytest.mark.parametrize("spent", [0, 30, 100, 120])
def test_what_thaws_is_exactly_what_was_frozen(spent: int) -> None:
    account = bought(spent, bonus_credits=20)
    before, money = {k: vars_of(g) for k, g in account.wallet.grants.items()}, account.money()
    account.dispute(10 * DOLLAR)
    account.wait()
    answer = account.dispute(10 * DOLLAR, "won")
    assert (answer.replayed, answer.topup.status) == (False, "paid")
    assert {k: vars_of(g) for k, g in account.wallet.grants.items()} == before
    assert (account.money(), figures(account)) == (money, (120 - spent, 0, 120 - spent, 0))
    row = account.dispute_row()
    assert (row.status, row.closed_at, row.clawed, row.deferred_micros) == ("won", account.now, (), 0)
    assert account.topup().disputed_micros == 0
    assert account.topup().changed_at == account.now
    check(account)


def vars_of(grant: Any) -> tuple[Any, ...]:
    return tuple(grant)


def test_expiry_waits_for_the_verdict_and_then_happens() -> None:
    account = bought(expires_in_days=1)
    account.dispute(10 * DOLLAR)
    account.wait(2 * DAY)
    account.lapse()
    assert figures(account) == (100, 100, 0, 0)
    account.dispute(10 * DOLLAR, "won")
    assert figures(account) == (0, 0, 0, 0)
    expired = account.journal[-1]
    assert (expired.kind, expired.amount, expired.effective_at) == ("expire", 100, account.now)
    check(account)


def test_what_has_expired_when_it_thaws_pays_nothing() -> None:
    account = Account(credit_limit=20)
    account.buy(pack_of(expires_in_days=1))
    account.dispute(10 * DOLLAR)
    account.spend(20)
    account.wait(DAY)
    account.dispute(10 * DOLLAR, "won")
    assert (figures(account), account.of_grant("pack:t1:1").expired) == ((-20, 0, 0, 20), 100)
    check(account)


def test_holds_from_before_the_expiry_still_draw_on_what_thaws() -> None:
    account = bought(expires_in_days=1)
    account.wait(DAY - HOUR)
    account.authorize("r1", 20, hold_seconds=86_400)
    account.dispute(10 * DOLLAR)
    account.wait(2 * HOUR)
    account.dispute(10 * DOLLAR, "won")
    assert account.remaining == {"pack:t1:1": 20}
    account.settle("r1", small())
    assert (account.remaining, account.wallet.debt, account.of_grant("pack:t1:1").expired) == ({"pack:t1:1": 0}, 0, 80)
    check(account)


def test_what_a_bill_gave_back_to_a_frozen_grant_past_its_expiry_cannot_be_spent_in_the_batch_that_thaws_it() -> None:
    account = Account()
    account.buy(pack_of(10, expires_in_days=1))
    account.charge("r1", small())
    account.dispute(10 * DOLLAR)
    account.wait(DAY)
    won = reported(ME, "t1", "dp_1", 10 * DOLLAR, "won", seen=account.dispute_row())
    wallet = account.load(won)
    for command in (Refund(ME, "r1", "f1", "blurred"), won):
        decide(wallet, command, BOOKS, account.now)
    with pytest.raises(InsufficientCredits) as refused:
        decide(wallet, Authorize(ME, "r2", "plain", quality="1"), BOOKS, account.now)
    assert refused.value.available == 0
    account.keep(wallet)
    check(account)


def test_a_grant_that_has_expired_but_for_its_holds_is_not_frozen() -> None:
    account = bought(expires_in_days=1)
    account.wait(DAY - HOUR)
    account.authorize("r1", 20, hold_seconds=86_400)
    account.wait(HOUR)
    account.dispute(10 * DOLLAR)
    assert figures(account) == (20, 0, 0, 0)
    account.dispute(10 * DOLLAR, "won")
    assert figures(account) == (20, 0, 0, 0)
    account.settle("r1", small())
    assert figures(account) == (0, 0, 0, 0)
    check(account)


# Lost.

# Spent, disputed in cents → remaining, owed, cents out of deferred revenue, rest to losses.
LOST = [
    (0, 1000, 0, 0, 1000),
    (0, 1, 99, 0, 1),
    (60, 1000, 0, 60, 400),
    (60, 400, 0, 0, 400),
    (60, 401, 0, 1, 400),
    (60, 250, 15, 0, 250),
    (100, 1000, 0, 100, 0),
]


@pytest.mark.parametrize("opened", [True, False])
@pytest.mark.parametrize(("spent", "cents", "remaining", "owed", "deferred"), LOST)
def test_what_a_lost_dispute_takes(
    spent: int, cents: int, remaining: int, owed: int, deferred: int, opened: bool
) -> None:
    account = bought(spent)
    if opened:
        account.dispute(cents * CENT)
    answer = account.dispute(cents * CENT, "lost")
    assert (answer.topup.status, answer.topup.returned_micros, answer.topup.disputed_micros) == (
        "disputed", cents * CENT, 0,
    )  # fmt: skip
    assert figures(account) == (remaining - owed, 0, remaining - owed, owed)
    unspent = 100 - spent - remaining
    row = account.dispute_row()
    assert (row.status, row.deferred_micros, row.clawed) == ("lost", deferred * CENT, (("pack:t1:1", unspent, owed),))
    assert row.clawed_credits == unspent + owed
    rest = cents - deferred
    assert account.posted("dispute_lost_deferred") == [("pack:t1:1", deferred * CENT)] * (deferred > 0)
    assert account.posted("dispute_lost") == [("pack:t1:1", rest * CENT)] * (rest > 0)
    assert account.money().get("disputed", 0) == 0
    assert account.money().get("dispute_losses", 0) == rest * CENT
    assert account.money().get("deferred_revenue", 0) == (deferred - 1000) * CENT
    assert {row.external_id for row in account.journal if row.kind in ("revoke", "dispute_lost")} == {"dp_1"}
    assert account.told("dispute.opened", "dispute.closed") == ["dispute.opened", "dispute.closed"]
    check(account)


def test_what_is_owed_is_drawn_from_the_bonus_that_thaws() -> None:
    """Half is lost: 50 of the 100 bought and 10 of the bonus, of which a bill had given 20 back."""
    account = Account()
    account.buy(pack_of(bonus_credits=20))
    account.charge("gift", small(), quality=20)
    account.spend(100)
    account.refund("gift")
    assert account.remaining == {"pack:t1:1": 0, "pack:t1:2": 20}
    account.dispute(5 * DOLLAR)
    account.dispute(5 * DOLLAR, "lost")
    assert (figures(account), account.remaining["pack:t1:2"]) == ((-40, 0, -40, 40), 0)
    check(account)


def test_a_lost_dispute_shows_whatever_is_reported_after_it() -> None:
    account = bought()
    account.dispute(4 * DOLLAR, "lost")
    account.card_refund(6 * DOLLAR)
    assert account.topup().status == "disputed"
    account.card_refund(6 * DOLLAR, status="failed")
    assert account.topup().status == "disputed"
    check(account)


def test_what_could_not_be_booked_and_is_booked_after_all_is_no_problem_any_more() -> None:
    account = bought()
    for other, left in (("dispute dp_1 is of another currency", None), ("dispute dp_2 is of another currency", "dp_2")):
        account.wallet.payments.load(account.topup()._replace(problem=other))
        account.dispute(DOLLAR, "open" if left is None else "lost")
        assert (account.topup().problem is None) == (left is None)


def test_chargeback_leaves_credits_spendable_then_over_clawed_after_a_won_dispute() -> None:
    """Not here: frozen while it is open; after it was won nothing is taken, whatever is told again."""
    account = bought(40)
    account.dispute(10 * DOLLAR)
    with pytest.raises(InsufficientCredits):
        account.authorize("r1", 1)
    account.dispute(10 * DOLLAR, "won")
    assert account.dispute(10 * DOLLAR, "won").replayed
    assert figures(account) == (60, 0, 60, 0)
    check(account)


# Several at once.


def test_two_disputes_thaw_with_the_last_one() -> None:
    account = bought()
    account.dispute(4 * DOLLAR, dispute_id="dp_1")
    account.dispute(5 * DOLLAR, dispute_id="dp_2")
    assert account.topup().disputed_micros == 9 * DOLLAR
    account.dispute(4 * DOLLAR, "won", "dp_1")
    assert (figures(account), account.topup().status) == ((100, 100, 0, 0), "disputed")
    account.dispute(5 * DOLLAR, "lost", "dp_2")
    assert (figures(account), account.topup().status) == ((50, 0, 50, 0), "disputed")
    check(account)


def test_the_top_up_next_to_it_is_left_alone() -> None:
    account = bought()
    account.buy(topup_id="t2")
    account.dispute(10 * DOLLAR, dispute_id="dp_1")
    account.dispute(10 * DOLLAR, dispute_id="dp_2", topup_id="t2")
    account.dispute(10 * DOLLAR, "lost", dispute_id="dp_1")
    assert figures(account) == (100, 100, 0, 0)
    account.dispute(10 * DOLLAR, "won", dispute_id="dp_2", topup_id="t2")
    assert (figures(account), account.topup("t2").status, account.topup().status) == (
        (100, 0, 100, 0), "paid", "disputed",
    )  # fmt: skip
    check(account)


def test_a_refund_while_a_dispute_is_open_takes_frozen_credits() -> None:
    account = bought()
    account.dispute(6 * DOLLAR)
    account.card_refund(4 * DOLLAR)
    assert (figures(account), account.topup().status) == ((60, 60, 0, 0), "disputed")
    account.card_refund(4 * DOLLAR, status="failed")
    assert figures(account) == (100, 100, 0, 0)
    account.dispute(6 * DOLLAR, "won")
    assert (figures(account), account.topup().status) == ((100, 0, 100, 0), "paid")
    check(account)


def test_credits_restored_while_a_dispute_is_open_are_frozen_with_the_others() -> None:
    account = bought(100)
    account.grant("other", 40)
    account.card_refund(4 * DOLLAR)
    assert (figures(account), account.remaining["other"]) == ((0, 0, 0, 0), 0)
    account.dispute(6 * DOLLAR)
    account.card_refund(4 * DOLLAR, status="failed")
    assert (figures(account), account.remaining["pack:t1:2"]) == ((40, 40, 0, 0), 40)
    account.dispute(6 * DOLLAR, "lost")
    assert figures(account) == (-20, 0, -20, 20)
    check(account)


def test_credits_restored_to_a_frozen_grant_pay_what_is_owed_first() -> None:
    """As those do that a refund of a bill gives back: else the same credits would pay the same debt twice."""
    account = bought(50)
    account.buy(topup_id="t2")
    account.card_refund(DOLLAR, "re_1")
    account.spend(120)
    account.card_refund(10 * DOLLAR, "re_2", topup_id="t2")
    assert figures(account) == (-80, 0, -80, 80)
    account.dispute(9 * DOLLAR)
    account.card_refund(DOLLAR, "re_1", "failed")
    account.dispute(9 * DOLLAR, "won")
    assert figures(account) == (-70, 0, -70, 70)
    check(account)


# Decided otherwise.


def test_a_verdict_that_is_undone_gives_back_what_it_took_and_frozen_where_it_is_open_again() -> None:
    """30 of 100 used: 70 taken and 30 owed, which a gift paid; the gift's come back as credits that cost nothing."""
    account = bought(30)
    account.dispute(10 * DOLLAR, "lost")
    account.grant("gift", 50, "promotion")
    assert figures(account) == (20, 0, 20, 0)
    account.wait()
    account.dispute(10 * DOLLAR, "appeal_needs_response")
    assert figures(account) == (120, 100, 20, 0)
    assert account.remaining == {"pack:t1:1": 70, "gift": 20, "pack:t1:2": 30}
    row = account.dispute_row()
    assert (row.status, row.closed_at, row.deferred_micros, row.undone) == ("open", None, 0, 1)
    assert row.clawed == (("pack:t1:1", 70, 30),)
    assert account.money() == {"disputed": 10 * DOLLAR, "deferred_revenue": -10 * DOLLAR}
    account.dispute(10 * DOLLAR, "won")
    assert (figures(account), account.money()) == ((120, 0, 120, 0), {
        "stripe_clearing": 10 * DOLLAR, "deferred_revenue": -10 * DOLLAR,
    })  # fmt: skip
    assert account.told("dispute.opened", "dispute.closed") == ["dispute.opened", "dispute.closed"] * 2
    check(account)


def test_what_is_given_back_in_part_was_the_loss_first() -> None:
    """As if only the rest had ever been gone: 10 dollars of which 30 credits were used, and 4 come back."""
    account, other = bought(30), bought(30)
    account.dispute(10 * DOLLAR, "lost")
    account.dispute(10 * DOLLAR, "won", moved=[-10 * DOLLAR, 4 * DOLLAR])
    other.dispute(10 * DOLLAR, "lost", moved=[-6 * DOLLAR])
    for one in (account, other):
        assert (one.dispute_row().status, one.dispute_row().lost_micros) == ("lost", 6 * DOLLAR)
        assert (figures(one), one.money().get("dispute_losses")) == ((10, 0, 10, 0), None)
        assert one.money()["deferred_revenue"] == -4 * DOLLAR
        check(one)


@pytest.mark.parametrize("status", ["prevented", "lost", "won", "warning_closed"])
def test_what_closes_without_money_is_as_if_it_had_not_been(status: str) -> None:
    account, never = bought(30), bought(30)
    account.dispute(10 * DOLLAR, moved=[])
    assert (figures(account), account.money()) == ((70, 70, 0, 0), never.money())
    account.dispute(10 * DOLLAR, status, moved=[])
    assert account.dispute_row().status == ("won" if status == "won" else "averted")
    assert (figures(account), account.topup().status) == ((70, 0, 70, 0), "paid")
    for one in (account, never):
        assert one.dispute(10 * DOLLAR, status, moved=[]).replayed
        assert (figures(one), one.money()) == (
            (70, 0, 70, 0),
            {"stripe_clearing": 10 * DOLLAR, "deferred_revenue": -10 * DOLLAR},
        )
        check(one)
    assert (never.told("dispute.opened"), never.journal[-1].kind) == ([], "settle")


@pytest.mark.parametrize(
    ("before", "status", "moved", "stands", "kinds"),
    [
        ("open", "prevented", [], "averted", ["dispute_opened_undone"]),
        ("won", "won", [-10 * DOLLAR, 4 * DOLLAR], "lost", ["dispute_won_undone", "dispute_lost_deferred"]),
    ],
)
def test_what_was_booked_by_the_amount_is_made_good_by_the_money(
    before: str, status: str, moved: list[int], stands: str, kinds: list[str]
) -> None:
    """Books from before money was what counted: all of it was booked, at once, whatever was withdrawn and returned."""
    account = bought()
    account.dispute(10 * DOLLAR, before)
    account.wallet.payments.rows[BookedTransaction].clear()
    posted = len(account.journal)
    account.dispute(10 * DOLLAR, status, moved=moved)
    assert [row.kind for row in account.journal[posted:] if row.book == "money"] == kinds
    assert account.dispute_row().status == stands
    check(account)


# More than is left.


@pytest.mark.parametrize("first", ["refund", "dispute"])
def test_refunded_and_then_charged_back_takes_the_credits_once(first: str) -> None:
    account = bought(30)
    reports = [
        lambda: account.card_refund(10 * DOLLAR),
        lambda: account.dispute(10 * DOLLAR, "lost", moved=[-10 * DOLLAR], fee=15 * DOLLAR),
    ]
    for report in reports if first == "refund" else reversed(reports):
        assert report().problem is None
        check(account)
    assert (figures(account), account.topup().returned_micros) == ((-30, 0, -30, 30), 20 * DOLLAR)
    money = account.money()
    lost = {"refunds": 3 * DOLLAR, "dispute_losses": 10 * DOLLAR}
    if first == "dispute":
        lost = {"refunds": 10 * DOLLAR, "dispute_losses": 3 * DOLLAR}
    assert {name: money[name] for name in lost} == lost
    assert (money["deferred_revenue"], money["processor_fees"]) == (-3 * DOLLAR, 15 * DOLLAR)
    account.card_refund(10 * DOLLAR, status="failed")  # what the dispute took stays taken
    assert figures(account) == (-30, 0, -30, 30)
    check(account)


def test_a_dispute_about_more_than_was_paid() -> None:
    account = bought(30)
    account.dispute(10 * DOLLAR + 37 * CENT)
    assert (figures(account), account.money()["disputed"]) == ((70, 70, 0, 0), 10 * DOLLAR + 37 * CENT)
    account.dispute(10 * DOLLAR + 37 * CENT, "lost")
    assert figures(account) == (-30, 0, -30, 30)
    assert account.money()["dispute_losses"] == 3 * DOLLAR + 37 * CENT
    assert (account.money()["deferred_revenue"], account.money().get("disputed")) == (-3 * DOLLAR, None)
    check(account)


def test_what_comes_back_may_be_more_than_what_was_withdrawn() -> None:
    """10.37 went and 10.45 came back, by the rates of those days: it is won, and nothing stays frozen for a gain."""
    account = bought(30)
    went, back = -(10 * DOLLAR + 37 * CENT), 10 * DOLLAR + 45 * CENT
    account.dispute(-went, "open", moved=[went])
    account.dispute(-went, "won", moved=[went, back])
    assert (account.dispute_row().status, figures(account)) == ("won", (70, 0, 70, 0))
    assert account.money() == {
        "stripe_clearing": 10 * DOLLAR + 8 * CENT,
        "deferred_revenue": -10 * DOLLAR,
        "dispute_losses": -8 * CENT,
    }
    check(account)
    account.dispute(-went, "lost", moved=[went, back, went])
    assert (account.dispute_row().status, account.dispute_row().lost_micros) == ("lost", -2 * went - back)
    check(account)


# What cannot be.


@pytest.mark.parametrize("status", ["open", "lost"])
def test_a_dispute_in_another_currency_is_a_problem_to_look_at(status: str) -> None:
    account = bought()
    journal = account.journal[:]
    answer: Any = account.do(reported(ME, "t1", "dp_1", DOLLAR, status, currency="EUR"))
    problem = "dispute dp_1 is in EUR, the payment was in USD"
    assert (answer.replayed, answer.problem, answer.topup.problem) == (True, problem, problem)
    assert (account.journal, account.wallet.frozen, account.told("dispute.opened")) == (journal, 0, [])
    check(account)


@pytest.mark.parametrize(
    ("moved", "field"), [((-(2**62), -(2**62)), "withdrawn_micros"), ((-(2**63),), "amount_micros")]
)
def test_what_no_dispute_comes_to(moved: tuple[int, ...], field: str) -> None:
    with pytest.raises(Invalid) as refused:
        reported(ME, "t1", "dp_1", DOLLAR, "won", movements=withdrawn("dp_1", *moved))
    assert [error["field"] for error in refused.value.errors] == [field]


def test_stripe_never_says_two_things_of_one_transaction() -> None:
    account = bought()
    account.dispute(DOLLAR)
    journal = account.journal[:]
    with pytest.raises(IdReused) as refused:
        account.dispute(DOLLAR, moved=[-2 * DOLLAR])
    assert refused.value.differs == ["amount_micros"]
    assert account.journal == journal


def test_a_report_again_changes_nothing() -> None:
    account = bought(30)
    for status in ("open", "lost", "won", "appeal_under_review"):
        account.dispute(10 * DOLLAR, status)
        account.wait()
        again = reported(ME, "t1", "dp_1", 10 * DOLLAR, status)
        wallet = account.load(again)
        before = state(wallet)
        answer: Any = decide(wallet, again, BOOKS, account.now)
        assert (answer.replayed, answer.overtaken) == (True, False)
        assert state(wallet) == before


def test_of_two_who_looked_at_once_the_second_looks_again() -> None:
    """Who asked the processor before another's report was written cannot know whose answer is older."""
    account = bought()
    account.dispute(10 * DOLLAR)
    seen = account.dispute_row()
    account.dispute(10 * DOLLAR, "won")
    late = reported(ME, "t1", "dp_1", 10 * DOLLAR, "lost", seen=seen)
    wallet = account.load(late)
    before = state(wallet)
    answer: Any = decide(wallet, late, BOOKS, account.now)
    assert (answer.overtaken, state(wallet)) == (True, before)
    assert not account.dispute(10 * DOLLAR, "lost").overtaken


# Any order.

Report = Callable[[Account], Any]


class Turn(NamedTuple):
    """How a dispute stands: in Stripe's word, and what was withdrawn and returned by then, in quarters of its amount."""

    word: str
    quarters: tuple[int, ...] = (-4,)


OPENED, APPEALED = Turn("needs_response"), Turn("appeal_under_review", (-4, 4, -4))
COURSES = [
    [OPENED],
    [OPENED, Turn("won", (-4, 4))],
    [OPENED, Turn("lost")],
    [OPENED, Turn("prevented")],
    [Turn("needs_response", ()), Turn("prevented", ())],
    [Turn("warning_needs_response", ()), Turn("warning_closed", ())],
    [Turn("warning_under_review", ()), OPENED, Turn("lost")],
    [OPENED, Turn("lost"), Turn("won", (-4, 4))],
    [OPENED, Turn("lost"), Turn("appeal_needs_response"), Turn("lost")],
    [OPENED, Turn("lost"), Turn("appeal_needs_response"), Turn("won", (-4, 4))],
    [OPENED, Turn("won", (-4, 4)), Turn("appeal_needs_response", (-4, 4)), APPEALED],
    [OPENED, Turn("won", (-4, 4)), APPEALED, Turn("lost", (-4, 4, -4))],
    [OPENED, Turn("won", (-4, 4)), APPEALED, Turn("won", (-4, 4, -4, 4))],
    [OPENED, Turn("won", (-4, 3))],
    [OPENED, Turn("won", (-4, 5)), Turn("lost", (-4, 5, -4))],
    [OPENED, Turn("lost"), Turn("lost", (-4, 1)), Turn("lost", (-4, 1, 1))],
    [Turn("needs_response", (-2,)), Turn("lost", (-2, -2))],
]


def paid(topup_id: str) -> Report:
    return lambda account: account.pay(topup_id)


def returned(topup_id: str, k: int, micros: int, status: str) -> Report:
    return lambda account: account.do(
        ReportCardRefund(ME, topup_id, f"re_{topup_id}_{k}", micros, "USD", status)  # type: ignore[arg-type]
    )


def contested(topup_id: str, k: int, micros: int, course: list[Turn], place: int) -> Report:
    """An event says that something has happened; how the dispute stands is asked, and may be further already."""
    dispute_id = f"dp_{topup_id}_{k}"

    def report(account: Account) -> None:
        account.course[dispute_id] = max(account.course.get(dispute_id, 0), place)
        turn = course[account.course[dispute_id]]
        moved = [part * micros // 4 for part in turn.quarters]
        account.dispute(micros, turn.word, dispute_id, topup_id, [amount for amount in moved if amount])

    return report


@st.composite
def stories(draw: Any) -> tuple[dict[str, Any], list[list[Report]]]:
    """Packs, and for each thing that happened at the processor its reports, oldest first."""
    packs, histories = {}, []
    for topup_id in ("t1", "t2")[: draw(st.integers(1, 2))]:
        left = cents = draw(st.integers(1, 30))
        packs[topup_id] = pack_of(
            draw(st.integers(1, 60)), cents * CENT, draw(st.integers(0, 12)), bonus=draw(st.sampled_from(["own_grant", "dilutes"]))
        )  # fmt: skip
        histories.append([paid(topup_id)])
        for k in range(draw(st.integers(0, 4))):
            off = draw(st.integers(0, CENT - 1))
            if left and draw(st.booleans()):
                part = draw(st.integers(1, left))
                left -= part
                statuses = draw(st.sampled_from([["succeeded"], ["succeeded"], ["succeeded", "failed"]]))
                histories.append([returned(topup_id, k, part * CENT - off, status) for status in statuses])
            else:  # about as much as was paid, or more
                micros, course = draw(st.integers(1, cents * 3 // 2 + 1)) * CENT - off, draw(st.sampled_from(COURSES))
                histories.append([contested(topup_id, k, micros, course, place) for place in range(len(course))])
    return packs, histories


def outcome(account: Account) -> Any:
    """What must not depend on the order of reports. While a dispute is open it does matter what had been drawn before
    it: whose credits then make good what is owed, and so what is frozen and what is debt."""
    topups = list(account.wallet.payments.all(Topup).values())
    standing = [(one.topup_id, one.status, one.returned_micros, one.disputed_micros, one.problem) for one in topups]
    clawed = [account.of_grant(one.grant_id(k)).clawed for one in topups if one.paid for k in range(1, 1 + one.bought)]
    is_open = any(one.status == "open" for one in account.wallet.payments.all(Dispute).values())
    money = [account.money().get(name, 0) for name in ("stripe_clearing", "disputed")]
    return account.wallet.posted, None if is_open else figures(account), standing, clawed, money


@settings(deadline=None, max_examples=150)
@given(stories(), st.randoms(use_true_random=False), st.integers(0, 40), st.integers(0, 80))
def test_reports_in_any_order_and_any_number_of_times_end_in_the_same_wallet(
    story: tuple[dict[str, Any], list[list[Report]]], random: Any, other: int, owing: int
) -> None:
    """What is told before its payment is told again later. The account may have credits of another kind, or owe some."""
    packs, histories = story

    def told(reports: list[Report]) -> Account:
        account = Account(credit_limit=owing)
        if owing:
            account.spend(owing)
        for topup_id, pack in packs.items():
            account.order(pack, topup_id)
        if other:
            account.grant("other", other, "plan")
        waiting = reports
        while waiting:
            early = []
            for report in waiting:
                account.wait()
                try:
                    report(account)
                except TopupNotPaid:
                    early.append(report)
                check(account)
            assert len(early) < len(waiting)
            waiting = early
        return account

    in_order = told([report for history in histories for report in history])
    reports = [report for history in histories for report in history]
    shuffled = reports + random.choices(reports, k=random.randrange(6)) + [history[-1] for history in histories]
    random.shuffle(shuffled)
    # Whatever came first, how things stand in the end is told last at least once.
    any_order = told(shuffled + [history[-1] for history in histories])
    assert outcome(any_order) == outcome(in_order)
    only_the_end = told([history[-1] for history in histories])
    assert outcome(only_the_end) == outcome(in_order)


@given(st.integers(1, 100), st.integers(0, 100), st.integers(1, 1000), st.booleans())
def test_freezing_and_thawing_leaves_nothing_behind(credits: int, spent: int, cents: int, expiring: bool) -> None:
    account = Account()
    account.buy(pack_of(credits, **({"expires_in_days": 1} if expiring else {})))
    account.spend(min(spent, credits))
    grant, money = account.of_grant("pack:t1:1"), account.money()
    before = vars_of(grant)
    account.dispute(cents * CENT)
    account.wait(timedelta(seconds=cents))
    account.dispute(cents * CENT, "won")
    assert vars_of(account.of_grant("pack:t1:1")) == before
    assert account.money() == money
    assert account.now < T0 + DAY
