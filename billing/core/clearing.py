"""Clearing: what the processor keeps for us, and keeps of it: each of its balance transactions once.

An event says what a balance transaction is, and so which transfers carry its amount:

    payment, refund, refund_failed, dispute_opened, dispute_won    those of a report of its own, on the account
    payout, payout_failed                                          to the bank, and back
    fee                                                            none: all of it is a fee
    reserve                                                        kept back for a while, or released
    bank                                                           from the bank into the balance, or back
    other                                                          of business whose books are kept elsewhere

Its fee is carried by a transfer of its own. Whatever belongs to no customer is booked on the house.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Final

from billing.core.answers import ClearingAnswer
from billing.core.commands import HOUSE
from billing.core.content import content_digest, must_agree
from billing.core.funding_commands import BookTransaction
from billing.core.payments import BookedTransaction
from billing.core.refusals import AccountNotFound, Invalid
from billing.core.wallet import AccountSettings, Wallet

# Events whose amount is posted by a report of its own, with the transfers that carry it.
REPORTED: Final[Mapping[str, tuple[str, ...]]] = {
    "payment": ("purchase_stripe_clearing",),
    "refund": ("card_refund_deferred", "card_refund"),
    "refund_failed": ("card_refund_deferred_failed", "card_refund_failed"),
    "dispute_opened": ("dispute_opened", "dispute_opened_undone"),
    "dispute_won": ("dispute_won", "dispute_won_undone"),
}
# Events whose amount is posted here: by the transfer that takes from clearing, or by the one that adds to it. By the
# sign: where the balance was below zero, a payout takes from the bank.
POSTED: Final[Mapping[str, tuple[str, str]]] = {
    "payout": ("payout", "payout_failed"),
    "payout_failed": ("payout", "payout_failed"),
    "reserve": ("reserve_held", "reserve_released"),
    "bank": ("balance_funding_returned", "balance_funded"),
    "other": ("other_business_out", "other_business_in"),
}
FEE: Final = "fee"
# What is said of a transaction, whoever says it and when.
CONTENT: Final = ("event", "booked_as", "amount_micros", "fee_micros", "currency", "reason")


def book_transaction(wallet: Wallet, command: BookTransaction, now: datetime) -> ClearingAnswer:
    """Books a transaction: its fee, and what no other report posts.

    Raises AccountNotFound, IdReused (Stripe never says two things, and neither may two people), Invalid.
    """
    if wallet.settings is None and wallet.account_id != HOUSE:
        raise AccountNotFound(wallet.account_id)
    row = BookedTransaction(
        wallet.account_id,
        command.transaction_id,
        command.event,
        command.booked_as,
        command.amount_micros,
        command.fee_micros,
        command.currency,
        now,
        command.booked_by,
        command.reason,
    )
    if known := booked(wallet, row):
        return ClearingAnswer(True, known)
    if command.event not in (*REPORTED, *POSTED, FEE):
        raise Invalid.of("event", "is not one that the ledger knows")
    # From here on it must succeed.
    if wallet.settings is None:
        _open_the_house(wallet, now)
    if row.event in POSTED and row.amount_micros:
        kind = POSTED[row.event][row.amount_micros > 0]
        wallet.post(kind, abs(row.amount_micros), now, asset=row.currency, external_id=row.booked_as)
    book(wallet, row, now)
    return ClearingAnswer(False, row)


def booked(wallet: Wallet, row: BookedTransaction) -> BookedTransaction | None:
    """The transaction as it was booked before, if it was. Raises IdReused where that says something else."""
    known = wallet.payments.get(BookedTransaction, row.transaction_id)
    if known is not None:
        must_agree(row.transaction_id, {name: (getattr(known, name), getattr(row, name)) for name in CONTENT})
    return known


def book(wallet: Wallet, row: BookedTransaction, now: datetime) -> None:
    """Posts a transaction's fee and has it written. Its amount is carried by transfers that are posted already."""
    if row.fee_micros:
        kind = "fee" if row.fee_micros > 0 else "fee_returned"
        wallet.post(kind, abs(row.fee_micros), now, asset=row.currency, external_id=row.transaction_id)
    wallet.payments.put(row)


def _open_the_house(wallet: Wallet, now: datetime) -> None:
    wallet.settings = AccountSettings("CREDIT", "what belongs to no customer", "active", 0, "bill", "quote", None, now)
    wallet.opening_digest = content_digest(wallet.settings.content)
