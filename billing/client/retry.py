"""When a call is repeated, how long it waits first, and when it gives up."""

from __future__ import annotations

import random
import time
from collections.abc import Generator
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import TypeAlias

import httpx

from billing.client.problem import UNEXPECTED_ANSWER, UNREACHABLE, Problem
from billing.client.request import Answer, Flow, Request, T

# What leaves the outcome open. Errors of our own making (a malformed URL) are not among them: they raise.
CONNECTION_ERRORS = (httpx.TimeoutException, httpx.NetworkError, httpx.RemoteProtocolError, httpx.ProxyError)

REPEATABLE_STATUSES = frozenset({408, 502, 503, 504})
"""503 is the service's "not now", and 408 says that our body did not reach it in time (RFC 9110, 15.5.9: may be repeated
on a new connection); 502 and 504 come from a balancer in front of it: the connection failed, one hop further on."""


@dataclass(frozen=True, slots=True)
class Retry:
    """At most `attempts` calls in all, pausing from `first_pause_seconds`, doubling up to
    `longest_pause_seconds`, and none that would begin more than `longest_seconds` after the first: while the service is
    silent each call takes as long as its time-out. Repeating is safe because each write names its effect with the
    caller's id."""

    attempts: int = 4
    first_pause_seconds: float = 0.1
    longest_pause_seconds: float = 5.0
    longest_seconds: float = 25.0

    def __post_init__(self) -> None:
        if self.attempts < 1 or min(self.first_pause_seconds, self.longest_pause_seconds, self.longest_seconds) < 0:
            raise ValueError("at least one attempt, and no negative time")

    def pause_seconds(
        self, attempt: int, retry_after: str | None = None, *, spent_seconds: float = 0.0
    ) -> float | None:
        """Seconds to wait after the failed call number `attempt` (from 1), `spent_seconds` after the first; None: give up.

        A `Retry-After` is a floor. If it asks for more than the longest pause, giving up at once is
        kinder to both sides than to knock early or to keep the customer waiting.
        """
        if attempt >= self.attempts:
            return None
        backoff = min(self.first_pause_seconds * 2.0 ** (attempt - 1), self.longest_pause_seconds)
        # Callers that failed together must not come back together.
        pause = backoff * random.uniform(0.5, 1.0)
        asked = _seconds(retry_after)
        if asked is not None:
            if asked > self.longest_pause_seconds:
                return None
            pause = max(asked, pause)
        return pause if spent_seconds + pause <= self.longest_seconds else None


NO_RETRY = Retry(attempts=1)


@dataclass(frozen=True, slots=True)
class Pause:
    """Wait so long, then go on."""

    seconds: float


Steps: TypeAlias = Generator[Request | Pause, httpx.Response | None, T]
"""What a wire does one by one: it sends requests and gives back responses, or throws in what went wrong; and waits."""


def steps(flow: Flow[T], retry: Retry) -> Steps[T]:
    """The flow as steps: each of its requests, repeated within the bounds of `retry`, and its answer or problem."""
    try:
        request = next(flow)
        while True:
            try:
                answer = yield from _attempts(request, retry)
            except BaseException as error:
                request = flow.throw(error)
            else:
                request = flow.send(answer)
    except StopIteration as end:
        result: T = end.value
        return result


def _attempts(request: Request, retry: Retry) -> Steps[Answer]:
    attempt, began = 1, time.monotonic()
    while True:
        try:
            response = yield request
        except CONNECTION_ERRORS as error:
            pause = retry.pause_seconds(attempt, spent_seconds=time.monotonic() - began)
            if pause is None:
                said = str(error) or type(error).__name__
                raise Problem(0, UNREACHABLE, f"{request.method} {request.path}: {said}") from error
        else:
            assert response is not None
            if response.status_code not in REPEATABLE_STATUSES:
                return _read(response)
            spent = time.monotonic() - began
            pause = retry.pause_seconds(attempt, response.headers.get("Retry-After"), spent_seconds=spent)
            if pause is None:
                return _read(response)
        yield Pause(pause)
        attempt += 1


def _read(response: httpx.Response) -> Answer:
    try:
        document = response.json() if response.content else None
    except ValueError as error:
        raise Problem(response.status_code, UNEXPECTED_ANSWER, "the answer is not JSON") from error
    if not response.is_success:
        raise Problem.of(response.status_code, document)
    return Answer(response.status_code, document, response.headers.get("Idempotent-Replayed", "").lower() == "true")


def _seconds(retry_after: str | None) -> float | None:
    """`Retry-After` is a number of seconds or an HTTP date; anything else is as if it were absent."""
    if retry_after is None:
        return None
    if retry_after.isascii() and retry_after.isdigit():
        return float(retry_after)
    try:
        at = parsedate_to_datetime(retry_after)
    except (ValueError, OverflowError):
        return None
    if at.tzinfo is None:  # "-0000" parses to a naive time; HTTP dates are UTC
        at = at.replace(tzinfo=UTC)
    return max(0.0, (at - datetime.now(UTC)).total_seconds())
