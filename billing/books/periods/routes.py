"""Periods: which months are closed, and what came later."""

from typing import Annotated, Any

from fastapi import Path, Response

from billing.books.periods.closing import close, reopen
from billing.books.periods.models import Closing, LateTransferShown, Periods, PeriodShown, Reopening
from billing.books.periods.report import late_transfers, periods
from billing.core.ledger import Transfer
from billing.core.months import MONTH, Month
from billing.core.refusals import EarlierPeriodOpen, LaterPeriodClosed, PeriodNotClosed, PeriodNotOver
from billing.http.auth import Overseeing
from billing.http.models.common import Page, decode_cursor, decode_moment, page
from billing.http.parameters import Cursor, Limit, answered
from billing.http.problems import responses
from billing.http.route import Router
from billing.store.refusals import ClockDoubted

router = Router(prefix="/v1/finance", tags=["finance"])
Period = Annotated[str, Path(pattern=MONTH, description="YYYY-MM, in UTC")]


@router.get("/periods", response_model=Periods, responses=responses())
async def list_periods(caller: Overseeing) -> Any:
    """Every month since the first account was opened, newest first."""
    return Periods(data=[PeriodShown.of(period) for period in await periods(caller.service.long_reads)])


@router.post(
    "/periods/{period}/close",
    response_model=PeriodShown,
    responses=responses(PeriodNotOver, EarlierPeriodOpen, ClockDoubted),
)
async def close_period(
    period: Period, caller: Overseeing, response: Response, body: Closing | None = None
) -> PeriodShown:
    """Locks a month, after what expired and was used in it is posted and recognised. What comes later counts in the next.

    Months are closed in order. Closed again: 200 and `Idempotent-Replayed: true`.
    """
    service = caller.service
    found, new = await close(service.long_reads, service.work, service.posting, period, caller.key.key_id)
    answered(response, not new, created=200)
    return PeriodShown.of(found)


@router.post(
    "/periods/{period}/reopen", response_model=PeriodShown, responses=responses(PeriodNotClosed, LaterPeriodClosed)
)
async def reopen_period(period: Period, caller: Overseeing, response: Response, body: Reopening) -> PeriodShown:
    """Unlocks the month that was closed last. Closing it again is another closing beside this one."""
    service = caller.service
    found, new = await reopen(service.long_reads, service.work, period, caller.key.key_id, body.reason)
    answered(response, not new, created=200)
    return PeriodShown.of(found)


@router.get("/periods/{period}/late", response_model=Page[LateTransferShown], responses=responses())
async def list_late_transfers(period: Period, caller: Overseeing, cursor: Cursor = None, limit: Limit = 50) -> Any:
    """What was due in the month and posted while it was closed, by when it was due."""
    after = None
    if cursor is not None:
        due, account_id, book, seq = decode_cursor(cursor, str, str, str, int)
        after = (decode_moment(due), account_id, book, seq)
    found = await late_transfers(caller.service.long_reads, Month.of(period), after=after, limit=limit + 1)
    return page(found, limit, _place, LateTransferShown.of)


def _place(transfer: Transfer) -> list[Any]:
    return [transfer.effective_at.isoformat(), transfer.account_id, transfer.book, transfer.seq]
