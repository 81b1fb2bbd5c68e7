"""Recognition: used and expired credits become revenue, as far as they were paid for.

The account decides (`billing.core.recognition`), under its lock; a run goes from account to account until nothing is
missing. Any number may run at once, and any of them may end early: what is missing is found by the next.
"""

from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Final

import structlog

from billing.books.revenue.report import UNRECOGNISED, count_unrecognised
from billing.core.answers import RecogniseAnswer
from billing.core.commands import Recognise
from billing.core.document import DOCUMENT
from billing.core.refusals import AccountNotFound, Unavailable
from billing.posting import Expiry, Posting
from billing.posting.chore import repeat_every
from billing.posting.posting import SLICE
from billing.store.clock import time_in
from billing.store.engine import Engine
from billing.store.recognition import TRANSFERS_AT_ONCE
from billing.store.snapshot import snapshot

ACCOUNTS_AT_ONCE: Final = 1_000
AFTER_MIDNIGHT: Final = timedelta(minutes=5)  # what was due before has been posted by then
_WAITING: Final = f"""
    SELECT account_id, wallet_seq - recognised_seq FROM account WHERE account_id > $1 AND {UNRECOGNISED}
    ORDER BY account_id LIMIT {ACCOUNTS_AT_ONCE}"""
_MISSING: Final = (
    f"SELECT EXISTS (SELECT FROM account WHERE {UNRECOGNISED} AND coalesce(recognised_at, created_at) < $1)"
)
log = structlog.get_logger("billing.recognition")
Told = Callable[[int, int], None]  # is told how many accounts are done, and how many there were to look at


@dataclass(frozen=True, slots=True)
class RecognisedAmount:
    """What a run made revenue of, in one currency."""

    __pydantic_config__ = DOCUMENT
    currency: str
    """ISO 4217"""
    usage_micros: int
    """because credits were used; below 0 where more was reversed"""
    breakage_micros: int
    """because credits expired; below 0 where more was reversed"""


@dataclass(frozen=True, slots=True)
class Recognised:
    """What a run posted. Everything that happened until `as_of` is recognised."""

    __pydantic_config__ = DOCUMENT
    accounts: int
    """that changed since they were recognised; 0 or more"""
    transfers: int
    """that were posted; 0 or more"""
    amounts: list[RecognisedAmount]
    """by currency; empty where nothing was missing"""
    as_of: datetime
    """when the run began"""


async def recognise(engine: Engine, posting: Posting, told: Told | None = None) -> Recognised:
    """Posts what is due, and then whatever is missing of revenue, of all accounts. Any number may run at once.

    `engine` reads. Raises Overloaded, DatabaseUnavailable: what was posted until then stays, and is not posted again.
    An account that fails otherwise keeps no other from its revenue: its error is raised once all were looked at.
    """
    async with snapshot(engine) as connection:
        as_of = await time_in(connection, engine)
    await Expiry(engine, posting).once()
    async with snapshot(engine) as connection:
        total = await count_unrecognised(connection)
    done, transfers, after = 0, 0, ""
    usage: Counter[str] = Counter()
    breakage: Counter[str] = Counter()
    failure: Exception | None = None
    while found := await _waiting(engine, after):
        for accounts in _slices(found):
            async for answer in _until_nothing_is_missing(posting, accounts):
                if isinstance(answer, Exception):
                    failure = failure or answer
                    continue
                transfers += answer.transfers
                for currency, (used, expired) in answer.amounts.items():
                    usage[currency] += used
                    breakage[currency] += expired
            done += len(accounts)
            if told:
                told(done, max(done, total))
        after = found[-1][0]
    if failure is not None:  # the lane has logged each, with its account
        raise failure
    amounts = [RecognisedAmount(currency, usage[currency], breakage[currency]) for currency in sorted(usage)]
    return Recognised(done, transfers, amounts, as_of)


async def _waiting(engine: Engine, after: str) -> list[tuple[str, int]]:
    """The next accounts that changed since they were recognised, in order, and by how many transfers."""
    async with snapshot(engine) as connection:
        return [tuple(row) for row in await connection.fetch(_WAITING, after)]


def _slices(found: Sequence[tuple[str, int]]) -> Iterator[list[str]]:
    """Accounts that may share a transaction: together they have no more to look at than one of them may have.

    One slice after the other, so that charges of the same lane hardly wait.
    """
    accounts: list[str] = []
    room = TRANSFERS_AT_ONCE
    for account_id, transfers in found:
        if accounts and (transfers > room or len(accounts) == SLICE):
            yield accounts
            accounts, room = [], TRANSFERS_AT_ONCE
        accounts.append(account_id)
        room -= min(transfers, TRANSFERS_AT_ONCE)
    yield accounts


async def _until_nothing_is_missing(
    posting: Posting, accounts: Sequence[str]
) -> AsyncIterator[RecogniseAnswer | Exception]:
    """What comes of `accounts`, transaction by transaction: those with more than one may take are asked again and again."""
    while accounts:
        results = await posting.post_many([Recognise(account) for account in accounts])
        more = []
        for account, result in zip(accounts, results, strict=True):
            if isinstance(result, AccountNotFound):
                continue
            if isinstance(result, Unavailable):
                raise result
            if isinstance(result, RecogniseAnswer) and result.more:
                more.append(account)
            yield result
        accounts = more


class DailyRecognition:
    """Recognises every day what the days before have left: soon after midnight UTC, or as soon as somebody is there.

    Days are those of the database's clock. Where several processes look, the first does it and the others find nothing.
    """

    def __init__(self, engine: Engine, posting: Posting, *, interval_seconds: float = 60.0) -> None:
        self._engine = engine
        self._posting = posting
        self._interval = interval_seconds
        self._done: date | None = None

    async def run(self) -> None:
        """Until cancelled. What fails is tried again the next time."""
        await repeat_every("recognition", self.once, self._interval, log)

    async def once(self) -> Recognised | None:
        """A run, if something from before today is missing and today has not been looked at."""
        async with snapshot(self._engine) as connection:
            today = (await time_in(connection, self._engine) - AFTER_MIDNIGHT).date()
            if today == self._done:
                return None
            missing = await connection.fetchval(_MISSING, datetime.combine(today, time(), UTC))
        run: Recognised | None = None
        if missing:
            run = await recognise(self._engine, self._posting)
            log.info("recognised", accounts=run.accounts, transfers=run.transfers)
        self._done = today
        return run
