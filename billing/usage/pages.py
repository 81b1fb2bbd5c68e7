"""Usage page by page: buckets of a range in a time zone, with what was used in each."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import groupby, islice

from billing.core.periods import Width, buckets, zone
from billing.store.accounts import account
from billing.store.engine import Engine
from billing.store.usage import UsageQuery, Used, usage

GROUPS = 10_000  # at most these many results to a page


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked: [start, end) in whole quarter-hours (`billing.core.periods.checked`), by periods of `width` in the
    zone `tz`. Without an account: across all of them.
    """

    account_id: str | None
    start: datetime
    end: datetime
    width: Width = "1d"
    tz: str = "UTC"
    group_by: Sequence[str] = ()
    filters: Mapping[str, Sequence[str]] = field(default_factory=dict)
    zero_filled: bool = True


@dataclass(frozen=True, slots=True)
class Place:
    """Where a page begins: at a bucket, and within it after a group if that was cut."""

    at: datetime
    after: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True)
class Bucket:
    start: datetime
    end: datetime
    used: list[Used]


@dataclass(frozen=True, slots=True)
class Page:
    """`following` is where the next page begins, or None after the last."""

    buckets: list[Bucket]
    following: Place | None
    as_of: datetime


async def page(engine: Engine, asked: Question, place: Place | None, limit: int) -> Page:
    """At most `limit` buckets from `place` on. Raises AccountNotFound, Invalid (an unknown zone)."""
    if asked.account_id is not None:
        await account(engine, asked.account_id)
    start = asked.start if place is None else place.at
    after = None if place is None or place.after is None else (0, place.after)
    spans = list(islice(buckets(start, asked.end, asked.width, zone(asked.tz)), limit))
    bounds = [*(since for since, _ in spans), spans[-1][1]]
    query = UsageQuery(asked.account_id, bounds, asked.group_by, asked.filters, after)
    found, clock = await usage(engine, query, GROUPS + 1)
    following = None if bounds[-1] == asked.end else Place(bounds[-1])
    if len(found) > GROUPS:
        spans, found, following = _cut(spans, found[:GROUPS])
    used = {number: list(sums) for number, sums in groupby(found, key=lambda one: one.bucket)}
    shown = [Bucket(since, until, used.get(number, [])) for number, (since, until) in enumerate(spans)]
    if not asked.zero_filled:
        shown = [bucket for bucket in shown if bucket.used]
    return Page(shown, following, clock)


def _cut(
    spans: list[tuple[datetime, datetime]], found: list[Used]
) -> tuple[list[tuple[datetime, datetime]], list[Used], Place]:
    """As many whole buckets as there is room for, but at least a part of the first."""
    last = found[-1].bucket
    if last == 0:
        return spans[:1], found, Place(spans[0][0], found[-1].group)
    return spans[:last], [one for one in found if one.bucket < last], Place(spans[last][0])
