"""Shares: a whole number cut into whole parts, so that they sum to it."""

from collections.abc import Sequence
from decimal import ROUND_FLOOR, Decimal

_NOISE = Decimal("1e-12")  # what exact parts, divided to thirty digits, may lack in their sum


def shared(amount: int, weights: Sequence[int]) -> list[int]:
    """`amount` ≥ 0 by `weights` ≥ 0, not all 0: whole parts; what is left over goes to the largest remainders."""
    total = sum(weights)
    parts = [divmod(amount * weight, total) for weight in weights]
    return _topped_up([whole for whole, _ in parts], [rest for _, rest in parts], amount)


def rounded(parts: Sequence[Decimal]) -> list[int]:
    """`parts` ≥ 0 in whole numbers that sum to the whole number in the sum of all, by largest remainder."""
    total = int((sum(parts, Decimal(0)) + _NOISE).to_integral_value(ROUND_FLOOR))
    wholes = [int(part.to_integral_value(ROUND_FLOOR)) for part in parts]
    return _topped_up(wholes, [part - whole for part, whole in zip(parts, wholes, strict=True)], total)


def _topped_up(wholes: list[int], rests: Sequence[int | Decimal], total: int) -> list[int]:
    largest = sorted(range(len(wholes)), key=lambda place: (-rests[place], place))
    for place in largest[: total - sum(wholes)]:
        wholes[place] += 1
    return wholes
