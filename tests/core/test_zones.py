"""Zones: one table decides, the newest; which names are zones; and days as the law of 2026 has them."""

import re
import zoneinfo
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
import tzdata

from billing.core.buckets import beginning, buckets
from billing.core.refusals import Invalid
from billing.core.zones import names, zone

# The law changed in 2026 for all but the last: Vancouver keeps -07, Edmonton and Inuvik -06, Winnipeg -05, Morocco +00.
DAYS = [
    ("America/Vancouver", "2026-12-01T07:30:00Z", "2026-12-01"),
    ("America/Edmonton", "2026-12-01T06:30:00Z", "2026-12-01"),
    ("America/Inuvik", "2026-12-01T06:30:00Z", "2026-12-01"),
    ("America/Winnipeg", "2026-12-01T05:30:00Z", "2026-12-01"),
    ("Africa/Casablanca", "2026-11-30T23:30:00Z", "2026-11-30"),
    ("Africa/El_Aaiun", "2026-11-30T23:30:00Z", "2026-11-30"),
    ("America/Los_Angeles", "2026-12-01T07:30:00Z", "2026-11-30"),
]


@pytest.mark.parametrize(("name", "instant", "day"), DAYS)
def test_days_where_the_law_changed(name: str, instant: str, day: str) -> None:
    moment, tz = datetime.fromisoformat(instant), zone(name)
    spans = buckets(moment - timedelta(days=3), moment + timedelta(days=3), "1d", tz)
    ((since, until),) = [(since, until) for since, until in spans if since <= moment < until]
    assert since == beginning(date.fromisoformat(day), tz)
    assert (since.astimezone(tz).date().isoformat(), until - since) == (day, timedelta(days=1))


def test_the_systems_table_is_not_asked(tmp_path: Path) -> None:
    """`zoneinfo` takes the system's files before the package's, however old they are."""
    old = tmp_path / "America" / "Vancouver"
    old.parent.mkdir()
    old.write_bytes((Path(tzdata.__file__).parent / "zoneinfo" / "UTC").read_bytes())
    (tmp_path / "Atlantis").write_bytes(old.read_bytes())
    noon = datetime(2026, 12, 1, 12, tzinfo=UTC)
    before = zoneinfo.TZPATH
    zoneinfo.reset_tzpath([tmp_path])
    try:
        assert noon.astimezone(zoneinfo.ZoneInfo.no_cache("America/Vancouver")).hour == 12
        assert noon.astimezone(zone.__wrapped__("America/Vancouver")).hour == 5
        with pytest.raises(Invalid):
            zone("Atlantis")
    finally:
        zoneinfo.reset_tzpath(before)


def test_no_newer_table_lies_on_this_machine() -> None:
    """Where this fails, the system knows more than the package: upgrade `tzdata`."""
    for place in map(Path, zoneinfo.TZPATH):
        if (place / "tzdata.zi").exists():
            version = re.match(r"# version (\w+)", (place / "tzdata.zi").read_text())
            assert version is None or version[1] <= tzdata.IANA_VERSION


def test_who_does_not_know_where_it_is_has_utc() -> None:
    assert zone("Etc/Unknown") is zone("UTC")


def test_aliases_are_zones() -> None:
    noon = datetime(2026, 6, 1, 12, tzinfo=UTC)
    for alias, name in (("US/Pacific", "America/Los_Angeles"), ("Asia/Calcutta", "Asia/Kolkata"), ("GMT", "UTC")):
        assert noon.astimezone(zone(alias)).utcoffset() == noon.astimezone(zone(name)).utcoffset()
    assert len(names()) > 590


@pytest.mark.parametrize("name", ["localtime", "Factory", "posixrules", "right/UTC", "posix/Europe/Madrid", "europe/madrid", "Mars/Olympus", "../../etc/passwd", "+01:00", "/UTC"])  # fmt: skip
def test_other_names_are_refused_by_name(name: str) -> None:
    with pytest.raises(Invalid, match=re.escape(f"`{name}`")) as refused:
        zone(name)
    assert refused.value.errors[0]["field"] == "tz"


@pytest.mark.parametrize("name", ["", "UTC\x00", "Evropa/Madrid\ud800"])
def test_what_is_no_name_at_all(name: str) -> None:
    with pytest.raises(Invalid, match="is no IANA time zone"):
        zone(name)
