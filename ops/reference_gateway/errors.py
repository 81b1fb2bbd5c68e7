"""Errors as OpenAI's clients understand them.

    {"error": {"message": "…", "type": "invalid_request_error", "param": "size", "code": "size_not_allowed"}}

Status, type and code decide what the official client raises, and whether it tries again by itself: after 408, 409, 429
and every 5xx, twice, unless `X-Should-Retry` says otherwise. We always say: see `Again`.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from typing import Any

from billing.client import ChargeClosed, Problem


class Again(Enum):
    """Whether the very same request should be sent again.

    The official client sends no id of its own. Where a caller gave one (`Idempotency-Key`) a repeat is the same
    charge; where not, it is a new one.
    """

    NEVER = "it would be refused again"
    WITH_THE_SAME_ID = "a hold may be open: a repeat with its id goes on with it, one without would place a second"
    WITH_A_NEW_ID = "this id's charge is over: a repeat needs another"

    def advised(self, id_given: bool) -> bool:
        """Whether to advise a program to repeat the request just as it was."""
        return self is not Again.NEVER and id_given == (self is Again.WITH_THE_SAME_ID)


class Refused(Exception):
    """An answer that is no image. `bill` are headers that say what became of the charge."""

    def __init__(
        self,
        status: int,
        type: str,
        code: str,
        message: str,
        param: str | None = None,
        *,
        again: Again = Again.NEVER,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.error: dict[str, Any] = {"message": message, "type": type, "param": param, "code": code}
        self.again = again
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
    "id_reused": (409, "invalid_request_error", "request_id_reused", None),
}


def of_problem(problem: Problem) -> Refused:
    """What a customer is told when billing holds nothing, so that the provider was not called."""
    if isinstance(problem, ChargeClosed):
        return _closed(problem)
    known = _REFUSALS.get(problem.code)
    if known is None:  # unreachable, overloaded, our own key revoked, the account missing: nothing a customer can mend
        message = "Billing cannot be reached, so nothing was generated. Try again shortly."
        headers = {"Retry-After": "2"}
        again = Again.WITH_THE_SAME_ID
        return Refused(503, "server_error", "billing_unavailable", message, again=again, headers=headers)
    status, type, code, param = known
    message = problem.detail or problem.code
    if problem.code == "insufficient_credits":
        message = "Not enough credits: {required} needed, {available} available.".format_map(_Facts(problem.facts))
    return Refused(status, type, code, message, param, headers=_balance(problem))


def _closed(closed: ChargeClosed) -> Refused:
    charge = closed.charge
    headers = {"X-Billing-Outcome": charge["status"], "X-Billing-Credits": str(charge["settled_credits"])}
    if charge["status"] == "settled":
        message = (
            f"The request {charge['request_id']!r} was answered before and cost {charge['settled_credits']} credits. "
            "Its images are not kept any more; for new ones send a new Idempotency-Key."
        )
        return Refused(409, "invalid_request_error", "already_charged", message, headers=headers)
    message = f"The request {charge['request_id']!r} is over ({charge['status']}, nothing was charged). Send a new id."
    return Refused(409, "invalid_request_error", "request_id_closed", message, headers=headers)


def _balance(problem: Problem) -> dict[str, str]:
    available = problem.facts.get("available")
    return {} if available is None else {"X-Billing-Balance": str(available)}


class _Facts(dict[str, Any]):
    def __missing__(self, name: str) -> str:
        return "?"
