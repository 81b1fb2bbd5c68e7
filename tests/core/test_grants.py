"""Grants: which is burnt first, what is kept of one that lapsed, who pays debts, and that no credit is ever lost."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from billing.core.commands import IssueGrant, Settle, Void
from billing.core.decide import decide
from billing.core.grants import EarlyHolds, Grant, kept, take
from billing.core.noted import Noted
from billing.core.refusals import IdReused, InsufficientCredits, Invalid
from billing.core.wallet import Wallet

from .examples import BOOKS, DAY, HOLD, HOUR, ME, T0, Account, failed, grant_of, large, small, state
from .invariants import check

TICK = timedelta(microseconds=1)


# Burn order.


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ({"priority": 10}, {"priority": 11}),
        ({"priority": 0, "expires_at": None, "seq": 9}, {"priority": 1, "expires_at": T0 + DAY, "seq": 1}),
        ({"expires_at": T0 + DAY}, {"expires_at": T0 + DAY + TICK}),
        ({"expires_at": T0 + 99 * DAY, "seq": 9}, {"expires_at": None, "seq": 1}),
        ({"seq": 1}, {"seq": 2}),
        ({"expires_at": T0 + DAY, "seq": 2}, {"expires_at": T0 + DAY, "seq": 10}),
    ],
)
def test_priority_then_earliest_expiry_then_oldest(first: dict[str, Any], second: dict[str, Any]) -> None:
    one, other = grant_of("b", 5, **first), grant_of("a", 5, **second)
    for grants in ([one, other], [other, one]):
        wallet = Wallet(ME, grants=Noted({grant.grant_id: grant for grant in grants}))
        assert wallet.burn_order == [one, other]
        assert take(wallet.burn_order, 7, T0, None) == [(one, 5), (other, 2)]


grants_to_burn = st.lists(
    st.tuples(st.integers(0, 2), st.sampled_from([None, 1, 2, 3, 9]), st.integers(0, 5), st.booleans()),
    max_size=8,
).map(
    lambda rows: [
        grant_of(
            f"g{seq}",
            remaining,
            priority=priority,
            expires_at=None if hours is None else T0 + hours * HOUR,
            frozen=frozen,
            seq=seq,
        )
        for seq, (priority, hours, remaining, frozen) in enumerate(rows, 1)
    ]
)


@given(grants_to_burn, st.integers(0, 40), st.randoms(use_true_random=False))
def test_what_is_drawn_does_not_depend_on_the_order_grants_come_in(
    grants: list[Grant], credits: int, random: Any
) -> None:
    shuffled = list(grants)
    random.shuffle(shuffled)
    now = T0 + 2 * HOUR
    drawn = take(Wallet(ME, grants=Noted({g.grant_id: g for g in shuffled})).burn_order, credits, now, None)
    spendable = [g for g in grants if not g.frozen and (g.expires_at is None or g.expires_at > now)]
    assert sum(part for _, part in drawn) == min(credits, sum(g.remaining for g in spendable))
    # One credit at a time from the best grant that still has one.
    left = {g.grant_id: g.remaining for g in spendable}
    expected: dict[str, int] = {}
    for _ in range(credits):
        rest = [g for g in spendable if left[g.grant_id]]
        if rest:
            end = datetime.max.replace(tzinfo=T0.tzinfo)
            best = min(rest, key=lambda g: (g.priority, g.expires_at or end, g.seq))
            left[best.grant_id] -= 1
            expected[best.grant_id] = expected.get(best.grant_id, 0) + 1
    assert [(g.grant_id, part) for g, part in drawn] == list(expected.items())


def test_kinds_burn_in_the_order_of_their_priorities() -> None:
    account = Account()
    for kind in ("purchase", "adjustment", "plan", "promotion"):
        account.grant(kind, 3, kind)
    account.charge("r1", small())
    assert account.posted("settle") == [("promotion", 3), ("plan", 3), ("adjustment", 3), ("purchase", 1)]
    check(account)


def test_frozen_grants_are_skipped() -> None:
    account = Account()
    account.grant("g1", 10, "promotion")
    account.grant("g2", 10)
    account.freeze("g1")
    assert account.wallet.balance == (20, 0, 10)
    account.charge("r1", large(), quality=5)
    assert account.posted("settle") == [("g2", 10)]
    with pytest.raises(InsufficientCredits):
        account.authorize("r2", 1)
    check(account)


# Expiry.


def test_a_grant_is_spendable_up_to_its_last_moment_and_no_longer() -> None:
    account = Account()
    account.grant("g1", 20, expires_at=T0 + HOUR)
    account.wait(HOUR - TICK)
    assert account.charge("r1", small()).balance == (10, 0, 10)
    account.wait(TICK)
    with pytest.raises(InsufficientCredits) as refused:
        account.charge("r2", small())
    assert refused.value.available == 0
    assert (account.of_grant("g1").expired, account.remaining) == (10, {"g1": 0})
    check(account)


def test_expiry_says_when_it_was_due_and_when_it_was_posted() -> None:
    account = Account()
    account.grant("g1", 5, expires_at=T0 + 2 * HOUR)
    account.grant("g2", 6, expires_at=T0 + HOUR)
    account.grant("g3", 7)
    account.wait(DAY)
    account.lapse()
    rows = [row for row in account.journal if row.kind == "expire"]
    assert [(row.grant_id, row.amount, row.effective_at) for row in rows] == [
        ("g2", 6, T0 + HOUR),
        ("g1", 5, T0 + 2 * HOUR),
    ]
    assert {row.posted_at for row in rows} == {T0 + DAY}
    assert account.wallet.due_at is None
    check(account)


@pytest.mark.parametrize(
    ("lapsed", "fresh", "holds", "kept_back"),
    [
        ((10, 50), None, [], 0),
        ((10, 50), None, [4], 4),
        ((10, 50), None, [4, 3], 7),
        ((10, 50), None, [6, 4], 10),
        ((10, 50), (10, 60), [4], 4),  # it is burnt first, so the hold would draw on it
        ((10, 50), (10, 40), [4], 0),  # the hold would draw on the other
        ((10, 50), (10, 40), [4, 9], 3),
        ((10, 50), (3, 40), [4], 1),
        ((10, 50), (3, 40), [4, 20], 10),
    ],
)
def test_expiry_keeps_back_what_open_holds_would_draw(
    lapsed: tuple[int, int], fresh: tuple[int, int] | None, holds: list[int], kept_back: int
) -> None:
    account = Account(credit_limit=100)
    account.grant("old", lapsed[0], priority=lapsed[1], expires_at=T0 + HOUR)
    if fresh:
        account.grant("new", fresh[0], priority=fresh[1])
    for place, n in enumerate(holds):
        account.authorize(f"r{place}", 1 if n <= 10 else 5, n if n <= 10 else n // 5, hold_seconds=86_400)
        account.wait()
    account.now = T0 + HOUR
    account.lapse()
    assert account.remaining["old"] == kept_back
    assert account.of_grant("old").expired == lapsed[0] - kept_back
    check(account)


def a_kept_grant(kept_back: int = 10) -> Account:
    """20 credits that lapsed after an hour, of which a hold from before keeps some, and 20 that stay."""
    account = Account()
    account.grant("old", 20, "promotion", expires_at=T0 + HOUR)
    account.grant("new", 20)
    account.authorize("r1", 1, kept_back, hold_seconds=7200)
    account.wait(HOUR)
    account.lapse()
    assert account.remaining == {"old": kept_back, "new": 20}
    return account


def test_what_is_kept_is_for_the_holds_alone() -> None:
    account = a_kept_grant()
    assert account.wallet.balance == (30, 10, 20)
    account.charge("r2", small(), quality=5)
    account.authorize("r3", 5)
    account.settle("r3", small())
    assert account.remaining == {"old": 10, "new": 10}
    answer = account.settle("r1", *map(small, range(10)))
    assert (account.remaining, answer.charge.flags) == ({"old": 0, "new": 10}, ())
    assert account.of_grant("old").used == 10
    check(account)


@pytest.mark.parametrize(
    ("end", "used"),
    [
        (lambda account: account.settle("r1", *map(small, range(10))), 10),
        (lambda account: account.settle("r1", small(0), small(1), small(2)), 3),
        (lambda account: account.settle("r1", failed()), 0),
        (lambda account: account.void("r1"), 0),
        (lambda account: account.wait(HOUR), 0),
    ],
)
def test_what_the_holds_leave_expires_when_they_end(end: Any, used: int) -> None:
    account = a_kept_grant()
    end(account)
    ended = account.now
    account.wait()
    account.lapse()
    old = account.of_grant("old")
    assert (old.remaining, old.used, old.expired) == (0, used, 20 - used)
    assert account.remaining["new"] == 20
    last = [row for row in account.journal if row.kind == "expire"][-1]
    assert last.effective_at == (T0 + HOUR if used == 10 else ended)
    assert account.wallet.due_at is None
    check(account)


@pytest.mark.parametrize("end", [Settle(ME, "r1", (small(0),)), Void(ME, "r1")])
def test_the_answer_that_ends_a_hold_knows_what_has_expired_with_it(end: Any) -> None:
    answer: Any = a_kept_grant().do(end)
    assert answer.balance == (20, 0, 20)


def test_a_bill_above_its_hold_draws_on_what_is_kept_for_it_first() -> None:
    account = a_kept_grant()
    account.settle("r1", *map(large, range(10)))
    assert account.remaining == {"old": 0, "new": 10}
    check(account)


def test_a_hold_from_the_very_instant_of_expiry_is_too_late() -> None:
    account = Account(credit_limit=10)
    account.grant("g1", 10, expires_at=T0 + HOUR)
    account.wait(HOUR - TICK)
    account.authorize("r1", 1, 4)
    account.wait(TICK)
    account.authorize("r2", 1, 4)
    assert account.remaining == {"g1": 4}
    account.settle("r2", *map(small, range(4)))
    assert account.remaining == {"g1": 4}
    assert account.wallet.debt == 4
    account.settle("r1", *map(small, range(4)))
    assert account.wallet.debt == 4
    check(account)


def test_a_hold_that_ends_at_the_very_instant_of_expiry_keeps_nothing() -> None:
    account = Account()
    account.grant("g1", 10, expires_at=T0 + HOLD)
    account.authorize("r1", 5)
    account.wait(HOLD)
    account.lapse()
    assert account.posted("expire") == [("g1", 10)]
    assert (account.remaining, account.wallet.balance) == ({"g1": 0}, (0, 0, 0))
    check(account)


def test_a_late_settle_does_not_revive_a_grant() -> None:
    account = Account()
    account.grant("g1", 10, expires_at=T0 + HOUR)
    account.authorize("r1", 10)
    account.wait(HOUR)
    answer = account.settle("r1", small())
    assert answer.charge.flags == ("late", "overdrawn")
    assert (account.of_grant("g1").expired, account.wallet.debt) == (10, 10)
    check(account)


def test_a_late_settle_does_not_take_what_is_kept_for_others() -> None:
    account = a_kept_grant()
    account.authorize("r2", 20, hold_seconds=30)
    account.wait(timedelta(seconds=30))
    answer = account.settle("r2", large())
    assert answer.charge.flags == ("late", "overdrawn")
    assert (account.remaining, account.wallet.debt) == ({"old": 10, "new": 0}, 20)
    assert account.settle("r1", *map(small, range(10))).charge.flags == ("overdrawn",)
    assert account.remaining["old"] == 0
    check(account)


def test_several_grants_lapse_one_after_another_each_keeping_for_its_own_holds() -> None:
    account = Account()
    account.grant("g1", 10, "promotion", expires_at=T0 + 2 * HOUR)
    account.grant("g2", 10, "promotion", expires_at=T0 + 4 * HOUR)
    account.authorize("r1", 5, hold_seconds=86_400)
    account.wait(3 * HOUR)
    account.authorize("r2", 1, 3, hold_seconds=86_400)
    assert account.remaining == {"g1": 5, "g2": 10}
    account.wait(3 * HOUR)
    account.lapse()
    assert account.remaining == {"g1": 5, "g2": 3}
    account.void("r1")  # nobody else may draw on the first
    assert account.remaining == {"g1": 0, "g2": 3}
    account.settle("r2", *map(small, range(3)))
    assert account.remaining == {"g1": 0, "g2": 0}
    assert (account.of_grant("g1").expired, account.of_grant("g2").expired) == (10, 7)
    check(account)


def test_grants_that_join_are_drawn_on_before_what_was_kept() -> None:
    account = a_kept_grant()
    account.grant("gift", 6, "promotion", priority=0)
    assert account.remaining == {"old": 4, "new": 20, "gift": 6}
    assert account.wallet.balance == (30, 10, 20)
    account.settle("r1", *map(small, range(10)))
    assert account.remaining == {"old": 0, "new": 20, "gift": 0}
    check(account)


def test_a_frozen_grant_waits_for_the_verdict() -> None:
    account = Account()
    account.grant("g1", 10, expires_at=T0 + HOUR)
    account.freeze("g1")
    account.wait(DAY)
    account.lapse()
    assert (account.remaining, account.of_grant("g1").expired) == ({"g1": 10}, 0)
    assert account.wallet.balance == (10, 0, 0)
    assert account.wallet.due_at is None
    check(account)


def test_what_is_due_next_is_known_after_a_lapse() -> None:
    account = Account()
    account.grant("g1", 10, expires_at=T0 + HOUR)
    account.grant("g2", 10, expires_at=T0 + DAY)
    account.grant("g3", 10)
    account.authorize("r1", 1, hold_seconds=30)
    assert account.wallet.due_at == T0 + timedelta(seconds=30)
    account.authorize("r0", 1, hold_seconds=60)
    account.authorize("r2", 1, hold_seconds=7200)
    assert account.wallet.due_at == T0 + timedelta(seconds=30)
    account.wait(timedelta(seconds=30))
    account.lapse()
    assert account.wallet.due_at == T0 + timedelta(seconds=60)
    account.wait(timedelta(seconds=30))
    account.lapse()
    assert account.wallet.due_at == T0 + HOUR
    account.now = T0 + HOUR
    account.lapse()
    assert account.wallet.due_at == T0 + HOUR  # one credit is kept: whoever comes next must look again
    account.void("r2")
    account.lapse()
    assert account.wallet.due_at == T0 + DAY
    account.authorize("r3", 1, hold_seconds=60)
    assert account.wallet.due_at == account.now + timedelta(seconds=60)


def naively_kept(grants: Sequence[Grant], holds: list[tuple[datetime, int]], at: datetime) -> dict[str, int]:
    """Each hold by itself, oldest first, one credit at a time."""
    drawn = {grant.grant_id: 0 for grant in grants}
    for authorized_at, credits in sorted(holds):
        for _ in range(credits):
            for grant in grants:
                alive = grant.expires_at is None or grant.expires_at > at
                mine = grant.expires_at is not None and authorized_at < grant.expires_at
                if not grant.frozen and (alive or mine) and drawn[grant.grant_id] < grant.remaining:
                    drawn[grant.grant_id] += 1
                    break
    return {
        grant.grant_id: drawn[grant.grant_id]
        for grant in grants
        if not grant.frozen and grant.expires_at is not None and grant.expires_at <= at
    }


@given(
    grants_to_burn,
    st.lists(st.tuples(st.integers(0, 8), st.integers(1, 6), st.booleans()), max_size=8),
)
def test_holds_summed_between_expiries_keep_what_each_would_keep_by_itself(
    grants: list[Grant], holds: list[tuple[int, int, bool]]
) -> None:
    at = T0 + 3 * HOUR
    order = sorted(grants, key=lambda grant: grant.burn_key)
    expiries = [grant.expires_at for grant in grants if grant.expires_at and grant.lapsed_at(at)]
    opened = [(T0 + half * HOUR / 2, credits, ends) for half, credits, ends in holds]
    early = EarlyHolds(expiries, [(moment, credits) for moment, credits, _ in opened])

    def expected(still_open: list[tuple[datetime, int]]) -> dict[str, int]:
        # Holds from after every expiry draw on no lapsed grant, and oldest come first: they change nothing.
        return naively_kept(order, still_open, at)

    def found() -> dict[str, int]:
        return {grant.grant_id: credits for grant, credits in kept(order, early, at)}

    assert found() == expected([(moment, credits) for moment, credits, _ in opened])
    for moment, credits, ends in opened:
        if ends:
            early.end(moment, credits)
    assert found() == expected([(moment, credits) for moment, credits, ends in opened if not ends])


# Debt.


def test_a_new_grant_pays_the_oldest_debt_first() -> None:
    account = Account(credit_limit=100)
    account.charge("r1", small(), quality=5)
    account.charge("r2", small(), quality=10)
    first, second = sorted(account.debts)
    assert account.grant("g0", 1).grant.remaining == 0
    answer = account.grant("g1", 6)
    assert (answer.grant.remaining, answer.grant.used, answer.grant.open) == (0, 6, False)
    assert [debt.outstanding for _, debt in sorted(account.debts.items())] == [0, 8]
    assert account.fills == {(first, "g0"): 1, (first, "g1"): 4, (second, "g1"): 2}
    assert account.wallet.debt == 8
    account.grant("g2", 10)
    assert account.fills[second, "g2"] == 8
    assert (account.remaining, account.wallet.debt) == ({"g0": 0, "g1": 0, "g2": 2}, 0)
    assert account.posted("settle") == [(None, 5), (None, 10)]  # a fill is no transfer
    check(account)


def test_a_debt_remembers_what_was_drawn_and_by_whom() -> None:
    account = Account(credit_limit=100)
    account.grant("g1", 4)
    account.charge("r1", small())
    (debt,) = account.debts.values()
    assert (debt.account_id, debt.seq, debt.request_id, debt.credits, debt.outstanding) == (ME, 3, "r1", 6, 6)
    assert [(draw.grant_id, draw.credits, draw.seq) for draw in account.wallet.draws["r1"]] == [
        ("g1", 4, 2),
        (None, 6, 3),
    ]
    check(account)


# Issuing.


def test_a_grant_that_was_paid_for_puts_money_into_the_books() -> None:
    account = Account()
    account.grant("g1", 10, paid_micros=9_990_000, currency="USD", funding="stripe_clearing", reference="pi_1")
    account.grant("g2", 10, paid_micros=5, currency="EUR")
    account.grant("g3", 10, paid_micros=0, currency="EUR")
    money = [row for row in account.journal if row.book == "money"]
    assert [
        (row.seq, row.kind, row.debit, row.credit, row.asset, row.amount, row.grant_id, row.external_id)
        for row in money
    ] == [
        (1, "purchase_stripe_clearing", "stripe_clearing", "deferred_revenue", "USD", 9_990_000, "g1", "pi_1"),
        (2, "purchase_bank", "bank", "deferred_revenue", "EUR", 5, "g2", None),
    ]
    assert account.posted("grant") == [("g1", 10), ("g2", 10), ("g3", 10)]
    check(account)


def test_a_grant_as_it_is_issued() -> None:
    account = Account()
    account.grant("g0", 1)
    expires_at = T0 + DAY
    grant = account.grant("g1", 10, "plan", expires_at=expires_at, paid_micros=7, currency="USD", reference="x").grant
    assert grant == grant_of(
        "g1", 10, kind="plan", priority=20, expires_at=expires_at, paid_micros=7, currency="USD", reference="x", seq=2
    )
    assert account.wallet.due_at == expires_at


CONTENT: dict[str, Any] = {
    "kind": "plan", "credits": 10, "expires_at": T0 + HOUR, "priority": 7, "paid_micros": 5, "currency": "USD",
    "funding": "bank", "reference": "invoice 7",
}  # fmt: skip


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("kind", "purchase"), ("credits", 11), ("expires_at", T0 + DAY), ("expires_at", None), ("priority", 8),
        ("paid_micros", 6), ("currency", "EUR"), ("funding", "stripe_clearing"), ("reference", None),
    ],
)  # fmt: skip
def test_the_same_grant_id_with_other_content_is_refused(name: str, value: Any) -> None:
    account = Account()
    account.do(IssueGrant(ME, "g1", **CONTENT))
    account.wait(2 * HOUR)  # known ids come before anything that depends on time
    account.lapse()
    before = state(account.load())
    again = account.grant("g1", **CONTENT)
    assert (again.replayed, again.grant.expired) == (True, 10)
    with pytest.raises(IdReused) as refused:
        account.do(IssueGrant(ME, "g1", **{**CONTENT, name: value}))
    said = {"paid_micros": "amount_paid.micros", "currency": "amount_paid.currency"}
    assert (refused.value.id, refused.value.differs) == ("g1", [said.get(name, name)])
    assert state(account.load()) == before


@pytest.mark.parametrize("expires_at", [T0, T0 - DAY])
def test_a_grant_cannot_have_expired_before_it_is_given(expires_at: datetime) -> None:
    account = Account()
    with pytest.raises(Invalid, match="expires_at: has passed"):
        account.grant("g1", 10, expires_at=expires_at)
    assert account.remaining == {}
    account.grant("g1", 10, expires_at=T0 + TICK)


def test_an_answer_is_not_changed_by_what_comes_after_it() -> None:
    wallet = Account().load()
    answer: Any = decide(wallet, IssueGrant(ME, "g1", "plan", 10), BOOKS, T0)
    wallet.grants["g1"] = wallet.grants["g1"].use(10)
    assert answer.grant.remaining == 10


# Where a grant's credits are.


def test_every_credit_is_in_one_place() -> None:
    grant = grant_of("g1", 10, paid_micros=100)
    grant = grant.use(6)
    assert (grant.remaining, grant.used, grant.open) == (4, 6, True)
    grant = grant.give_back(2)
    assert (grant.remaining, grant.used, grant.open) == (6, 4, True)
    grant = grant.expire(6)
    assert (grant.remaining, grant.expired, grant.open) == (0, 6, False)
    assert grant.recognised_micros == 100
    grant = grant.move_out(3)
    assert (grant.used, grant.moved, grant.recognised_micros) == (1, 3, 70)
    assert grant.give_back(1).open


@pytest.mark.parametrize(
    ("granted", "paid", "used", "expired", "recognised"),
    [
        (3, 100, 0, 0, 0),
        (3, 100, 1, 0, 33),
        (3, 100, 2, 0, 66),
        (3, 100, 2, 1, 100),
        (3, 100, 0, 3, 100),
        (3, 2, 1, 0, 0),
        (3, 2, 1, 1, 1),
        (3, None, 3, 0, 0),
        (7, 2**63 - 1, 6, 0, 7_905_747_460_161_236_406),
    ],
)
def test_what_is_recognised_is_rounded_down_and_arrives_at_what_was_paid(
    granted: int, paid: int | None, used: int, expired: int, recognised: int
) -> None:
    grant = grant_of("g1", granted, paid_micros=paid).use(used).expire(expired)
    assert grant.recognised_micros == recognised


@pytest.mark.parametrize(
    ("expires_at", "frozen", "now", "lapsed"),
    [
        (None, False, T0, False),
        (T0, False, T0 - TICK, False),
        (T0, False, T0, True),
        (T0, True, T0 + DAY, False),
    ],
)
def test_lapsing(expires_at: datetime | None, frozen: bool, now: datetime, lapsed: bool) -> None:
    assert grant_of("g1", 1, expires_at=expires_at, frozen=frozen).lapsed_at(now) is lapsed


@pytest.mark.parametrize(
    ("changes", "status"),
    [
        ({}, "open"),
        ({"expires_at": T0 + HOUR}, "open"),
        ({"expires_at": T0}, "lapsed"),
        ({"expires_at": T0, "frozen": True}, "frozen"),
        ({"remaining": 0, "used": 10, "open": False}, "spent"),
        ({"remaining": 0, "used": 4, "expired": 6, "open": False}, "expired"),
        ({"remaining": 0, "revoked": 10, "clawed": 10, "open": False}, "revoked"),
        ({"remaining": 0, "expired": 6, "revoked": 4, "clawed": 4, "open": False}, "revoked"),
        ({"remaining": 6, "revoked": 4, "clawed": 4}, "open"),
    ],
)
def test_what_a_grant_is_by_now(changes: dict[str, Any], status: str) -> None:
    assert grant_of("g", 10, **changes).status(T0) == status
