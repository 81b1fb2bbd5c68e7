"""Expiry: posts what has fallen due. Every answer is right without it; it keeps the journal up to date."""

import structlog

from billing.core.commands import Lapse
from billing.core.funding_commands import AnnounceExpiry
from billing.posting.chore import repeat_every
from billing.posting.posting import SLICE, Posting
from billing.store.clock import database_time
from billing.store.due import due_accounts, expiring_grants
from billing.store.engine import Engine

ACCOUNTS_AT_ONCE = 1_000
log = structlog.get_logger("billing.expiry")


class Expiry:
    """Looks for due holds and grants every `interval_seconds` and posts them through the posting path."""

    def __init__(self, engine: Engine, posting: Posting, *, interval_seconds: float = 5.0) -> None:
        self._engine = engine
        self._posting = posting
        self._interval = interval_seconds

    async def run(self) -> None:
        """Until cancelled. What fails is tried again the next time."""
        await repeat_every("expiry", self.once, self._interval, log)

    async def once(self) -> int:
        """One round over all accounts on which something is due; how many they were."""
        now = await database_time(self._engine)
        found, after = 0, ""
        while accounts := await due_accounts(self._engine, now, after=after, limit=ACCOUNTS_AT_ONCE):
            for start in range(0, len(accounts), SLICE):
                await self._posting.post_many([Lapse(account) for account in accounts[start : start + SLICE]])
            found, after = found + len(accounts), accounts[-1]
        return found


class ExpiryNotices:
    """Has grants announced, each once, that expire within `days`."""

    def __init__(self, engine: Engine, posting: Posting, *, days: int, interval_seconds: float = 60.0) -> None:
        self._engine = engine
        self._posting = posting
        self._days = days
        self._interval = interval_seconds

    async def run(self) -> None:
        """Until cancelled. What fails is tried again the next time."""
        await repeat_every("expiry notices", self.once, self._interval, log)

    async def once(self) -> int:
        """One round over all grants that are to be announced; how many they were."""
        now = await database_time(self._engine)
        found, after = 0, ("", "")
        while grants := await expiring_grants(self._engine, now, days=self._days, after=after, limit=SLICE):
            await self._posting.post_many([AnnounceExpiry(account, grant) for account, grant in grants])
            found, after = found + len(grants), grants[-1]
        return found
