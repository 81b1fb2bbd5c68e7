"""Usage page by page: buckets of a range in a time zone, with what was used in each; in the shape of OpenAI's."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import groupby, islice
from time import monotonic
from typing import Any, Literal, NamedTuple
from urllib.parse import quote, unquote

from billing.books.usage.sums import Group, Selection, Sum, sums
from billing.core.buckets import Width, buckets, checked
from billing.core.cursors import decode_cursor, encode_cursor
from billing.core.document import DOCUMENT
from billing.core.refusals import Invalid
from billing.core.text import free_text
from billing.core.zones import zone
from billing.store.accounts import must_exist
from billing.store.clock import time_in
from billing.store.connection import Connection
from billing.store.engine import Engine
from billing.store.snapshot import snapshot
from billing.store.usage import COUNTS

GROUPS = 10_000  # at most these many results to a page
SECONDS = 10.0  # and no longer than this in summing them
LATEST = 4_102_444_800  # the year 2100, in Unix seconds
Span = tuple[datetime, datetime]
_LONGEST = 2_000  # characters of a value in a cursor


@dataclass(frozen=True, slots=True, kw_only=True)
class UsageResult:
    """What was billed in a bucket, of one group. What was not grouped by is null; so are values that are not there:
    the size tier of outputs that failed, the key and end user of requests that named none.

    Counts are signed: refunds and corrections count when they are made. What turned out to be of another size, or not to
    be there, is taken away where it had been counted. A request counts once, on its first output.
    """

    __pydantic_config__ = DOCUMENT
    object: Literal["usage.images.result"] = "usage.images.result"
    """what it is, as OpenAI names it"""
    requests: int
    """requests that were settled, 0 or more"""
    images: int
    """outputs that were delivered; below 0 where more were taken away than counted"""
    failed_images: int
    """outputs that failed: never charged; below 0 where more were taken away than counted"""
    credits: int
    """whole credits, billed less given back; below 0 where more was given back"""
    account_id: str | None = None
    """null unless grouped by"""
    model: str | None = None
    """null unless grouped by"""
    size_tier: str | None = None
    """as measured; null unless grouped by, and for outputs that failed"""
    quality: str | None = None
    """as billed: auto counts as what it was read as; null unless grouped by"""
    operation: str | None = None
    """`generation` or `edit`; null unless grouped by"""
    api_key_id: str | None = None
    """as the gateway named it; null unless grouped by, and where it named none"""
    end_user: str | None = None
    """as the gateway named it; null unless grouped by, and where it named none"""


@dataclass(frozen=True, slots=True, kw_only=True)
class UsageBucket:
    """[start_time, end_time) in Unix seconds. The first and the last may be parts of their day or month."""

    __pydantic_config__ = DOCUMENT
    object: Literal["bucket"] = "bucket"
    """what it is, as OpenAI names it"""
    start_time: int
    """Unix seconds, inclusive"""
    end_time: int
    """Unix seconds, exclusive"""
    local_start: str
    """start_time as clocks in `tz` show it: 2026-12-01T00:00:00-07:00"""
    results: list[UsageResult]
    """one, also of nothing, where nothing was grouped by; one for each group that there is, in their order"""


@dataclass(frozen=True, slots=True, kw_only=True)
class UsagePage:
    """`next_page` goes on where this page ends. A bucket with very many groups goes on there too."""

    __pydantic_config__ = DOCUMENT
    object: Literal["page"] = "page"
    """what it is, as OpenAI names it"""
    data: list[UsageBucket]
    """in order of time; with fill=none only those in which something was used"""
    has_more: bool
    """whether there is a next page"""
    next_page: str | None
    """what `page` is to be, to go on; null on the last page"""
    as_of: int
    """Unix seconds: exact at this moment"""


@dataclass(frozen=True, slots=True)
class UsageQuestion:
    """[start, end) in whole quarter-hours, by periods of `width` in the zone `tz`. No end: until now."""

    selected: Selection
    start: datetime
    end: datetime | None = None
    width: Width = "1d"
    tz: str = "UTC"
    zero_filled: bool = True


class Place(NamedTuple):
    """Where a page begins: at a bucket, and within it after a group if that was cut."""

    at: datetime
    after: Group | None = None

    @property
    def cursor(self) -> str:
        group = "" if self.after is None else encode_cursor([quote(value) for value in self.after])
        return encode_cursor([int(self.at.timestamp()), group])

    @classmethod
    def of(cls, cursor: str, group_by: Sequence[str]) -> "Place":
        """Raises Invalid."""
        try:
            at, after = decode_cursor(cursor, int, str)
            group = tuple(map(unquote, decode_cursor(after, *(str for _ in group_by)))) if after else None
        except Invalid:
            raise _not_ours() from None
        if not (0 <= at <= LATEST and at % 900 == 0) or group == ():
            raise _not_ours()
        for value in group or ():
            free_text(value, "page", longest=_LONGEST)
        return cls(datetime.fromtimestamp(at, UTC), group)


async def usage_page(engine: Engine, asked: UsageQuestion, *, page: str | None = None, limit: int) -> UsagePage:
    """At most `limit` buckets, from where the `page` before ended. Raises AccountNotFound, Invalid."""
    group_by = asked.selected.group_by
    async with snapshot(engine) as connection:
        await must_exist(connection, asked.selected.account_id)
        now = await time_in(connection, engine)
        start, end = checked(asked.start, asked.end or now, now)
        tz = zone(asked.tz)
        place = Place(start) if page is None else Place.of(page, group_by)
        if not start <= place.at < end:
            raise _not_ours()
        spans = list(islice(buckets(place.at, end, asked.width, tz), limit))
        found, covered = await _found(connection, asked.selected, spans, place.after)
    spans = spans[:covered]
    following = None if spans[-1][1] == end else Place(spans[-1][1])
    if len(found) > GROUPS:
        spans, found, following = _cut(spans, found)
    used = {
        number: [_result(group_by, group, counts) for _, group, counts in of_bucket]
        for number, of_bucket in groupby(found, key=lambda one: one[0])
    }
    nothing = [] if group_by else [_result((), (), (0,) * len(COUNTS))]  # by groups an empty bucket has none
    return UsagePage(
        data=[
            UsageBucket(
                start_time=int(since.timestamp()),
                end_time=int(until.timestamp()),
                local_start=since.astimezone(tz).isoformat(),
                results=used.get(number, nothing),
            )
            for number, (since, until) in enumerate(spans)
            if asked.zero_filled or number in used
        ],
        has_more=following is not None,
        next_page=None if following is None else following.cursor,
        as_of=int(now.timestamp()),
    )


async def _found(
    connection: Connection, selected: Selection, spans: Sequence[Span], after: Group | None
) -> tuple[list[Sum], int]:
    """The sums, one more than fit at most, and how many of the spans they cover.

    End users are summed from charges: for them it looks no further ahead than twice what has fitted so far.
    """
    found: list[Sum] = []
    covered = 0
    until = monotonic() + SECONDS
    while covered < len(spans) and len(found) <= GROUPS:
        part = spans[covered : covered + max(covered, 1)] if "end_user" in selected.group_by else spans
        bounds = [*(since for since, _ in part), part[-1][1]]
        more = await sums(
            connection, selected, bounds, after=None if covered else after, limit=GROUPS + 1 - len(found),
            seconds=until - monotonic(),
        )  # fmt: skip
        found += [(bucket + covered, group, counts) for bucket, group, counts in more]
        covered += len(part)
    return found, covered


def _cut(spans: list[Span], found: list[Sum]) -> tuple[list[Span], list[Sum], Place]:
    """As many whole buckets as there is room for, but at least a part of the first; the last of `found` is one too many."""
    past = found[-1][0]
    if past == 0:
        return spans[:1], found[:-1], Place(spans[0][0], found[-2][1])
    return spans[:past], [one for one in found if one[0] < past], Place(spans[past][0])


def _result(group_by: Sequence[str], group: Group, counts: tuple[int, ...]) -> UsageResult:
    told: dict[str, Any] = {name: value or None for name, value in zip(group_by, group, strict=True)}
    return UsageResult(**told | dict(zip(COUNTS, counts, strict=True)))


def _not_ours() -> Invalid:
    return Invalid.of("page", "is not one that this question gave out")
