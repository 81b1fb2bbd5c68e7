"""Deadlines: for how long a database that says nothing is waited for, by us and by its own server.

A connection may end without a word: packets vanish, a proxy or a server's disk stands still. Nobody then hears an
error, so that everything we wait for has an end. Whatever passes it has its connection terminated, which every caller
knows as a lost connection; nothing else is cancelled, and nothing is waited for to be ended.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final, Self

import asyncpg
import structlog

# Callers wait for 10 seconds: our own client does, and most others by default (httpx and Node's fetch behind a
# gateway, load balancers from 10 to 60). What is told after that is told to nobody.
ANSWER_SECONDS: Final = 8
FINISH_SECONDS: Final = 2.0  # when the end is asked for: what is silent for as long is given up
CLOSE_SECONDS: Final = 0.5  # to say goodbye to the server; whoever ends must not wait for one that is gone
log = structlog.get_logger("billing.database")


@dataclass(frozen=True, slots=True)
class Deadlines:
    """All in seconds, and all from one: `answer`, after which a caller hears 503 (`BILLING_DATABASE_SECONDS`)."""

    answer: float = ANSWER_SECONDS

    @property
    def transaction(self) -> float:
        """From BEGIN to COMMIT. What remains of `answer` is for a new connection, to find out by ids."""
        return self.answer * 5 / 8

    @property
    def connect(self) -> float:
        """TCP, TLS, login and all that makes it a session of ours, for each host."""
        return self.answer * 5 / 16

    @property
    def proof(self) -> float:
        """For a session that was idle to show that it is alive."""
        return self.answer / 4

    @property
    def brief(self) -> dict[str, str]:
        """What the server keeps to in a session of short transactions, ahead of us, so that it says what it was.

        It must let go of the locks of a session whose packets vanish before the same commands come anew.
        """
        return {
            "statement_timeout": _milliseconds(self.answer / 2),
            "lock_timeout": _milliseconds(self.answer / 2),
            "idle_in_transaction_session_timeout": _milliseconds(self.answer * 3 / 8),
        }

    @property
    def patient(self) -> dict[str, str]:
        """The same for a session whose statements may take long: who reads slowly keeps one for minutes."""
        return {
            "lock_timeout": _milliseconds(self.answer / 2),
            "idle_in_transaction_session_timeout": "10min",
        }

    @property
    def peer(self) -> dict[str, str]:
        """When the server takes us for gone: silent for so long, or not taking what it sends (Linux)."""
        idle, unanswered = self.probes
        return {
            "tcp_keepalives_idle": str(idle),
            "tcp_keepalives_interval": "1",
            "tcp_keepalives_count": "3",
            "tcp_user_timeout": str(unanswered),
        }

    @property
    def probes(self) -> tuple[int, int]:
        """Seconds of silence until TCP asks whether the other side is there; milliseconds until it is not."""
        return max(1, round(self.answer / 2)), round(self.transaction * 1000)


class Watch:
    """Terminates a session when its time is over, unless the block ends before. Costs a few microseconds."""

    __slots__ = ("_asking", "_loop", "_timer", "_watched")

    def __init__(self) -> None:
        self._timer: asyncio.TimerHandle | None = None
        self._asking: asyncio.Task[None] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for waiting in (self._timer, self._asking):
            if waiting is not None:
                waiting.cancel()

    def over(
        self, session: asyncpg.Connection, seconds: float, is_at_work: Callable[[], Awaitable[bool]] | None = None
    ) -> None:
        """From now on over `session`, for `seconds`; and again, as long as the second opinion is that it is at work."""
        self._loop = asyncio.get_running_loop()
        self._watched = session, is_at_work
        if is_at_work is None:
            self._timer = self._loop.call_later(seconds, _end, session, seconds)
        else:
            self._timer = self._loop.call_later(seconds, self._doubt, session, seconds, is_at_work)

    def hurry(self) -> None:
        """Leaves it FINISH_SECONDS at most; where there is a second opinion, that is asked at once."""
        if self._timer is not None:
            session, is_at_work = self._watched
            seconds = 0.0 if is_at_work is not None else FINISH_SECONDS
            if self._timer.when() - self._loop.time() > seconds:
                self._timer.cancel()
                self.over(session, seconds, is_at_work)

    def _doubt(self, session: asyncpg.Connection, seconds: float, is_at_work: Callable[[], Awaitable[bool]]) -> None:
        async def ask() -> None:
            if await is_at_work():
                self.over(session, max(seconds, FINISH_SECONDS), is_at_work)
            else:
                _end(session, seconds)

        self._asking = self._loop.create_task(ask())


def watched(session: asyncpg.Connection, seconds: float) -> Watch:
    """For a block that has `seconds` with `session`."""
    watch = Watch()
    watch.over(session, seconds)
    return watch


def _end(session: asyncpg.Connection, seconds: float) -> None:
    if not session.is_closed():
        log.warning("a connection to the database said nothing and was given up", seconds=round(seconds, 1))
        session.terminate()


def _milliseconds(seconds: float) -> str:
    return str(round(seconds * 1000))
