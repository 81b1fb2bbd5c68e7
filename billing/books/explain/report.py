"""Explain: why a charge costs what it costs, from the request down to the journal.

The steps, their facts and what is said of them are decided once, from what is stored and from the charge's own
price book, never from what is in force today. A language only has the words.
"""

from dataclasses import dataclass

from billing.books.explain.bill import billed
from billing.books.explain.evidence import Evidence, evidence
from billing.books.explain.journal import posted
from billing.books.explain.language import Language
from billing.books.explain.languages import LANGUAGES, preferred
from billing.books.explain.request import requested
from billing.books.explain.step import Step
from billing.core.charges import Charge
from billing.core.prices import PriceBooks
from billing.core.refusals import ChargeNotFound
from billing.store.engine import Engine

__all__ = ["LANGUAGES", "Evidence", "Explained", "Language", "Step", "explain", "preferred"]


@dataclass(frozen=True, slots=True)
class Explained:
    charge: Charge
    steps: list[Step]


async def explain(engine: Engine, books: PriceBooks, account_id: str, request_id: str) -> Explained:
    """The steps of one charge, in order. Raises AccountNotFound, ChargeNotFound."""
    found = await evidence(engine, account_id, request_id)
    charge = found.charge
    if charge is None:
        raise ChargeNotFound(request_id)
    prices = books.version(charge.price_version).model(charge.model)
    steps = list(requested(charge, prices))
    if charge.status == "settled":
        steps += billed(charge, prices, found.outputs)
        steps += posted(charge, prices, found)
    return Explained(charge, steps)
