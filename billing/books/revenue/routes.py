"""Revenue: recognised on demand, told by month, and by grant."""

from typing import Annotated, Any

from fastapi import Query

from billing.books.periods.refusals import PeriodNotClosed
from billing.books.revenue.recognition import Recognised, recognise
from billing.books.revenue.report import GrantRevenue, Revenue, revenue, revenue_by_grant
from billing.core.months import MONTH
from billing.core.refusals import AccountNotFound
from billing.http.auth import Overseeing
from billing.http.models.common import Page
from billing.http.pages import Keyset
from billing.http.parameters import Cursor, Limit, OneAccount
from billing.http.problems import responses
from billing.http.route import Router
from billing.store.closings import Known

router = Router(prefix="/v1/finance", tags=["finance"])
BY_GRANT = Keyset(account_id=str, grant_id=str)
Period = Annotated[str, Query(pattern=MONTH, description="YYYY-MM, in UTC")]


@router.post("/recognition", responses=responses())
async def run_recognition(caller: Overseeing) -> Recognised:
    """Makes revenue of what was used or expired since the last run. Again, late or twice at once: only what is missing.

    The service does so every day by itself.
    """
    return await recognise(caller.service.long_reads, caller.service.posting)


@router.get("/revenue", responses=responses(AccountNotFound, PeriodNotClosed))
async def get_revenue(
    caller: Overseeing,
    period: Period,
    known: Annotated[
        Known | None,
        Query(
            description="`close`: as it was known when the month was closed. `now`: by when everything was due, also what "
            "came after it was closed. Default: the books as they stand, where that counts in a later month"
        ),
    ] = None,
    account_id: OneAccount = None,
) -> Revenue:
    """A month's revenue and the roll-forward of deferred revenue, by currency: the running month too."""
    return await revenue(caller.service.long_reads, period, known=known, account_id=account_id)


@router.get("/revenue/grants", response_model=Page[GrantRevenue], responses=responses())
async def list_revenue_by_grant(caller: Overseeing, period: Period, cursor: Cursor = None, limit: Limit = 50) -> Any:
    """A month's revenue by account and grant, as the books stand."""
    after = BY_GRANT.after(cursor) or ("", "")
    found = await revenue_by_grant(caller.service.long_reads, period, after=after, limit=limit + 1)
    return BY_GRANT.page(found, limit)
