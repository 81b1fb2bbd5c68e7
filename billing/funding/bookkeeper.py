"""The bookkeeper: a person says what a balance transaction is that the ledger cannot know the meaning of.

Only what would otherwise wait for ever: movements of Stripe's other products, and those of payments that were not made
here. What the ledger books by itself, it books by itself.
"""

from collections.abc import Mapping
from typing import Final

from billing.core.answers import ClearingAnswer
from billing.core.clearing import FEE
from billing.core.commands import HOUSE
from billing.core.funding_commands import BookTransaction
from billing.core.refusals import IdReused, Invalid
from billing.funding.balance import meaning
from billing.funding.processor import MARK, BalanceTransaction, NoSuchThing, Processor
from billing.funding.refusals import TransactionKnown, TransactionNotFound
from billing.posting import Posting
from billing.store.engine import Engine
from billing.store.inbox import reopen_payouts_with
from billing.store.topups import booked_on

# Where it may be booked, as people say it → the event.
DESTINATIONS: Final[Mapping[str, str]] = {"fees": FEE, "reserve": "reserve", "bank": "bank", "other": "other"}


class Bookkeeper:
    """Books what only a person can explain. `work` is a pool for writing beside the ledger."""

    def __init__(self, processor: Processor, posting: Posting, engine: Engine, work: Engine) -> None:
        self._processor = processor
        self._posting = posting
        self._engine = engine
        self._work = work

    async def book(self, transaction_id: str, to: str, reason: str, actor: str) -> ClearingAnswer:
        """Books it on the house, once, and has the payouts that wait for it dealt with again.

        Raises Invalid, TransactionNotFound, TransactionKnown, IdReused (it is booked, and as something else);
        ProcessorUnavailable.
        """
        if to not in DESTINATIONS:
            raise Invalid.of("to", f"must be one of {', '.join(DESTINATIONS)}")
        if not reason.strip():
            raise Invalid.of("reason", "must say why")
        try:
            movement = await self._processor.movement(transaction_id)
        except NoSuchThing:
            raise TransactionNotFound(transaction_id) from None
        on = await booked_on(self._engine, transaction_id)
        if on not in (None, HOUSE):
            raise IdReused(transaction_id, ["to"])
        if on is None and await self._knows(movement):
            raise TransactionKnown(transaction_id, movement.type)
        event, m = DESTINATIONS[to], movement
        amount, fee = (0, m.fee_micros - m.amount_micros) if event == FEE else (m.amount_micros, m.fee_micros)
        command = BookTransaction(
            HOUSE, m.transaction_id, event, m.transaction_id, amount, fee, m.currency, actor, reason
        )
        try:
            answer = await self._posting.post(command)
        except IdReused as reused:  # which event it is, and what of it is a fee, follow from where it goes to
            told = dict.fromkeys("reason" if name == "reason" else "to" for name in reused.differs)
            raise IdReused(transaction_id, list(told)) from None
        await reopen_payouts_with(self._work, transaction_id)
        return answer

    async def _knows(self, movement: BalanceTransaction) -> bool:
        """Whether the ledger books it by itself, now or when it has heard of the payment behind it."""
        event = meaning(movement)
        if event in (None, "payment", "refund", "refund_failed", "dispute"):
            return await self._ours(movement.payment_id) if event else False
        return True

    async def _ours(self, payment_id: str | None) -> bool:
        if payment_id is None:
            return False  # made without a PaymentIntent, and so not by us
        try:
            return MARK in await self._processor.marks_of(payment_id)
        except NoSuchThing:
            return False
