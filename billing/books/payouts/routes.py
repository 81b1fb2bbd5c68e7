"""Payouts beside the journal, and what is left in clearing."""

from dataclasses import asdict
from datetime import datetime
from typing import Annotated, Any

from fastapi import Path, Query

from billing.books.payouts.clearing import Clearing, clearing
from billing.books.payouts.report import Payout, PayoutItems, PayoutNotFound, payout, payouts
from billing.core.months import MONTH
from billing.http.auth import Overseeing
from billing.http.models.common import Page
from billing.http.pages import Keyset
from billing.http.parameters import Cursor, Limit, clean
from billing.http.problems import responses
from billing.http.route import Router

router = Router(prefix="/v1/finance", tags=["finance"])
PAYOUTS = Keyset(listed_at=datetime, payout_id=str)
ITEMS = Keyset(transaction_id=str)
Period = Annotated[str | None, Query(pattern=MONTH, description="YYYY-MM, in UTC")]


@router.get("/payouts", response_model=Page[Payout], responses=responses())
async def list_payouts(caller: Overseeing, period: Period = None, cursor: Cursor = None, limit: Limit = 50) -> Any:
    """Payouts that were booked, in a month or ever, newest first; last those of which only the items are known."""
    before = PAYOUTS.after(cursor)
    found = await payouts(caller.service.long_reads, period=period, before=before, limit=limit + 1)
    return PAYOUTS.page(found, limit)


@router.get("/payouts/{payout_id}", response_model=PayoutItems, responses=responses(PayoutNotFound))
async def get_payout(
    payout_id: Annotated[str, Path(max_length=256, description="Stripe's, `po_…`")],
    caller: Overseeing,
    wrong: Annotated[bool, Query(description="only items that are not booked as Stripe lists them")] = False,
    cursor: Cursor = None,
    limit: Limit = 50,
) -> Any:
    """A payout and what it consists of, each item beside what is booked of it."""
    clean(payout_id=payout_id)
    after = ITEMS.after(cursor)
    found, items = await payout(caller.service.long_reads, payout_id, after=after, wrong=wrong, limit=limit + 1)
    return {**asdict(found), **ITEMS.page(items, limit)}


@router.get("/clearing", responses=responses())
async def get_clearing(caller: Overseeing, period: Period = None, limit: Limit = 50) -> Clearing:
    """What Stripe keeps for us, now or at a month's end: what is not paid out yet, and what does not add up.

    All that was paid out nets to zero, or the payout is named with the transactions of which the ledger knows nothing.
    """
    return await clearing(caller.service.long_reads, period=period, limit=limit)
