"""Explain: why a charge costs what it costs, from the request down to the journal.

The steps, their facts and what is said of them are decided once, from what is stored and from the charge's own
price book, never from what is in force today. A language only has the words.
"""

from dataclasses import dataclass

from billing.core.charges import Charge
from billing.core.prices import PriceBooks
from billing.core.refusals import ChargeNotFound
from billing.store.engine import Engine
from billing.store.explanation import Evidence, evidence
from billing.usage.explanation.bill import billed
from billing.usage.explanation.journal import posted
from billing.usage.explanation.language import Language
from billing.usage.explanation.languages import LANGUAGES, preferred
from billing.usage.explanation.request import requested
from billing.usage.explanation.step import Step

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
