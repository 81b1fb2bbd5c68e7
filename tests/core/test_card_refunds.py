"""Card refunds: m of what was paid takes ⌈N·m/paid⌉ credits, in all; whose credits those are, and whose money."""

from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from billing.core.funding_commands import ReportCardRefund
from billing.core.refusals import TopupNotFound, TopupNotPaid
from tests.disputes import reported

from .examples import CENT, DAY, DOLLAR, HOUR, ME, Account, large, pack_of, small, state
from .invariants import check


def bought(spent: int = 0, expired: bool = False, **pack: Any) -> Account:
    """A pack that was paid, of which so much was spent; the rest may have expired after a day."""
    account = Account()
    account.buy(pack_of(**pack, **({"expires_in_days": 1} if expired else {})))
    account.spend(spent)
    account.wait(DAY)
    account.lapse()
    return account


def parts(account: Account, grant_id: str = "pack:t1:1") -> tuple[int, int, int, int]:
    """Remaining, used, expired, revoked."""
    grant = account.of_grant(grant_id)
    return (grant.remaining, grant.used, grant.expired, grant.revoked)


def dollars(account: Account) -> dict[str, float]:
    return {name: micros / DOLLAR for name, micros in account.money().items()}


# 100 credits for $10.00. Spent, refunded in cents → unspent ones taken, owed, cents out of deferred revenue.
TABLE = [
    (0, 1, 1, 0, 1),  # ⌈0.1⌉
    (0, 10, 1, 0, 10),
    (0, 11, 2, 0, 11),  # ⌈1.1⌉
    (0, 999, 100, 0, 999),  # ⌈99.9⌉
    (0, 1000, 100, 0, 1000),
    (60, 200, 20, 0, 200),
    (60, 400, 40, 0, 400),
    (60, 401, 40, 1, 400),  # ⌈40.1⌉: one of them had been used
    (60, 500, 40, 10, 400),
    (60, 1000, 40, 60, 400),
    (99, 1, 1, 0, 1),
    (99, 11, 1, 1, 10),
    (100, 1, 0, 1, 0),
    (100, 1000, 0, 100, 0),
]


@pytest.mark.parametrize(("spent", "cents", "unspent", "owed", "deferred"), TABLE)
def test_unspent_credits_go_first_and_those_that_were_used_are_owed(
    spent: int, cents: int, unspent: int, owed: int, deferred: int
) -> None:
    account = bought(spent)
    assert not account.card_refund(cents * CENT).replayed
    assert parts(account) == (100 - spent - unspent, spent, 0, unspent)
    assert account.of_grant("pack:t1:1").clawed == unspent + owed
    assert (account.wallet.posted, account.wallet.debt) == (100 - spent - unspent - owed, owed)
    assert account.posted("revoke") == [("pack:t1:1", unspent)] * (unspent > 0) + [(None, owed)] * (owed > 0)
    assert account.posted("card_refund_deferred") == [("pack:t1:1", deferred * CENT)] * (deferred > 0)
    rest = cents - deferred
    assert account.posted("card_refund") == [("pack:t1:1", rest * CENT)] * (rest > 0)
    row = account.card_refund_row()
    assert (row.status, row.amount_micros, row.deferred_micros) == ("succeeded", cents * CENT, deferred * CENT)
    assert (row.clawed, row.clawed_credits) == ((("pack:t1:1", unspent, owed),), unspent + owed)
    topup = account.topup()
    assert (topup.status, topup.returned_micros) == ("refunded" if cents == 1000 else "paid", cents * CENT)
    assert topup.returned_deferred_micros == deferred * CENT
    assert {row.external_id for row in account.journal if "refund" in row.kind or row.kind == "revoke"} == {"re_1"}
    check(account)


