"""Whatever happens to an account, in whatever order: every invariant after every step.

Refusals and repeated calls leave everything as it was.
"""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from billing.core.answers import ChargeAnswer, CorrectionAnswer, GrantAnswer, LapseAnswer, RefundAnswer, TopupAnswer
from billing.core.charges import Reported
from billing.core.commands import (
    AmendAccount,
    Authorize,
    Command,
    Correct,
    IssueGrant,
    Lapse,
    OpenAccount,
    Refund,
    Settle,
    Void,
)
from billing.core.decide import decide
from billing.core.funding_commands import (
    AnnounceExpiry,
    EndAutoRecharge,
    FailTopup,
    OpenTopup,
    PayTopup,
    Recharge,
    RecordCheckout,
    ReportCardRefund,
    SetAutoRecharge,
)
from billing.core.grants import Fill
from billing.core.payments import Dispute, Topup
from billing.core.refusals import Refusal
from billing.core.wallet import Wallet, ended_holds, opened_holds
from tests.disputes import reported, withdrawn

from .examples import BOOKS, CENT, DAY, HOUR, ME, T0, Account, grant_of, pack_of, small, state
from .invariants import check

requests = st.sampled_from(["r1", "r2", "r3", "r4"])
credits = st.integers(1, 30)
reports = st.lists(
    st.builds(
        lambda index, status, size: Reported(index, status, size, size and 700, None),
        st.integers(0, 3),
        st.sampled_from(["succeeded", "succeeded", "failed"]),
        st.sampled_from([None, 900, 1500, 2500]),
    ),
    max_size=4,
    unique_by=lambda one: one.index,
).map(tuple)
durations = st.sampled_from([0, 1, 30, 60, 900, 3600, 86_400]).map(lambda seconds: timedelta(seconds=seconds))


def authorizing(outputs: st.SearchStrategy[Any]) -> st.SearchStrategy[Command]:
    return st.builds(
        Authorize,
        st.just(ME),
        requests,
        st.just("plain"),
        n=st.integers(1, 3),
        size=st.sampled_from(["auto", "L", "1500x700", "0x0"]),
        quality=st.sampled_from(["1", "5", "10", "none"]),
        hold_seconds=st.sampled_from([30, 900, 86_400]),
        outputs=outputs,
    )


# A grant's expiry is told from the moment it is asked for.
Step = tuple[timedelta, Command | Callable[[Account], Command | None]]


def granting() -> st.SearchStrategy[Callable[[Account], Command | None]]:
    def asked(grant_id: str, kind: str, amount: int, lasting: int | None, paid: int | None) -> Any:
        return lambda account: IssueGrant(
            ME,
            grant_id,
            kind,
            amount,
            expires_at=None if lasting is None else account.now + timedelta(seconds=lasting),
            paid_micros=paid,
            currency=None if paid is None else "USD",
        )

    return st.builds(
        asked,
        st.sampled_from([f"g{i}" for i in range(8)]),
        st.sampled_from(["purchase", "promotion", "plan"]),
        credits,
        st.sampled_from([None, 0, 30, 900, 3600, 86_400]),
        st.none() | st.integers(0, 100),
    )


def disputing() -> st.SearchStrategy[Callable[[Account], Command | None]]:
    """A grant that came by another way than a top-up is disputed; nothing is commanded."""

    def asked(grant_id: str) -> Any:
        def act(account: Account) -> None:
            account.lapse()
            grant = account.wallet.grants.get(grant_id)
            if grant is not None and grant.open and not grant.frozen and not grant.lapsed_at(account.now):
                account.freeze(grant_id)

        return act

    return st.builds(asked, st.sampled_from(["g0", "g1", "g2"]))


# Two packs whose credits cost no whole number of micros, and one whose credits are dear; each may be refunded or
# disputed in parts, down to a single micro, that do not fall on whole credits.
PACKS = [
    pack_of(7, 2 * CENT, 3),
    pack_of(9, 4 * CENT, 5, bonus="dilutes"),
    pack_of(3, 7 * CENT, 2, expires_in_days=1),
]
topups = st.sampled_from(["t0", "t1", "t2", "recharge:1", "recharge:2"])
money = st.sampled_from([1, 9_999, CENT, CENT + 1, 2 * CENT, 4 * CENT, 7 * CENT])


