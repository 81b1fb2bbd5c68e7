"""POST /v1/price-books/simulate."""

from typing import Annotated, Any

from pydantic import ConfigDict, Field

from billing.books.simulation.report import Simulation, simulate
from billing.core.prices import PUBLISHED
from billing.http.auth import Overseeing
from billing.http.models.common import Body, Time
from billing.http.problems import responses
from billing.http.route import Router

router = Router(prefix="/v1", tags=["prices"])


class Candidate(Body):
    """All prices of a book, as they would be published."""

    models: Annotated[dict[str, Any], Field(description="by name, as for `POST /v1/price-books`")]
    effective_from: Annotated[
        Time | None, Field(description="when it would apply: of no account here, and may be left out")
    ] = None


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
    candidate: Annotated[Candidate, Field(description="the book to price by")]
    start: Annotated[Time, Field(description="of what was settled from then on")]
    end: Annotated[Time, Field(description="exclusive")]
    limit: Annotated[int, Field(ge=1, le=200, description="winners, and losers")] = 50


@router.post("/price-books/simulate", responses=responses())
async def simulate_prices(body: NewSimulation, caller: Overseeing) -> Simulation:
    """Prices again what was really delivered, under a book that is not published: who would pay more, and who less."""
    return await simulate(caller.service.long_reads, body.candidate.models, body.start, body.end, limit=body.limit)
