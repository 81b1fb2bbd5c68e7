"""A wish: what a customer wants to have once, and pay once, however often it is asked for.

It is known by the account and the `Idempotency-Key`, or else by the customer's key and all that was asked. Which wish a
request is for (`choose`), the oldest first:

    | the wish                                             | key given    | sent again | first sent, or who knows |
    | ---------------------------------------------------- | ------------ | ---------- | ------------------------ |
    | nobody works on it, and its hold may be open         | is taken up  | taken up   | taken up                 |
    | worked on or answered, and nobody is there to get it | is joined    | joined     | joined                   |
    | came to nothing: nothing is held, nothing billed     | begins anew  | anew       | a new wish               |
    | worked on for another request, or answered           | is joined    | joined     | a new wish               |

"Sent again" is what official clients say of themselves (`X-Stainless-Retry-Count`). Two that are sent at once without a
key are two wishes: one may want two pictures of one thing. So are the requests that the AI SDK sends at once under one
key.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, Literal, Protocol

from billing.client import Comment

from .caller import Caller
from .charge_ids import ChargeIds
from .customers import Customer
from .errors import Refused, invalid
from .image_request import ImageRequest

MEMBERS_SECONDS = 1.5
"""So long after the first, requests of the AI SDK under one key are parts of one call; it repeats none of them within
two seconds."""

REPEAT_SECONDS = 60.0
"""So long after a request has ended, an official client may send it again: it waits 8 seconds, or as long as it is told
to (`errors.LONGEST_WAIT_SECONDS`)."""

MOST_WAITING = 8
MOST_SIGNS = 3
"""Events that wait for one reader, and how many may wait before a sign of life that is worth nothing then. Partial
images OpenAI sends three at most."""

Name = tuple[str, str, str]


class Weighed(Protocol):
    """What answers a wish. `weight`: bytes that it takes to keep."""

    @property
    def weight(self) -> int: ...


@dataclass(frozen=True, slots=True)
class Asking:
    """One request, as far as it matters for whose wish it is. `digest` is of all that was asked, by which key of the
    customer's, and how; `kin` is the same but for the number of images."""

    customer: Customer
    caller: Caller
    n: int
    digest: str
    kin: str

    @classmethod
    def of(cls, customer: Customer, caller: Caller, request: ImageRequest, mode: Literal["sync", "async"]) -> Asking:
        kin = hashlib.sha256(f"{customer.api_key_id} {mode} {request.digest()}".encode()).hexdigest()
        return cls(customer, caller, request.n, hashlib.sha256(f"{kin} {request.n}".encode()).hexdigest(), kin)

    @property
    def name(self) -> Name:
        if self.caller.key is not None:
            return self.customer.account_id, "key", self.caller.key
        return self.customer.account_id, "content", self.digest

    @property
    def again(self) -> bool:
        """Whether it is no wish of its own if there is one that it can be for."""
        return self.caller.key is not None or bool(self.caller.repeat)

    @property
    def splits(self) -> bool:
        return self.caller.key is not None and self.caller.splits


class State(Enum):
    WORKING = "somebody works on it"
    HELD = "nobody does, and its hold may be open: the work was stopped, or its outcome is unknown"
    OVER = "it came to nothing: nothing is held, and nothing was billed"
    ANSWERED = "its images are billed"


@dataclass(slots=True, eq=False)
class Wish:
    """Times are the clock's seconds."""

    asking: Asking
    ids: ChargeIds
    began_at: float
    state: State = State.OVER
    work: asyncio.Task[Weighed] | None = None
    arrived: bool = False
    """The images are there: they are billed, so the work is not stopped any more."""
    answer: Weighed | None = None
    """As long as it is kept."""
    attended: int = 0
    """Requests that wait for it, or are being sent its answer."""
    handed: int = 0
    """Requests that it has been for."""
    returning: bool = False
    """Whether one of those who asked says that it repeats, or was told to."""
    delivered: bool = False
    """Whether an answer of it went out and nothing was seen to break."""
    idle_since: float = 0.0
    listeners: list[asyncio.Queue[dict[str, Any] | Comment]] = field(default_factory=list)
    """Where the partial images of a stream go, and its signs of life."""

    @property
    def forsaken(self) -> bool:
        """Whether nobody is there to get it who has not got it yet."""
        if self.attended:
            return False
        return self.state is State.HELD or (
            not self.delivered and (self.state is State.WORKING or self.answer is not None)
        )

    @property
    def idle(self) -> bool:
        return not self.attended and self.work is None

    def begin(self, work: asyncio.Task[Weighed]) -> None:
        self.state, self.work = State.WORKING, work
        self.arrived = self.delivered = self.returning = False
        self.handed = 0

    def end(self, outcome: Weighed | Refused | None, at: float) -> None:
        """An answer, or why there is none; None: nobody knows."""
        self.work, self.idle_since = None, at
        if isinstance(outcome, Refused):
            self.state = State.HELD if outcome.may_be_held else State.OVER
        elif outcome is None:
            self.state = State.HELD
        else:
            self.state, self.answer = State.ANSWERED, outcome

    def emit(self, event: dict[str, Any] | Comment) -> None:
        """A partial image, or a sign of life, to all who are there; who is slow to read, or only waits for the answer,
        misses what is too much."""
        most = MOST_SIGNS if isinstance(event, Comment) else MOST_WAITING
        for listener in self.listeners:
            if listener.qsize() < most:
                listener.put_nowait(event)


def choose(wishes: Sequence[Wish], asking: Asking, now: float) -> Wish | None:
    """The one of the wishes under its name that a request is for; None: a new one. Raises `Refused` where the key
    stands for another request."""
    same = [wish for wish in wishes if wish.asking.digest == asking.digest]
    if not same:
        settled = any(wish.state in (State.WORKING, State.ANSWERED) for wish in wishes)
        if settled and not (asking.splits and wishes[0].asking.kin == asking.kin):
            raise reused(asking)
        return None
    for wish in same:
        if wish.forsaken:
            return wish
    if asking.caller.key is None:
        same = [wish for wish in same if not wish.idle or now - wish.idle_since < REPEAT_SECONDS]
    if not asking.again or not same:
        return None
    for wish in same:
        if wish.state is State.OVER:
            return wish
    if asking.splits and now - wishes[0].began_at < MEMBERS_SECONDS and any(wish.work for wish in same):
        return None
    return min(same, key=lambda wish: wish.handed)


def reused(asking: Asking) -> Refused:
    """422, for 409 is what clients repeat."""
    message = f"The Idempotency-Key {asking.caller.key!r} stands for another request. Send a new one."
    return invalid(message, "Idempotency-Key", code="request_id_reused", status=422)
