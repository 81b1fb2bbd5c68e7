"""Accounts: opened once, and every change of a setting that decides money leaves a row."""

from typing import Any

import pytest

from billing.core.accounts import amend_account
from billing.core.answers import AccountAnswer, LapseAnswer
from billing.core.commands import (
    AmendAccount,
    Authorize,
    Command,
    IssueGrant,
    Lapse,
    OpenAccount,
    Refund,
    Settle,
    Void,
)
from billing.core.decide import decide
from billing.core.refusals import AccountNotFound, IdReused, Invalid
from billing.core.wallet import Balance, Wallet

from .examples import BOOKS, HOUR, ME, T0, Account, grant_of, small, state

MAX = 2**63 - 1


def changes(account: Account) -> list[tuple[Any, ...]]:
    return [(row.position, row.setting, row.old, row.new, row.actor) for row in account.wallet.effects.changes]


def test_an_account_is_opened_with_its_settings_on_record() -> None:
    account = Account(name="Ünïcode", credit_limit=7, overage="cap", hold="max", metadata={"crm": 1}, actor="key-1")
    settings = account.wallet.settings
    assert settings is not None
    assert (settings.asset, settings.name, settings.status, settings.credit_limit) == (
        "CREDIT", "Ünïcode", "active", 7
    )  # fmt: skip
    assert (settings.overage, settings.hold, settings.metadata, settings.created_at) == (
        "cap", "max", '{"crm":1}', T0
    )  # fmt: skip
    assert account.wallet.opened
    assert account.wallet.balance == (0, 0, 7)
    assert changes(account) == [
        (0, "status", None, "active", "key-1"),
        (1, "credit_limit", None, "7", "key-1"),
        (2, "overage", None, "cap", "key-1"),
        (3, "hold", None, "max", "key-1"),
    ]


OPENING: dict[str, Any] = {"name": "A", "credit_limit": 7, "overage": "cap", "hold": "max", "metadata": {"crm": 1}}


@pytest.mark.parametrize(
    ("name", "value"),
    [("name", None), ("credit_limit", 8), ("overage", "bill"), ("hold", "quote"), ("metadata", {"crm": 2})],
)
def test_opening_an_account_again_must_say_the_same(name: str, value: Any) -> None:
    account = Account(**OPENING)
    account.wait()
    before = state(account.load())
    again = account.do(OpenAccount(ME, **OPENING, actor="another key"))
    assert isinstance(again, AccountAnswer)
    assert again.replayed
    with pytest.raises(IdReused) as refused:
        account.do(OpenAccount(ME, **{**OPENING, name: value}))
    assert (refused.value.id, refused.value.differs) == (ME, [name])
    assert state(account.load()) == before


def test_opening_again_is_compared_with_the_opening_and_answered_with_the_present() -> None:
    account = Account(credit_limit=7)
    account.amend(credit_limit=9)
    again = account.do(OpenAccount(ME, credit_limit=7))
    assert isinstance(again, AccountAnswer)
    assert (again.replayed, again.settings.credit_limit) == (True, 9)
    with pytest.raises(IdReused) as refused:
        account.do(OpenAccount(ME, credit_limit=7, overage="cap"))
    assert refused.value.differs == ["overage"]  # the limit is as it was at the opening, and today's is another
    with pytest.raises(IdReused) as refused:
        account.do(OpenAccount(ME, credit_limit=9))
    assert refused.value.differs == []  # as it is now: what the opening said is not kept
    with pytest.raises(IdReused) as refused:
        account.do(OpenAccount(ME, credit_limit=8, hold="max"))
    assert refused.value.differs == ["credit_limit", "hold"]  # from how it is now


def test_each_change_of_a_setting_that_decides_money_is_recorded() -> None:
    account = Account()
    account.wait(HOUR)
    account.amend(status="suspended", credit_limit=5, overage="cap", hold="max", name="A", actor="key-2")
    assert changes(account) == [
        (0, "status", "active", "suspended", "key-2"),
        (1, "credit_limit", "0", "5", "key-2"),
        (2, "overage", "bill", "cap", "key-2"),
        (3, "hold", "quote", "max", "key-2"),
    ]
    assert {(row.account_id, row.changed_at) for row in account.wallet.effects.changes} == {(ME, T0 + HOUR)}
    assert account.wallet.amended
    account.amend(name="B", metadata={"crm": 2})
    assert account.wallet.amended
    assert account.wallet.effects.changes == []
    assert account.wallet.settings is not None
    assert (account.wallet.settings.name, account.wallet.settings.metadata) == ("B", '{"crm":2}')
    account.amend(name=None, metadata=None)
    assert (account.wallet.settings.name, account.wallet.settings.metadata) == (None, None)
    assert account.wallet.settings.credit_limit == 5