@pytest.mark.parametrize(
    ("spent", "cents", "owed"),
    [
        (0, 1000, 0),  # all have expired: nothing is left to take
        (60, 1, 0),
        (60, 400, 0),  # the forty that expired
        (60, 401, 1),
        (60, 500, 10),
        (60, 1000, 60),
        (100, 10, 1),  # none expired
    ],
)
def test_credits_that_expired_count_as_taken_before_any_are_owed(spent: int, cents: int, owed: int) -> None:
    """What expired was recognised as breakage: none of its money is deferred any more."""
    account = bought(spent, expired=True)
    account.card_refund(cents * CENT)
    assert parts(account) == (0, spent, 100 - spent, 0)
    assert (account.wallet.posted, account.wallet.debt, account.of_grant("pack:t1:1").clawed) == (-owed, owed, owed)
    assert account.posted("card_refund_deferred") == []
    assert account.posted("card_refund") == [("pack:t1:1", cents * CENT)]
    check(account)


@pytest.mark.parametrize(
    ("cents", "owed"),
    [([400, 100], [0, 10]), ([300, 300], [0, 20]), ([500, 500], [10, 50]), ([1, 399, 1], [0, 0, 1])],
)
def test_what_expired_counts_once_however_many_refunds_there_are(cents: list[int], owed: list[int]) -> None:
    account = bought(60, expired=True)
    debts = []
    for k, part in enumerate(cents):
        before = account.wallet.debt
        account.card_refund(part * CENT, f"re_{k}")
        debts.append(account.wallet.debt - before)
        check(account)
    assert debts == owed


def test_what_is_kept_of_an_expired_grant_is_unspent_all_the_same() -> None:
    """$5.00 back: those 20 first, and 30 of the expired ones."""
    account = kept_for_a_hold()
    account.card_refund(5 * DOLLAR)
    assert (parts(account), account.wallet.debt) == ((0, 40, 40, 20), 0)
    assert dollars(account) == {"stripe_clearing": 5.0, "refunds": 3.0, "deferred_revenue": -8.0}
    check(account)


def kept_for_a_hold() -> Account:
    """40 used, 40 expired, 20 kept for a hold."""
    account = Account()
    account.buy(pack_of(expires_in_days=1))
    account.spend(40)
    account.wait(DAY - HOUR)
    account.authorize("r1", 20, hold_seconds=86_400)
    account.wait(HOUR)
    account.lapse()
    assert parts(account) == (20, 40, 40, 0)
    return account


def test_what_expired_does_not_stand_for_what_was_unspent() -> None:
    account = kept_for_a_hold()
    account.card_refund(DOLLAR, "re_1")
    account.card_refund(DOLLAR, "re_2")
    assert (parts(account), account.wallet.debt) == ((0, 40, 40, 20), 0)
    check(account)


def test_what_was_made_up_by_expired_credits_stays_so() -> None:
    """Twenty kept ones, then ten expired ones; the twenty come back, and the ten are still made up for."""
    account = kept_for_a_hold()
    account.card_refund(2 * DOLLAR, "re_1")
    account.card_refund(DOLLAR, "re_2")
    account.card_refund(2 * DOLLAR, "re_1", "failed")
    assert parts(account) == (20, 40, 40, 0)
    account.card_refund(DOLLAR, "re_3")
    assert (parts(account), account.wallet.debt) == ((10, 40, 40, 10), 0)
    check(account)


def test_credits_clawed_back_before_the_rest_expired() -> None:
    """50 taken while unspent, 20 spent, 30 expired: of the second half 30 have expired and 20 are owed."""
    account = Account()
    account.buy(pack_of(expires_in_days=1))
    account.card_refund(5 * DOLLAR, "re_1")
    account.spend(20)
    account.wait(DAY)
    account.card_refund(3 * DOLLAR, "re_2")
    assert (parts(account), account.wallet.debt) == ((0, 20, 30, 50), 0)
    account.card_refund(2 * DOLLAR, "re_3")
    assert (parts(account), account.wallet.debt) == ((0, 20, 30, 50), 20)
    # $5.00 of the fifty that were unspent came out of deferred revenue, the rest had been recognised.
    assert dollars(account) == {"deferred_revenue": -5.0, "refunds": 5.0}
    check(account)


