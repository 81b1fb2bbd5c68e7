"""Refunds: how much of which output, back to whom, and what it is worth in the books."""

from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from billing.core.charges import Reported
from billing.core.commands import IssueGrant, Refund
from billing.core.decide import decide
from billing.core.grants import Draw
from billing.core.refunds import outstanding_draws
from billing.core.refusals import ChargeNotFound, ChargeNotOpen, IdReused, Invalid, RefundExceedsBill, Refusal

from .examples import DAY, DOLLAR, HOUR, ME, T0, Account, failed, grant_of, large, pack_of, small, state
from .invariants import check

THREE = (small(0), failed(1), large(2), small(3))  # 10, 0, 20 and 10 credits


def billed(*outputs: Reported) -> Account:
    account = Account()
    account.grant("g1", 100)
    account.charge("r1", *(outputs or THREE), n=4)
    return account


def destinations(account: Account, refund_id: str = "f1") -> list[tuple[str | None, int, str | None]]:
    return list(account.returns(refund_id).returns)


# What of which output.

PARTS: list[tuple[dict[str, Any], int, list[tuple[int, int]]]] = [
    ({}, 40, [(3, 10), (2, 20), (0, 10)]),
    ({"credits": 40}, 40, [(3, 10), (2, 20), (0, 10)]),
    ({"credits": 1}, 1, [(3, 1)]),
    ({"credits": 10}, 10, [(3, 10)]),
    ({"credits": 11}, 11, [(3, 10), (2, 1)]),
    ({"credits": 31}, 31, [(3, 10), (2, 20), (0, 1)]),
    ({"outputs": (0,)}, 10, [(0, 10)]),
    ({"outputs": (2, 0)}, 30, [(0, 10), (2, 20)]),
    ({"outputs": (1, 2)}, 20, [(2, 20)]),
    ({"outputs": (0, 1, 2, 3)}, 40, [(0, 10), (2, 20), (3, 10)]),
]


@pytest.mark.parametrize(("what", "credits", "parts"), PARTS)
def test_a_refund_returns_just_what_was_asked(what: dict[str, Any], credits: int, parts: list[tuple[int, int]]) -> None:
    account = billed()
    answer = account.refund("r1", **what)
    assert (answer.refund.credits, [part[:2] for part in answer.refund.outputs]) == (credits, parts)
    assert {one.index: one.refunded_credits for one in answer.outputs if one.refunded_credits} == dict(parts)
    assert (answer.charge.status, answer.charge.settled_credits, answer.charge.refunded_credits) == (
        "settled", 40, credits
    )  # fmt: skip
    assert answer.balance == (60 + credits, 0, 60 + credits)
    ((before, after),) = account.wallet.outputs.changed
    assert {one.index for was, one in zip(before, after, strict=True) if one is not was} == {i for i, _ in parts}
    check(account)


REFUNDABLE: list[tuple[list[dict[str, Any]], dict[str, Any], int]] = [
    ([], {"credits": 41}, 40),
    ([], {"outputs": (1,)}, 0),
    ([{}], {}, 0),
    ([{}], {"credits": 1}, 0),
    ([{}], {"outputs": (0, 1, 2, 3)}, 0),
    ([{"credits": 15}], {"credits": 26}, 25),
    ([{"outputs": (2,)}], {"credits": 21}, 20),
    ([{"outputs": (2,)}], {"outputs": (2,)}, 0),
    ([{"credits": 10}], {"outputs": (3, 1)}, 0),
]


@pytest.mark.parametrize(("earlier", "what", "refundable"), REFUNDABLE)
def test_never_more_is_refunded_than_was_billed(
    earlier: list[dict[str, Any]], what: dict[str, Any], refundable: int
) -> None:
    account = billed()
    for place, before in enumerate(earlier):
        account.refund("r1", f"e{place}", **before)
    unchanged = state(account.load())
    with pytest.raises(RefundExceedsBill) as refused:
        account.refund("r1", **what)
    assert refused.value.refundable == refundable
    assert state(account.load()) == unchanged


