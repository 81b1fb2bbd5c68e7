"""Explanations over HTTP."""

from typing import Annotated, Any, Literal

from fastapi import Header, Query

from billing.books.explain.report import Explained, Language
from billing.http.models.common import Shown

ExplanationLanguage = Annotated[Literal["en", "es"] | None, Query(description="of the sentences")]
AcceptLanguage = Annotated[str | None, Header(description="where `lang` is absent; default English")]


class StepShown(Shown):
    """`title` and `text` for a person, `kind` and `facts` for a program."""

    step: int
    kind: str
    title: str
    text: str
    facts: dict[str, Any]


class Explanation(Shown):
    account_id: str
    request_id: str
    status: str
    steps: list[StepShown]

    @classmethod
    def of(cls, explained: Explained, language: Language) -> "Explanation":
        return cls(
            account_id=explained.charge.account_id,
            request_id=explained.charge.request_id,
            status=explained.charge.status,
            steps=[
                StepShown(
                    step=number,
                    kind=step.kind,
                    title=language.title(step),
                    text=language.text(step),
                    facts=step.facts,
                )
                for number, step in enumerate(explained.steps, 1)
            ],
        )
