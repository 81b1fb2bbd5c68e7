from datetime import UTC, datetime, timedelta, timezone

from billing.core.instants import instant_text


def test_an_instant_on_the_second_is_as_wide_as_any_other() -> None:
    noon = datetime(2026, 11, 30, 12, tzinfo=UTC)
    assert instant_text(noon) == "2026-11-30T12:00:00.000000Z"
    assert instant_text(noon + timedelta(milliseconds=100)) == "2026-11-30T12:00:00.100000Z"
    assert instant_text(noon.astimezone(timezone(timedelta(hours=2)))) == "2026-11-30T12:00:00.000000Z"
    assert instant_text(None) is None