def test_many_small_refunds_take_what_one_of_their_sum_takes() -> None:
    """7 credits for ten cents: ⌈0.7⌉ = 1, ⌈1.4⌉ = 2, ⌈2.1⌉ = 3, ⌈2.8⌉ = 3, ⌈3.5⌉ = 4, ⌈4.2⌉ = 5, 5, 6, 7, 7."""
    account = bought(credits=7, price_micros=10 * CENT)
    left = []
    for k in range(10):
        account.card_refund(CENT, f"re_{k}")
        left.append(7 - account.wallet.posted)
        check(account)
    assert left == [1, 2, 3, 3, 4, 5, 5, 6, 7, 7]
    assert account.card_refund_row("re_3").clawed == ()
    assert account.topup().status == "refunded"
    assert account.money() == {}


# A bonus.


@pytest.mark.parametrize(
    ("bonus", "cents", "taken"),
    [(20, 500, (50, 10)), (20, 1000, (100, 20)), (20, 1, (1, 1)), (3, 100, (10, 1)), (3, 400, (40, 2))],
)
def test_a_bonus_of_its_own_falls_in_proportion(bonus: int, cents: int, taken: tuple[int, int]) -> None:
    account = bought(bonus_credits=bonus)
    account.card_refund(cents * CENT)
    assert parts(account, "pack:t1:1") == (100 - taken[0], 0, 0, taken[0])
    assert parts(account, "pack:t1:2") == (bonus - taken[1], 0, 0, taken[1])
    assert account.posted("card_refund_deferred") == [("pack:t1:1", cents * CENT)]
    assert account.card_refund_row().clawed == (("pack:t1:1", taken[0], 0), ("pack:t1:2", taken[1], 0))
    check(account)


def test_a_bonus_that_dilutes_is_part_of_the_one_grant() -> None:
    account = bought(bonus_credits=20, bonus="dilutes", spent=60)
    account.card_refund(5 * DOLLAR)
    assert parts(account) == (0, 60, 0, 60)
    # 60 of 120 credits for $10.00 were unspent: $5.00.
    assert dollars(account) == {"stripe_clearing": 5.0, "deferred_revenue": -5.0}
    check(account)


def test_a_bonus_that_was_used_is_owed_and_what_was_bought_makes_it_good() -> None:
    """20 bonus credits spent, 100 bought ones left. Half of the money back: 50 of those, and 10 for the bonus."""
    account = bought(bonus_credits=20, spent=20)
    account.card_refund(5 * DOLLAR)
    assert parts(account, "pack:t1:1") == (40, 10, 0, 50)
    assert parts(account, "pack:t1:2") == (0, 20, 0, 0)
    assert (account.wallet.posted, account.wallet.debt) == (40, 0)
    assert account.posted("revoke") == [("pack:t1:1", 50), (None, 10)]
    check(account)


# What is owed.


def test_other_grants_make_good_what_is_owed_in_burn_order() -> None:
    account = bought(60)
    account.grant("plan", 15, "plan")
    account.grant("gift", 10, "promotion", expires_at=account.now + HOUR)
    account.grant("frozen", 40, "promotion")
    account.freeze("frozen")
    account.card_refund(10 * DOLLAR)
    assert account.remaining == {"pack:t1:1": 0, "plan": 0, "gift": 0, "frozen": 40}
    assert (account.wallet.debt, account.wallet.posted) == (60 - 25, 40 - 35)
    assert [(fill.grant_id, fill.credits) for fill in account.fill_rows] == [("gift", 10), ("plan", 15)]
    assert account.of_grant("gift").used == 10
    check(account)


def test_the_next_grant_pays_the_rest() -> None:
    account = bought(60)
    account.card_refund(10 * DOLLAR)
    account.grant("next", 100)
    assert (account.remaining["next"], account.wallet.debt) == (40, 0)
    check(account)


