"""Simulations of prices over HTTP."""

from datetime import datetime
from typing import Annotated, Any

from pydantic import ConfigDict, Field

from billing.books.simulation.report import Cell, Change, Customer, Simulation, Unpriced
from billing.core.prices import PUBLISHED
from billing.http.models.common import Body, Shown, Time

UNPRICED_SHOWN = 200


class Candidate(Body):
    """All prices of a book, as they would be published. Whenever it would apply does not matter here."""

    models: dict[str, Any]
    effective_from: Time | None = None


class NewSimulation(Body):
    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "candidate": {"models": dict(PUBLISHED)},
                "start": "2026-01-01T00:00:00Z",
                "end": "2026-02-01T00:00:00Z",
            }
        }
    )
    candidate: Candidate
    start: Annotated[Time, Field(description="of what was settled from then on")]
    end: Annotated[Time, Field(description="exclusive")]
    limit: Annotated[int, Field(ge=1, le=200, description="winners, and losers")] = 50


class ChangeShown(Shown):
    """Credits as they are billed, corrections included and refunds not, and under the candidate."""

    images: int
    credits_now: int
    credits_then: int
    difference: int = Field(description="then less now")

    @classmethod
    def of(cls, change: Change) -> "ChangeShown":
        return cls.like(change)


class CustomerShown(ChangeShown):
    account_id: str

    @classmethod
    def of(cls, change: Customer) -> "CustomerShown":  # type: ignore[override]
        return cls.like(change)


class CellShown(ChangeShown):
    """Of one model, quality and size tier, as they are billed now."""

    model: str
    quality: str
    size_tier: str

    @classmethod
    def of(cls, change: Cell) -> "CellShown":  # type: ignore[override]
        return cls.like(change)


class UnpricedShown(Shown):
    """Requests that the candidate would refuse, with the refusal's code."""

    code: str
    model: str
    size: str
    quality: str
    images: int
    credits_now: int

    @classmethod
    def of(cls, unpriced: Unpriced) -> "UnpricedShown":
        return cls.like(unpriced)


class SimulationShown(Shown):
    """What was delivered in [start, end), by the time it was settled, under another book. Nothing was written."""

    start: datetime
    end: datetime
    as_of: datetime
    total: ChangeShown = Field(description="without what the candidate has no price for")
    unpriced_images: int
    unpriced_credits: int = Field(description="what these cost now")
    customers: int
    winners_count: int = Field(description="customers who would pay less")
    losers_count: int = Field(description="customers who would pay more")
    winners: list[CustomerShown] = Field(description="the largest differences first")
    losers: list[CustomerShown]
    cells: list[CellShown] = Field(description="by model, quality and size tier; the largest differences first")
    unpriced: list[UnpricedShown] = Field(description="the dearest first, at most 200")

    @classmethod
    def of(cls, s: Simulation) -> "SimulationShown":
        return cls.like(
            s,
            total=ChangeShown.of(s.total),
            winners=[CustomerShown.of(one) for one in s.winners],
            losers=[CustomerShown.of(one) for one in s.losers],
            cells=[CellShown.of(one) for one in s.cells],
            unpriced=[UnpricedShown.of(one) for one in s.unpriced[:UNPRICED_SHOWN]],
        )
