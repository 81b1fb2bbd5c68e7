"""Usage: what was billed, counted by the quarter of an hour in which it was billed.

Every zone's offset from UTC is a multiple of a quarter of an hour, so that sums of quarter-hours are exact for any
zone's hours, days and months. A charge counts when it is settled; a refund and a correction when they are made, with
their sign: images that turn out to be of another size, or not to be there, are taken away where they had been counted.
"""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import NamedTuple

from billing.core.charges import Charge, Output

QUARTER_HOUR = timedelta(minutes=15)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class UsageCount(NamedTuple):
    """What an account used in a quarter of an hour, of one kind. All but `requests` are signed.

    `size_tier` is empty for outputs that failed, `api_key_id` where none was given; `quality` is the billed one.
    End users are not told apart: there may be as many as charges, and those know theirs.
    """

    account_id: str
    quarter_hour: datetime
    model: str
    operation: str
    size_tier: str
    quality: str
    api_key_id: str
    requests: int
    images: int
    failed_images: int
    credits: int


Line = tuple[datetime, str, str, str, str, str]  # quarter of an hour, model, operation, tier, quality, API key
Counts = list[int]  # requests, images, failed images, credits


class Tally:
    """What one batch adds to the usage of one account: each line once, however many charges it counts."""

    __slots__ = ("_lines",)

    def __init__(self) -> None:
        self._lines: dict[Line, Counts] = {}

    def bill(self, charge: Charge, outputs: Sequence[Output], now: datetime) -> None:
        """Counts a settlement; the request on its first output."""
        requests = 1
        for output in outputs:
            counts = self._counts(charge, output, now)
            counts[0] += requests
            if output.status == "succeeded":
                counts[1] += 1
                counts[3] += output.credits
            else:
                counts[2] += 1
            requests = 0

    def correct(self, charge: Charge, before: Output, after: Output, costs: tuple[int, int], now: datetime) -> None:
        """Counts an output otherwise than before; `costs` in credits, before and after."""
        for output, credits, sign in ((before, costs[0], -1), (after, costs[1], 1)):
            counts = self._counts(charge, output, now)
            counts[1 if output.status == "succeeded" else 2] += sign
            counts[3] += sign * credits

    def refund(self, charge: Charge, output: Output, credits: int, now: datetime) -> None:
        """Counts credits given back for an output. What was delivered stays delivered."""
        self._counts(charge, output, now)[3] -= credits

    def rows(self, account_id: str) -> list[UsageCount]:
        """What to add, each line once."""
        return [UsageCount(account_id, *line, *counts) for line, counts in self._lines.items()]

    def _counts(self, c: Charge, output: Output, now: datetime) -> Counts:
        line = (quarter_of(now), c.model, c.operation, output.size_tier or "", c.billed_quality, c.api_key_id or "")
        counts = self._lines.get(line)
        if counts is None:
            counts = self._lines[line] = [0, 0, 0, 0]
        return counts


@lru_cache(maxsize=1024)  # a batch has one clock
def quarter_of(moment: datetime) -> datetime:
    """The beginning of the quarter of an hour that `moment` lies in."""
    return moment - (moment - _EPOCH) % QUARTER_HOUR


@lru_cache(maxsize=4096)  # and accounts were last written to at few instants
def day_of(moment: datetime) -> datetime:
    """The beginning of the day in UTC that `moment` lies in."""
    return moment.replace(hour=0, minute=0, second=0, microsecond=0)
