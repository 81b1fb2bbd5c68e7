"""Money outside of the ledger: micros of a currency as decimals, rounded to what its coins can pay, and as Stripe counts.

The ledger never rounds; only what leaves it for a person's eyes does. What is asked of Stripe is exact, or refused.
"""

from typing import Final

from billing.core.refusals import Invalid

MICROS: Final = 1_000_000

# https://www.iso.org/iso-4217-currency-codes.html: how many decimals a currency has.
_WHOLE: Final = frozenset(
    ["BIF", "CLP", "DJF", "GNF", "ISK", "JPY", "KMF", "KRW", "PYG", "RWF", "UGX", "VND", "VUV", "XAF", "XOF", "XPF"]
)  # no decimals at all
_THOUSANDTHS: Final = frozenset(["BHD", "IQD", "JOD", "KWD", "LYD", "OMR", "TND"])
# https://docs.stripe.com/currencies: how Stripe counts, which is not ISO's everywhere: currencies without a minor unit,
# and those with a thousandth. ISK and UGX have no minor unit either, but Stripe counts them in hundredths, of which it
# takes whole hundreds only.
_STRIPE_WHOLE: Final = frozenset(
    ["BIF", "CLP", "DJF", "GNF", "JPY", "KMF", "KRW", "MGA", "PYG", "RWF", "VND", "VUV", "XAF", "XOF", "XPF"]
)
_STRIPE_THOUSANDTHS: Final = frozenset(["BHD", "JOD", "KWD", "OMR", "TND"])
_STRIPE_WHOLE_IN_HUNDREDTHS: Final = frozenset({"ISK", "UGX"})


def decimals(currency: str) -> int:
    """How many decimals amounts of `currency` are paid in."""
    return 0 if currency in _WHOLE else 3 if currency in _THOUSANDTHS else 2


def nearest_minor_units(micros: int, currency: str) -> int:
    """`micros` of `currency` to the nearest minor unit; a half away from zero."""
    unit: int = MICROS // 10 ** decimals(currency)
    whole = (abs(micros) * 2 + unit) // (unit * 2)
    return whole if micros >= 0 else -whole


def stripe_units(micros: int, currency: str) -> int:
    """`micros` of `currency` as Stripe counts them, exactly. Raises Invalid where that is not whole."""
    size = _stripe_unit_micros(currency)
    step = MICROS if currency in _STRIPE_WHOLE_IN_HUNDREDTHS else 10 * size if currency in _STRIPE_THOUSANDTHS else size
    if micros % step:
        raise Invalid.of("price.micros", f"must be a multiple of {step} in {currency}: cards charge no less")
    return micros // size


def micros_of_stripe(units: int, currency: str) -> int:
    """What Stripe reports, in micros of `currency` (upper case)."""
    return units * _stripe_unit_micros(currency)


def _stripe_unit_micros(currency: str) -> int:
    if currency in _STRIPE_WHOLE:
        return MICROS
    return 1_000 if currency in _STRIPE_THOUSANDTHS else 10_000


def written(amount: int, decimals: int) -> str:
    """`amount` of the smallest unit as an exact decimal number: -1234567 with 6 decimals is -1.234567."""
    sign, digits = "-" if amount < 0 else "", str(abs(amount)).rjust(decimals + 1, "0")
    return f"{sign}{digits[:-decimals]}.{digits[-decimals:]}" if decimals else f"{sign}{digits}"