def test_a_change_that_changes_nothing_writes_nothing() -> None:
    account = Account(credit_limit=5)
    account.amend(credit_limit=5, status="active")
    assert not account.wallet.changed
    assert not account.wallet.amended
    assert account.wallet.effects.changes == []


def test_a_lower_limit_may_leave_less_than_nothing_available() -> None:
    account = Account(credit_limit=20)
    account.authorize("r1", 20)
    account.amend(credit_limit=5)
    assert account.wallet.balance == (0, 20, -15)
    assert account.settle("r1", small()).charge.flags == ("overdrawn",)


COMMANDS: list[Command] = [
    Authorize("nobody", "r", "m"),
    Settle("nobody", "r", ()),
    Void("nobody", "r"),
    Refund("nobody", "r", "f", "x"),
    IssueGrant("nobody", "g", "plan", 1),
    AmendAccount("nobody"),
    Lapse("nobody"),
]


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: type(command).__name__)
def test_there_is_nothing_to_do_on_an_account_that_does_not_exist(command: Command) -> None:
    wallet = Wallet("nobody")
    with pytest.raises(AccountNotFound) as refused:
        decide(wallet, command, BOOKS, T0)
    assert refused.value.account_id == "nobody"
    assert state(wallet) == state(Wallet("nobody"))


def test_settings_of_an_account_that_does_not_exist_cannot_be_changed() -> None:
    with pytest.raises(AccountNotFound):
        amend_account(Wallet("nobody"), AmendAccount("nobody"), T0)


# 64 bits.


def test_what_would_leave_64_bits_is_refused() -> None:
    account = Account(credit_limit=10)
    with pytest.raises(Invalid, match="credits: would take the balance past"):
        account.grant("g1", MAX - 9)
    account.grant("g1", MAX - 10)
    assert account.wallet.balance == (MAX - 10, 0, MAX)
    with pytest.raises(Invalid):
        account.grant("g2", 1)
    with pytest.raises(Invalid, match="credit_limit: would take what is available past"):
        account.amend(credit_limit=11)
    account.amend(credit_limit=10)


def test_what_pays_a_debt_needs_no_room() -> None:
    account = Account(credit_limit=10)
    account.charge("r1", small())
    assert account.wallet.posted == -10
    account.grant("g1", MAX)
    assert account.wallet.balance == (MAX - 10, 0, MAX)
    with pytest.raises(Invalid):
        account.grant("g2", 1)
    with pytest.raises(Invalid):
        account.amend(credit_limit=11)


def test_a_refund_that_would_leave_64_bits_is_refused() -> None:
    account = Account()
    account.grant("g1", MAX)
    account.charge("r1", small())
    account.amend(credit_limit=10)
    before = state(account.load())
    with pytest.raises(Invalid, match="credits"):
        account.refund("r1")
    assert state(account.load()) == before
    account.amend(credit_limit=9)
    assert account.refund("r1", credits=1).balance.available == MAX


def test_a_wallet_without_an_account_has_nothing() -> None:
    wallet = Wallet("nobody")
    assert wallet.balance == (0, 0, 0)
    wallet.check_room(MAX, "credits")
    wallet.posted = 1
    with pytest.raises(Invalid):
        wallet.check_room(MAX, "credits")


def test_lapsing_posts_what_is_due_once() -> None:
    account = Account()
    account.grant("g1", 5, expires_at=T0 + HOUR)
    account.grant("g2", 5, expires_at=T0 + HOUR)
    assert account.do(Lapse(ME)) == LapseAnswer(Balance(10, 0, 10))
    account.wait(HOUR)
    assert account.do(Lapse(ME)) == LapseAnswer(Balance(0, 0, 0))
    rows = len(account.journal)
    assert account.do(Lapse(ME)) == LapseAnswer(Balance(0, 0, 0))
    assert len(account.journal) == rows


def test_burn_order_follows_grants_that_join() -> None:
    wallet = Wallet(ME)
    wallet.add_grant(grant_of("g1", 1))
    assert [grant.grant_id for grant in wallet.burn_order] == ["g1"]
    wallet.add_grant(grant_of("g0", 1, priority=10, seq=2))
    assert [grant.grant_id for grant in wallet.burn_order] == ["g0", "g1"]
