"""Recognition: used and expired credits become revenue, as far as they were paid for.

The account decides (`billing.core.recognising`), under its lock; a run goes from account to account until nothing is
missing. Any number may run at once, and any of them may end early: what is missing is found by the next.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final, NamedTuple

from billing.core.answers import RecogniseAnswer
from billing.core.commands import Recognise
from billing.core.refusals import AccountNotFound
from billing.posting import Expiry, Posting
from billing.posting.posting import SLICE
from billing.store.clock import database_time
from billing.store.engine import Engine
from billing.store.recognition import TRANSFERS_AT_ONCE, count_unrecognised, unrecognised_accounts

ACCOUNTS_AT_ONCE: Final = 1_000
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
    """
    as_of = await database_time(engine)
    await Expiry(engine, posting).once()
    total = await count_unrecognised(engine) if progress else 0
    done, transfers, after = 0, 0, ""
    sums: dict[str, tuple[int, int]] = {}
    while found := await unrecognised_accounts(engine, after=after, limit=ACCOUNTS_AT_ONCE):
        for accounts in _slices(found):
            for answer in await _whole(posting, accounts):
                transfers += answer.transfers
                for currency, (usage, breakage) in answer.amounts.items():
                    before = sums.get(currency, (0, 0))
                    sums[currency] = (before[0] + usage, before[1] + breakage)
            done += len(accounts)
            if progress:
                progress(done, max(done, total))
        after = found[-1][0]
    return Recognised(done, transfers, [RecognisedAmount(one, *sums[one]) for one in sorted(sums)], as_of)


def _slices(found: Sequence[tuple[str, int]]) -> Iterator[list[str]]:
    """Accounts that may share a transaction: together they have no more to look at than one of them may have."""
    accounts: list[str] = []
    room = TRANSFERS_AT_ONCE
    for account_id, transfers in found:
        if accounts and (transfers > room or len(accounts) == SLICE):
            yield accounts
            accounts, room = [], TRANSFERS_AT_ONCE
        accounts.append(account_id)
        room -= min(transfers, TRANSFERS_AT_ONCE)
    yield accounts


async def _whole(posting: Posting, accounts: Sequence[str]) -> list[RecogniseAnswer]:
    """Recognises `accounts`, those with more than one transaction looks at again and again."""
    answers: list[RecogniseAnswer] = []
    while accounts:
        results = await posting.post_many([Recognise(account) for account in accounts])
        more = []
        for account, result in zip(accounts, results, strict=True):
            if isinstance(result, AccountNotFound):
                continue
            if isinstance(result, Exception):
                raise result
            assert isinstance(result, RecogniseAnswer)
            answers.append(result)
            if result.more:
                more.append(account)
        accounts = more
    return answers