def test_refunds_by_credits_and_by_outputs_know_of_each_other() -> None:
    account = billed()
    account.refund("r1", "f1", credits=15)  # all of 3 and 5 of 2
    assert account.refund("r1", "f2", outputs=(2, 3)).refund.outputs[0][:2] == (2, 15)
    assert account.refund("r1", "f3", credits=4).refund.outputs[0][:2] == (0, 4)
    assert account.refund("r1", "f4").refund.outputs[0][:2] == (0, 6)
    assert account.remaining == {"g1": 100}
    check(account)


# Refusals in their order, and repeated calls.


@pytest.mark.parametrize(
    ("command", "refusal"),
    [
        (Refund(ME, "r9", "f1", "x", credits=1000), ChargeNotFound),
        (Refund(ME, "r1", "known", "y", credits=1000), IdReused),
        (Refund(ME, "open", "known", "x", credits=1), IdReused),
        (Refund(ME, "open", "f1", "x", outputs=(9,)), ChargeNotOpen),
        (Refund(ME, "voided", "f1", "x", credits=1000), ChargeNotOpen),
        (Refund(ME, "expired", "f1", "x"), ChargeNotOpen),
        (Refund(ME, "r1", "f1", "x", outputs=(0, 4)), Invalid),
        (Refund(ME, "r1", "f1", "x", credits=1000), RefundExceedsBill),
        (Refund(ME, "free", "f1", "x"), RefundExceedsBill),
        (Refund(ME, "free", "f1", "x", outputs=(0,)), RefundExceedsBill),
    ],
)
def test_refunds_are_refused_in_the_contracts_order(command: Refund, refusal: type[Refusal]) -> None:
    account = billed()
    account.charge("free", failed())
    account.authorize("expired", 1, hold_seconds=30)
    account.authorize("voided", 1)
    account.void("voided")
    account.wait(timedelta(seconds=30))
    account.authorize("open", 1)
    account.refund("r1", "known", credits=1)
    before = state(account.load())
    with pytest.raises(Refusal) as refused:
        account.do(command)
    assert type(refused.value) is refusal
    assert state(account.load()) == before


def test_the_same_refund_again_is_answered_and_paid_once() -> None:
    account = billed()
    account.refund("r1", "f1", outputs=(2, 3))
    account.refund("r1", "f2")
    before = state(account.load())
    answer = account.refund("r1", "f1", outputs=(3, 2))
    assert (answer.replayed, answer.refund.credits, answer.charge.refunded_credits) == (True, 30, 40)
    assert answer.balance == (100, 0, 100)
    assert account.refund("r1", "f2").replayed
    assert state(account.load()) == before


@pytest.mark.parametrize(
    ("other", "differs"),
    [({}, ["credits"]), ({"credits": 31}, ["credits"]), ({"outputs": (2, 3)}, ["credits", "outputs"])],
)
def test_the_same_refund_id_with_other_content_is_refused(other: dict[str, Any], differs: list[str]) -> None:
    account = billed()
    account.refund("r1", "f1", credits=30)
    with pytest.raises(IdReused) as refused:
        account.refund("r1", "f1", **other)
    assert (refused.value.id, refused.value.differs) == ("f1", differs)
    with pytest.raises(IdReused) as refused:
        account.do(Refund(ME, "r2", "f1", "another reason", credits=30))
    assert refused.value.differs == ["request_id", "reason"]


def test_an_answer_is_not_changed_by_a_refund_that_comes_after_it() -> None:
    account = billed()
    settled = account.settle("r1", *THREE)
    wallet = account.load()
    first: Any = decide(wallet, Refund(ME, "r1", "f1", "x", credits=1), account.books, T0)
    second: Any = decide(wallet, Refund(ME, "r1", "f2", "x", credits=2), account.books, T0)
    assert [sum(one.refunded_credits for one in answer.outputs) for answer in (settled, first, second)] == [0, 1, 3]


# Back to whom.


