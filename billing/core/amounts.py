"""Amounts: 64-bit integers of an asset's smallest unit. No float ever touches one."""

from billing.core.refusals import Invalid

CREDIT = "CREDIT"
MAX_AMOUNT = 2**63 - 1  # what a PostgreSQL bigint holds


def amount(value: object, field: str, *, minimum: int = 0, maximum: int = MAX_AMOUNT) -> int:
    """`value` as an amount from `minimum` to `maximum`, in smallest units. Raises Invalid naming `field`.

    Booleans are integers to Python and never an amount to us.
    """
    if type(value) is not int:
        raise Invalid.of(field, "must be an integer")
    if not minimum <= value <= maximum:
        raise Invalid.of(field, f"must lie between {minimum} and {maximum}")
    return value
