"""Explain: why a charge costs what it costs, from the request down to the journal.

The steps, their facts and what is said of them are decided once, from what is stored and from the charge's own
price book, never from what is in force today. A language only has the words.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from billing.books.explain import english, spanish
from billing.books.explain.bill import billed, requested
from billing.books.explain.evidence import Evidence, evidence
from billing.books.explain.journal import posted
from billing.books.explain.step import Phrase, StepFacts, StepKind
from billing.core.charges import Charge
from billing.core.document import DOCUMENT
from billing.core.languages import ENGLISH, SPANISH, Language
from billing.core.prices import PriceBooks
from billing.core.refusals import ChargeNotFound
from billing.store.engine import Engine

TITLES: Final[Mapping[str, Mapping[StepKind, str]]] = {ENGLISH.code: english.TITLES, SPANISH.code: spanish.TITLES}
PHRASES: Final[Mapping[str, Mapping[Phrase, str]]] = {ENGLISH.code: english.PHRASES, SPANISH.code: spanish.PHRASES}


@dataclass(frozen=True, slots=True)
class ExplainedStep:
    """`title` and `text` for a person, `kind` and `facts` for a program."""

    __pydantic_config__ = DOCUMENT
    step: int
    """its place, from 1"""
    kind: str
    """what it is about"""
    title: str
    """what it is about, in a word or two of the caller's language"""
    text: str
    """the step in sentences, in the caller's language"""
    facts: dict[str, Any]
    """all that the sentences tell, by name: whole credits, pixels and seqs as integers, times as RFC 3339 in UTC"""


@dataclass(frozen=True, slots=True)
class ChargeExplanation:
    """Why a charge costs what it costs, step by step."""

    __pydantic_config__ = DOCUMENT
    account_id: str
    """whose charge it is"""
    request_id: str
    """the charge's"""
    status: str
    """`authorized`, `settled`, `voided` or `expired`"""
    steps: list[ExplainedStep]
    """from the request down to the journal"""


async def explain(
    engine: Engine, books: PriceBooks, account_id: str, request_id: str, language: Language = ENGLISH
) -> ChargeExplanation:
    """The steps of one charge, in order. Raises AccountNotFound, ChargeNotFound."""
    found = await evidence(engine, account_id, request_id)
    charge = found.charge
    if charge is None:
        raise ChargeNotFound(request_id)
    titles, phrases = TITLES[language.code], PHRASES[language.code]
    steps = [
        ExplainedStep(number, told.kind, titles[told.kind], language.said(phrases, told.says, told.facts), told.facts)
        for number, told in enumerate(_steps(books, charge, found), 1)
    ]
    return ChargeExplanation(account_id, request_id, charge.status, steps)


def _steps(books: PriceBooks, charge: Charge, found: Evidence) -> list[StepFacts]:
    prices = books.version(charge.price_version).model(charge.model)
    steps = list(requested(charge, prices))
    if charge.status == "settled":
        steps += billed(charge, prices, found.outputs)
        steps += posted(charge, prices, found)
    return steps
