"""The journal, as its owner may read it."""

from typing import Annotated, Any, Literal

from fastapi import Query

from billing.core.refusals import AccountNotFound
from billing.http.auth import ADMIN, FINANCE, Reading
from billing.http.models.common import Page
from billing.http.models.transfers import TransferShown
from billing.http.pages import Keyset
from billing.http.parameters import AccountId, Cursor, End, Limit, Search, Start, clean
from billing.http.problems import responses
from billing.http.refusals import Forbidden
from billing.http.route import Router
from billing.store import journal
from billing.store.journal import TransferFilter

router = Router(prefix="/v1/accounts/{account_id}", tags=["ledger"])
BY_SEQ = Keyset(seq=int)


@router.get("/transfers", response_model=Page[TransferShown], responses=responses(AccountNotFound))
async def list_transfers(
    account_id: AccountId,
    caller: Reading,
    book: Annotated[Literal["wallet", "money"], Query(description="`money` for admin and finance")] = "wallet",
    kind: Annotated[Search, Query(description="only these: `settle`, `grant`, …")] = None,
    start: Start = None,
    end: End = None,
    order: Annotated[Literal["asc", "desc"], Query(description="of their seq; `desc`: the newest first")] = "asc",
    cursor: Cursor = None,
    limit: Limit = 50,
) -> Any:
    """Transfers in the order of their seq. Each is hashed with the one before: anybody can recompute the chain."""
    if book == "money" and caller.key.role not in (ADMIN, FINANCE):
        raise Forbidden(caller.key.role)
    clean(kind=kind)
    beyond = BY_SEQ.after(cursor)
    where = TransferFilter(book, kind, start, end)
    newest_first = order == "desc"
    found = await journal.transfers(
        caller.service.engine, account_id, where, newest_first=newest_first, beyond=beyond, limit=limit + 1
    )
    return BY_SEQ.page(found, limit)
