"""What a batch adds to usage: each line once, by the quarter of an hour."""

from datetime import UTC, datetime, timedelta

from billing.core.charges import Output
from billing.core.usage import Tally, day_of, quarter_of

from .test_canonical_bytes import SETTLED

NOW = datetime(2026, 5, 4, 13, 44, 59, 999999, tzinfo=UTC)
QUARTER = datetime(2026, 5, 4, 13, 30, tzinfo=UTC)


CHARGE = SETTLED._replace(
    model="gpt-image-2", operation="generation", billed_quality="high", quality="auto", api_key_id=None
)


def output(index: int, status: str = "succeeded", tier: str | None = "1K", credits: int = 14) -> Output:
    return Output("a", "r", index, status, None, None, tier, credits, 0, (), None, 0)


def test_a_request_counts_on_its_first_output_and_failures_cost_nothing():
    tally = Tally()
    charge = CHARGE._replace(api_key_id="key")
    tally.bill(charge, [output(0, "failed", None, 0), output(1), output(2, tier="2K", credits=67), output(3)], NOW)
    assert sorted(tally.rows("a")) == [
        ("a", QUARTER, "gpt-image-2", "generation", "", "high", "key", 1, 0, 1, 0),
        ("a", QUARTER, "gpt-image-2", "generation", "1K", "high", "key", 0, 2, 0, 28),
        ("a", QUARTER, "gpt-image-2", "generation", "2K", "high", "key", 0, 1, 0, 67),
    ]


def test_charges_alike_share_a_line_and_refunds_take_credits_only():
    tally = Tally()
    for _ in range(3):
        tally.bill(CHARGE, [output(0)], NOW)
    tally.refund(CHARGE, output(0), 5, NOW)
    assert list(tally.rows("a")) == [("a", QUARTER, "gpt-image-2", "generation", "1K", "high", "", 3, 3, 0, 37)]


def test_a_correction_takes_an_image_away_where_it_was_and_counts_it_where_it_is():
    tally = Tally()
    tally.correct(CHARGE, output(0), output(0, tier="2K"), (14, 67), NOW)
    tally.correct(CHARGE, output(1), output(1, "failed", None), (14, 0), NOW)
    assert sorted(tally.rows("a")) == [
        ("a", QUARTER, "gpt-image-2", "generation", "", "high", "", 0, 0, 1, 0),
        ("a", QUARTER, "gpt-image-2", "generation", "1K", "high", "", 0, -2, 0, -28),
        ("a", QUARTER, "gpt-image-2", "generation", "2K", "high", "", 0, 1, 0, 67),
    ]


def test_quarters_and_days_begin_where_they_should():
    assert quarter_of(NOW) == QUARTER
    assert quarter_of(NOW + timedelta(microseconds=1)) == QUARTER + timedelta(minutes=15)
    assert quarter_of(QUARTER) == QUARTER
    assert day_of(NOW) == datetime(2026, 5, 4, tzinfo=UTC)
    assert day_of(datetime(2026, 5, 4, tzinfo=UTC)) == datetime(2026, 5, 4, tzinfo=UTC)
