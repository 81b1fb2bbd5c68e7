"""Orders: a customer buys a pack. The intent is committed first, then Stripe is asked, then its answer is written down.

Whoever dies in between is no harm: the same call again finds the intent, and Stripe finds the idempotency key.
"""

import asyncio
from datetime import timedelta
from typing import Final, Literal
from weakref import WeakValueDictionary

from billing.core.answers import TopupAnswer
from billing.core.funding_commands import FailTopup, OpenTopup, RecordCheckout
from billing.core.payments import Topup
from billing.funding.processor import NoSuchThing, Processor
from billing.funding.refusals import CheckoutRefused
from billing.posting import Posting
from billing.store.clock import database_time
from billing.store.engine import Engine
from billing.store.packs import pack
from billing.store.topups import customer_of, remember_customer, replace_customer

# Stripe remembers idempotency keys for a day at least: past that, asking again might make a second checkout.
CHECKOUT_LIFETIME: Final = timedelta(hours=23)


class Orders:
    """Opens top-ups and their checkouts. `work` is a pool for writing beside the ledger."""

    def __init__(self, processor: Processor, posting: Posting, engine: Engine, work: Engine) -> None:
        self._processor = processor
        self._posting = posting
        self._engine = engine
        self._work = work
        self._locks: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    async def order(self, command: OpenTopup) -> TopupAnswer:
        """The top-up, with the address of its checkout as long as it can be paid.

        Raises AccountNotFound, IdReused, PackNotFound, Invalid; CheckoutRefused (the top-up has failed then);
        ProcessorUnavailable: repeat the call with the same id.
        """
        answer = await self._posting.post(command)
        topup = answer.topup
        if topup.status != "pending" or topup.checkout_id is not None:
            return answer
        if await database_time(self._engine) > topup.created_at + CHECKOUT_LIFETIME:
            return answer._replace(topup=await self._fail(topup, "expired", "no checkout was made in time"))
        customer_id = await self.customer(topup.account_id)
        name = (await pack(self._engine, topup.pack_id)).pack.name
        try:
            checkout_id, url = await self._processor.make_checkout(topup, name, customer_id)
        except CheckoutRefused as refused:
            await self._fail(topup, "failed", refused.reason[:200])
            raise
        except NoSuchThing as error:
            another = await self._processor.make_customer(topup.account_id, customer_id)
            await replace_customer(self._work, topup.account_id, customer_id, another)
            await self._fail(topup, "failed", "the customer was deleted at Stripe")
            raise CheckoutRefused("the customer was deleted; there is another now, so order again.") from error
        recorded = await self._posting.post(RecordCheckout(topup.account_id, topup.topup_id, checkout_id, url))
        return recorded._replace(replayed=answer.replayed)

    async def customer(self, account_id: str) -> str:
        """The account's customer at Stripe, made on first use. Raises ProcessorUnavailable."""
        lock = self._locks.setdefault(account_id, asyncio.Lock())  # Stripe refuses two calls with one key at a time
        async with lock:
            known = await customer_of(self._engine, account_id)
            if known is not None:
                return known
            return await remember_customer(self._work, account_id, await self._processor.make_customer(account_id))

    async def _fail(self, topup: Topup, status: Literal["failed", "expired"], reason: str) -> Topup:
        answer = await self._posting.post(FailTopup(topup.account_id, topup.topup_id, status, reason))
        return answer.topup
