"""Clearing: what the processor keeps for us, and keeps of it: fees and payouts, each balance transaction once."""

from datetime import datetime
from typing import Final

from billing.core.answers import ClearingAnswer
from billing.core.commands import HOUSE
from billing.core.payments import BookTransaction
from billing.core.refusals import AccountNotFound, IdReused, Invalid
from billing.core.till import BookedTransaction
from billing.core.wallet import Settings, Wallet

# Events whose amount is posted by a report of its own, with the transfers that carry it.
REPORTED: Final = {
    "payment": ("purchase_stripe_clearing",),
    "refund": ("card_refund_deferred", "card_refund"),
    "refund_failed": ("card_refund_deferred_failed", "card_refund_failed"),
    "dispute_opened": ("dispute_opened",),
    "dispute_won": ("dispute_won",),
}
BOOKED_HERE: Final = ("fee", "payout", "payout_failed")


def book_transaction(wallet: Wallet, command: BookTransaction, now: datetime) -> ClearingAnswer:
    """Books a transaction's fee and, on the house, payouts.

    Raises AccountNotFound, IdReused (Stripe never says two things), Invalid.
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
    )
    known = wallet.till.get(BookedTransaction, command.transaction_id)
    if known is not None:
        if known[:-1] != row[:-1]:
            raise IdReused(command.transaction_id)
        return ClearingAnswer(True, known)
    if command.event not in (*REPORTED, *BOOKED_HERE):
        raise Invalid.of("event", "is not one that the ledger knows")
    # From here on it must succeed.
    if wallet.settings is None:
        _open_the_house(wallet, now)
    if command.event in ("payout", "payout_failed") and command.amount_micros:
        # By the sign: where the balance was below zero, a payout takes from the bank.
        kind = "payout" if command.amount_micros < 0 else "payout_failed"
        wallet.post(kind, abs(command.amount_micros), now, asset=command.currency, external_id=command.booked_as)
    if command.fee_micros:
        kind = "fee" if command.fee_micros > 0 else "fee_returned"
        wallet.post(kind, abs(command.fee_micros), now, asset=command.currency, external_id=command.transaction_id)
    wallet.put(row)
    return ClearingAnswer(False, row)


def _open_the_house(wallet: Wallet, now: datetime) -> None:
    wallet.settings = Settings("CREDIT", "what belongs to no customer", "active", 0, "bill", "quote", None, now)
    wallet.opening_digest = wallet.settings.content_digest
    wallet.opened = wallet.changed = True