def three_grants(**more: Any) -> Account:
    """A bill of 30 that drew 5 on g1, 8 on g2, 7 on g3 and 10 as debt."""
    account = Account(credit_limit=100, **more)
    account.grant("g1", 5, "promotion", expires_at=T0 + DAY)
    account.grant("g2", 8, "plan")
    account.grant("g3", 7)
    account.charge("r1", small(0), small(1), small(2), n=3)
    assert account.posted("settle") == [("g1", 5), ("g2", 8), ("g3", 7), (None, 10)]
    return account


@pytest.mark.parametrize(
    ("credits", "returns"),
    [
        (1, [(None, 1, None)]),
        (10, [(None, 10, None)]),
        (11, [(None, 10, None), ("g3", 1, "g3")]),
        (17, [(None, 10, None), ("g3", 7, "g3")]),
        (20, [(None, 10, None), ("g3", 7, "g3"), ("g2", 3, "g2")]),
        (30, [(None, 10, None), ("g3", 7, "g3"), ("g2", 8, "g2"), ("g1", 5, "g1")]),
    ],
)
def test_debt_is_forgiven_first_and_then_grants_get_back_in_reverse_order(credits: int, returns: Any) -> None:
    account = three_grants()
    account.refund("r1", credits=credits)
    assert destinations(account) == returns
    assert account.posted("refund") == [(to, part) for _, part, to in returns]
    assert account.wallet.debt == max(10 - credits, 0)
    check(account)


def test_one_refund_after_another_goes_on_where_the_last_one_ended() -> None:
    account = three_grants()
    seen = []
    for place in range(10):
        account.refund("r1", f"f{place}", credits=3)
        seen += [source for source, part, _ in destinations(account, f"f{place}") for _ in range(part)]
        check(account)
    assert seen == [None] * 10 + ["g3"] * 7 + ["g2"] * 8 + ["g1"] * 5


def test_what_a_grant_paid_of_a_debt_goes_back_to_that_grant() -> None:
    account = three_grants()
    account.refund("r1", "f1", credits=4)  # forgives 4 of 10
    account.grant("g4", 50)  # pays the other 6
    account.refund("r1", "f2", credits=8)
    assert destinations(account, "f2") == [("g4", 6, "g4"), ("g3", 2, "g3")]
    check(account)


def test_a_refund_pays_what_other_bills_owe_before_it_reaches_a_grant() -> None:
    account = Account(credit_limit=100)
    account.grant("g1", 10)
    account.charge("r1", small())
    account.charge("r2", small(), quality=5)
    account.charge("r3", small(), quality=1)
    account.refund("r1", "f1", credits=9)
    second, third = sorted(account.debts)
    assert destinations(account, "f1") == [("g1", 6, None), ("g1", 3, "g1")]
    assert account.fills == {(second, "g1"): 5, (third, "g1"): 1}
    assert (account.wallet.debt, account.of_grant("g1").used, account.remaining) == (0, 7, {"g1": 3})
    # The grant's credits pay for the other bills now: refunding those returns them to it.
    account.refund("r2", "f2")
    assert destinations(account, "f2") == [("g1", 5, "g1")]
    assert account.remaining == {"g1": 8}
    check(account)


def test_part_of_what_a_refund_brings_may_all_go_to_debt() -> None:
    account = Account(credit_limit=100)
    account.grant("g1", 10)
    account.charge("r1", small())
    account.charge("r2", small(), quality=20)
    account.refund("r1", "f1", credits=4)
    assert destinations(account) == [("g1", 4, None)]
    assert (account.wallet.debt, account.of_grant("g1").used) == (16, 10)
    check(account)


def test_a_frozen_grant_gets_back_what_it_gave_and_stays_frozen() -> None:
    account = Account()
    account.grant("g1", 20, expires_at=T0 + HOUR)
    account.charge("r1", small())
    account.freeze("g1")
    account.wait(DAY)  # its expiry waits for the verdict
    answer = account.refund("r1")
    assert destinations(account) == [("g1", 10, "g1")]
    assert (account.wallet.frozen, answer.balance) == (20, (20, 0, 0))
    check(account)


