"""Money outside of the ledger: micros of a currency as decimals, and rounded to what a currency's coins can pay.

The ledger never rounds; only what leaves it does. https://www.iso.org/iso-4217-currency-codes.html: how many decimals
a currency has. Not always as many as Stripe counts in: see `billing.core.packs`.
"""

from typing import Final

MICROS: Final = 1_000_000
_WHOLE: Final = frozenset(
    ["BIF", "CLP", "DJF", "GNF", "ISK", "JPY", "KMF", "KRW", "PYG", "RWF", "UGX", "VND", "VUV", "XAF", "XOF", "XPF"]
)  # no decimals at all
_THOUSANDTHS: Final = frozenset(["BHD", "IQD", "JOD", "KWD", "LYD", "OMR", "TND"])


def decimals(currency: str) -> int:
    """How many decimals amounts of `currency` are paid in."""
    return 0 if currency in _WHOLE else 3 if currency in _THOUSANDTHS else 2


def minor_units(micros: int, currency: str) -> int:
    """`micros` of `currency` to the nearest minor unit; a half away from zero."""
    unit: int = MICROS // 10 ** decimals(currency)
    whole = (abs(micros) * 2 + unit) // (unit * 2)
    return whole if micros >= 0 else -whole


def written(amount: int, decimals: int) -> str:
    """`amount` of the smallest unit as an exact decimal number: -1234567 with 6 decimals is -1.234567."""
    sign, digits = "-" if amount < 0 else "", str(abs(amount)).rjust(decimals + 1, "0")
    return f"{sign}{digits[:-decimals]}.{digits[-decimals:]}" if decimals else f"{sign}{digits}"
