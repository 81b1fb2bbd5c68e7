"""Periods: which months are closed, and what came later."""

from datetime import datetime
from typing import Annotated, Any

from fastapi import Path, Response
from pydantic import Field

from billing.books.periods.closing import close, reopen
from billing.books.periods.refusals import EarlierPeriodOpen, LaterPeriodClosed, PeriodNotClosed, PeriodNotOver
from billing.books.periods.report import Period, late_transfers, periods
from billing.core.months import MONTH, Month
from billing.http.auth import Overseeing
from billing.http.models.common import Body, Page, Shown, Text
from billing.http.models.transfers import TransferShown
from billing.http.pages import Keyset
from billing.http.parameters import Cursor, Limit, answered
from billing.http.problems import responses
from billing.http.route import Router
from billing.store.refusals import ClockDoubted

router = Router(prefix="/v1/finance", tags=["finance"])
LATE = Keyset(effective_at=datetime, account_id=str, book=str, seq=int)
Name = Annotated[str, Path(alias="period", pattern=MONTH, description="YYYY-MM, in UTC")]


class Closing(Body):
    """Nothing more has to be said."""


class Reopening(Body):
    reason: Annotated[Text, Field(min_length=1)]
    """why, 1 to 512 characters; kept for ever"""


class Periods(Shown):
    data: list[Period]
    """newest first"""


class LateTransfer(TransferShown):
    """A row of the journal, with the account that it belongs to."""

    account_id: str
    """whose row it is"""


@router.get("/periods", responses=responses())
async def list_periods(caller: Overseeing) -> Periods:
    """Every month since the first account was opened, newest first."""
    return Periods(data=await periods(caller.service.long_reads))


@router.post("/periods/{period}/close", responses=responses(PeriodNotOver, EarlierPeriodOpen, ClockDoubted))
async def close_period(name: Name, caller: Overseeing, response: Response, body: Closing | None = None) -> Period:
    """Locks a month, after what expired and was used in it is posted and recognised. What comes later counts in the next.

    Months are closed in order. Closed again: 200 and `Idempotent-Replayed: true`.
    """
    service = caller.service
    found, new = await close(service.long_reads, service.work, service.posting, name, caller.key.key_id)
    answered(response, not new, created=200)
    return found


@router.post("/periods/{period}/reopen", responses=responses(PeriodNotClosed, LaterPeriodClosed))
async def reopen_period(name: Name, caller: Overseeing, response: Response, body: Reopening) -> Period:
    """Unlocks the month that was closed last. Closing it again is another closing beside this one."""
    service = caller.service
    found, new = await reopen(service.long_reads, service.work, name, caller.key.key_id, body.reason)
    answered(response, not new, created=200)
    return found


@router.get("/periods/{period}/late", response_model=Page[LateTransfer], responses=responses())
async def list_late_transfers(name: Name, caller: Overseeing, cursor: Cursor = None, limit: Limit = 50) -> Any:
    """What was due in the month and posted while it was closed, by when it was due."""
    month, after = Month.of(name), LATE.after(cursor)
    found = await late_transfers(caller.service.long_reads, month, after=after, limit=limit + 1)
    return LATE.page(found, limit)
