"""Decide: what one command does to one wallet, or why it is refused.

Each function is one business event, named by it. It checks in the contract's order — known id, suspension,
model and price, state of the charge, credits — and raises a Refusal; past the line "from here on it must
succeed" nothing can fail, so a refusal has changed nothing.
"""

from datetime import datetime

from billing.core.accounts import amend_account, open_account
from billing.core.answers import Answer, LapseAnswer
from billing.core.charging import authorize, settle, void
from billing.core.clawback import report_card_refund
from billing.core.clearing import book_transaction
from billing.core.commands import (
    HOUSE,
    AmendAccount,
    Authorize,
    Command,
    Correct,
    IssueGrant,
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


def decide(wallet: Wallet, command: Command, books: PriceBooks, now: datetime) -> Answer:
    """Carries `command` out on `wallet` at `now` and says what came of it. Raises Refusal.

    `wallet` is the batch's working copy: it has lapsed up to `now` and holds every row the command names.
    """
    before = wallet.available
    answer = _decide(wallet, command, books, now)
    if wallet.available < before:
        wallet.fell(before, now)
    return answer


def _decide(wallet: Wallet, command: Command, books: PriceBooks, now: datetime) -> Answer:
    if isinstance(command, OpenAccount):
        return open_account(wallet, command, now)
    if isinstance(command, BookTransaction):
        return book_transaction(wallet, command, now)
    if wallet.settings is None or wallet.account_id == HOUSE:
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
        case Correct():
            return correct(wallet, command, books, now)
        case IssueGrant():
            return issue_grant(wallet, command, now)
        case AmendAccount():
            return amend_account(wallet, command, now)
        case OpenTopup():
            return open_topup(wallet, command, now)
        case RecordCheckout():
            return record_checkout(wallet, command, now)
        case PayTopup():
            return pay_topup(wallet, command, now)
        case FailTopup():
            return fail_topup(wallet, command, now)
        case ReportCardRefund():
            return report_card_refund(wallet, command, now)
        case ReportDispute():
            return report_dispute(wallet, command, now)
        case SetAutoRecharge():
            return set_auto_recharge(wallet, command, now)
        case EndAutoRecharge():
            return end_auto_recharge(wallet, command, now)
        case Recharge():
            return recharge(wallet, command, now)
        case AnnounceExpiry():
            return announce_expiry(wallet, command, now)
        case Recognise():
            return recognise(wallet, now)
        case _:  # Lapse: what was due was posted when the wallet was loaded
            return LapseAnswer(wallet.balance)