def ordering(topup_id: str) -> Command:
    pack = PACKS[int(topup_id[-1])]._replace(pack_id=f"pack-{topup_id}")
    return OpenTopup(ME, topup_id, pack.pack_id, pack, "https://shop/paid", "https://shop/left")


def paying(topup_id: str, wrong: int) -> Callable[[Account], Command]:
    def asked(account: Account) -> Command:
        topup = account.wallet.payments.get(Topup, topup_id)
        return PayTopup(ME, topup_id, f"pi_{topup_id}", (topup.price_micros if topup else CENT) + wrong, "USD")

    return asked


ids = st.sampled_from(["1", "2", "3"])
ordered = st.builds(ordering, st.sampled_from(["t0", "t1", "t2"]))
paid = st.builds(paying, topups, st.sampled_from([0, 0, 0, 1]))
refunded = st.builds(
    lambda topup_id, k, amount, status: ReportCardRefund(ME, topup_id, f"re_{topup_id}_{k}", amount, "USD", status),
    topups, ids, money, st.sampled_from(["succeeded", "succeeded", "failed"]),
)  # fmt: skip


def disputing_topup(topup_id: str, k: str, amount: int, status: str) -> Callable[[Account], Command]:
    """How it stands by now: it may have been opened, won, lost, and appealed before."""

    def asked(account: Account) -> Command:
        dispute_id = f"dp_{topup_id}_{k}"
        seen = account.wallet.payments.get(Dispute, dispute_id)
        moved = [-seen.amount_micros, seen.amount_micros][: 1 + bool(seen.reinstated_micros)] if seen else []
        moved = moved or [-amount]
        if status == "won" and len(moved) == 1:
            moved.append(-moved[0])
        movements = withdrawn(dispute_id, *moved)
        return reported(ME, topup_id, dispute_id, -moved[0], status, movements=movements, seen=seen)

    return asked


disputed = st.builds(
    disputing_topup, topups, ids, money, st.sampled_from(["open", "open", "won", "lost", "appeal_under_review"])
)
funding: st.SearchStrategy[Any] = st.one_of(
    ordered,
    paid,
    paid,
    refunded,
    refunded,
    disputed,
    disputed,
    st.builds(FailTopup, st.just(ME), topups, st.just("failed"), st.just("card_declined"), st.booleans()),
    st.builds(RecordCheckout, st.just(ME), topups, st.just("cs_1"), st.just("https://pay/1")),
    st.builds(
        lambda threshold, limit, card: SetAutoRecharge(ME, threshold, "pack", PACKS[2], limit, card),
        st.integers(0, 30),
        st.sampled_from([3, 5, 6]),
        st.sampled_from(["pm_1", None]),
    ),
    st.builds(EndAutoRecharge, st.just(ME), st.sampled_from([None, "card_gone"])),
    st.builds(Recharge, st.just(ME), st.just(PACKS[2]), st.sampled_from(["pm_2", None])),
    st.builds(AnnounceExpiry, st.just(ME), st.sampled_from(["g0", "g1", "g2", "pack:t2:1"])),
    st.builds(AmendAccount, st.just(ME), low_balance=st.sampled_from([(), (20, 5)])),
)


