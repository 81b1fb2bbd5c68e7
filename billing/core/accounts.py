"""Accounts: opening one and changing its settings. Settings that decide money leave a row for each change."""

from datetime import datetime

from billing.core.amounts import MAX_AMOUNT
from billing.core.answers import AccountAnswer
from billing.core.commands import UNCHANGED, AmendAccount, OpenAccount
from billing.core.content import content_digest, must_have_digest
from billing.core.effects import AccountChange
from billing.core.refusals import AccountNotFound, Invalid
from billing.core.wallet import AccountSettings, Wallet

MONEY_SETTINGS = ("status", "credit_limit", "overage", "hold")


def open_account(wallet: Wallet, command: OpenAccount, now: datetime) -> AccountAnswer:
    """A new account with no credits. Opened again alike: as it is now; otherwise raises IdReused."""
    asked = AccountSettings(
        command.asset,
        command.name,
        "active",
        command.credit_limit,
        command.overage,
        command.hold,
        command.metadata_json,
        now,
    )
    known = wallet.settings
    if known is not None:
        must_have_digest(command.account_id, wallet.opening_digest, known.content, asked.content)
        return AccountAnswer(True, wallet.account_id, known)
    # From here on it must succeed.
    wallet.settings = asked
    wallet.opening_digest = content_digest(asked.content)
    _record(wallet, None, asked, command.actor, now)
    return AccountAnswer(False, wallet.account_id, asked)


def amend_account(wallet: Wallet, command: AmendAccount, now: datetime) -> AccountAnswer:
    """New settings, whose old values stay on record. Raises AccountNotFound, Invalid."""
    old = wallet.settings
    if old is None:
        raise AccountNotFound(command.account_id)
    wanted = {
        name: getattr(command, name)
        for name in ("name", "status", "credit_limit", "overage", "hold", "metadata", "low_balance")
    }
    new = old._replace(**{name: value for name, value in wanted.items() if value is not UNCHANGED})
    if max(wallet.posted, 0) + new.credit_limit > MAX_AMOUNT:
        raise Invalid.of("credit_limit", "would take what is available past 2^63 - 1")
    # From here on it must succeed.
    if new != old:
        wallet.settings = new
        _record(wallet, old, new, command.actor, now)
    return AccountAnswer(False, wallet.account_id, new)


def _record(wallet: Wallet, old: AccountSettings | None, new: AccountSettings, actor: str, now: datetime) -> None:
    for name in MONEY_SETTINGS:
        before, after = None if old is None else str(getattr(old, name)), str(getattr(new, name))
        if before != after:
            wallet.effects.changes.append(
                AccountChange(wallet.account_id, now, len(wallet.effects.changes), name, before, after, actor)
            )
