"""The one exception of the client.

Problem
├── code = one of the contract's codes     the service refused; `facts` holds what it said
├── code = "unreachable"                   no answer within the retries; status 0, the cause is chained
└── code = "unexpected_answer"             an answer that is not the service's (a proxy's page, say)
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

UNREACHABLE = "unreachable"
UNEXPECTED_ANSWER = "unexpected_answer"

_MEMBERS = frozenset({"type", "title", "status", "detail", "code"})


class Problem(Exception):
    """A refusal or a failure: `code` to branch on, HTTP `status` (0 without an answer), `detail` for a
    person, `facts` as fields (`available`, `required`, `charge_status`, …; amounts in the asset's unit).

    After `unreachable` or a 5xx the effect is unknown: repeat the call with the same id, it happens once.
    """

    def __init__(self, status: int, code: str, detail: str = "", facts: Mapping[str, Any] | None = None) -> None:
        super().__init__(f"{code} ({status}): {detail}" if detail else f"{code} ({status})")
        self.status = status
        self.code = code
        self.detail = detail
        self.facts: dict[str, Any] = dict(facts or {})

    @classmethod
    def of(cls, status: int, document: object) -> Problem:
        """The problem that an answer's JSON document describes; `unexpected_answer` if it is none."""
        if not isinstance(document, Mapping) or not isinstance(document.get("code"), str):
            return cls(status, UNEXPECTED_ANSWER, "the answer is not a problem document")
        facts = {name: value for name, value in document.items() if name not in _MEMBERS}
        detail = document.get("detail") or document.get("title") or ""
        return cls(status, document["code"], str(detail), facts)