correcting = st.builds(
    Correct,
    st.just(ME),
    st.sampled_from(["c1", "c2", "c3", "c4", "c1:1"]),
    requests,
    reports.filter(bool),
    st.just("x"),
    st.just("finance"),
)
charging: st.SearchStrategy[Any] = st.one_of(  # as callers send them
    granting(),
    granting(),
    authorizing(st.none()),
    authorizing(st.none()),
    authorizing(reports),
    st.builds(Settle, st.just(ME), requests, reports, st.booleans()),
    st.builds(Settle, st.just(ME), requests, reports),
    st.builds(Void, st.just(ME), requests, st.sampled_from([None, "x"])),
    st.builds(
        Refund,
        st.just(ME),
        requests,
        st.sampled_from(["f1", "f2", "f3", "f4", "f1:1"]),
        st.just("x"),
        credits=st.none() | st.integers(1, 12),
    ),
    st.builds(
        Refund,
        st.just(ME),
        requests,
        st.sampled_from(["f1", "f2", "f3", "f4"]),
        st.just("x"),
        outputs=st.lists(st.integers(0, 3), min_size=1, max_size=2, unique=True).map(tuple),
    ),
    correcting,
    correcting,
    st.builds(AmendAccount, st.just(ME), credit_limit=st.integers(0, 40)),
    st.builds(AmendAccount, st.just(ME), status=st.sampled_from(["active", "active", "suspended"])),
    st.builds(AmendAccount, st.just(ME), overage=st.sampled_from(["bill", "cap"])),
    st.builds(AmendAccount, st.just(ME), hold=st.sampled_from(["quote", "max"])),
    st.builds(OpenAccount, st.just(ME), credit_limit=st.sampled_from([0, 20])),
    st.builds(Lapse, st.just(ME)),
)
commands = st.one_of(charging, funding)
events = st.one_of(charging, charging, charging, charging, disputing())
all_events = st.one_of(charging, funding, funding)
FUNDED: list[Step] = [
    (timedelta(0), step)
    for topup_id in ("t0", "t1", "t2")
    for step in (ordering(topup_id), paying(topup_id, 0), paying(topup_id, 0))
]


@settings(deadline=None, max_examples=200)
@given(
    st.sampled_from([0, 20]),
    st.lists(st.tuples(durations, all_events), max_size=30),
    st.sampled_from([[], FUNDED[:2], FUNDED]),
)
def test_every_invariant_holds_after_every_step_with_money(
    credit_limit: int, steps: list[Step], begun: list[Step]
) -> None:
    live(Account(credit_limit=credit_limit), begun + steps)


@settings(deadline=None, max_examples=150)
@given(st.sampled_from([0, 20]), st.lists(st.tuples(durations, events), max_size=30))
def test_every_invariant_holds_after_every_step(credit_limit: int, steps: list[Step]) -> None:
    live(Account(credit_limit=credit_limit), steps)


def live(account: Account, steps: list[Step]) -> None:
    for duration, step in steps:
        account.wait(duration)
        command = step if isinstance(step, Command) else step(account)
        account.lapse()
        check(account)
        if command is not None:
            obey(account, command)
        check(account)


def obey(account: Account, command: Command) -> None:
    """Carries `command` out, and then again."""
    wallet = account.load(command)
    before = state(wallet)
    try:
        answer = decide(wallet, command, BOOKS, account.now)
    except Refusal:
        assert state(wallet) == before
        return
    account.keep(wallet)
    if isinstance(answer, LapseAnswer) or isinstance(command, Recharge):
        return
    if answer.replayed and not (isinstance(answer, TopupAnswer) and answer.problem):
        assert state(wallet) == before
    after = account.load(command)
    before = state(after)
    again = decide(after, command, BOOKS, account.now)
    assert isinstance(again, type(answer))
    assert again.replayed or isinstance(command, AmendAccount)
    assert again[1:] == answer[1:]
    assert state(after) == before
    if isinstance(answer, ChargeAnswer | RefundAnswer | CorrectionAnswer | GrantAnswer):
        assert answer.balance == (wallet.posted, wallet.held, wallet.available)


def outcome(decided: Callable[[Command], Any], command: Command) -> Any:
    try:
        answer = decided(command)
    except Refusal as refusal:
        return refusal.code, refusal.facts()
    return None if isinstance(answer, LapseAnswer) else answer


