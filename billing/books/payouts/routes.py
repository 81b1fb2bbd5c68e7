"""Payouts beside the journal, and what is left in clearing."""

from dataclasses import asdict
from typing import Annotated, Any

from fastapi import Path, Query

from billing.books.payouts.clearing import Clearing, clearing
from billing.books.payouts.report import NOBODY_KNOWS_WHEN, Payout, PayoutItems, PayoutNotFound, payout, payouts
from billing.core.months import MONTH
from billing.http.auth import Overseeing
from billing.http.models.common import Page, decode_cursor, decode_moment, page
from billing.http.parameters import Cursor, Limit, clean
from billing.http.problems import responses
from billing.http.route import Router

router = Router(prefix="/v1/finance", tags=["finance"])
Period = Annotated[str | None, Query(pattern=MONTH, description="YYYY-MM, in UTC")]


@router.get("/payouts", response_model=Page[Payout], responses=responses())
async def list_payouts(caller: Overseeing, period: Period = None, cursor: Cursor = None, limit: Limit = 50) -> Any:
    """Payouts that were booked, in a month or ever, newest first; last those of which only the items are known."""
    before = None
    if cursor is not None:
        at, payout_id = decode_cursor(cursor, str, str)
        before = (decode_moment(at), payout_id)
    found = await payouts(caller.service.long_reads, period=period, before=before, limit=limit + 1)
    return page(found, limit, lambda one: [(one.booked_at or NOBODY_KNOWS_WHEN).isoformat(), one.payout_id])


@router.get("/payouts/{payout_id}", response_model=PayoutItems, responses=responses(PayoutNotFound))
async def get_payout(
    payout_id: Annotated[str, Path(max_length=256)],
    caller: Overseeing,
    wrong: Annotated[bool, Query(description="only items that are not booked as Stripe lists them")] = False,
    cursor: Cursor = None,
    limit: Limit = 50,
) -> Any:
    """A payout and what it consists of, each item beside what is booked of it."""
    clean(payout_id=payout_id)
    after = "" if cursor is None else decode_cursor(cursor, str)[0]
    found, items = await payout(caller.service.long_reads, payout_id, after=after, wrong=wrong, limit=limit + 1)
    return {**asdict(found), **page(items, limit, lambda item: [item.transaction_id])}


@router.get("/clearing", responses=responses())
async def get_clearing(caller: Overseeing, period: Period = None, limit: Limit = 50) -> Clearing:
    """What Stripe keeps for us, now or at a month's end: what is not paid out yet, and what does not add up.

    All that was paid out nets to zero, or the payout is named with the transactions of which the ledger knows nothing.
    """
    return await clearing(caller.service.long_reads, period=period, limit=limit)
