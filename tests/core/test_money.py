"""Money outside of the ledger: rounded to what can be paid, and written exactly."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from billing.core.cells import harmless, plain
from billing.core.chart import CHART, account_of, own_part
from billing.core.ledger import ROUTES
from billing.core.money import decimals, micros_of_stripe, nearest_minor_units, stripe_units, written
from billing.core.refusals import Invalid


@pytest.mark.parametrize(
    ("micros", "currency", "units"),
    [
        (1_234_567, "USD", 123), (1_235_000, "USD", 124), (-1_235_000, "USD", -124), (4_999, "USD", 0), (5_000, "USD", 1),
        (-4_999, "USD", 0), (-5_000, "USD", -1), (499_999, "JPY", 0), (500_000, "JPY", 1), (-1_500_000, "JPY", -2),
        (1_234_567, "KWD", 1_235), (1_234_499, "KWD", 1_234), (0, "EUR", 0),
    ],
)  # fmt: skip
def test_to_the_nearest_minor_unit(micros: int, currency: str, units: int) -> None:
    assert nearest_minor_units(micros, currency) == units


@given(micros=st.integers(-(2**70), 2**70), currency=st.sampled_from(["USD", "JPY", "KWD"]))
def test_rounding_is_off_by_half_a_unit_at_most(micros: int, currency: str) -> None:
    unit = 10 ** (6 - decimals(currency))
    assert abs(nearest_minor_units(micros, currency) * unit - micros) * 2 <= unit


@pytest.mark.parametrize(
    ("amount", "places", "text"),
    [
        (0, 6, "0.000000"),
        (-1, 6, "-0.000001"),
        (1_234_567, 6, "1.234567"),
        (-1_234, 2, "-12.34"),
        (7, 0, "7"),
        (-7, 0, "-7"),
    ],
)
def test_exact_decimals(amount: int, places: int, text: str) -> None:
    assert written(amount, places) == text


@given(st.text(max_size=8) | st.sampled_from(["=1", "'=1", "＝1", "-x", "\t", "'", ""]))
def test_cells_come_back(text: str) -> None:
    assert plain(harmless(text)) == text
    assert not harmless(text).startswith(("=", "+", "-", "@", "\t", "\r", "＝", "＋", "－", "＠"))


def test_every_ledger_account_has_a_name() -> None:
    assert {name for _, *sides in ROUTES.values() for name in sides} <= set(CHART)


@given(st.text("AZaz09_.:-", min_size=1, max_size=64))
def test_own_parts_of_names_come_back(account_id: str) -> None:
    assert account_of(own_part(account_id)) == account_id
    assert set(own_part(account_id)) <= set("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-")


# https://docs.stripe.com/currencies: how each counts, in micros; and the least step that a card is charged in.
MINOR = [
    ("USD", 10_000, 10_000),
    ("EUR", 10_000, 10_000),
    ("JPY", 1_000_000, 1_000_000),
    ("KRW", 1_000_000, 1_000_000),
    ("VND", 1_000_000, 1_000_000),
    ("KWD", 1_000, 10_000),  # the last digit must be 0
    ("TND", 1_000, 10_000),
    ("ISK", 10_000, 1_000_000),  # counted in hundredths that must be 00
    ("UGX", 10_000, 1_000_000),
]


@pytest.mark.parametrize(("currency", "unit", "step"), MINOR)
def test_a_minor_unit_is_the_currencys_own(currency: str, unit: int, step: int) -> None:
    assert stripe_units(12 * step, currency) == 12 * step // unit
    assert micros_of_stripe(7, currency) == 7 * unit
    for wrong in (12 * step + 1, 12 * step - 1, step // 2, unit if unit < step else unit // 10):
        with pytest.raises(Invalid) as refused:
            stripe_units(wrong, currency)
        assert refused.value.detail == f"price.micros: must be a multiple of {step} in {currency}: cards charge no less"


def test_every_currency_without_hundredths_is_listed() -> None:
    whole = "BIF CLP DJF GNF JPY KMF KRW MGA PYG RWF VND VUV XAF XOF XPF"
    assert {micros_of_stripe(1, code) for code in whole.split()} == {1_000_000}
    assert {micros_of_stripe(1, code) for code in ("BHD", "JOD", "KWD", "OMR", "TND")} == {1_000}


@given(st.sampled_from([row[0] for row in MINOR]), st.integers(1, 10**9))
def test_what_is_charged_comes_back_to_the_micro(currency: str, steps: int) -> None:
    step = next(row[2] for row in MINOR if row[0] == currency)
    assert micros_of_stripe(stripe_units(steps * step, currency), currency) == steps * step
