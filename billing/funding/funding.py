"""Funding: what one process holds to take payments, or to say that it takes none."""

from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, TypeVar

from billing.funding.bookkeeper import Bookkeeper
from billing.funding.effects import Effects
from billing.funding.inbox import Inbox
from billing.funding.orders import Orders
from billing.funding.processor import TIMEOUT_SECONDS, Processor
from billing.funding.recharges import Recharges
from billing.funding.refusals import PaymentsNotConfigured
from billing.funding.sync import Sync
from billing.posting import Posting
from billing.settings import Settings
from billing.store.engine import Engine

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Keys:
    """How Stripe is reached. Secrets of several endpoints, or an old and a new one, are all accepted."""

    api_key: str | None
    webhook_secrets: tuple[str, ...] = ()
    api_base: str | None = None
    timeout_seconds: float = TIMEOUT_SECONDS

    @classmethod
    def of(cls, settings: Settings) -> "Keys":
        return cls(
            settings.stripe_api_key,
            settings.stripe_webhook_secrets,
            settings.stripe_api_base,
            settings.stripe_timeout_seconds,
        )


@dataclass(slots=True)
class Funding:
    """The parts that answer callers; `chores` run as long as the process does."""

    _orders: Orders | None
    _inbox: Inbox | None
    _recharges: Recharges | None
    _sync: Sync | None
    _bookkeeper: Bookkeeper | None

    def check(self) -> None:
        """Raises PaymentsNotConfigured."""
        _configured(self._orders)

    @property
    def orders(self) -> Orders:
        """Raises PaymentsNotConfigured."""
        return _configured(self._orders)

    @property
    def inbox(self) -> Inbox:
        """Raises PaymentsNotConfigured."""
        return _configured(self._inbox)

    @property
    def recharges(self) -> Recharges:
        """Raises PaymentsNotConfigured."""
        return _configured(self._recharges)

    @property
    def sync(self) -> Sync:
        """Raises PaymentsNotConfigured."""
        return _configured(self._sync)

    @property
    def bookkeeper(self) -> Bookkeeper:
        """Raises PaymentsNotConfigured."""
        return _configured(self._bookkeeper)

    def wake(self) -> None:
        """Something is to be done: whoever waits need not wait longer. Nothing where payments are not configured."""
        if self._inbox is not None:
            self._inbox.wake()

    def chores(self) -> list[Coroutine[Any, Any, None]]:
        parts = (self._inbox, self._recharges, self._sync)
        return [part.run() for part in parts if part is not None]


@asynccontextmanager
async def funding(keys: Keys, posting: Posting, engine: Engine, work: Engine) -> AsyncIterator[Funding]:
    """Funding on the given pools; without a key nothing of it is there."""
    if keys.api_key is None:
        yield Funding(None, None, None, None, None)
        return
    processor = Processor(keys.api_key, keys.api_base, timeout_seconds=keys.timeout_seconds)
    try:
        inbox = Inbox(Effects(processor, posting, engine, work), work, keys.webhook_secrets)
        yield Funding(
            Orders(processor, posting, engine, work),
            inbox,
            Recharges(processor, posting, engine, work),
            Sync(processor, inbox, engine),
            Bookkeeper(processor, posting, engine, work),
        )
    finally:
        await processor.close()


def _configured(part: T | None) -> T:
    if part is None:
        raise PaymentsNotConfigured()
    return part
