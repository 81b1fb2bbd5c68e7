"""Expiry: posts what has fallen due. Every answer is right without it; it keeps the journal up to date."""

import asyncio

import structlog
from sqlalchemy.ext.asyncio import AsyncEngine

from billing.core.answers import LapseAnswer
from billing.core.commands import Lapse
from billing.core.refusals import Refusal
from billing.posting.posting import Posting
from billing.store.due import due_accounts

log = structlog.get_logger("billing.expiry")


class Expiry:
    """Looks for due holds and grants every `interval_seconds` and posts them through the posting path."""

    def __init__(self, engine: AsyncEngine, posting: Posting, *, interval_seconds: float = 5.0) -> None:
        self._engine = engine
        self._posting = posting
        self._interval = interval_seconds

    async def run(self) -> None:
        """Until cancelled. A database that cannot be reached is tried again the next time."""
        while True:
            try:
                while await self.once():
                    await asyncio.sleep(0)
            except (Refusal, OSError) as error:
                log.warning("expiry put off", reason=str(error))
            except Exception:
                log.exception("expiry failed")
            await asyncio.sleep(self._interval)

    async def once(self) -> int:
        """One round over at most a thousand accounts; how many transfers and releases it posted."""
        accounts = await due_accounts(self._engine, limit=1_000)
        results = await self._posting.post_many([Lapse(account) for account in accounts])
        return sum(result.posted for result in results if isinstance(result, LapseAnswer))
