"""The time that the fake's objects carry: the machine's, moved forward by whoever tests."""

import time


class Clock:
    """Whole seconds since 1970. `advance` moves it forward; it never goes back."""

    def __init__(self) -> None:
        self._ahead_seconds = 0

    def now(self) -> int:
        return int(time.time()) + self._ahead_seconds

    def advance(self, seconds: int) -> None:
        if seconds < 0:
            raise ValueError(f"{seconds} seconds: time does not go back")
        self._ahead_seconds += seconds
