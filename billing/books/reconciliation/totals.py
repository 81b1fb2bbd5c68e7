"""Totals: what a comparison found, as it counts; kept as JSON with the reconciliation."""

import json
from dataclasses import dataclass, field
from typing import Any

from billing.core.reconciliation import ACTIONS, CORRECT, KINDS, SETTLE, Line


@dataclass
class Totals:
    """`difference_credits` sums what bills are short of and what they have too much; `absolute_credits` without signs.

    Both are of what will be posted: what a person must look at is counted, and no more.
    """

    rows: int = 0
    charges: int = 0
    charged_credits: int = 0
    differing_rows: int = 0
    charges_to_post: int = 0
    difference_credits: int = 0
    absolute_credits: int = 0
    kinds: dict[str, list[int]] = field(default_factory=lambda: {kind: [0, 0] for kind in KINDS})
    actions: dict[str, int] = field(default_factory=lambda: dict.fromkeys(ACTIONS, 0))

    def add(self, found: list[Line]) -> None:
        """Counts the lines of one request."""
        self.differing_rows += len({line.manifest_line for line in found if line.manifest_line is not None})
        posting = False
        for line in found:
            kind = self.kinds[line.kind]
            kind[0] += 1
            kind[1] += line.difference_credits
            self.actions[line.action] += 1
            if line.action in (CORRECT, SETTLE):
                posting = True
                self.difference_credits += line.difference_credits
                self.absolute_credits += abs(line.difference_credits)
        self.charges_to_post += posting

    def document(self) -> dict[str, Any]:
        lines = sum(count for count, _ in self.kinds.values())
        return {
            "rows": self.rows,
            "matched_rows": self.rows - self.differing_rows,
            "charges": self.charges,
            "charged_credits": self.charged_credits,
            "lines": lines,
            "charges_to_post": self.charges_to_post,
            "difference_credits": self.difference_credits,
            "absolute_credits": self.absolute_credits,
            "for_a_person": self.actions["person"],
            "by_kind": [
                {"kind": kind, "title": KINDS[kind], "lines": count, "difference_credits": credits}  # type: ignore[index]
                for kind, (count, credits) in self.kinds.items()
                if count
            ],
        }

    def text(self) -> str:
        return json.dumps(self.document())
