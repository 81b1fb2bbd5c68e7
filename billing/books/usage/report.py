"""Usage page by page: buckets of a range in a time zone, with what was used in each."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from itertools import groupby, islice
from time import monotonic

from billing.core.buckets import Width, buckets
from billing.core.zones import zone
from billing.store.accounts import account
from billing.store.clock import time_in
from billing.store.connection import Connection
from billing.store.engine import Engine
from billing.store.snapshot import snapshot
from billing.store.usage import UsageQuery, Used, usage

Span = tuple[datetime, datetime]
GROUPS = 10_000  # at most these many results to a page
SECONDS = 10.0  # and no longer than this in summing them


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked: [start, end) in whole quarter-hours (`billing.core.buckets.checked`), by periods of `width` in the
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
    """At most `limit` buckets from `place` on. Raises AccountNotFound, Invalid (an unknown zone, or too much at once)."""
    if asked.account_id is not None:
        await account(engine, asked.account_id)
    start = asked.start if place is None else place.at
    after = None if place is None or place.after is None else (0, place.after)
    spans = list(islice(buckets(start, asked.end, asked.width, zone(asked.tz)), limit))
    async with snapshot(engine) as connection:
        clock = await time_in(connection, engine)
        found, covered = await _found(connection, asked, spans, after)
    spans = spans[:covered]
    following = None if spans[-1][1] == asked.end else Place(spans[-1][1])
    if len(found) > GROUPS:
        spans, found, following = _cut(spans, found[:GROUPS])
    used = {number: list(sums) for number, sums in groupby(found, key=lambda one: one.bucket)}
    shown = [Bucket(since, until, used.get(number, [])) for number, (since, until) in enumerate(spans)]
    if not asked.zero_filled:
        shown = [bucket for bucket in shown if bucket.used]
    return Page(shown, following, clock)


async def _found(
    connection: Connection, asked: Question, spans: Sequence[Span], after: tuple[int, tuple[str, ...]] | None
) -> tuple[list[Used], int]:
    """The sums, one more than fit at most, and how many of the spans they cover.

    End users are summed from charges: for them it looks no further ahead than twice what has fitted so far.
    """
    found: list[Used] = []
    covered = 0
    until = monotonic() + SECONDS
    while covered < len(spans) and len(found) <= GROUPS:
        part = spans[covered : covered + max(covered, 1)] if "end_user" in asked.group_by else spans
        bounds = [*(since for since, _ in part), part[-1][1]]
        query = UsageQuery(asked.account_id, bounds, asked.group_by, asked.filters, None if covered else after)
        sums = await usage(connection, query, GROUPS + 1 - len(found), seconds=until - monotonic())
        found += [replace(one, bucket=one.bucket + covered) for one in sums]
        covered += len(part)
    return found, covered


def _cut(spans: list[Span], found: list[Used]) -> tuple[list[Span], list[Used], Place]:
    """As many whole buckets as there is room for, but at least a part of the first."""
    last = found[-1].bucket
    if last == 0:
        return spans[:1], found, Place(spans[0][0], found[-1].group)
    return spans[:last], [one for one in found if one.bucket < last], Place(spans[last][0])
