"""Explanations over HTTP."""

from typing import Any

from billing.api.models.common import Shown
from billing.usage.explain import Explained


class StepShown(Shown):
    """`text` for a person, `facts` for a program."""

    step: int
    kind: str
    text: str
    facts: dict[str, Any]


class Explanation(Shown):
    account_id: str
    request_id: str
    status: str
    steps: list[StepShown]

    @classmethod
    def of(cls, explained: Explained) -> "Explanation":
        return cls(
            account_id=explained.charge.account_id,
            request_id=explained.charge.request_id,
            status=explained.charge.status,
            steps=[
                StepShown(step=number, kind=step.kind, text=step.text, facts=step.facts)
                for number, step in enumerate(explained.steps, 1)
            ],
        )
