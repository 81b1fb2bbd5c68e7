"""Errors as OpenAI's clients understand them.

    {"error": {"message": "…", "type": "invalid_request_error", "param": "size", "code": "size_not_allowed"}}

Status, type and code decide what the official client raises, and whether it tries again by itself: after 408, 409, 429
and every 5xx, twice, unless `X-Should-Retry` says otherwise. We always say: see `Again`. Some clients never look at it,
so what is final has none of these statuses.
"""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from email.utils import parsedate_to_datetime
from enum import Enum
from typing import Any

from billing.client import ChargeClosed, Problem

LONGEST_WAIT_SECONDS = 59
"""What is longer each client reads in a way of its own: as no wait at all, as its own guess, or as a reason to give up."""


class Again(Enum):
    """Whether the very same request should be sent again. It is no second charge: it goes on with the hold that is
    open, if there is one, or begins anew where nothing was billed."""

    NEVER = "it would be refused again"
    SOON = "it may succeed"


class Refused(Exception):
    """An answer that is no image. `headers` say what became of the charge; `may_be_held`: its hold may be open."""

    def __init__(
        self,
        status: int,
        type: str,
        code: str,
        message: str,
        param: str | None = None,
        *,
        again: Again = Again.NEVER,
        may_be_held: bool = False,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.error: dict[str, Any] = {"message": message, "type": type, "param": param, "code": code}
        self.again = again
        self.may_be_held = may_be_held
        self.headers = dict(headers or {})

    @property
    def document(self) -> dict[str, Any]:
        return {"error": self.error}


def invalid(message: str, param: str | None = None, *, code: str = "invalid_value", status: int = 400) -> Refused:
    """The caller's mistake."""
    return Refused(status, "invalid_request_error", code, message, param)


# Billing's code → status, type, code, param. Nothing was held.
#
# No credits is 402, not OpenAI's 429: the official client takes 429 for haste and tries again, 402 it raises at once.
# Type and code are OpenAI's, so that programs which look for `insufficient_quota` find it.
_REFUSALS: dict[str, tuple[int, str, str, str | None]] = {
    "insufficient_credits": (402, "insufficient_quota", "insufficient_quota", None),
    "account_suspended": (403, "invalid_request_error", "account_suspended", None),
    "unknown_model": (400, "invalid_request_error", "model_not_found", "model"),
    "size_not_allowed": (400, "invalid_request_error", "size_not_allowed", "size"),
    "size_not_priced": (400, "invalid_request_error", "size_not_priced", "size"),
    "quality_not_supported": (400, "invalid_request_error", "quality_not_supported", "quality"),
    "validation_error": (400, "invalid_request_error", "invalid_value", None),
    "id_reused": (422, "invalid_request_error", "request_id_reused", "Idempotency-Key"),
}


def of_problem(problem: Problem) -> Refused:
    """What a customer is told when billing holds nothing, so that the provider was not called."""
    if isinstance(problem, ChargeClosed):
        return _closed(problem)
    known = _REFUSALS.get(problem.code)
    if known is None:  # unreachable, overloaded, our own key revoked, the account missing: nothing a customer can mend
        message = "Billing cannot be reached, so nothing was generated. Try again shortly."
        unavailable = "server_error", "billing_unavailable", message
        return Refused(503, *unavailable, again=Again.SOON, may_be_held=True, headers={"Retry-After": "2"})
    status, type, code, param = known
    message = problem.detail or problem.code
    if problem.code == "insufficient_credits":
        message = "Not enough credits: {required} needed, {available} available.".format_map(_Facts(problem.facts))
    if problem.code == "id_reused":
        message = "The Idempotency-Key stands for another request. Send a new one."
    return Refused(status, type, code, message, param, headers=_balance(problem))


def already_charged(request_id: str, credits: int | None) -> Refused:
    """410, for 409 is what clients repeat. Without credits the bill is still on its way."""
    cost = "is being billed" if credits is None else f"cost {credits} credits"
    message = (
        f"The request {request_id!r} was answered before and {cost}. "
        "Its images are not kept any more; for new ones send a new Idempotency-Key."
    )
    headers = {"X-Billing-Request-Id": request_id}
    headers |= {} if credits is None else {"X-Billing-Outcome": "settled", "X-Billing-Credits": str(credits)}
    return Refused(410, "invalid_request_error", "already_charged", message, headers=headers)


def _closed(closed: ChargeClosed) -> Refused:
    charge = closed.charge
    if charge["status"] == "settled":
        return already_charged(charge["request_id"], charge["settled_credits"])
    # Of a task: whoever waits for an answer holds anew.
    message = f"The request {charge['request_id']!r} is over ({charge['status']}, nothing was charged). Send it again."
    return Refused(410, "invalid_request_error", "request_id_closed", message)


def whole_seconds(retry_after: str) -> str | None:
    """A `Retry-After`, a number of seconds or an HTTP date, as all clients understand it: 1 to 59. None: it is neither."""
    try:
        seconds = float(retry_after)
    except ValueError:
        try:
            seconds = parsedate_to_datetime(retry_after).timestamp() - time.time()
        except (ValueError, OverflowError):
            return None
    return None if math.isnan(seconds) else str(math.ceil(min(max(seconds, 1), LONGEST_WAIT_SECONDS)))


def _balance(problem: Problem) -> dict[str, str]:
    available = problem.facts.get("available")
    return {} if available is None else {"X-Billing-Balance": str(available)}


class _Facts(dict[str, Any]):
    def __missing__(self, name: str) -> str:
        return "?"