def test_what_open_holds_reserved_may_be_taken_and_they_settle_all_the_same() -> None:
    account = Account()
    account.buy()
    account.authorize("r1", 20)
    account.card_refund(10 * DOLLAR)
    assert account.wallet.balance == (0, 20, -20)
    answer = account.settle("r1", small())
    assert (answer.charge.flags, account.wallet.debt) == (("overdrawn",), 20)
    check(account)


def test_a_refund_of_a_bill_pays_for_the_clawback_first() -> None:
    account = bought(60)
    account.charge("r1", large(0), large(1), quality=10, n=2)
    account.card_refund(10 * DOLLAR)
    assert account.wallet.debt == 100
    account.refund("r1", credits=25)
    assert (account.wallet.debt, account.remaining) == (75, {"pack:t1:1": 0})
    check(account)


# A refund that failed after all.


@pytest.mark.parametrize("spent", [0, 60, 100])
@pytest.mark.parametrize("cents", [1, 11, 400, 500, 1000])
def test_a_refund_that_failed_gives_back_just_what_it_took(spent: int, cents: int) -> None:
    account = bought(spent)
    posted, grants, money = account.wallet.posted, parts(account), account.money()
    account.card_refund(cents * CENT)
    owed = account.wallet.debt
    assert not account.card_refund(cents * CENT, status="failed").replayed
    assert (account.wallet.posted, account.wallet.debt, account.wallet.frozen) == (posted, 0, 0)
    assert account.money() == money
    assert account.of_grant("pack:t1:1").clawed == 0
    if owed:  # what had been used is owed no more: the new credits pay for it
        restored = account.of_grant("pack:t1:2")
        assert (restored.kind, restored.granted, restored.used, restored.expires_at) == ("adjustment", owed, owed, None)
        assert (restored.paid_micros, restored.origin_grant_id, restored.priority) == (None, "pack:t1:1", 30)
    assert parts(account) == grants
    topup, row = account.topup(), account.card_refund_row()
    assert (topup.status, topup.returned_micros, topup.returned_deferred_micros) == ("paid", 0, 0)
    assert (row.status, row.changed_at) == ("failed", account.now)
    check(account)


def test_what_was_made_good_by_others_comes_back_as_a_grant_of_its_own() -> None:
    account = bought(60, bonus_credits=10)
    account.grant("other", 100)
    account.card_refund(10 * DOLLAR)
    assert (account.remaining["other"], account.wallet.debt) == (40, 0)
    account.card_refund(10 * DOLLAR, status="failed")
    assert account.wallet.balance == (150, 0, 150)
    assert account.remaining == {"pack:t1:1": 50, "pack:t1:2": 0, "other": 40, "pack:t1:3": 50, "pack:t1:4": 10}
    assert account.posted("restore") == [("pack:t1:3", 50), ("pack:t1:4", 10), ("pack:t1:1", 50)]
    check(account)


def test_restored_credits_pay_what_is_owed_first() -> None:
    account = bought()
    account.card_refund(5 * DOLLAR, "re_1")
    account.spend(50)
    account.card_refund(2 * DOLLAR, "re_2")
    assert (account.wallet.debt, account.wallet.posted) == (20, -20)
    account.card_refund(5 * DOLLAR, "re_1", "failed")
    assert (account.wallet.debt, account.remaining) == (0, {"pack:t1:1": 30})
    check(account)


def test_restored_credits_of_a_grant_that_expired_meanwhile_expire_at_once() -> None:
    """Nobody can spend them, not even within the same batch."""
    account = Account()
    account.buy(pack_of(expires_in_days=1))
    account.card_refund(10 * DOLLAR)
    account.wait(DAY)
    answer = account.card_refund(10 * DOLLAR, status="failed")
    assert answer.topup.status == "paid"
    assert parts(account) == (0, 0, 100, 0)
    assert account.wallet.balance == (0, 0, 0)
    check(account)


