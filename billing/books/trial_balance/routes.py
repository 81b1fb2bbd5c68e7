"""GET /v1/finance/trial-balance."""

from typing import Annotated

from fastapi import Query

from billing.books.periods.refusals import PeriodNotClosed
from billing.books.trial_balance.report import TrialBalance, trial_balance
from billing.core.months import MONTH
from billing.core.refusals import AccountNotFound
from billing.http.auth import Overseeing
from billing.http.parameters import Moment, OneAccount
from billing.http.problems import responses
from billing.http.route import Router
from billing.store.closings import Known

router = Router(prefix="/v1/finance", tags=["finance"])


@router.get("/trial-balance", responses=responses(AccountNotFound, PeriodNotClosed))
async def get_trial_balance(
    caller: Overseeing,
    at: Annotated[Moment | None, Query(description="RFC 3339: after all that was due by then; default: now")] = None,
    period: Annotated[str | None, Query(pattern=MONTH, description="YYYY-MM: at the end of this month")] = None,
    known: Annotated[Known | None, Query(description="of a period: as it was known when it was closed, or now")] = None,
    known_at: Annotated[Moment | None, Query(description="RFC 3339: only what was posted by then")] = None,
    account_id: OneAccount = None,
) -> TrialBalance:
    """Debits, credits and balance of every ledger account by book and asset, of all accounts or one."""
    engine = caller.service.long_reads
    return await trial_balance(engine, at=at, period=period, known=known, known_at=known_at, account_id=account_id)