def test_what_a_refund_brings_back_expires_with_its_grant() -> None:
    account = Account()
    account.grant("g1", 10, expires_at=T0 + DAY)
    account.grant("g2", 5, expires_at=T0 + HOUR, priority=60)
    account.charge("r1", small())
    account.wait(HOUR)
    account.lapse()
    assert account.wallet.due_at is None  # nothing is left of either
    account.refund("r1")
    assert account.wallet.due_at == T0 + DAY
    account.wait(DAY)
    account.lapse()
    assert account.of_grant("g1").expired == 10
    check(account)


def test_refunds_of_one_batch_add_up_in_what_they_paid_of_a_debt() -> None:
    account = Account(credit_limit=100)
    account.grant("g1", 10)
    account.charge("r1", small())
    account.charge("r2", small(), quality=20)
    wallet = account.load()
    for refund_id in ("f1", "f2"):
        decide(wallet, Refund(ME, "r1", refund_id, "x", credits=3), account.books, T0)
    account.keep(wallet)
    (debt,) = account.debts
    assert account.fills == {(debt, "g1"): 6}
    check(account)


# Grants that have ended.


def test_a_grant_that_expired_gets_a_successor_worth_what_is_reversed() -> None:
    account = Account()
    account.grant("g1", 30, "promotion", expires_at=T0 + HOUR, paid_micros=100, currency="USD", reference="pi")
    account.charge("r1", small(0), small(1), n=2)
    account.wait(HOUR)
    answer = account.refund("r1", "f1", credits=7)
    assert destinations(account) == [("g1", 7, "refund:f1:1")]
    old, new = account.of_grant("g1"), account.of_grant("refund:f1:1")
    assert (old.remaining, old.used, old.expired, old.moved) == (0, 13, 10, 7)
    # ⌊100·7/30⌋ of the 100 micros moves on; 77 stay recognised on the old grant.
    assert old.recognised_micros == 77
    assert new == grant_of(
        "refund:f1:1", 7, kind="adjustment", priority=30, expires_at=T0 + HOUR + 30 * DAY, paid_micros=23,
        currency="USD", funding=None, origin_grant_id="g1", seq=answer.refund.first_seq, created_at=account.now,
    )  # fmt: skip
    assert account.posted("refund") == [("refund:f1:1", 7)]
    assert account.wallet.due_at == T0 + HOUR + 30 * DAY
    assert account.charge("r2", small(), quality=5).balance == (2, 0, 2)
    check(account)


def test_a_successor_of_credits_that_were_never_paid_for_has_no_basis() -> None:
    account = Account()
    account.grant("g1", 10, expires_at=T0 + HOUR)
    account.charge("r1", small())
    account.wait(HOUR)
    account.refund("r1")
    new = account.of_grant("refund:f1:1")
    assert (new.paid_micros, new.currency, new.granted) == (None, None, 10)


def test_a_successor_of_a_revoked_grant_is_worth_nothing() -> None:
    account = Account()
    account.buy(pack_of(30, 3 * DOLLAR))
    account.charge("r1", small(0), small(1), n=2)
    account.grant("g1", 20)
    account.dispute(3 * DOLLAR, "lost")  # the other grant makes good what was used
    account.refund("r1", credits=5)
    assert destinations(account) == [("pack:t1:1", 5, "refund:f1:1")]
    new = account.of_grant("refund:f1:1")
    assert (new.paid_micros, new.currency, new.remaining) == (0, "USD", 5)
    check(account)


def test_one_refund_may_have_several_successors_and_each_refund_numbers_its_own() -> None:
    account = Account()
    for place in (1, 2, 3):
        account.grant(f"g{place}", 10, expires_at=T0 + place * HOUR)
    account.charge("r1", *(small(index) for index in range(3)), n=3)
    account.wait(2 * HOUR)
    account.refund("r1", "f1:1", credits=15)  # its name begins like one of the other refund's grants
    assert destinations(account, "f1:1") == [("g3", 10, "g3"), ("g2", 5, "refund:f1:1:1")]
    account.refund("r1", "f1", credits=13)
    assert destinations(account, "f1") == [("g2", 5, "refund:f1:1"), ("g1", 8, "refund:f1:2")]
    account.refund("r1", "f2")
    assert destinations(account, "f2") == [("g1", 2, "refund:f2:1")]
    check(account)


