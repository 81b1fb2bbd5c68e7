"""Decide: what one command does to one wallet, or why it is refused.

Each function is one business event, named by it. It checks in the contract's order — known id, suspension,
model and price, state of the charge, credits — and raises a Refusal; past the line "from here on it must
succeed" nothing can fail, so a refusal has changed nothing.
"""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, Final

from billing.core.accounts import amend_account, open_account
from billing.core.answers import LapseAnswer
from billing.core.charging import authorize, settle, void
from billing.core.clawback import report_card_refund
from billing.core.clearing import book_transaction
from billing.core.commands import (
    HOUSE,
    A,
    AmendAccount,
    Authorize,
    Command,
    Correct,
    IssueGrant,
    Lapse,
    OpenAccount,
    Recognise,
    Refund,
    Settle,
    Void,
)
from billing.core.corrections import correct
from billing.core.disputes import report_dispute
from billing.core.funding_commands import (
    AnnounceExpiry,
    BookTransaction,
    EndAutoRecharge,
    FailTopup,
    OpenTopup,
    PayTopup,
    Recharge,
    RecordCheckout,
    ReportCardRefund,
    ReportDispute,
    SetAutoRecharge,
)
from billing.core.issuing import announce_expiry, issue_grant
from billing.core.prices import PriceBooks
from billing.core.recharging import end_auto_recharge, recharge, set_auto_recharge
from billing.core.recognition import recognise
from billing.core.refunds import refund
from billing.core.refusals import AccountNotFound
from billing.core.topups import fail_topup, open_topup, pay_topup, record_checkout
from billing.core.wallet import Wallet

# Each kind of command and its event. Those above ask what a price book says.
PRICED: Final[Mapping[type[Command[Any]], Callable[[Wallet, Any, PriceBooks, datetime], Any]]] = {
    Authorize: authorize,
    Settle: settle,
    Correct: correct,
}
DECIDED: Final[Mapping[type[Command[Any]], Callable[[Wallet, Any, datetime], Any]]] = {
    OpenAccount: open_account,
    AmendAccount: amend_account,
    Void: void,
    Refund: refund,
    IssueGrant: issue_grant,
    OpenTopup: open_topup,
    RecordCheckout: record_checkout,
    PayTopup: pay_topup,
    FailTopup: fail_topup,
    ReportCardRefund: report_card_refund,
    ReportDispute: report_dispute,
    BookTransaction: book_transaction,
    SetAutoRecharge: set_auto_recharge,
    EndAutoRecharge: end_auto_recharge,
    Recharge: recharge,
    AnnounceExpiry: announce_expiry,
    Recognise: lambda wallet, _, now: recognise(wallet, now),
    Lapse: lambda wallet, _, __: LapseAnswer(wallet.balance),  # what was due was posted when the wallet was loaded
}
_WITHOUT_AN_ACCOUNT: Final = (OpenAccount, BookTransaction)


def decide(wallet: Wallet, command: Command[A], books: PriceBooks, now: datetime) -> A:
    """Carries `command` out on `wallet` at `now` and says what came of it. Raises Refusal.

    `wallet` is the batch's working copy: it has lapsed up to `now` and holds every row the command names.
    """
    kind = type(command)
    if (wallet.settings is None or wallet.account_id == HOUSE) and kind not in _WITHOUT_AN_ACCOUNT:
        raise AccountNotFound(command.account_id)
    before = wallet.available
    answer: A
    if priced := PRICED.get(kind):
        answer = priced(wallet, command, books, now)
    else:
        answer = DECIDED[kind](wallet, command, now)
    if wallet.available < before:
        wallet.fell(before, now)
    return answer
