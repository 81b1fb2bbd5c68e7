"""API keys: made by an admin, shown once, ended within two seconds everywhere."""

from datetime import datetime
from typing import Annotated, Any

from fastapi import Path

from billing.core.refusals import AccountNotFound
from billing.core.text import IDENTIFIER
from billing.http.auth import Admin
from billing.http.models.common import Page
from billing.http.models.keys import KeyCreated, KeyShown, NewKey
from billing.http.pages import Keyset
from billing.http.parameters import Cursor, Limit
from billing.http.problems import responses
from billing.http.route import Router
from billing.store import keys
from billing.store.refusals import KeyNotFound

router = Router(prefix="/v1/keys", tags=["keys"])
KeyId = Annotated[str, Path(pattern=IDENTIFIER, max_length=64, description="the key's `id`")]
BY_AGE = Keyset(created_at=datetime, key_id=str)


@router.post("", status_code=201, response_model=KeyCreated, responses=responses(AccountNotFound))
async def create_key(body: NewKey, caller: Admin) -> KeyCreated:
    """A new key. The answer is the only place where it stands."""
    key, secret = await keys.create_key(caller.service.work, body.role, body.account_id, body.name)
    return KeyCreated.like(key, id=key.key_id, key=secret)


@router.get("", response_model=Page[KeyShown], responses=responses())
async def list_keys(caller: Admin, cursor: Cursor = None, limit: Limit = 50) -> Any:
    """Keys, also revoked ones, oldest first, without their secrets."""
    found = await keys.keys(caller.service.engine, after=BY_AGE.after(cursor), limit=limit + 1)
    return BY_AGE.page(found, limit)


@router.delete("/{key_id}", response_model=KeyShown, responses=responses(KeyNotFound))
async def revoke_key(key_id: KeyId, caller: Admin) -> Any:
    """Ends a key, within two seconds in every process."""
    return await keys.revoke_key(caller.service.work, key_id)
