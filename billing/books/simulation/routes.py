"""POST /v1/price-books/simulate."""

from billing.books.simulation.models import NewSimulation, SimulationShown
from billing.books.simulation.report import simulate
from billing.http.auth import Overseeing
from billing.http.problems import responses
from billing.http.route import Router

router = Router(prefix="/v1", tags=["prices"])


@router.post("/price-books/simulate", response_model=SimulationShown, responses=responses())
async def simulate_prices(body: NewSimulation, caller: Overseeing) -> SimulationShown:
    """Prices again what was really delivered, under a book that is not published: who would pay more, and who less."""
    found = await simulate(caller.service.long_reads, body.candidate.models, body.start, body.end, limit=body.limit)
    return SimulationShown.of(found)