def test_an_ended_grant_pays_other_debts_without_a_successor() -> None:
    account = Account(credit_limit=100)
    account.grant("g1", 10, expires_at=T0 + HOUR)
    account.charge("r1", small())
    account.wait(HOUR)
    account.charge("r2", small(), quality=5)
    account.refund("r1", credits=8)
    assert destinations(account) == [("g1", 5, None), ("g1", 3, "refund:f1:1")]
    assert (account.of_grant("g1").used, account.of_grant("g1").moved) == (7, 3)
    check(account)


def test_a_successor_is_drawn_on_before_what_was_kept_for_an_open_hold() -> None:
    account = Account()
    account.grant("g1", 20, expires_at=T0 + HOUR)
    account.charge("r1", small())
    account.authorize("r2", 1, 8, hold_seconds=86_400)
    account.wait(HOUR)
    account.lapse()
    assert account.remaining == {"g1": 8}
    answer = account.refund("r1", credits=5)
    assert account.remaining == {"g1": 3, "refund:f1:1": 5}
    assert answer.balance == (8, 8, 0)
    check(account)


# Draws.


@pytest.mark.parametrize(
    ("drawn", "fills", "owed", "returned", "left"),
    [
        ([], {}, {}, [], []),
        ([("a", 5, 1)], {}, {}, [], [("a", 5, 1)]),
        ([("a", 5, 1), ("b", 5, 2)], {}, {}, [("b", 5, "b")], [("a", 5, 1)]),
        ([("a", 5, 1), ("b", 5, 2)], {}, {}, [("b", 5, "b"), ("a", 2, None)], [("a", 3, 1)]),
        ([(None, 5, 1)], {}, {1: 5}, [], [(None, 5, 1)]),
        ([(None, 5, 1)], {1: [("a", 5)]}, {}, [], [("a", 5, 1)]),
        ([(None, 5, 1)], {1: [("a", 2), ("b", 1)]}, {1: 2}, [], [("a", 2, 1), ("b", 1, 1), (None, 2, 1)]),
        ([(None, 5, 1)], {1: [("a", 2)]}, {1: 0}, [(None, 3, None)], [("a", 2, 1)]),
        ([(None, 5, 1)], {1: [("a", 2)], 9: [("b", 7)]}, {1: 2}, [(None, 1, None)], [("a", 2, 1), (None, 2, 1)]),
        ([("a", 5, 1), (None, 5, 2)], {2: [("a", 5)]}, {}, [("a", 3, "a"), ("a", 3, "a")], [("a", 4, 1)]),
        ([("a", 5, 1)], {}, {}, [("a", 5, "a")], []),
        # Of two debts the one was forgiven before there was the other.
        ([(None, 5, 1), (None, 5, 2)], {}, {1: 0, 2: 5}, [(None, 5, None)], [(None, 5, 2)]),
    ],
)
def test_what_a_bill_still_draws_on(drawn: Any, fills: Any, owed: Any, returned: Any, left: Any) -> None:
    draws = [Draw(*draw) for draw in drawn]
    assert outstanding_draws(draws, fills, owed, returned) == [Draw(*draw) for draw in left]


# Micros.


@given(
    st.integers(1, 50),
    st.integers(0, 2**63 - 1) | st.integers(0, 100),
    st.integers(0, 50),
    st.lists(st.integers(1, 20), max_size=8),
)
def test_refunds_of_an_ended_grant_lose_no_micro(granted: int, paid: int, used: int, moves: list[int]) -> None:
    grant = grant_of("g1", granted, paid_micros=paid).use(min(used, granted))
    recognised = grant.recognised_micros
    grant = grant.expire(grant.remaining)
    assert recognised <= grant.recognised_micros == paid
    moved = 0
    for credits in moves:
        before, grant = grant, grant.move_out(min(credits, grant.used))
        part = before.recognised_micros - grant.recognised_micros
        assert part >= 0
        moved += part
        assert grant.recognised_micros + moved == paid


