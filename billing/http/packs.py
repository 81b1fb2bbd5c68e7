"""Packs: what can be bought."""

from typing import Annotated, Any

from fastapi import Path, Query, Response

from billing.core.refusals import IdReused, PackNotFound
from billing.core.text import IDENTIFIER
from billing.http.auth import Admin, Reading
from billing.http.models.common import Page, decode_cursor, page
from billing.http.models.funding import NewPack, PackShown
from billing.http.parameters import Cursor, Limit, answered
from billing.http.problems import responses
from billing.http.route import Router
from billing.store import packs as store

router = Router(prefix="/v1/packs", tags=["funding"])
PackId = Annotated[str, Path(pattern=IDENTIFIER, max_length=64)]


@router.get("", response_model=Page[PackShown], responses=responses())
async def list_packs(
    caller: Reading, withdrawn: Annotated[bool, Query()] = False, cursor: Cursor = None, limit: Limit = 200
) -> Any:
    """What is on sale, the cheapest of each currency first; with `withdrawn`, also what was."""
    after = None
    if cursor is not None:
        currency, price, pack_id = decode_cursor(cursor, str, int, str)
        after = (currency, price, pack_id)
    found = await store.packs(caller.service.engine, withdrawn=withdrawn, after=after, limit=limit + 1)
    return page(found, limit, _place, PackShown.of)


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


def _place(published: store.PublishedPack) -> list[Any]:
    pack = published.pack
    return [pack.currency, pack.price_micros, pack.pack_id]
