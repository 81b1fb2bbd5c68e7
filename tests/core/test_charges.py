"""Charges: what each delivered image costs, and what may be done to a charge in each of its states."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from billing.core.charges import Charge, Output, Reported, bill, same_report
from billing.core.commands import Authorize, Settle, Void
from billing.core.prices import PUBLISHED, PriceBook, PriceBooks
from billing.core.refusals import (
    AccountNotFound,
    AccountSuspended,
    ChargeNotFound,
    ChargeNotOpen,
    IdReused,
    InsufficientCredits,
    PriceBookNotFound,
    PriceChanged,
    QualityNotSupported,
    Refusal,
    SizeNotAllowed,
    SizeNotPriced,
    UnknownModel,
)
from billing.core.wallet import opened_holds

from .examples import (
    BOOK,
    BOOKS,
    DAY,
    HOLD,
    HOUR,
    ME,
    PLAIN,
    T0,
    Account,
    failed,
    large,
    measured,
    small,
    state,
    unmeasured,
)

TICK = timedelta(microseconds=1)


def rich(**settings: Any) -> Account:
    account = Account(**settings)
    account.grant("g1", 10_000)
    return account


def billed(outputs: Any) -> list[tuple[Any, ...]]:
    return [(one.index, one.status, one.size_tier, one.credits, one.flags) for one in outputs]


# gpt-image-2, medium: 4, 17 and 34 credits. Asked: size and n. Then what came back, what it costs, in all.
BILLS: list[tuple[str, str, int, str, list[Reported], list[tuple[Any, ...]], int, tuple[str, ...]]] = [
    ("as quoted", "2K", 1, "bill", [measured(2048, 1152)], [(0, "succeeded", "2K", 17, ())], 17, ()),
    ("asked 4K, got 1672x941", "4K", 1, "bill", [measured(1672, 941)], [(0, "succeeded", "2K", 17, ())], 17, ()),
    ("asked 4K, got 1672x941", "4K", 1, "cap", [measured(1672, 941)], [(0, "succeeded", "2K", 17, ())], 17, ()),
    ("1280x720 is 1K", "2K", 1, "bill", [measured(1280, 720)], [(0, "succeeded", "1K", 4, ())], 4, ()),
    ("auto got 1254x1254", "auto", 1, "bill", [measured(1254, 1254)], [(0, "succeeded", "1K", 4, ())], 4, ()),
    ("larger", "1K", 1, "bill", [measured(1672, 941)], [(0, "succeeded", "2K", 17, ())], 17, ()),
    (
        "larger under cap", "1K", 1, "cap", [measured(1672, 941)],
        [(0, "succeeded", "2K", 4, ("capped",))], 4, ("capped",),
    ),
    (
        "no dimensions", "2K", 1, "bill", [unmeasured()],
        [(0, "succeeded", "2K", 17, ("unmeasured",))], 17, ("unmeasured",),
    ),
    (
        "no dimensions under cap", "2K", 1, "cap", [unmeasured()],
        [(0, "succeeded", "2K", 17, ("unmeasured",))], 17, ("unmeasured",),
    ),
    (
        "past the last tier", "1K", 1, "bill", [measured(3841, 100)],
        [(0, "succeeded", "4K", 34, ("unpriced_size",))], 34, ("unpriced_size",),
    ),
    (
        "past the last tier under cap", "1K", 1, "cap", [measured(3841, 100)],
        [(0, "succeeded", "4K", 4, ("capped", "unpriced_size"))], 4, ("capped", "unpriced_size"),
    ),
    (
        "past the last tier, quoted there", "4K", 1, "cap", [measured(3841, 100)],
        [(0, "succeeded", "4K", 34, ("unpriced_size",))], 34, ("unpriced_size",),
    ),
    ("failed", "2K", 1, "bill", [failed()], [(0, "failed", None, 0, ())], 0, ()),
    (
        "failed, though measured", "2K", 1, "bill", [Reported(0, "failed", 2048, 2048, None)],
        [(0, "failed", None, 0, ())], 0, (),
    ),
    ("nothing came back", "2K", 1, "bill", [], [(0, "failed", None, 0, ())], 0, ()),
    (
        "nothing came back of three", "2K", 3, "bill", [],
        [(0, "failed", None, 0, ()), (1, "failed", None, 0, ()), (2, "failed", None, 0, ())], 0, (),
    ),
    (
        "what is missing has failed", "1K", 3, "bill", [measured(1024, 1024, 1)],
        [(0, "failed", None, 0, ()), (1, "succeeded", "1K", 4, ()), (2, "failed", None, 0, ())], 4, (),
    ),
    (
        "images of one response differ", "1K", 3, "bill",
        [measured(1536, 1024, 0), measured(1537, 1024, 1), measured(2049, 1024, 2)],
        [(0, "succeeded", "1K", 4, ()), (1, "succeeded", "2K", 17, ()), (2, "succeeded", "4K", 34, ())], 55, (),
    ),
    (
        "cap holds for each image by itself", "2K", 2, "cap", [measured(1024, 1024, 0), measured(3840, 2160, 1)],
        [(0, "succeeded", "1K", 4, ()), (1, "succeeded", "4K", 17, ("capped",))], 21, ("capped",),
    ),
    (
        "in any order", "1K", 2, "bill", [measured(2048, 2048, 1), measured(1024, 1024, 0)],
        [(0, "succeeded", "1K", 4, ()), (1, "succeeded", "2K", 17, ())], 21, (),
    ),
    (
        "more than n", "1K", 1, "bill", [measured(1024, 1024, 0), measured(1024, 1024, 1)],
        [(0, "succeeded", "1K", 4, ()), (1, "succeeded", "1K", 0, ("unrequested",))], 4, ("unrequested",),
    ),
    (
        "the first n that succeeded, by index", "1K", 2, "bill",
        [measured(2048, 1024, 7), failed(0), measured(1024, 1024, 3), measured(3000, 1024, 5)],
        [
            (0, "failed", None, 0, ()), (1, "failed", None, 0, ()), (3, "succeeded", "1K", 4, ()),
            (5, "succeeded", "4K", 34, ()), (7, "succeeded", "2K", 0, ("unrequested",)),
        ], 38, ("unrequested",),
    ),
    (
        "one asked, one far away came", "1K", 1, "bill", [measured(1024, 1024, 5)],
        [(0, "failed", None, 0, ()), (5, "succeeded", "1K", 4, ())], 4, (),
    ),
    (
        "more than n and unmeasured", "1K", 1, "cap", [unmeasured(0), measured(4000, 10, 1), unmeasured(2)],
        [
            (0, "succeeded", "1K", 4, ("unmeasured",)),
            (1, "succeeded", "4K", 0, ("capped", "unpriced_size", "unrequested")),
            (2, "succeeded", "1K", 0, ("unmeasured", "unrequested")),
        ], 4, ("capped", "unmeasured", "unpriced_size", "unrequested"),
    ),
]  # fmt: skip


@pytest.mark.parametrize(("size", "n", "overage", "reported", "outputs", "credits", "flags"),
                         [row[1:] for row in BILLS], ids=[f"{row[0]}, {row[3]}" for row in BILLS])  # fmt: skip
@pytest.mark.parametrize("one_step", [False, True], ids=["two steps", "one step"])
def test_a_bill_follows_what_was_delivered(
    one_step: bool, size: str, n: int, overage: str, reported: list[Reported], outputs: Any, credits: int, flags: Any
) -> None:
    account = rich(overage=overage)
    asked = Authorize(ME, "r1", "gpt-image-2", n=n, size=size, quality="medium")
    if one_step:
        asked.outputs = tuple(reported)
        answer = account.do(asked)
    else:
        account.do(asked)
        answer = account.settle("r1", *reported)
    assert billed(answer.outputs) == outputs
    assert all(one.refunded_credits == 0 for one in answer.outputs)
    assert (answer.charge.status, answer.charge.settled_credits, answer.charge.flags) == ("settled", credits, flags)
    assert answer.balance == (10_000 - credits, 0, 10_000 - credits)


def test_what_failed_keeps_its_reason_and_what_is_missing_gets_one() -> None:
    account = rich()
    account.authorize("r1", n=3)
    outputs = account.settle("r1", failed(0, "moderation"), failed(1, None)).outputs
    assert [one.reason for one in outputs] == ["moderation", None, "not_reported"]


def test_a_charge_keeps_the_price_book_of_its_authorization() -> None:
    dearer = {**PLAIN, "prices": {quality: {"S": 90, "L": 99} for quality in PLAIN["qualities"]}}
    books = PriceBooks([BOOK, PriceBook.of(2, T0 + HOUR, {"plain": dearer})])
    account = rich(books=books)
    account.authorize("r1", 10, hold_seconds=86_400)
    account.wait(2 * HOUR)
    assert account.settle("r1", large()).charge.settled_credits == 20
    assert account.authorize("r2", 10).charge.quoted_credits == 90
    assert account.of_charge("r2").price_version == 2
    with pytest.raises(UnknownModel):
        account.do(Authorize(ME, "r3", "gpt-image-2"))


output_reports = st.lists(
    st.builds(
        Reported,
        st.integers(0, 14),
        st.sampled_from(["succeeded", "failed"]),
        st.just(None),
        st.just(None),
        st.none() | st.just("x"),
    ).flatmap(
        lambda one: st.sampled_from([one, *(one._replace(width=w, height=9) for w in (1, 1000, 1001, 2000, 2001))])
    ),
    unique_by=lambda one: one.index,
    max_size=14,
)


def charge_of(n: int, overage: str) -> Charge:
    account = rich(overage=overage)
    return account.authorize("r1", 5, n).charge


@given(st.integers(1, 10), st.sampled_from(["bill", "cap"]), output_reports, st.randoms(use_true_random=False))
def test_a_bill_depends_on_what_came_back_and_not_on_its_order(
    n: int, overage: str, reported: list[Reported], random: Any
) -> None:
    charge, prices = charge_of(n, overage), BOOK.model("plain")
    outputs = bill(charge, prices, reported)
    shuffled = list(reported)
    random.shuffle(shuffled)
    assert bill(charge, prices, shuffled) == outputs
    assert same_report(outputs, shuffled)
    assert [one.index for one in outputs] == sorted({*range(n), *(one.index for one in reported)})
    costing = [one for one in outputs if one.status == "succeeded" and "unrequested" not in one.flags]
    assert len(costing) == min(n, sum(one.status == "succeeded" for one in reported))
    assert sum(one.credits for one in outputs) == sum(one.credits for one in costing)
    assert sum(one.credits for one in outputs) <= n * (5 if overage == "cap" else 10)
    assert all(one.credits in (5, 10) for one in costing)


# States. Each row: how the charge got there, with or without force, and what settling it with one image comes to.


def _expire(account: Account, after: timedelta) -> None:
    account.wait(HOLD + after)


def _void(account: Account, after: timedelta = timedelta()) -> None:
    account.wait(after)
    account.void("r1")


def _settle(account: Account, *outputs: Reported, force: bool = False) -> None:
    account.settle("r1", *outputs, force=force)


def _void_and_force(account: Account) -> None:
    account.void("r1")
    account.settle("r1", small(), force=True)


STATES: dict[str, Callable[[Account], None]] = {
    "authorized": lambda account: None,
    "authorized, its last moment": lambda account: account.wait(HOLD - TICK),
    "expired this moment": lambda account: _expire(account, timedelta()),
    "expired, the last moment of 24 h": lambda account: _expire(account, DAY - TICK),
    "expired 24 h ago": lambda account: _expire(account, DAY),
    "expired for a year": lambda account: _expire(account, 365 * DAY),
    "voided": _void,
    "voided after it expired": lambda account: _void(account, HOLD + HOUR),
    "settled the same": lambda account: _settle(account, small()),
    "settled otherwise": lambda account: _settle(account, large()),
    "settled the same with force": lambda account: _settle(account, small(), force=True),
    "voided, then forced the same": _void_and_force,
}
SETTLING: list[tuple[str, bool, str, tuple[str, ...] | str]] = [
    ("authorized", False, "settled", ()),
    ("authorized", True, "settled", ()),
    ("authorized, its last moment", False, "settled", ()),
    ("expired this moment", False, "settled", ("late",)),
    ("expired this moment", True, "settled", ("late",)),
    ("expired, the last moment of 24 h", False, "settled", ("late",)),
    ("expired, the last moment of 24 h", True, "settled", ("late",)),
    ("expired 24 h ago", False, "refused", "expired"),
    ("expired 24 h ago", True, "settled", ("forced",)),
    ("expired for a year", False, "refused", "expired"),
    ("expired for a year", True, "settled", ("forced",)),
    ("voided", False, "refused", "voided"),
    ("voided", True, "settled", ("forced",)),
    ("voided after it expired", False, "refused", "voided"),
    ("voided after it expired", True, "settled", ("forced",)),
    ("settled the same", False, "replayed", ()),
    ("settled the same", True, "refused", "settled"),
    ("settled otherwise", False, "refused", "settled"),
    ("settled otherwise", True, "refused", "settled"),
    ("settled the same with force", False, "refused", "settled"),
    ("settled the same with force", True, "replayed", ()),
    ("voided, then forced the same", False, "refused", "settled"),
    ("voided, then forced the same", True, "replayed", ("forced",)),
]


@pytest.mark.parametrize(("how", "force", "outcome", "detail"), SETTLING)
def test_settling_a_charge_in_each_of_its_states(how: str, force: bool, outcome: str, detail: Any) -> None:
    account = rich()
    account.authorize("r1", 10)
    STATES[how](account)
    if outcome == "refused":
        with pytest.raises(ChargeNotOpen) as refused:
            account.settle("r1", small(), force=force)
        assert refused.value.charge_status == detail
        return
    posted = len(account.journal)
    answer = account.settle("r1", small(), force=force)
    assert (answer.charge.status, answer.charge.flags, answer.charge.settled_credits) == ("settled", detail, 10)
    assert answer.replayed == (outcome == "replayed")
    assert answer.balance == (9_990, 0, 9_990)
    if outcome == "replayed":
        assert len(account.journal) == posted
    else:
        assert answer.charge.forced == force
        assert (answer.charge.resolved_at, answer.charge.last_seq) == (account.now, account.wallet.wallet_seq)


VOIDING = [
    ("authorized", "voided"),
    ("authorized, its last moment", "voided"),
    ("expired this moment", "voided"),
    ("expired, the last moment of 24 h", "voided"),
    ("expired 24 h ago", "voided"),
    ("voided", "replayed"),
    ("voided after it expired", "replayed"),
    ("settled the same", "settled"),
    ("settled otherwise", "settled"),
    ("voided, then forced the same", "settled"),
]


@pytest.mark.parametrize(("how", "outcome"), VOIDING)
def test_voiding_a_charge_in_each_of_its_states(how: str, outcome: str) -> None:
    account = rich()
    account.authorize("r1", 10)
    STATES[how](account)
    if outcome == "settled":
        with pytest.raises(ChargeNotOpen) as refused:
            account.void("r1")
        assert refused.value.charge_status == "settled"
        return
    answer = account.void("r1")
    assert (answer.replayed, answer.charge.status, answer.charge.settled_credits) == (
        outcome == "replayed",
        "voided",
        0,
    )
    assert answer.balance == (10_000, 0, 10_000)
    assert answer.charge.resolved_at == account.now


def test_a_void_with_another_reason_is_another_call() -> None:
    account = rich()
    account.authorize("r1")
    account.void("r1", "cancelled by the user")
    assert account.void("r1", "cancelled by the user").replayed
    for other in ("timeout", None):
        with pytest.raises(ChargeNotOpen, match="voided"):
            account.void("r1", other)
    assert account.of_charge("r1").void_reason == "cancelled by the user"


def test_a_hold_that_is_due_has_expired_whether_or_not_a_job_ran() -> None:
    account = rich()
    charge = account.authorize("r1").charge
    assert charge.as_of(T0 + HOLD - TICK) is charge
    expired = charge.as_of(T0 + HOLD)
    assert (expired.status, expired.resolved_at) == ("expired", charge.expires_at)
    assert expired.as_of(T0 + DAY) is expired
    assert charge.as_of(T0 + DAY) == expired
    account.wait(HOLD)
    answer = account.authorize("r2", 5)  # any command finds the hold released
    assert answer.balance == (10_000, 5, 9_995)
    assert account.wallet.charges["r1"] == expired


def test_voiding_an_expired_charge_closes_late_settlement() -> None:
    account = rich()
    account.authorize("r1")
    account.wait(HOLD)
    account.void("r1")
    with pytest.raises(ChargeNotOpen, match="voided"):
        account.settle("r1", small())


@pytest.mark.parametrize("command", [Settle(ME, "r9", ()), Settle(ME, "r9", (), True), Void(ME, "r9")])
def test_what_was_never_authorized_is_not_found(command: Any) -> None:
    with pytest.raises(ChargeNotFound) as refused:
        rich().do(command)
    assert refused.value.request_id == "r9"


# Holds.


@pytest.mark.parametrize(
    ("hold", "overage", "available", "held"),
    [
        ("quote", "bill", 10, 10),
        ("quote", "cap", 10, 10),
        ("max", "bill", 20, 20),
        ("max", "cap", 10, 10),
    ],
)
def test_an_authorization_needs_and_reserves_just_this_much(hold: str, overage: str, available: int, held: int) -> None:
    poor = Account(hold=hold, overage=overage)
    poor.grant("g1", available - 1)
    with pytest.raises(InsufficientCredits) as refused:
        poor.authorize("r1", 5, 2)
    assert refused.value.facts() == {"available": available - 1, "required": held, "shortfall": 1}
    assert "r1" not in poor.wallet.charges
    poor.grant("g2", 1)
    answer = poor.authorize("r1", 5, 2)  # the same request again, after a top-up
    assert not answer.replayed
    assert (answer.charge.held_credits, answer.charge.quoted_credits) == (held, 10)
    assert answer.balance == (available, held, available - held)


def test_credit_limit_and_holds_count_and_frozen_credits_do_not() -> None:
    account = Account(credit_limit=5)
    account.grant("g1", 10)
    account.grant("g2", 7)
    account.freeze("g2")
    assert account.authorize("r1", 10).balance == (17, 10, 5)
    with pytest.raises(InsufficientCredits):
        account.authorize("r2", 1, 6)
    assert account.authorize("r2", 1, 5).balance == (17, 15, 0)


def test_the_evidence_of_an_authorization_is_kept_with_it() -> None:
    account = Account(credit_limit=5)
    account.grant("g1", 10)
    account.authorize("r1", 10, hold_seconds=60, api_key_id="key", end_user="user", metadata={"b": 1, "a": "x"})
    charge = account.authorize("r2", 5, operation="edit", mode="async", price_version=1).charge
    assert account.of_charge("r1")._asdict() | {"status": "authorized"} == {
        "account_id": ME, "request_id": "r1", "status": "authorized", "model": "plain", "operation": "generation",
        "mode": "sync", "n": 1, "size": "auto", "quality": "10", "billed_quality": "10", "quoted_tier": "S",
        "credits_per_image": 10, "quoted_credits": 10, "held_credits": 10, "settled_credits": 0,
        "refunded_credits": 0, "price_version": 1, "asked_price_version": None, "overage": "bill", "one_step": False,
        "forced": False, "flags": (), "void_reason": None, "api_key_id": "key", "end_user": "user",
        "metadata": '{"a":"x","b":1}', "hold_seconds": 60, "credit_limit": 5, "available_credits": 15,
        "authorized_seq": 1, "authorized_at": T0, "expires_at": T0 + timedelta(seconds=60), "resolved_at": None,
        "first_seq": None, "last_seq": None, "released_at": None, "corrected_credits": 0,
    }  # fmt: skip
    assert (charge.operation, charge.mode, charge.asked_price_version, charge.available_credits) == (
        "edit", "async", 1, 5
    )  # fmt: skip


def test_a_later_change_of_settings_does_not_reach_back() -> None:
    account = rich(overage="cap")
    account.authorize("r1", 10)
    account.amend(overage="bill", hold="max", status="suspended")
    assert account.settle("r1", large()).charge.settled_credits == 10


# Overdrawn.


@pytest.mark.parametrize(
    ("granted", "limit", "reported", "flags", "debt"),
    [
        (10, 0, small(), (), 0),
        (20, 0, large(), (), 0),
        (19, 0, large(), ("overdrawn",), 1),
        (10, 0, large(), ("overdrawn",), 10),
        (10, 10, large(), (), 10),
        (10, 9, large(), ("overdrawn",), 10),
        (0, 10, small(), (), 10),
        (0, 10, large(), ("overdrawn",), 20),
    ],
)
def test_a_bill_above_what_is_available_is_posted_and_flagged(
    granted: int, limit: int, reported: Reported, flags: tuple[str, ...], debt: int
) -> None:
    account = Account(credit_limit=limit)
    if granted:
        account.grant("g1", granted)
    account.authorize("r1", 10)
    answer = account.settle("r1", reported)
    bill = answer.charge.settled_credits
    assert answer.charge.flags == flags
    assert account.wallet.debt == debt
    assert answer.balance == (granted - bill, 0, granted - bill + limit)


@pytest.mark.parametrize(("other_holds", "flags"), [(5, ()), (6, ("overdrawn",))])
def test_what_others_hold_is_not_available_to_a_bill(other_holds: int, flags: tuple[str, ...]) -> None:
    account = Account()
    account.grant("g1", 25)
    account.authorize("r1", 10)
    account.authorize("r2", 1, other_holds)
    assert account.settle("r1", large()).charge.flags == flags


def test_a_late_bill_has_no_hold_to_stand_on() -> None:
    account = Account()
    account.grant("g1", 10)
    account.authorize("r1", 10)
    account.wait(HOLD)
    account.authorize("r2", 10)
    assert account.settle("r1", small()).charge.flags == ("late", "overdrawn")
    assert account.settle("r2", small()).charge.flags == ("overdrawn",)


def test_new_holds_are_refused_until_debt_is_made_good() -> None:
    account = Account()
    account.grant("g1", 10)
    account.authorize("r1", 10)
    account.settle("r1", large())
    with pytest.raises(InsufficientCredits) as refused:
        account.authorize("r2", 1)
    assert (refused.value.available, refused.value.required) == (-10, 1)
    account.grant("g2", 11)
    assert account.authorize("r2", 1).balance == (1, 1, 0)


# One step.


def test_a_charge_in_one_step_is_settled_and_holds_nothing() -> None:
    account = Account()
    account.grant("g1", 10)
    answer = account.charge("r1", small())
    assert (answer.charge.status, answer.charge.one_step, answer.charge.held_credits) == ("settled", True, 0)
    assert answer.charge.authorized_at == answer.charge.resolved_at == T0
    assert (answer.charge.first_seq, answer.charge.last_seq) == (2, 2)
    assert opened_holds(account.wallet.charges.new) == []
    assert list(account.wallet.charges.added) == ["r1"]
    assert answer.balance == (0, 0, 0)


def test_a_charge_in_one_step_needs_what_an_authorization_needs() -> None:
    account = Account(hold="max")
    account.grant("g1", 19)
    with pytest.raises(InsufficientCredits) as refused:
        account.charge("r1", failed())
    assert refused.value.required == 20
    account.amend(hold="quote")
    assert account.charge("r1", large()).charge.flags == ("overdrawn",)
    assert account.wallet.debt == 1


def test_a_bill_of_nothing_leaves_one_transfer_of_nothing() -> None:
    account = rich()
    charge = account.charge("r1", failed()).charge
    assert account.posted("settle") == [(None, 0)]
    assert (charge.first_seq, charge.last_seq, charge.flags) == (2, 2, ())
    assert account.wallet.draws["r1"] == []


def test_one_transfer_for_each_grant_drawn_on_and_one_for_debt() -> None:
    account = Account(credit_limit=100)
    account.grant("g1", 3)
    account.grant("g2", 4, "promotion")
    charge = account.charge("r1", small()).charge
    assert account.posted("settle") == [("g2", 4), ("g1", 3), (None, 3)]
    assert (charge.first_seq, charge.last_seq) == (3, 5)
    assert {transfer.request_id for transfer in account.journal[2:]} == {"r1"}


# Repeated calls and the order of refusals.

SAME: dict[str, Any] = {
    "model": "plain", "operation": "edit", "mode": "async", "n": 2, "size": "800x800", "quality": "10",
    "hold_seconds": 60, "api_key_id": "key", "end_user": "user", "metadata": {"a": 1}, "price_version": 1,
}  # fmt: skip
OTHER: list[tuple[str, Any]] = [
    ("model", "gpt-image-2"), ("operation", "generation"), ("mode", "sync"), ("n", 3), ("size", "auto"),
    ("quality", "5"), ("hold_seconds", 61), ("api_key_id", None), ("end_user", "someone"), ("metadata", {"a": 1.0}),
    ("metadata", None), ("price_version", None), ("outputs", ()), ("model", "no-such-model"), ("size", "0x0"),
]  # fmt: skip


def test_the_same_authorization_again_is_answered_with_the_charge_as_it_is_now() -> None:
    account = rich()
    asked = Authorize(ME, "r1", **SAME)
    assert not account.do(asked).replayed
    for command, status in [
        (None, "authorized"),
        (Settle(ME, "r1", (small(),)), "settled"),
    ]:
        if command:
            account.do(command)
        before = state(account.load())
        answer = account.do(Authorize(ME, "r1", **SAME))
        assert (answer.replayed, answer.charge.status) == (True, status)
        assert state(account.load()) == before
    assert billed(answer.outputs) == [(0, "succeeded", "S", 10, ()), (1, "failed", None, 0, ())]


@pytest.mark.parametrize(
    ("end", "status"), [(lambda account: account.void("r1"), "voided"), (lambda account: account.wait(DAY), "expired")]
)
def test_a_replayed_authorization_does_not_open_a_charge_again(end: Any, status: str) -> None:
    account = rich()
    account.authorize("r1")
    end(account)
    account.amend(status="suspended")  # a known id is looked up before anything that depends on state
    answer = account.authorize("r1")
    assert (answer.replayed, answer.charge.status, answer.balance.held) == (True, status, 0)


@pytest.mark.parametrize(("name", "value"), OTHER)
def test_the_same_id_with_other_content_is_refused(name: str, value: Any) -> None:
    account = rich()
    account.do(Authorize(ME, "r1", **SAME))
    account.amend(status="suspended")
    before = state(account.load())
    with pytest.raises(IdReused) as refused:
        account.do(Authorize(ME, "r1", **{**SAME, name: value}))
    assert (refused.value.id, refused.value.differs) == ("r1", [name])
    assert state(account.load()) == before


@pytest.mark.parametrize(
    ("outputs", "same"),
    [
        ((failed(1), small(0)), True),
        ((small(0), failed(1)), True),
        ((small(0),), False),
        ((small(0), failed(1, "other")), False),
        ((large(0), failed(1)), False),
        ((small(0), small(1)), False),
        ((small(0), failed(1), failed(2)), False),
        ((), False),
        (None, False),
    ],
)
def test_a_charge_in_one_step_is_repeated_with_its_outputs(outputs: Any, same: bool) -> None:
    account = rich()
    account.authorize("r1", 10, 2, outputs=(small(0), failed(1)))
    if same:
        assert account.authorize("r1", 10, 2, outputs=outputs).replayed
    else:
        with pytest.raises(IdReused) as refused:
            account.authorize("r1", 10, 2, outputs=outputs)
        assert refused.value.differs == ["outputs"]


@pytest.mark.parametrize("again", [(), (small(2),), (small(2), small(0)), (large(0),), (failed(0),)])
def test_a_settlement_with_other_outputs_is_another_call(again: tuple[Reported, ...]) -> None:
    account = rich()
    account.authorize("r1", 10, 3)
    account.settle("r1", small(0))
    with pytest.raises(ChargeNotOpen):
        account.settle("r1", *again)
    assert account.settle("r1", small(0)).replayed
    assert account.wallet.posted == 9_990


# Each row is wrong in one way fewer than the row above it: the first in the contract's order is what is said.
PRECEDENCE: list[tuple[dict[str, Any], bool, bool, type[Refusal]]] = [
    ({"model": "none", "size": "0x0", "quality": "none", "price_version": 9}, True, True, IdReused),
    ({"model": "none", "size": "0x0", "quality": "none", "price_version": 9}, False, True, AccountSuspended),
    ({"model": "none", "size": "0x0", "quality": "none", "price_version": 9}, False, False, UnknownModel),
    ({"size": "0x0", "quality": "none", "price_version": 9}, False, False, SizeNotAllowed),
    ({"size": "3000x3000", "quality": "none", "price_version": 9}, False, False, SizeNotPriced),
    ({"quality": "none", "price_version": 9}, False, False, QualityNotSupported),
    ({"price_version": 9}, False, False, PriceChanged),
    ({}, False, False, InsufficientCredits),
]


@pytest.mark.parametrize(("wrong", "known", "suspended", "refusal"), PRECEDENCE)
@pytest.mark.parametrize("outputs", [None, (small(),)], ids=["two steps", "one step"])
def test_refusals_come_in_the_contracts_order(
    outputs: Any, wrong: dict[str, Any], known: bool, suspended: bool, refusal: type[Refusal]
) -> None:
    account = Account()
    account.grant("g1", 20)
    if known:
        account.authorize("r1", 10, hold_seconds=60)
    account.charge("r0", small(), quality=10 if known else 20)
    assert account.wallet.available == 0
    if suspended:
        account.amend(status="suspended")
    before = state(account.load())
    content = {"model": "plain", "quality": "10", "outputs": outputs, **wrong}
    with pytest.raises(Refusal) as refused:
        account.do(Authorize(ME, "r1", **content))
    assert type(refused.value) is refusal
    assert state(account.load()) == before


def test_without_an_account_nothing_else_is_looked_at() -> None:
    account = Account()
    account.wallet.settings = None
    for command in (Authorize(ME, "r1", "none", size="0x0"), Settle(ME, "r1", ()), Void(ME, "r1")):
        with pytest.raises(AccountNotFound):
            account.do(command)


def test_a_suspended_account_is_refused_only_new_authorizations() -> None:
    account = rich()
    account.authorize("r1")
    account.authorize("r2")
    account.amend(status="suspended")
    assert account.settle("r1", small()).charge.status == "settled"
    assert account.void("r2").charge.status == "voided"
    assert account.refund("r1").refund.credits == 10
    assert account.grant("g2", 5).grant.remaining == 5
    with pytest.raises(AccountSuspended):
        account.authorize("r3")
    account.amend(status="active")
    assert account.authorize("r3").charge.status == "authorized"


def test_a_price_version_that_was_asked_for_is_binding() -> None:
    account = rich(books=PriceBooks([BOOK, PriceBook.of(2, T0 + HOUR, {"plain": PLAIN, **PUBLISHED})]))
    assert account.authorize("r1", price_version=1).charge.price_version == 1
    with pytest.raises(PriceChanged) as refused:
        account.authorize("r2", price_version=2)
    assert refused.value.current == 1
    account.wait(HOUR)
    assert account.authorize("r2", price_version=2).charge.price_version == 2
    with pytest.raises(PriceChanged):
        account.authorize("r3", price_version=1)
    assert account.authorize("r1", price_version=1).replayed


def test_before_the_first_price_book_nothing_can_be_charged() -> None:
    account = Account(now=T0 - 2 * DAY)
    account.grant("g1", 100)
    with pytest.raises(PriceBookNotFound):
        account.authorize("r1")


@pytest.mark.parametrize(
    "again", [(), (failed(0, "not_reported"),), (large(0),), (small(0), failed(1, "not_reported"), large(2))]
)
def test_a_report_may_use_our_word_for_what_is_missing(again: tuple[Reported, ...]) -> None:
    account = rich()
    account.authorize("r1", 10, 2)
    named = small(0)._replace(reason="not_reported")
    account.settle("r1", named)
    with pytest.raises(ChargeNotOpen):
        account.settle("r1", *again)
    assert account.settle("r1", named).replayed
    assert account.settle("r1", named, failed(1, "not_reported")).replayed  # it says the same


def test_output_rows_know_whose_they_are() -> None:
    outputs = rich().charge("r1", small(0), failed(1)).outputs
    assert outputs == [
        Output(ME, "r1", 0, "succeeded", 1000, 1000, "S", 10, 0, (), None, 0),
        Output(ME, "r1", 1, "failed", None, None, None, 0, 0, (), "timeout", 0),
    ]
    assert BOOKS.at(T0) is BOOK


def test_when_a_hold_ended_is_kept_whatever_came_afterwards() -> None:
    account = Account()
    account.grant("g1", 100)
    for request_id in ("settled", "voided-then-forced", "expired-then-late"):
        account.authorize(request_id, 10, hold_seconds=60)
    account.wait(timedelta(seconds=10))
    account.settle("settled", small())
    account.do(Void(ME, "voided-then-forced"))
    account.wait(timedelta(seconds=20))
    account.do(Settle(ME, "voided-then-forced", (small(),), force=True))
    account.wait(timedelta(seconds=60))
    account.settle("expired-then-late", small())
    account.charge("in-one-step", small())
    ended = {request_id: charge.released_at for request_id, charge in account.wallet.charges.items()}
    assert ended == {
        "settled": T0 + timedelta(seconds=10),
        "voided-then-forced": T0 + timedelta(seconds=10),
        "expired-then-late": T0 + timedelta(seconds=60),
        "in-one-step": account.now,
    }
