"""Periods of a zone: days as wall clocks have them, hours that are shown twice, months that begin anywhere."""

from datetime import UTC, date, datetime, timedelta
from itertools import islice, pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from billing.core.buckets import LONGEST, WIDTHS, buckets, checked
from billing.core.refusals import Invalid
from billing.core.zones import names, zone

START = datetime(2026, 1, 1, tzinfo=UTC)
QUARTER = timedelta(minutes=15)
ZONES = sorted(names())
quarters = st.integers(0, 20 * 366 * 96).map(lambda n: datetime(2015, 1, 1, tzinfo=UTC) + n * QUARTER)


def lengths(start: datetime, end: datetime, width: str, tz: str) -> list[float]:
    return [(until - since) / timedelta(hours=1) for since, until in buckets(start, end, width, zone(tz))]


def test_days_are_23_and_25_hours_long_where_clocks_change():
    start, end = datetime(2026, 3, 27, 23, tzinfo=UTC), datetime(2026, 3, 30, 22, tzinfo=UTC)
    assert lengths(start, end, "1d", "Europe/Madrid") == [24, 23, 24]
    start, end = datetime(2026, 10, 23, 22, tzinfo=UTC), datetime(2026, 10, 26, 23, tzinfo=UTC)
    assert lengths(start, end, "1d", "Europe/Madrid") == [24, 25, 24]


def test_an_hour_that_is_shown_twice_is_two_hours():
    start, end = datetime(2026, 10, 24, 22, tzinfo=UTC), datetime(2026, 10, 25, 23, tzinfo=UTC)
    assert lengths(start, end, "1h", "Europe/Madrid") == [1] * 25


def test_clocks_that_change_by_half_an_hour():
    start, end = datetime(2026, 4, 4, 13, tzinfo=UTC), datetime(2026, 4, 5, 13, 30, tzinfo=UTC)
    hours = lengths(start, end, "1h", "Australia/Lord_Howe")
    assert sum(hours) == 24.5
    assert hours.count(0.5) == 1
    assert lengths(start, end, "1d", "Australia/Lord_Howe") == [24.5]


def test_zones_off_by_quarters_of_an_hour():
    start = datetime(2026, 5, 3, 18, 15, tzinfo=UTC)  # midnight in Kathmandu
    assert lengths(start, start + timedelta(days=2), "1d", "Asia/Kathmandu") == [24, 24]
    assert [since for since, _ in buckets(start, start + timedelta(hours=2), "1h", zone("Asia/Kathmandu"))] == [
        start,
        start + timedelta(hours=1),
    ]


def test_a_day_begins_at_its_first_instant_where_there_is_no_midnight():
    tz = zone("America/Santiago")  # 2026-09-06 begins at 01:00
    start = datetime(2026, 9, 5, 4, tzinfo=UTC)
    spans = list(buckets(start, start + timedelta(days=2), "1d", tz))
    assert spans[1][0] == datetime(2026, 9, 6, 4, tzinfo=UTC)
    assert spans[1][0].astimezone(tz).hour == 1


def test_a_date_that_a_zone_left_out():
    spans = list(
        buckets(
            datetime(2011, 12, 29, 10, tzinfo=UTC), datetime(2012, 1, 1, 11, tzinfo=UTC), "1d", zone("Pacific/Apia")
        )
    )
    dates = [since.astimezone(zone("Pacific/Apia")).date() for since, _ in spans]
    assert dates == [date(2011, 12, 29), date(2011, 12, 31), date(2012, 1, 1), date(2012, 1, 2)]


def test_months_and_the_parts_of_them_at_the_ends():
    spans = buckets(datetime(2026, 1, 15, tzinfo=UTC), datetime(2026, 4, 2, tzinfo=UTC), "1mo", zone("Asia/Tokyo"))
    assert [since for since, _ in spans] == [
        datetime(2026, 1, 15, tzinfo=UTC),
        datetime(2026, 1, 31, 15, tzinfo=UTC),
        datetime(2026, 2, 28, 15, tzinfo=UTC),
        datetime(2026, 3, 31, 15, tzinfo=UTC),
    ]


@given(quarters, st.integers(1, 4000), st.sampled_from(WIDTHS), st.sampled_from(ZONES))
def test_buckets_partition_the_range_where_the_wall_clock_says(start, count, width, name):
    end, tz = start + count * QUARTER, zone(name)
    spans = list(islice(buckets(start, end, width, tz), 200))
    assert spans[0][0] == start
    assert spans[-1][1] == end or len(spans) == 200
    assert all(a[1] == b[0] for a, b in pairwise(spans))
    label = {
        "15m": lambda t: t,
        "1h": lambda t: (t.astimezone(tz).replace(minute=0, tzinfo=None), t.astimezone(tz).utcoffset()),
        "1d": lambda t: t.astimezone(tz).date(),
        "1mo": lambda t: t.astimezone(tz).strftime("%Y-%m"),
    }[width]
    for since, until in spans[:20]:
        inside = {label(since + n * QUARTER) for n in range((until - since) // QUARTER)}
        assert len(inside) == 1 or _turned_back(since, until, tz)
        if until != end:
            assert label(until) not in inside or _turned_back(since, until + timedelta(hours=3), tz)


def _turned_back(since: datetime, until: datetime, tz: ZoneInfo) -> bool:
    """Whether a date ended, and came back when clocks were turned back over midnight."""
    local = [(since + n * QUARTER).astimezone(tz).replace(tzinfo=None) for n in range((until - since) // QUARTER + 1)]
    return any(b < a for a, b in pairwise(local))


NOW = START + timedelta(hours=5, minutes=7)


@pytest.mark.parametrize(
    ("start", "end", "field"),
    [
        (START, START, "end_time"),
        (START + QUARTER, START, "end_time"),
        (START, START + LONGEST + QUARTER, "end_time"),
        (START + timedelta(seconds=1), START + QUARTER, "start_time"),
        (START, START + QUARTER + timedelta(seconds=1), "end_time"),
    ],
)
def test_ranges_that_are_refused(start, end, field):
    with pytest.raises(Invalid) as refused:
        checked(start, end, NOW)
    assert refused.value.errors[0]["field"] == field


def test_what_is_not_aligned_is_told_what_would_be():
    with pytest.raises(Invalid) as refused:
        checked(START + timedelta(seconds=1), NOW, NOW)
    before = int(START.timestamp())
    assert f"{before} or {before + 900}" in refused.value.errors[0]["message"]


def test_an_end_in_the_running_quarter_of_an_hour_takes_it_in():
    assert checked(START, NOW, NOW) == (START, START + timedelta(hours=5, minutes=15))
    assert checked(START, NOW + timedelta(days=1), NOW) == (START, START + timedelta(days=1, hours=5, minutes=15))
    assert checked(START, START + LONGEST, NOW) == (START, START + LONGEST)
