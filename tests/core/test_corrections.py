"""Corrections: a settled bill becomes what the images that were really delivered cost."""

from datetime import timedelta
from typing import Any

import pytest

from billing.core.charges import Delivered, Reported
from billing.core.commands import Correct
from billing.core.refusals import ChargeNotFound, ChargeNotOpen, IdReused, Invalid, NothingToCorrect

from .examples import DAY, DOLLAR, HOUR, ME, T0, Account, failed, large, small, state, unmeasured
from .invariants import check


def settled(*outputs: Reported, n: int = 1, credits: int = 100, **opening: Any) -> Account:
    account = Account(**opening)
    if credits:
        account.grant("g1", credits)
    account.charge("r1", *outputs, n=n)
    return account


def costs(account: Account, request_id: str = "r1") -> list[int]:
    return [one.credits + one.corrected_credits for one in account.wallet.outputs[request_id]]


# How the outputs are priced again. The model costs 10 credits up to 1,000 px and 20 beyond.

PRICED: list[tuple[list[Reported], int, list[Reported], list[int]]] = [
    ([large()], 1, [small()], [10]),
    ([small()], 1, [large()], [20]),
    ([unmeasured()], 1, [large()], [20]),
    ([small()], 1, [failed()], [0]),
    ([failed()], 1, [large()], [20]),
    ([failed()], 1, [unmeasured()], [10]),
    ([small(0), large(1)], 2, [failed(0)], [0, 20]),
    ([small(0), large(1), small(2)], 3, [failed(1), large(2)], [10, 0, 20]),
    ([small(0), failed(1)], 2, [large(1)], [10, 20]),
    # More successes than were asked for: the first n by index are billed, and so is the next where one was none.
    ([small(0), large(1)], 1, [failed(0)], [0, 20]),
    ([failed(0), large(1)], 1, [small(0)], [10, 0]),
]


@pytest.mark.parametrize(("outputs", "n", "found", "after"), PRICED)
def test_outputs_are_priced_again_with_what_is_known_now(
    outputs: list[Reported], n: int, found: list[Reported], after: list[int]
) -> None:
    account = settled(*outputs, n=n)
    before = costs(account)
    answer = account.correct("r1", *found)
    assert costs(account) == after
    net = sum(after) - sum(before)
    assert (answer.correction.credits, answer.charge.corrected_credits) == (net, net)
    assert answer.charge.settled_credits == sum(before)
    assert answer.balance.posted == 100 - sum(after)
    ((old, new),) = account.wallet.outputs.changed
    written = {place for place, (was, one) in enumerate(zip(old, new, strict=True)) if one is not was}
    assert written >= {place for place, costs in enumerate(zip(before, after, strict=True)) if costs[0] != costs[1]}
    check(account)


def test_the_charge_keeps_its_price_book_its_quality_and_its_cap() -> None:
    account = settled(small(), overage="cap")
    account.amend(overage="bill")
    with pytest.raises(NothingToCorrect):
        account.correct("r1", large())
    check(account)


def test_a_second_correction_begins_where_the_first_one_ended() -> None:
    account = settled(small(0), small(1), n=2)
    first = account.correct("r1", large(0), correction_id="c1").correction
    second = account.correct("r1", failed(0), large(1), correction_id="c2").correction
    third = account.correct("r1", small(0), correction_id="c3").correction
    assert [one.credits for one in (first, second, third)] == [10, -10, 10]
    assert second.outputs == (
        Delivered(0, "failed", None, None, None, 20, 0, "succeeded", "L"),
        Delivered(1, "succeeded", 1001, 1000, "L", 10, 20, "succeeded", "S"),
    )
    assert costs(account) == [10, 20]
    check(account)


# What moves.


def test_what_a_bill_rises_by_is_drawn_on_grants_in_burn_order_and_then_owed() -> None:
    account = Account(credit_limit=50)
    account.grant("g1", 13)
    account.charge("r1", small())
    account.grant("g2", 4, "promotion")
    answer = account.correct("r1", large())
    assert account.posted("supplement") == [("g2", 4), ("g1", 3), (None, 3)]
    assert (answer.correction.first_seq, answer.correction.last_seq) == (4, 6)
    assert (account.wallet.debt, answer.balance.posted) == (3, -3)
    check(account)


def test_what_a_bill_falls_by_goes_back_in_reverse_order_of_drawing() -> None:
    account = Account(credit_limit=50)
    account.grant("g1", 8)
    account.charge("r1", small())  # g1: 8, debt: 2
    account.grant("g2", 5)  # pays the debt
    account.correct("r1", large(), correction_id="up")  # g2: 3, debt: 7
    account.correct("r1", failed(), correction_id="down")
    assert account.wallet.corrections["down"].returns == (
        (None, 7, None), ("g2", 3, "g2"), ("g2", 2, "g2"), ("g1", 8, "g1"),
    )  # fmt: skip
    assert account.remaining == {"g1": 8, "g2": 5}
    check(account)


def test_of_two_debts_of_one_bill_each_is_forgiven_what_it_owes() -> None:
    account = Account(credit_limit=100)
    account.charge("r1", small())
    account.refund("r1", "f1", credits=10)
    account.correct("r1", large(), correction_id="up")
    assert account.wallet.debt == 10
    account.correct("r1", failed(), correction_id="down")
    assert (account.wallet.debt, costs(account)) == (0, [10])  # refunded already
    check(account)


