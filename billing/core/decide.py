"""Decide: what one command does to one wallet, or why it is refused.

Each function is one business event, named by it. It checks in the contract's order — known id, suspension,
model and price, state of the charge, credits — and raises a Refusal; past the line "from here on it must
succeed" nothing can fail, so a refusal has changed nothing.
"""

from datetime import datetime

from billing.core.accounts import amend_account, open_account
from billing.core.answers import Answer, LapseAnswer
from billing.core.billing import authorize, settle, void
from billing.core.commands import (
    AmendAccount,
    Authorize,
    Command,
    IssueGrant,
    OpenAccount,
    Refund,
    Settle,
    Void,
)
from billing.core.funds import issue_grant
from billing.core.prices import PriceBooks
from billing.core.refunds import refund
from billing.core.refusals import AccountNotFound
from billing.core.wallet import Wallet


def decide(wallet: Wallet, command: Command, books: PriceBooks, now: datetime) -> Answer:
    """Carries `command` out on `wallet` at `now` and says what came of it. Raises Refusal.

    `wallet` is the batch's working copy: it has lapsed up to `now` and holds every row the command names.
    """
    if isinstance(command, OpenAccount):
        return open_account(wallet, command, now)
    if wallet.settings is None:
        raise AccountNotFound(command.account_id)
    match command:
        case Authorize():
            return authorize(wallet, command, books, now)
        case Settle():
            return settle(wallet, command, books, now)
        case Void():
            return void(wallet, command, now)
        case Refund():
            return refund(wallet, command, now)
        case IssueGrant():
            return issue_grant(wallet, command, now)
        case AmendAccount():
            return amend_account(wallet, command, now)
        case _:  # Lapse: what was due was posted when the wallet was loaded
            return LapseAnswer(wallet.balance)
