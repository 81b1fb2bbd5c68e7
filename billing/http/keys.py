"""API keys: made by an admin, shown once, ended within two seconds everywhere."""

from typing import Annotated, Any

from fastapi import Path

from billing.core.refusals import AccountNotFound
from billing.core.text import IDENTIFIER
from billing.http.auth import Admin
from billing.http.models.common import Page, decode_cursor, decode_moment, page
from billing.http.models.keys import KeyCreated, KeyShown, NewKey
from billing.http.parameters import Cursor, Limit
from billing.http.problems import responses
from billing.http.route import Router
from billing.store import keys
from billing.store.refusals import KeyNotFound

router = Router(prefix="/v1/keys", tags=["keys"])


@router.post("", status_code=201, response_model=KeyCreated, responses=responses(AccountNotFound))
async def create_key(body: NewKey, caller: Admin) -> KeyCreated:
    """A new key. The answer is the only place where it stands."""
    key, secret = await keys.create_key(caller.service.work, body.role, body.account_id, body.name)
    return KeyCreated(**KeyShown.of(key).model_dump(), key=secret)


@router.get("", response_model=Page[KeyShown], responses=responses())
async def list_keys(caller: Admin, cursor: Cursor = None, limit: Limit = 50) -> Any:
    """Keys, also revoked ones, oldest first, without their secrets."""
    after = None
    if cursor is not None:
        moment, key_id = decode_cursor(cursor, str, str)
        after = (decode_moment(moment), key_id)
    found = await keys.keys(caller.service.engine, after=after, limit=limit + 1)
    return page(found, limit, lambda key: [key.created_at.isoformat(), key.key_id], KeyShown.of)


@router.delete("/{key_id}", response_model=KeyShown, responses=responses(KeyNotFound))
async def revoke_key(key_id: Annotated[str, Path(pattern=IDENTIFIER, max_length=64)], caller: Admin) -> KeyShown:
    """Ends a key, within two seconds in every process."""
    return KeyShown.of(await keys.revoke_key(caller.service.work, key_id))