def test_of_ups_and_downs_only_the_net_moves() -> None:
    account = settled(small(0), large(1), n=2)
    answer = account.correct("r1", large(0), small(1))
    assert costs(account) == [20, 10]
    assert account.posted("supplement") == [(None, 0)]
    assert (answer.correction.credits, answer.balance.posted) == (0, 70)
    check(account)


def test_what_was_refunded_is_not_given_twice() -> None:
    account = settled(large(0), large(1), n=2)
    account.refund("r1", "f1", outputs=(0,))
    account.refund("r1", "f2", credits=5)
    answer = account.correct("r1", failed(0), failed(1))
    assert (costs(account), answer.correction.credits) == ([20, 5], -15)
    assert [one.refundable for one in answer.outputs] == [0, 0]
    with pytest.raises(NothingToCorrect):
        account.correct("r1", small(1)._replace(status="failed"), correction_id="c2")
    check(account)


def test_what_was_corrected_can_be_refunded_and_no_more() -> None:
    account = settled(small(0), small(1), n=2)
    account.correct("r1", large(0), failed(1))
    account.wait(DAY)
    answer = account.refund("r1")
    assert answer.refund.outputs[0][:2] == (0, 20)
    assert answer.balance.posted == 100
    # It counts where the image was counted last.
    assert [(row.size_tier, row.credits) for row in account.wallet.effects.tally.rows(ME)] == [("L", -20)]
    check(account)


def test_credits_of_a_grant_that_has_ended_get_a_successor() -> None:
    account = Account()
    account.grant("g1", 20, expires_at=T0 + HOUR, paid_micros=2 * DOLLAR, currency="USD")
    account.charge("r1", large())
    account.wait(DAY)
    account.correct("r1", small())
    grant = account.of_grant("correction:c1:1")
    assert (grant.granted, grant.paid_micros, grant.origin_grant_id) == (10, DOLLAR, "g1")
    assert account.wallet.corrections["c1"].returns == (("g1", 10, "correction:c1:1"),)
    check(account)


def test_a_correction_tells_of_a_low_balance() -> None:
    account = settled(small(), credits=25)
    account.amend(low_balance=(10,))
    account.correct("r1", large())
    assert account.told() == ["balance.low"]


def test_a_hold_that_needed_less_of_a_lapsed_grant_leaves_it_to_expire() -> None:
    account = Account()
    account.grant("g1", 30, expires_at=T0 + HOUR)
    account.charge("r1", small())
    account.authorize("r2", 1, 8, hold_seconds=86_400)
    account.wait(HOUR)
    account.lapse()
    account.correct("r1", failed())
    assert account.remaining == {"g1": 0, "correction:c1:1": 10}
    check(account)


def test_usage_moves_the_image_to_where_it_belongs() -> None:
    account = settled(small(0), small(1), n=2)
    account.wait(DAY)
    account.correct("r1", large(0), failed(1))
    rows = account.wallet.effects.tally.rows(ME)
    assert {row.size_tier: (row.requests, row.images, row.failed_images, row.credits) for row in rows} == {
        "S": (0, -2, 0, -20),
        "L": (0, 1, 0, 20),
        "": (0, 0, 1, 0),
    }


# What is refused, and what is the same again.


def test_the_same_correction_again_answers_the_same() -> None:
    account = settled(small())
    first = account.correct("r1", large())
    account.wait()
    wallet = account.load()
    before = state(wallet)
    for actor in ("finance", "somebody else"):
        again = account.do(Correct(ME, "c1", "r1", (large(),), "reconciled", actor))
        assert again.replayed
        assert again[1:] == first[1:]
    assert state(account.load()) == before
    for other, differs in (
        (Correct(ME, "c1", "r1", (small(),), "reconciled", "finance"), "outputs"),
        (Correct(ME, "c1", "r1", (large(),), "another", "finance"), "reason"),
        (Correct(ME, "c1", "r2", (large(),), "reconciled", "finance"), "request_id"),
    ):
        with pytest.raises(IdReused) as refused:
            account.do(other)
        assert refused.value.differs == [differs]


def test_refusals_in_their_order_change_nothing() -> None:
    account = settled(small())
    account.authorize("open", 10)
    account.authorize("voided", 10)
    account.void("voided")
    for request_id, found, refusal in (
        ("unknown", large(), ChargeNotFound),
        ("open", large(), ChargeNotOpen),
        ("voided", large(), ChargeNotOpen),
        ("r1", large(7), Invalid),
        ("r1", small(), NothingToCorrect),
        ("r1", Reported(0, "succeeded", 900, 900, "measured"), NothingToCorrect),
    ):
        before = state(account.load())
        with pytest.raises(refusal):
            account.correct(request_id, found)
        assert state(account.load()) == before
    account.wait(timedelta(days=2))
    with pytest.raises(ChargeNotOpen):
        account.correct("open", large())


def test_credits_that_would_not_fit_are_refused() -> None:
    account = settled(small(), credits=10)
    account.grant("g2", 2**63 - 1)
    with pytest.raises(Invalid):
        account.correct("r1", failed())
    check(account)


def test_a_bill_of_nothing_is_corrected_too() -> None:
    account = settled(failed())
    account.correct("r1", large())
    assert (account.posted("supplement"), costs(account)) == ([("g1", 20)], [20])
    account.correct("r1", failed(), correction_id="c2")
    assert account.remaining == {"g1": 100}
    check(account)
