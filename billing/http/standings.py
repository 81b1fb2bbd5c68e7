"""All accounts: how each stands, and what they come to."""

from typing import Annotated, Any

from fastapi import Query

from billing.core.text import IDENTIFIER
from billing.http.auth import Browsing, Overseeing
from billing.http.models.common import Page
from billing.http.models.standings import StandingShown, TotalsShown
from billing.http.pages import Keyset
from billing.http.parameters import Cursor, Limit
from billing.http.problems import responses
from billing.http.route import Router
from billing.store.standings import standings
from billing.store.totals import totals

router = Router(prefix="/v1", tags=["accounts"])
BY_ID = Keyset(account_id=str)
Prefix = Annotated[str | None, Query(pattern=IDENTIFIER, max_length=64, description="how the account's id begins")]


@router.get("/balances", response_model=Page[StandingShown], responses=responses())
async def list_balances(
    caller: Browsing,
    prefix: Prefix = None,
    owing: Annotated[bool, Query(description="only accounts in debt")] = False,
    cursor: Cursor = None,
    limit: Limit = 50,
) -> Any:
    """What each account has, what is held and what is left, in the order of their ids."""
    after = BY_ID.after(cursor)
    found = await standings(caller.service.engine, prefix=prefix or "", owing=owing, after=after, limit=limit + 1)
    return BY_ID.page(found, limit)


@router.get("/totals", response_model=TotalsShown, responses=responses())
async def get_totals(caller: Overseeing) -> Any:
    """All accounts together. It reads each of them: ask every few seconds, not for every request."""
    return await totals(caller.service.long_reads)
