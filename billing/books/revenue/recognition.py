"""Recognition: used and expired credits become revenue, as far as they were paid for.

The account decides (`billing.core.recognition`), under its lock; a run goes from account to account until nothing is
missing. Any number may run at once, and any of them may end early: what is missing is found by the next.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Final, NamedTuple

import structlog

from billing.core.answers import RecogniseAnswer
from billing.core.commands import Recognise
from billing.core.refusals import AccountNotFound, Unavailable
from billing.posting import Expiry, Posting
from billing.posting.chore import repeat_every
from billing.posting.posting import SLICE
from billing.store.clock import database_time
from billing.store.engine import Engine
from billing.store.recognition import (
    TRANSFERS_AT_ONCE,
    count_unrecognised,
    missing_since,
    unrecognised_accounts,
)

ACCOUNTS_AT_ONCE: Final = 1_000
AFTER_MIDNIGHT: Final = timedelta(minutes=5)  # what was due before has been posted by then
log = structlog.get_logger("billing.recognition")
Progress = Callable[[int, int], None]  # accounts done, and accounts that there were to look at


class RecognisedAmount(NamedTuple):
    """What a run recognised, in micros of `currency`: negative where more was reversed."""

    currency: str
    usage_micros: int
    breakage_micros: int


@dataclass(frozen=True, slots=True)
class Recognised:
    """A run: how many accounts it looked at, and what it posted. Everything until `as_of` is recognised."""

    accounts: int
    transfers: int
    amounts: list[RecognisedAmount]
    as_of: datetime


async def recognise(engine: Engine, posting: Posting, progress: Progress | None = None) -> Recognised:
    """Posts what is due, and then whatever is missing of revenue, of all accounts. Any number may run at once.

    `engine` reads. Raises Overloaded, DatabaseUnavailable: what was posted until then stays, and is not posted again.
    An account that fails otherwise keeps no other from its revenue: its error is raised once all were looked at.
    """
    as_of = await database_time(engine)
    await Expiry(engine, posting).once()
    total = await count_unrecognised(engine) if progress else 0
    done, transfers, after = 0, 0, ""
    sums: dict[str, tuple[int, int]] = {}
    failures: list[Exception] = []
    while found := await unrecognised_accounts(engine, after=after, limit=ACCOUNTS_AT_ONCE):
        for accounts in _slices(found):
            for answer in await _whole(posting, accounts, failures):
                transfers += answer.transfers
                for currency, (usage, breakage) in answer.amounts.items():
                    before = sums.get(currency, (0, 0))
                    sums[currency] = (before[0] + usage, before[1] + breakage)
            done += len(accounts)
            if progress:
                progress(done, max(done, total))
        after = found[-1][0]
    if failures:  # the lane has logged each, with its account
        raise failures[0]
    return Recognised(done, transfers, [RecognisedAmount(one, *sums[one]) for one in sorted(sums)], as_of)


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


async def _whole(posting: Posting, accounts: Sequence[str], failures: list[Exception]) -> list[RecogniseAnswer]:
    """Recognises `accounts`, those with more than one transaction looks at again and again. Appends to `failures`."""
    answers: list[RecogniseAnswer] = []
    while accounts:
        results = await posting.post_many([Recognise(account) for account in accounts])
        more = []
        for account, result in zip(accounts, results, strict=True):
            if isinstance(result, AccountNotFound):
                continue
            if isinstance(result, Unavailable):
                raise result
            if isinstance(result, Exception):
                failures.append(result)
                continue
            answers.append(result)
            if result.more:
                more.append(account)
        accounts = more
    return answers


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
        today = (await database_time(self._engine) - AFTER_MIDNIGHT).date()
        if today == self._done:
            return None
        run: Recognised | None = None
        if await missing_since(self._engine, datetime.combine(today, time(), UTC)):
            run = await recognise(self._engine, self._posting)
            log.info("recognised", accounts=run.accounts, transfers=run.transfers)
        self._done = today
        return run
