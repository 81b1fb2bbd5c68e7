"""Back-off: when a delivery that failed is tried again, and when no more."""

from typing import Final

# Before the second attempt, the third, …: about three days in all, so that a weekend's outage loses nothing.
PAUSES_SECONDS: Final = (5, 30, 120, 600, 3_600, 10_800, 21_600, 43_200, 86_400, 86_400)
JITTER: Final = 0.2  # of a pause, at most, on top: what failed together does not come back together


def pause_seconds(attempts: int, spread: float) -> float | None:
    """The pause after the failure of attempt number `attempts`, None after the last. `spread`: 0 to 1."""
    if attempts > len(PAUSES_SECONDS):
        return None
    return PAUSES_SECONDS[attempts - 1] * (1 + JITTER * spread)
