"""Months in UTC: their names, where they begin and end, and what is no month."""

from datetime import UTC, datetime, timedelta, timezone

import pytest

from billing.core.months import Month
from billing.core.refusals import Invalid


def test_a_month_ends_where_the_next_begins() -> None:
    december = Month.of("2026-12")
    assert december == ("2026-12", datetime(2026, 12, 1, tzinfo=UTC), datetime(2027, 1, 1, tzinfo=UTC))
    assert december.following == Month.of("2027-01")
    assert Month.of("2028-02").ends_at - Month.of("2028-02").starts_at == timedelta(days=29)


def test_the_month_of_a_moment_is_that_of_utc() -> None:
    in_madrid = datetime(2026, 3, 1, 0, 30, tzinfo=timezone(timedelta(hours=1)))
    assert Month.containing(in_madrid).name == "2026-02"


@pytest.mark.parametrize(
    "name", ["", "2026", "2026-13", "2026-00", "1969-12", "3000-01", "2026-1", "2026-01-01", "２０２６-01"]
)
def test_what_is_no_month(name: str) -> None:
    with pytest.raises(Invalid, match="start: must be a month"):
        Month.of(name, "start")


def test_a_month_has_begun_at_its_first_instant() -> None:
    march = Month.of("2026-03")
    assert Month.begun("2026-03", march.starts_at) == march
    with pytest.raises(Invalid, match="period: lies in the future"):
        Month.begun("2026-03", march.starts_at - timedelta(microseconds=1))
