"""Buckets: the quarter-hours, hours, days and months of a time zone, as instants.

A day is what a wall clock in the zone calls one: 23 or 25 hours long where clocks change, and it begins at the first
instant of its date, also where there is no midnight. An hour that is shown twice is two hours.
"""

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from typing import Final, Literal
from zoneinfo import ZoneInfo

from billing.core.refusals import Invalid
from billing.core.usage import QUARTER_HOUR, quarter_of

Width = Literal["15m", "1h", "1d", "1mo"]
WIDTHS: Final[tuple[Width, ...]] = ("15m", "1h", "1d", "1mo")
LONGEST = timedelta(days=3660)


def buckets(start: datetime, end: datetime, width: Width, tz: ZoneInfo) -> Iterator[tuple[datetime, datetime]]:
    """[start, end) cut where buckets of `width` begin in `tz`; the first and the last may be parts of one."""
    while start < end:
        following = min(_next(start, width, tz), end)
        yield start, following
        start = following


def beginning(day: date, tz: ZoneInfo) -> datetime:
    """The first instant of a date. Where midnight is skipped, that at which clocks change."""
    return datetime(day.year, day.month, day.day, tzinfo=tz).astimezone(UTC)


def checked(start: datetime, end: datetime, now: datetime) -> tuple[datetime, datetime]:
    """The range [start, end) in whole quarter-hours. Raises Invalid.

    Usage is counted by the quarter of an hour, so both must begin one; an end within the running one, or later, takes
    in all that has happened.
    """
    if start >= end:
        raise Invalid.of("end_time", "must be later than start_time")
    if end - start > LONGEST:
        raise Invalid.of("end_time", f"must be at most {LONGEST.days} days after start_time")
    if start != quarter_of(start):
        raise _unaligned("start_time", start)
    if end != quarter_of(end):
        if end < quarter_of(now):
            raise _unaligned("end_time", end)
        end = quarter_of(end) + QUARTER_HOUR
    return start, end


def _unaligned(field: str, moment: datetime) -> Invalid:
    before = int(quarter_of(moment).timestamp())
    return Invalid.of(field, f"must begin a quarter of an hour, such as {before} or {before + 900}")


def _next(moment: datetime, width: Width, tz: ZoneInfo) -> datetime:
    """The first instant after `moment` at which a bucket begins."""
    if width == "15m":
        return quarter_of(moment) + QUARTER_HOUR
    local = moment.astimezone(tz)
    if width == "1h":
        hour = _hour(local)
        while True:  # at most four steps; offsets change by half hours too
            moment = quarter_of(moment) + QUARTER_HOUR
            if _hour(moment.astimezone(tz)) != hour:
                return moment
    if width == "1d":
        return beginning(local.date() + timedelta(days=1), tz)
    return beginning((local.date().replace(day=1) + timedelta(days=32)).replace(day=1), tz)


def _hour(local: datetime) -> tuple[datetime, timedelta | None]:
    return local.replace(minute=0, second=0, microsecond=0, tzinfo=None), local.utcoffset()
