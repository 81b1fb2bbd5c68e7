"""Pack and card are looked up outside the ledger: what has changed since then is no reason to stop."""

from typing import Any

import pytest

from billing.core.funding_commands import Recharge
from billing.core.payments import AutoRecharge

from .examples import ME, Account, pack_of


def seen_by(account: Account) -> AutoRecharge:
    assert account.auto_recharge is not None
    return account.auto_recharge


def another_pack(account: Account) -> None:
    account.recharge_at(500, pack=pack_of()._replace(pack_id="other"))


def another_card(account: Account) -> None:
    account.recharge_at(500, card="pm_2")


def no_longer_in_flight(account: Account) -> None:
    account.pay("recharge:1")


@pytest.mark.parametrize("change", [another_pack, another_card, no_longer_in_flight])
def test_what_was_looked_up_for_other_terms_is_looked_up_again(change: Any) -> None:
    account = Account()
    account.recharge_at(500, card=None)
    if change is no_longer_in_flight:
        account.look(saved_method="pm_1")
    seen = seen_by(account)
    change(account)
    answer: Any = account.do(Recharge(ME, pack_of(), None, seen))
    assert (answer.topup, answer.recharge.status) == (None, "active")
    assert answer.recharge.due_at == account.now
    assert account.told("auto_recharge.stopped") == []


def test_what_has_not_changed_is_acted_on() -> None:
    account = Account()
    account.recharge_at(500, card=None)
    answer: Any = account.do(Recharge(ME, None, None, seen_by(account)))
    assert answer.recharge.stopped_reason == "pack_withdrawn"