@given(
    st.integers(1, 60),
    st.integers(0, 1_000) | st.integers(0, 2**63 - 1),
    st.lists(st.tuples(st.integers(1, 20), st.integers(0, 20), st.booleans()), min_size=1, max_size=6),
)
def test_micros_telescope_over_successors_of_successors(
    credits: int, paid: int, rounds: list[tuple[int, int, bool]]
) -> None:
    """Each round spends, lets everything expire and refunds: Σ recognised is always what was paid."""
    account = Account()
    account.grant("g1", credits, expires_at=T0 + DAY, paid_micros=paid, currency="USD")
    for place, (spend, refund, twice) in enumerate(rounds):
        spend = min(spend, account.wallet.available, 10)
        if spend == 0:
            break
        account.charge(f"r{place}", *map(small, range(spend)), quality=1, n=spend)
        account.wait(31 * DAY)
        account.lapse()
        assert sum(grant.recognised_micros for grant in account.wallet.grants.values()) == paid
        for again in range(1 + twice):
            if part := min(refund, account.of_charge(f"r{place}").settled_credits // (1 + twice)):
                account.refund(f"r{place}", f"f{place}-{again}", credits=part)
        grants = account.wallet.grants.values()
        waiting = sum(grant.paid_micros or 0 for grant in grants if grant.open)
        assert sum(grant.recognised_micros for grant in grants) + waiting == paid
    account.wait(31 * DAY)
    account.lapse()
    assert sum(grant.recognised_micros for grant in account.wallet.grants.values()) == paid
    check(account)


def test_no_micro_is_lost_where_a_kept_credit_is_used_after_a_refund() -> None:
    account = Account()
    account.grant("g1", 2, expires_at=T0 + HOUR, paid_micros=1, currency="USD")
    account.charge("r1", small(), quality=1)
    account.authorize("r2", 1, hold_seconds=86_400)
    account.wait(HOUR)
    account.refund("r1")
    account.settle("r2", small())
    account.wait(31 * DAY)
    account.lapse()
    assert [grant.open for grant in account.wallet.grants.values()] == [False, False]
    assert sum(grant.recognised_micros for grant in account.wallet.grants.values()) == 1


def test_no_micro_is_invented_where_refunds_and_uses_of_what_was_kept_alternate() -> None:
    account = Account()
    account.grant("g1", 4, expires_at=T0 + HOUR, paid_micros=10, currency="USD")
    account.charge("r1", small(), small(1), quality=1, n=2)
    account.authorize("r2", 1, hold_seconds=86_400)
    account.authorize("r3", 1, hold_seconds=86_400)
    account.wait(HOUR)
    account.refund("r1", "f1", credits=1)
    account.settle("r2", small())
    account.refund("r1", "f2", credits=1)
    account.settle("r3", small())
    account.wait(31 * DAY)
    account.lapse()
    assert sum(grant.recognised_micros for grant in account.wallet.grants.values()) == 10


def test_a_known_refund_id_is_told_before_the_charge_is_looked_for() -> None:
    account = Account()
    account.grant("g1", 10)
    account.charge("r1", small(), quality=1)
    account.refund("r1", "f1")
    with pytest.raises(IdReused):
        account.refund("nothing", "f1")


def test_debts_that_a_batch_paid_are_passed_over() -> None:
    account = Account(credit_limit=30)
    account.charge("r1", small(), quality=1)
    account.charge("r2", small(), quality=5)
    wallet = account.load()
    for grant_id, credits in (("g1", 1), ("g2", 5)):
        decide(wallet, IssueGrant(ME, grant_id, "purchase", credits), account.books, T0)
    account.keep(wallet)
    assert [(fill.seq, fill.grant_id, fill.credits) for fill in account.fill_rows] == [(1, "g1", 1), (2, "g2", 5)]
    assert account.wallet.balance == (0, 0, 30)
    check(account)
