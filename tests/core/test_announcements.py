"""Announcements: what the outside is told, once each, together with what it is about."""

import json
from typing import Any

import pytest

from billing.core.announcements import BY_DEFAULT, EVERY, SETTLED, TYPES, Announcement
from billing.core.commands import AmendAccount
from billing.core.decide import decide
from billing.core.funding_commands import AnnounceExpiry
from billing.core.payments import ExpiryNotice
from billing.core.refusals import Invalid

from .examples import BOOKS, DAY, DOLLAR, HOUR, ME, T0, Account, failed, large, pack_of, small, state


def last(account: Account) -> tuple[str, dict[str, Any]]:
    told = account.announced[-1]
    return told.type, json.loads(told.data)


def test_the_types_are_these() -> None:
    assert set(BY_DEFAULT) == set(TYPES) - {SETTLED}
    assert SETTLED in TYPES
    assert EVERY not in TYPES


def test_an_announcement_has_one_id_for_ever() -> None:
    told = Announcement.of(ME, T0, 3, "topup.paid", {"topup_id": "t1"})
    assert told == Announcement.of(ME, T0, 3, "topup.failed", {})._replace(type="topup.paid", data=told.data)
    # SHA-256 of the account, the instant in microseconds and the place in the batch, a line each.
    assert told.event_id == "evt_80531c7c518c3a524a0f37ac825735c2"
    others = [(ME, T0, 4), (ME, T0 + HOUR, 3), ("acc-2", T0, 3)]
    assert len({told.event_id, *(Announcement.of(*other, "topup.paid", {}).event_id for other in others)}) == 4
    assert told.data == '{"account_id":"acc-1","topup_id":"t1"}'
    assert not told.dispatched


def test_a_batchs_announcements_are_numbered() -> None:
    account = Account()
    account.grant("g1", 10)
    account.amend(low_balance=(5, 3))
    account.charge("r1", small())
    assert [(one.type, one.position, one.created_at) for one in account.announced] == [
        ("balance.depleted", 0, T0),
        ("balance.low", 1, T0),
        ("balance.low", 2, T0),
    ]
    assert len({one.event_id for one in account.announced}) == 3


# Levels.


@pytest.mark.parametrize(
    ("bill", "told"),
    [(1, []), (10, []), (11, [30]), (20, [30]), (21, [30, 20]), (36, [30, 20, 5]), (39, [30, 20, 5]), (40, [None, 30, 20, 5])],
)  # fmt: skip
def test_each_level_is_told_when_available_falls_below_it(bill: int, told: list[int | None]) -> None:
    account = Account()
    account.grant("g1", 40)
    account.amend(low_balance=(20, 5, 30))
    account.authorize("r1", 20, 2)
    account.void("r1")
    account.announced.clear()
    wallet = account.load()
    before = wallet.available
    wallet.posted -= bill
    wallet.fell(before, account.now)
    assert [json.loads(one.data).get("threshold") for one in wallet.effects.announcements] == told


def test_what_is_told_of_a_level() -> None:
    account = Account(credit_limit=5)
    account.grant("g1", 40)
    account.amend(low_balance=(20,))
    account.charge("r0", small())
    account.authorize("r1", 20)
    assert last(account) == (
        "balance.low",
        {"account_id": ME, "threshold": 20, "available": 15, "posted": 30, "held": 20},
    )
    account.charge("r2", small())
    account.charge("r3", small(), quality=5)
    assert last(account) == ("balance.depleted", {"account_id": ME, "available": 0, "posted": 15, "held": 20})
    assert account.told() == ["balance.low", "balance.depleted"]


def test_a_level_is_told_again_only_after_it_was_left() -> None:
    account = Account()
    account.amend(low_balance=(20,))
    account.grant("g1", 21)
    account.charge("r1", small(), quality=1)  # at it
    assert account.told() == []
    account.charge("r2", small(), quality=1)
    account.charge("r3", small(), quality=1)
    assert account.told() == ["balance.low"]
    account.refund("r3", "f1")
    account.refund("r2", "f2")
    account.charge("r4", small(), quality=1)
    assert account.told() == ["balance.low", "balance.low"]


def test_a_bill_within_its_hold_tells_nothing_new() -> None:
    account = Account()
    account.amend(low_balance=(15,))
    account.grant("g1", 20)
    account.authorize("r1", 10)
    account.settle("r1", small())
    assert account.told() == ["balance.low"]


def test_a_bill_above_its_hold_may_deplete() -> None:
    account = Account()
    account.grant("g1", 15)
    account.authorize("r1", 10)
    account.settle("r1", large())
    assert last(account) == ("balance.depleted", {"account_id": ME, "available": -5, "posted": -5, "held": 0})


@pytest.mark.parametrize("end", ["expire", "limit", "dispute", "refund"])
def test_whatever_lowers_the_balance_is_told(end: str) -> None:
    account = Account(credit_limit=10)
    account.amend(low_balance=(60,))
    account.buy(pack_of(50, expires_in_days=1))
    if end == "expire":
        account.wait(DAY)
        account.lapse()
    elif end == "limit":
        account.amend(credit_limit=9)
    elif end == "dispute":
        account.dispute(10 * DOLLAR)
    else:
        account.card_refund(10 * DOLLAR)
    assert "balance.low" in account.told()
    assert account.told("balance.depleted") == []


def test_a_hold_that_ends_as_a_grant_expires_is_one_change() -> None:
    """50 expire and a hold of 20 is released at once: from 30 available to 0, told once each."""
    account = Account()
    account.amend(low_balance=(10, 40))
    account.grant("g1", 50, expires_at=T0 + HOUR)
    account.authorize("r1", 20, hold_seconds=3600)
    account.announced.clear()
    account.wait(HOUR)
    account.lapse()
    account.lapse()
    assert [(one.type, json.loads(one.data)["available"]) for one in account.announced] == [
        ("balance.depleted", 0),
        ("balance.low", 0),
    ]


