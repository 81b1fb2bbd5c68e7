"""Timekeeping: how far the database's clock is believed.

Credits and holds that expire are gone for good, so a clock that jumps ahead for a few seconds must not take them along.
A wall clock cannot tell a jump from time that passed, and those of one machine jump together; a machine's time since it
was started cannot jump. So there is a line: when, by the database's clock, this machine was started, as far as that was
ever believed. From it follows what the clock can say at most, at any moment.

    told − line:    below −BOUND         −BOUND to BOUND            above BOUND
                    believed: nothing    believed: clocks differ    not believed: the line's time is taken instead,
                    expires too early    by little, and drift       until it goes back or somebody has accepted it

What is taken is thus always the earlier of the two. Charges go on, in order, and what is due by both still falls due.
"""

from datetime import datetime, timedelta
from typing import Final

# The line follows what is believed, by 1 in 1,000: twice what clocks are disciplined by (500 ppm), so that no drift adds
# up; and slowly enough that a clock which creeps ahead, a few seconds again and again, is not followed.
FOLLOWED: Final = 1_000
# A clock that was set back and stays there was wrong before: from now on the line is its own. Until then it may return.
SETTLED_SECONDS: Final = 3_600.0


class Timekeeper:
    """Fed with the database's clock and the machine's `up` seconds, says which time it is.

    `line` is when the machine was started, by the database's clock. How far ahead of it that clock is: `ahead`.
    """

    __slots__ = ("_behind_since", "_followed_at", "ahead", "bound", "line")

    def __init__(self, line: datetime, up: float, bound: timedelta) -> None:
        self.line = line
        self.bound = bound
        self.ahead = timedelta()
        self._followed_at = up
        self._behind_since: float | None = None

    @classmethod
    def started(
        cls, told: datetime, up: float, bound: timedelta, *, line: datetime | None, known: datetime
    ) -> "Timekeeper":
        """A process's, from its first look at the clock on.

        `line` is what was believed before on this machine, since it was started. Without, there is nothing to measure
        by, and the clock is believed unless it is ahead of everything else that is `known`: the process's own clock, and
        the newest time that anybody has believed.
        """
        if line is None:
            line = min(told, known) - timedelta(seconds=up) if told > known + bound else told - timedelta(seconds=up)
        return cls(line, up, bound)

    @property
    def believes(self) -> bool:
        return self.ahead <= self.bound

    def now(self, told: datetime, up: float) -> datetime:
        """The time, where the database's clock tells `told`. `up` is read after the answer: late, never early."""
        expected = self.line + timedelta(seconds=up)
        self.ahead = ahead = told - expected
        if ahead > self.bound:
            return expected
        if ahead < -self.bound:
            self._behind(told, up)
        else:
            self._behind_since = None
            most = timedelta(seconds=max(up - self._followed_at, 0.0) / FOLLOWED)
            self.line += max(-most, min(ahead, most))
            self._followed_at = up
        return told

    def accept(self, told: datetime, up: float) -> None:
        """Somebody has looked: the database's clock is right."""
        self.line = told - timedelta(seconds=up)
        self.ahead = timedelta()
        self._followed_at, self._behind_since = up, None

    def _behind(self, told: datetime, up: float) -> None:
        if self._behind_since is None:
            self._behind_since = up
        elif up - self._behind_since >= SETTLED_SECONDS:
            self.accept(told, up)
