from datetime import UTC, datetime, timedelta, timezone

import pytest

from billing.core.instants import instant_of, instant_text


def test_an_instant_on_the_second_is_as_wide_as_any_other() -> None:
    noon = datetime(2026, 11, 30, 12, tzinfo=UTC)
    assert instant_text(noon) == "2026-11-30T12:00:00.000000Z"
    assert instant_text(noon + timedelta(milliseconds=100)) == "2026-11-30T12:00:00.100000Z"
    assert instant_text(noon.astimezone(timezone(timedelta(hours=2)))) == "2026-11-30T12:00:00.000000Z"
    assert instant_text(None) is None


def test_an_instant_is_read_with_its_zone() -> None:
    noon = datetime(2026, 11, 30, 12, tzinfo=UTC)
    assert instant_of("2026-11-30T12:00:00Z") == noon == instant_of("2026-11-30T14:00:00+02:00")
    assert instant_of(instant_text(noon)).utcoffset() == timedelta(0)


@pytest.mark.parametrize(
    "value",
    [
        None, 0, True, "", "2026-11-30", "2026-11-30T12:00:00", "2026-11-30T12:00:00.000000", "2026-13-30T12:00:00Z",
        "1969-12-31T23:59:59Z", "0001-01-01T00:00:00+14:00", "yesterday, at about noon",
    ],
)  # fmt: skip
def test_what_is_no_instant(value: object) -> None:
    with pytest.raises(ValueError, match="must be an RFC 3339 time"):
        instant_of(value)