@settings(deadline=None, max_examples=60)
@given(st.lists(commands, max_size=20), st.booleans())
def test_a_batch_decides_what_its_commands_decide_one_by_one(steps: list[Any], funded: bool) -> None:
    """One wallet for a whole batch, and one for each command: the same answers, the same journal."""
    one_by_one, batch = Account(), Account()
    for account in (one_by_one, batch):
        account.grant("g9", 20, "promotion", expires_at=T0 + HOUR)
        account.authorize("r9", 1, 9, hold_seconds=86_400)
        account.wait(HOUR)
    wallet = batch.load(reported(ME, "t0", "dp", 1, "open"))
    one_by_one.lapse()
    for step in [*(step for _, step in FUNDED if funded), *steps]:
        command = step if isinstance(step, Command) else step(one_by_one)
        apart = outcome(one_by_one.do, command)
        together = outcome(lambda command: decide(wallet, command, BOOKS, batch.now), command)
        assert apart == together
    batch.keep(wallet)
    check(batch)
    assert batch.journal == one_by_one.journal
    assert batch.wallet.grants == one_by_one.wallet.grants
    assert batch.wallet.payments.rows == one_by_one.wallet.payments.rows
    # Each row is written once: a hold that came and went leaves no trace.
    assert {hold.request_id for hold in opened_holds(wallet.charges.new)} == {
        charge.request_id for charge in wallet.charges.new if charge.status == "authorized"
    }
    assert [hold.request_id for hold in ended_holds(wallet.charges.changed)] == (
        [] if wallet.charges["r9"].status == "authorized" else ["r9"]
    )


@pytest.mark.parametrize("kind", ["settle", "void"])
def test_a_hold_that_comes_and_goes_within_a_batch_is_never_written(kind: str) -> None:
    wallet = Wallet(ME)
    for command in (
        OpenAccount(ME, credit_limit=10),
        Authorize(ME, "r1", "plain", quality="10"),
        Settle(ME, "r1", (small(),)) if kind == "settle" else Void(ME, "r1"),
    ):
        decide(wallet, command, BOOKS, T0)
    assert (opened_holds(wallet.charges.new), ended_holds(wallet.charges.changed), wallet.held) == ([], [], 0)
    assert (list(wallet.charges.added), wallet.charges.before) == (["r1"], {})
    assert list(wallet.outputs.added) == (["r1"] if kind == "settle" else [])


def test_a_hold_that_was_there_before_is_ended_once() -> None:
    account = Account(credit_limit=10)
    account.authorize("r1", 10)
    account.settle("r1", small())
    assert [
        (hold.account_id, hold.request_id, hold.authorized_at, hold.expires_at, hold.credits)
        for hold in ended_holds(account.wallet.charges.changed)
    ] == [(ME, "r1", T0, T0 + timedelta(seconds=900), 10)]
    assert [charge.request_id for _, charge in account.wallet.charges.changed] == ["r1"]
    assert account.wallet.charges.new == []


def test_rows_that_changed_are_noted_for_the_store() -> None:
    account = Account(credit_limit=10)
    account.charge("r1", small())
    assert list(account.wallet.debts.added) == [1]
    account.grant("g1", 4)
    assert [grant.grant_id for grant in account.wallet.grants.new] == ["g1"]
    assert [(was.outstanding, debt.outstanding) for was, debt in account.wallet.debts.changed] == [(10, 6)]
    assert account.wallet.effects.fills == [Fill(ME, 1, 2, "g1", 4)]
    account.grant("g2", 10, expires_at=T0 + DAY)
    account.charge("r2", small(), quality=1)
    assert changed_grants(account) == {"g2"}
    account.refund("r1", "f1", credits=7)
    assert changed_grants(account) == {"g2", "g1"}
    assert [row.refund_id for row in account.wallet.refunds.new] == ["f1"]
    account.wait(DAY)
    account.refund("r2", "f2")
    assert changed_grants(account) == {"g2"}
    assert [grant.grant_id for grant in account.wallet.grants.new] == ["refund:f2:1"]


def changed_grants(account: Account) -> set[str]:
    return {grant.grant_id for _, grant in account.wallet.grants.changed}


def test_the_test_helpers_agree_with_the_core_about_an_untouched_grant() -> None:
    account = Account()
    assert account.grant("g1", 5).grant == grant_of("g1", 5)


def test_only_charges_and_what_they_draw_on_are_plain() -> None:
    wallet = Wallet(ME, Account(credit_limit=5).wallet.settings)
    for command, plain in (
        (IssueGrant(ME, "g1", "plan", 20), True),
        (Authorize(ME, "r1", "plain", quality="10"), True),
        (Settle(ME, "r1", (small(),)), True),
        (Authorize(ME, "r2", "plain", quality="5", outputs=(small(),)), True),
        (Authorize(ME, "r3", "plain", quality="10", outputs=(small(),)), False),  # as debt, in part
    ):
        decide(wallet, command, BOOKS, T0)
        assert wallet.plain == plain