def test_restored_credits_that_have_expired_pay_nothing() -> None:
    account = Account(credit_limit=20)
    account.buy(pack_of(expires_in_days=1))
    account.card_refund(10 * DOLLAR)
    account.spend(20)
    account.wait(DAY)
    account.card_refund(10 * DOLLAR, status="failed")
    assert (parts(account), account.wallet.debt) == ((0, 0, 100, 0), 20)
    check(account)


def test_a_refund_of_used_credits_that_failed_leaves_revoked_what_another_was_paid_for() -> None:
    """$4.00 of forty unspent credits were deferred. $6.00 of sixty used ones came back: the forty stay revoked."""
    account = bought(60)
    account.card_refund(4 * DOLLAR, "re_1")
    account.card_refund(6 * DOLLAR, "re_2")
    account.card_refund(6 * DOLLAR, "re_2", "failed")
    assert parts(account) == (0, 60, 0, 40)
    assert (account.of_grant("pack:t1:2").granted, account.wallet.debt, account.wallet.posted) == (60, 0, 0)
    assert dollars(account) == {"stripe_clearing": 6.0, "deferred_revenue": -6.0}
    check(account)


def test_of_used_and_unspent_credits_those_come_back_that_nothing_else_was_paid_for() -> None:
    """$5.00 took 40 unspent and 10 used credits, another $5.00 took 50 used ones. The first came back."""
    account = bought(60)
    account.card_refund(5 * DOLLAR, "re_1")
    account.card_refund(5 * DOLLAR, "re_2")
    account.card_refund(5 * DOLLAR, "re_1", "failed")
    assert (account.of_grant("pack:t1:2").granted, account.of_grant("pack:t1:1").revoked) == (10, 0)
    assert (account.wallet.posted, account.wallet.debt, account.of_grant("pack:t1:1").clawed) == (-10, 10, 50)
    check(account)


def test_a_revoked_credit_that_deferred_money_was_returned_for_stays_revoked() -> None:
    """10 credits for $100.00, one taken for a dollar, nine expired; $90.00 more took the other $9.00 of that credit's
    basis. The dollar came back, but the credit would expire, and $100.00 be recognised beside the $9.00."""
    account = Account()
    account.buy(pack_of(10, 100 * DOLLAR, expires_in_days=1))
    account.card_refund(DOLLAR, "re_1")
    account.wait(DAY)
    account.card_refund(90 * DOLLAR, "re_2")
    assert account.card_refund_row("re_2").deferred_micros == 9 * DOLLAR
    account.card_refund(DOLLAR, "re_1", "failed")
    assert (parts(account), list(account.wallet.grants)) == ((0, 0, 9, 1), ["pack:t1:1"])
    check(account)


def test_money_a_micro_above_whole_credits_keeps_one_more_revoked() -> None:
    """10 credits for ten cents. 10,001 micros take two unspent credits and 9,999 none; 25,000 three used ones. When the
    9,999 came back, two stay revoked for the 10,001, and one used credit is no longer owed."""
    account = bought(credits=10, price_micros=10 * CENT)
    account.card_refund(CENT + 1, "re_1")
    account.spend(8)
    account.card_refund(CENT - 1, "re_2")
    account.card_refund(25_000, "re_3")
    assert (parts(account), account.wallet.debt) == ((0, 8, 0, 2), 3)
    account.card_refund(CENT - 1, "re_2", "failed")
    assert (parts(account), account.wallet.debt, account.of_grant("pack:t1:2").granted) == ((0, 8, 0, 2), 2, 1)
    check(account)


def test_a_hold_from_before_the_expiry_still_draws_on_restored_credits() -> None:
    account = Account()
    account.buy(pack_of(expires_in_days=1))
    account.wait(DAY - HOUR)
    account.authorize("r1", 20, hold_seconds=86_400)
    account.card_refund(10 * DOLLAR)
    account.wait(2 * HOUR)
    account.card_refund(10 * DOLLAR, status="failed")
    assert parts(account) == (20, 0, 80, 0)
    account.settle("r1", small())
    assert (parts(account), account.wallet.debt) == ((0, 20, 80, 0), 0)
    check(account)


