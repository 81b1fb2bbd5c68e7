"""Visits: the connections of callers, as the front sees them. Whose turn is it, and for how long has it been theirs?

Kept for whoever looks after connections (`billing.serving`): here nothing waits and nothing is closed.
"""

import asyncio
from time import perf_counter

Client = tuple[str, str | int]  # address and port, as the scope has them
BODY_SECONDS = 10.0  # for a body of any size, and
BODY_RATE = 16 << 10  # bytes: a second more for each, so that a manifest of 256 MB may take hours


class Visit:
    """A connection. HTTP/1.1 has one request on it at a time."""

    __slots__ = ("body_task", "is_known", "is_late", "received", "since", "waited")

    def __init__(self) -> None:
        self.is_known = False  # it once brought a key that is one
        self.since: float | None = None  # the caller's turn, since then; None: ours
        self.body_task: asyncio.Task[object] | None = None  # it waits for the caller's body
        self.received = 0  # bytes of that body
        self.waited = 0.0  # seconds, for what of it has come
        self.is_late = False

    def seconds(self, now: float) -> float:
        """How long the caller has kept us waiting; 0 while it is our turn."""
        return 0.0 if self.since is None else now - self.since


class Visits(dict[Client, Visit]):
    """By the caller's address and port."""

    is_full = False  # callers without a key are asked to go after their answer

    def hurry(self) -> None:
        """Ends the wait for every body that is late: its request is told so (`BodyTooSlow`)."""
        now = perf_counter()
        for visit in self.values():
            if visit.body_task is not None and not visit.is_late:
                allowed = BODY_SECONDS + visit.received / BODY_RATE
                if visit.waited + visit.seconds(now) > allowed:
                    visit.is_late = True
                    visit.body_task.cancel()
