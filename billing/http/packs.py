"""Packs: what can be bought."""

from typing import Annotated, Any

from fastapi import Path, Query, Response

from billing.core.refusals import IdReused, PackNotFound
from billing.core.text import IDENTIFIER
from billing.http.auth import Admin, Reading
from billing.http.models.common import Page
from billing.http.models.funding import NewPack, PackShown
from billing.http.pages import Keyset
from billing.http.parameters import Cursor, Limit, answered
from billing.http.problems import responses
from billing.http.route import Router
from billing.store import packs as store

router = Router(prefix="/v1/packs", tags=["funding"])
BY_PRICE = Keyset(pack__currency=str, pack__price_micros=int, pack__pack_id=str)
PackId = Annotated[str, Path(pattern=IDENTIFIER, max_length=64, description="as it was published")]


@router.get("", response_model=Page[PackShown], responses=responses())
async def list_packs(
    caller: Reading,
    withdrawn: Annotated[bool, Query(description="also those that are not on sale any more")] = False,
    cursor: Cursor = None,
    limit: Limit = 200,
) -> Any:
    """What is on sale, the cheapest of each currency first; with `withdrawn`, also what was."""
    after = BY_PRICE.after(cursor)
    found = await store.packs(caller.service.engine, withdrawn=withdrawn, after=after, limit=limit + 1)
    return BY_PRICE.page(found, limit, PackShown.of)


@router.get("/{pack_id}", response_model=PackShown, responses=responses(PackNotFound))
async def get_pack(pack_id: PackId, caller: Reading) -> PackShown:
    """One pack, on sale or not; a pack never changes."""
    return PackShown.of(await store.pack(caller.service.engine, pack_id))


@router.post("", status_code=201, response_model=PackShown, responses=responses(IdReused, again=PackShown))
async def publish_pack(body: NewPack, response: Response, caller: Admin) -> PackShown:
    """Puts a pack on sale, at once. Another offer needs another id."""
    found, new = await store.publish_pack(caller.service.work, body.pack(), caller.key.key_id)
    answered(response, not new)
    return PackShown.of(found)


@router.delete("/{pack_id}", response_model=PackShown, responses=responses(PackNotFound))
async def withdraw_pack(pack_id: PackId, caller: Admin) -> PackShown:
    """Takes a pack off sale. What was ordered can still be paid; auto-recharge with it stops."""
    return PackShown.of(await store.withdraw_pack(caller.service.work, pack_id))