def test_a_refused_command_tells_nothing_and_so_does_a_repeated_one() -> None:
    account = Account()
    account.amend(low_balance=(20,))
    account.grant("g1", 20)
    account.charge("r1", small())
    told = account.announced[:]
    account.charge("r1", small())
    assert account.announced == told


@pytest.mark.parametrize("levels", [[0], [-1], [1, 1], list(range(1, 12)), [2**63], [True], [1.5]])
def test_levels_that_make_no_sense(levels: Any) -> None:
    with pytest.raises(Invalid) as refused:
        AmendAccount(ME, low_balance=levels)
    assert refused.value.errors[0]["field"] == "low_balance"


def test_levels_are_kept_highest_first_and_none_is_none() -> None:
    account = Account()
    account.amend(low_balance=[5, 20, 10])
    settings = account.wallet.settings
    assert settings is not None
    assert settings.low_balance == (20, 10, 5)
    account.amend(low_balance=[])
    assert account.wallet.settings is not None
    assert account.wallet.settings.low_balance is None
    account.amend(low_balance=list(range(1, 11)))
    assert account.wallet.effects.changes == []  # they decide no money


# Top-ups and disputes.


def test_a_top_up_is_told_with_its_terms_and_the_balance() -> None:
    account = Account()
    account.buy(pack_of(bonus_credits=20))
    assert last(account) == (
        "topup.paid",
        {
            "account_id": ME,
            "topup_id": "t1",
            "via": "checkout",
            "pack_id": "pack",
            "credits": 100,
            "bonus_credits": 20,
            "price": {"micros": 10 * DOLLAR, "currency": "USD"},
            "balance": {"posted": 120, "available": 120},
        },
    )
    account.order(topup_id="t2")
    account.fail("t2", "card_declined")
    assert last(account) == (
        "topup.failed",
        {
            "account_id": ME,
            "topup_id": "t2",
            "via": "checkout",
            "pack_id": "pack",
            "status": "failed",
            "reason": "card_declined",
        },
    )


def test_a_dispute_is_told_when_it_is_opened_and_when_it_is_closed() -> None:
    account = Account()
    account.buy()
    for _ in range(2):
        account.dispute(5 * DOLLAR)
    about = {
        "account_id": ME,
        "topup_id": "t1",
        "dispute_id": "dp_1",
        "reason": "fraudulent",
        "amount": {"micros": 5 * DOLLAR, "currency": "USD"},
    }
    assert account.told("dispute.opened") == ["dispute.opened"]
    opened = next(one for one in account.announced if one.type == "dispute.opened")
    assert json.loads(opened.data) == about | {"status": "open", "frozen_credits": 100}
    for _ in range(2):
        account.dispute(5 * DOLLAR, "lost")
    assert last(account) == ("dispute.closed", about | {"status": "lost", "frozen_credits": 0})
    assert account.told() == ["topup.paid", "dispute.opened", "balance.depleted", "dispute.closed"]


def test_why_a_recharge_stopped_is_told() -> None:
    account = Account()
    account.recharge_at(20)
    account.recharge_off("card_gone")
    assert last(account) == ("auto_recharge.stopped", {"account_id": ME, "reason": "card_gone"})


# Grants that will expire.


def test_a_grants_expiry_is_told_once() -> None:
    account = Account()
    account.grant("g1", 10, expires_at=T0 + DAY)
    account.spend(3)
    for _ in range(3):
        account.wait(HOUR)
        account.do(AnnounceExpiry(ME, "g1"))
    assert [json.loads(one.data) for one in account.announced] == [
        {"account_id": ME, "grant_id": "g1", "remaining": 7, "expires_at": "2026-03-02T12:00:00.000000Z"}
    ]
    assert account.wallet.payments.all(ExpiryNotice) == {"g1": ExpiryNotice(ME, "g1", T0 + HOUR)}


@pytest.mark.parametrize("grant", ["nothing left", "for ever", "lapsed but for a hold", "not there"])
def test_where_nothing_will_expire_nothing_is_told(grant: str) -> None:
    account = Account()
    account.grant("other", 100)
    if grant == "nothing left":
        account.grant("g1", 10, "promotion", expires_at=T0 + DAY)
        account.charge("r1", small())
    elif grant == "for ever":
        account.grant("g1", 10)
    elif grant == "lapsed but for a hold":
        account.grant("g1", 10, "promotion", expires_at=T0 + HOUR)
        account.authorize("r1", 10, hold_seconds=86_400)
        account.wait(HOUR)
        account.lapse()
        assert account.remaining["g1"] == 10
    wallet = account.load()
    before = state(wallet)
    decide(wallet, AnnounceExpiry(ME, "g1"), BOOKS, account.now)
    assert state(wallet) == before


# Settled charges, for who asked for them.


def test_settled_charges_are_told_where_somebody_listens() -> None:
    account = Account()
    account.grant("g1", 100)
    account.charge("r1", small())
    assert account.told() == []
    account.wallet.tells_settled = True
    account.charge("r2", small(0), failed(1), n=2)
    assert last(account) == (
        "charge.settled",
        {
            "account_id": ME,
            "request_id": "r2",
            "model": "plain",
            "quoted_credits": 20,
            "settled_credits": 10,
            "flags": [],
            "images": 1,
            "api_key_id": None,
            "end_user": None,
            "balance": {"posted": 80, "held": 0, "available": 80},
        },
    )
    account.charge("r2", small(0), failed(1), n=2)
    account.authorize("r3", 10)
    account.void("r3")
    assert account.told() == ["charge.settled"]
