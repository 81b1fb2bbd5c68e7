"""Recharges: a saved card or bank account is charged when an account falls below its threshold, while its holder is away.

The core decides whether one is due, and opens its top-up, before Stripe is asked. Whoever dies in between leaves a
top-up in flight: it is found again, and so is its payment, before another is made.
"""

import asyncio
from datetime import datetime, timedelta
from typing import Final

import structlog

from billing.core.funding_commands import FailTopup, PayTopup, Recharge
from billing.core.payments import Topup
from billing.core.refusals import AutoRechargeNotFound, Refusal
from billing.funding.processor import NoSuchThing, Payment, Processor
from billing.posting import Posting
from billing.posting.chore import repeat_every, until_nothing_is_left
from billing.store.engine import Engine
from billing.store.packs import pack_on_sale
from billing.store.topups import auto_recharge, claim_recharges, customer_of

AT_ONCE: Final = 10
LEASE_SECONDS: Final = 60
# Stripe repeats its answer under one idempotency key, a 500 too. A key of its own for each quarter of an hour, and
# only after Stripe's list of payments has shown that there is none.
NEW_KEY_AFTER: Final = timedelta(minutes=15)
GIVE_UP_AFTER: Final = timedelta(hours=23)
log = structlog.get_logger("billing.funding")


class Recharges:
    """Looks for accounts that are due every `interval_seconds`. `work` is a pool for writing beside the ledger."""

    def __init__(
        self, processor: Processor, posting: Posting, engine: Engine, work: Engine, *, interval_seconds: float = 1.0
    ) -> None:
        self._processor = processor
        self._posting = posting
        self._engine = engine
        self._work = work
        self._interval = interval_seconds

    async def run(self) -> None:
        """Until cancelled. What fails is tried again the next time."""
        await repeat_every("recharges", lambda: until_nothing_is_left(self.once), self._interval, log)

    async def once(self) -> int:
        """One look at the accounts that are due; how many they were."""
        due = await claim_recharges(self._work, limit=AT_ONCE, lease_seconds=LEASE_SECONDS)
        await asyncio.gather(*(self._look_at(account_id, now) for account_id, now in due))
        return len(due)

    async def _look_at(self, account_id: str, now: datetime) -> None:
        try:
            await self._recharge(account_id, now)
        except Refusal as refusal:  # due again when the lease is over
            log.warning("recharge put off", account_id=account_id, reason=refusal.code)
        except Exception:  # our own fault: the others must not wait for it
            log.exception("recharge failed", account_id=account_id)

    async def _recharge(self, account_id: str, now: datetime) -> None:
        try:
            wanted = await auto_recharge(self._engine, account_id)
        except AutoRechargeNotFound:
            return
        customer_id = await customer_of(self._engine, account_id)
        method = wanted.payment_method
        if method is None and customer_id is not None and wanted.topup_id is None:
            method = await self._saved_method(customer_id)
        pack = await pack_on_sale(self._engine, wanted.pack_id)
        answer = await self._posting.post(Recharge(account_id, pack, method if customer_id else None, wanted))
        topup = answer.topup
        if topup is None or topup.status != "pending":
            return
        if customer_id is None or topup.payment_method is None:
            await self._report(topup, Payment(None, "failed", reason="no_payment_method", final=True))
            return
        payment = await self._processor.find_payment(topup, customer_id) if answer.replayed else None
        if payment is None and answer.replayed and answer.recharge.status != "active":
            if now < topup.created_at + NEW_KEY_AFTER:
                return  # switched off: what was asked for may still be on its way, but no more is asked for
            payment = Payment(None, "failed", reason="switched_off")
        if payment is None and now > topup.created_at + GIVE_UP_AFTER:
            payment = Payment(None, "failed", reason="processor_unavailable")
        if payment is None:
            attempt = max(now - topup.created_at, timedelta()) // NEW_KEY_AFTER
            payment = await self._pay(topup, customer_id, attempt)
        await self._report(topup, payment)

    async def _pay(self, topup: Topup, customer_id: str, attempt: int) -> Payment:
        assert topup.payment_method is not None
        try:
            return await self._processor.pay(topup, customer_id, topup.payment_method, attempt)
        except NoSuchThing:
            return Payment(None, "failed", reason="payment_method_gone", final=True)

    async def _saved_method(self, customer_id: str) -> str | None:
        try:
            return await self._processor.saved_method(customer_id)
        except NoSuchThing:
            return None

    async def _report(self, topup: Topup, payment: Payment) -> None:
        if payment.state == "paid" and payment.payment_id is not None:
            await self._posting.post(
                PayTopup(topup.account_id, topup.topup_id, payment.payment_id, payment.amount_micros, payment.currency)
            )
        elif payment.state == "failed":
            await self._posting.post(
                FailTopup(topup.account_id, topup.topup_id, "failed", payment.reason[:200], payment.final)
            )