def test_what_stays_clawed_back_is_what_the_other_refunds_come_to() -> None:
    """10 credits for $100.00. A dollar takes one credit, a second dollar none. The first came back: the second keeps it,
    or else the ten credits could be used up and a dollar more be recognised than there is."""
    account = bought(credits=10, price_micros=100 * DOLLAR)
    account.card_refund(DOLLAR, "re_1")
    account.card_refund(DOLLAR, "re_2")
    assert parts(account) == (9, 0, 0, 1)
    account.card_refund(DOLLAR, "re_1", "failed")
    assert parts(account) == (9, 0, 0, 1)
    assert account.topup().returned_deferred_micros == DOLLAR
    account.card_refund(DOLLAR, "re_2", "failed")
    assert parts(account) == (10, 0, 0, 0)
    check(account)


def test_a_refund_after_one_that_failed_takes_no_more_than_its_share() -> None:
    """20 credits for 40 cents. Cents take 1, 0, 1; the second failed, and a fourth takes none: ⌈1.5⌉ are taken."""
    account = bought(credits=20, price_micros=40 * CENT)
    for k in (1, 2, 3):
        account.card_refund(CENT, f"re_{k}")
    account.card_refund(CENT, "re_2", "failed")
    account.card_refund(CENT, "re_4")
    assert (account.wallet.posted, account.wallet.debt) == (18, 0)
    check(account)


def test_credits_that_came_back_to_a_grant_are_taken_as_unspent() -> None:
    """10 credits for $100.00, all used; $45.00 back: five owed. Five come back by a refund, another $5.00 takes none
    of them: so none of its money was deferred, and the five can be recognised when they are used."""
    account = Account()
    account.buy(pack_of(10, 100 * DOLLAR))
    account.charge("r1", small())
    account.card_refund(45 * DOLLAR, "re_1")
    account.refund("r1")
    assert (parts(account), account.wallet.debt) == ((5, 5, 0, 0), 0)
    account.card_refund(5 * DOLLAR, "re_2")
    assert account.card_refund_row("re_2").deferred_micros == 0
    assert parts(account) == (5, 5, 0, 0)
    check(account)


def test_of_a_refund_that_failed_nothing_more_can_come() -> None:
    account = bought()
    account.card_refund(DOLLAR)
    account.card_refund(DOLLAR, status="failed")
    before = account.journal[:]
    for status in ("succeeded", "failed", "succeeded"):
        assert account.card_refund(DOLLAR, status=status).replayed
    assert account.journal == before


def test_a_refund_that_had_failed_before_it_was_heard_of_moves_money_twice_and_no_credits() -> None:
    """Stripe has a balance transaction for each way."""
    account = bought(60)
    money, wallet = account.money(), [row for row in account.journal if row.book == "wallet"]
    account.card_refund(5 * DOLLAR, status="failed")
    assert (account.money(), [row for row in account.journal if row.book == "wallet"]) == (money, wallet)
    there, back = (
        sum(amount for kind in kinds for _, amount in account.posted(kind))
        for kinds in (
            ("card_refund", "card_refund_deferred"),
            ("card_refund_failed", "card_refund_deferred_failed"),
        )
    )
    assert there == back == 5 * DOLLAR
    assert account.card_refund_row().deferred_micros == 0
    assert account.posted("card_refund_deferred") == []
    assert account.card_refund(5 * DOLLAR, status="succeeded").replayed
    assert account.topup().status == "paid"
    check(account)


def test_a_failed_refund_is_told_after_its_successor_has_taken_all() -> None:
    """What failed takes nothing of what is left, so it is no problem that nothing is left."""
    account = bought()
    account.card_refund(10 * DOLLAR, "re_2")
    assert account.card_refund(10 * DOLLAR, "re_1", "failed").problem is None
    assert account.card_refund_row("re_1").status == "failed"
    check(account)


