"""Money on the terminal: micros as people read them, from integers alone."""

from billing.core.amounts import CREDIT


def money(micros: int, currency: str) -> str:
    """With all six places, so that columns align: `-1.580000 USD`."""
    return f"{decimal(micros)} {currency}"


def price(micros: int, currency: str) -> str:
    """As a price tag says it: `10 USD`, `0.0095 USD`."""
    return f"{decimal(micros).rstrip('0').rstrip('.')} {currency}"


def figure(amount: int, asset: str) -> str:
    """An amount of `asset`: whole credits, or money with its six places."""
    return f"{amount:,}" if asset == CREDIT else decimal(amount)


def decimal(micros: int) -> str:
    sign, whole = "-" if micros < 0 else "", abs(micros)
    return f"{sign}{whole // 1_000_000:,}.{whole % 1_000_000:06d}"
