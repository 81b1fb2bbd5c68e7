"""What the client raises.

Problem                                    nothing was delivered, nothing is billed
├── code = one of the contract's codes     the service refused; `facts` holds what it said
├── code = "unreachable"                   no answer within the retries; status 0, the cause is chained
├── code = "unexpected_answer"             an answer that is not the service's (a proxy's page, say)
├── code = "over_max_credits"              it could come to more than the caller allows
└── ChargeClosed                           this id's charge is over: the provider was not called
    └── AlreadyCharged                     … because it was delivered and billed before
Unsettled                                  delivered, and not billed yet: settle again
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, TypedDict

if TYPE_CHECKING:
    from billing.client.documents import Charge
    from billing.client.output import Output

UNREACHABLE = "unreachable"
UNEXPECTED_ANSWER = "unexpected_answer"
OVER_MAX_CREDITS = "over_max_credits"

_MEMBERS = frozenset({"type", "title", "status", "detail", "code", "retry"})

Repeat: TypeAlias = Literal["never", "later", "same_id"]
"""Whether a repeat can help: not as it is; once what `detail` names has changed; or of the very same call with the same
id, which takes effect once."""


class Problem(Exception):
    """A refusal or a failure: `code` to branch on, HTTP `status` (0 without an answer), `detail` for a
    person, `facts` as fields (`available`, `required`, `charge_status`, `differs`, …; amounts in the asset's unit).

    `retry` says whether a repeat can help. After `same_id` the effect may be unknown: repeat the call with the same id, it
    happens once.
    """

    def __init__(
        self,
        status: int,
        code: str,
        detail: str = "",
        facts: Mapping[str, Any] | None = None,
        retry: Repeat | None = None,
    ) -> None:
        super().__init__(f"{code} ({status}): {detail}" if detail else f"{code} ({status})")
        self.status = status
        self.code = code
        self.detail = detail
        self.facts: dict[str, Any] = dict(facts or {})
        self.retry: Repeat = retry or ("same_id" if status == 0 or status >= 500 else "never")

    @classmethod
    def of(cls, status: int, document: object) -> Problem:
        """The problem that an answer's JSON document describes; `unexpected_answer` if it is none."""
        if not isinstance(document, Mapping) or not isinstance(document.get("code"), str):
            return cls(status, UNEXPECTED_ANSWER, "the answer is not a problem document")
        facts = {name: value for name, value in document.items() if name not in _MEMBERS}
        detail = document.get("detail") or document.get("title") or ""
        return cls(status, document["code"], str(detail), facts, document.get("retry"))


class ChargeClosed(Problem):
    """The request's id names a charge that is over, so nothing is held for it and the provider was not called:
    `charge` as it is now. Voided or expired: nothing was billed, and a new attempt takes a new id."""

    def __init__(self, charge: Charge) -> None:
        status = charge["status"]
        detail = f"the charge {charge['request_id']!r} is {status}: nothing is held under this id any more"
        super().__init__(409, "charge_not_open", detail, {"charge_status": status})
        self.charge = charge


class AlreadyCharged(ChargeClosed):
    """The request was delivered and billed before; `charge` says what it came to."""


class Settlement(TypedDict):
    """The arguments of a `settle`; JSON as it is, so that it can be kept and sent later."""

    account_id: str
    request_id: str
    outputs: list[Output]


class Unsettled(Exception):
    """Images were delivered and the bill could not be posted: `problem` says why. Nothing is lost: give the customer
    the images, keep `settle_again()`, and send it until it succeeds, `await billing.settle(**kept)`; it is billed once.
    Until the hold expires, and a day longer, that needs nothing else; after that, `force=True`.
    """

    def __init__(self, settlement: Settlement, problem: Problem, expires_at: str | None) -> None:
        super().__init__(f"delivered, not settled: {settlement['account_id']} {settlement['request_id']}: {problem}")
        self.settlement = settlement
        self.problem = problem
        self.expires_at = expires_at

    def settle_again(self) -> Settlement:
        """What to hand to `settle`, at any time."""
        return self.settlement