# What cannot be.


def report(**changes: Any) -> ReportCardRefund:
    asked = {"topup_id": "t1", "card_refund_id": "re_1", "amount_micros": DOLLAR, "currency": "USD"}
    return ReportCardRefund(ME, status="succeeded", **(asked | changes))


@pytest.mark.parametrize(
    ("wrong", "problem"),
    [
        ({"currency": "EUR"}, "refund re_1 is in EUR, the payment was in USD"),
        (
            {"amount_micros": 10 * DOLLAR + 1},
            "refund re_1 is of 10000001 micros USD, but only 10000000 are left of the payment",
        ),
    ],
)
def test_a_refund_that_cannot_be_is_a_problem_to_look_at(wrong: dict[str, Any], problem: str) -> None:
    account = bought()
    journal, wallet = account.journal[:], account.wallet.balance
    answer: Any = account.do(report(**wrong))
    assert (answer.replayed, answer.problem, answer.topup.problem) == (True, problem, problem)
    assert (account.journal, account.wallet.balance, account.topup().status) == (journal, wallet, "paid")
    once = account.topup()
    account.wait()
    account.do(report(**wrong))
    assert account.topup() == once
    check(account)


def test_all_refunds_come_to_no_more_than_was_paid_whatever_is_disputed() -> None:
    account = bought()
    account.card_refund(4 * DOLLAR)
    account.dispute(3 * DOLLAR)
    assert account.card_refund(6 * DOLLAR + 1, "re_2").problem is not None
    assert account.topup().problem is not None
    assert account.card_refund(6 * DOLLAR, "re_2").problem is None
    assert account.topup().problem is None  # what stopped it is booked: nobody has to look any more
    check(account)


def test_refunds_wait_for_their_payment() -> None:
    account = Account()
    before = state(account.load())
    with pytest.raises(TopupNotFound):
        account.card_refund(DOLLAR)
    account.order()
    for command in (report(), reported(ME, "t1", "dp_1", DOLLAR, "open")):
        with pytest.raises(TopupNotPaid) as refused:
            account.do(command)
        assert refused.value.topup_id == "t1"
    assert (account.journal, before["posted"], account.topup().status) == ([], 0, "pending")
    account.pay()
    account.do(report())
    assert account.wallet.posted == 90


# Whatever the numbers.

amounts = st.integers(1, 10_000)


@given(
    st.integers(1, 300),
    st.integers(0, 50),
    st.integers(1, 60),
    st.lists(amounts, min_size=1, max_size=8),
    st.integers(0, 100),
    st.booleans(),
)
def test_partial_refunds_come_to_what_one_refund_of_their_sum_comes_to(
    credits: int, bonus: int, cents: int, micros: list[int], spent: int, expired: bool
) -> None:
    paid = cents * CENT
    assume(sum(micros) <= paid)
    spent = min(spent, credits + bonus)
    pack: dict[str, Any] = {"credits": credits, "price_micros": paid, "bonus_credits": bonus}
    once, often = bought(spent, expired, **pack), bought(spent, expired, **pack)
    once.card_refund(sum(micros))
    for k, part in enumerate(micros):
        often.card_refund(part, f"re_{k}")
        check(often)
    check(once)
    assert often.remaining == once.remaining
    assert (often.wallet.posted, often.wallet.debt) == (once.wallet.posted, once.wallet.debt)
    total = {kind: sum(amount for _, amount in often.posted(kind)) for kind in ("card_refund", "card_refund_deferred")}
    assert sum(total.values()) == sum(micros)
    assert often.topup().returned_micros == once.topup().returned_micros == sum(micros)
    for account in (once, often):
        for grant_id, granted in (("pack:t1:1", credits), ("pack:t1:2", bonus)):
            if granted:
                grant = account.of_grant(grant_id)
                share = -(-granted * sum(micros) // paid)
                assert min(share, grant.granted - grant.expired) <= grant.clawed + grant.expired
                assert grant.clawed <= share
