"""API keys over HTTP."""

from datetime import datetime
from typing import Annotated, Literal

from pydantic import Field

from billing.http.models.common import Body, Identifier, Shown, Text
from billing.store.keys import Key


class NewKey(Body):
    role: Literal["admin", "gateway", "finance", "account"]
    account_id: Annotated[Identifier, Field(description="for role `account`, and no other")] | None = None
    name: Annotated[Text, Field(max_length=200)]


class KeyShown(Shown):
    id: str
    role: str
    account_id: str | None
    name: str
    created_at: datetime
    revoked_at: datetime | None

    @classmethod
    def of(cls, k: Key) -> "KeyShown":
        return cls(
            id=k.key_id,
            role=k.role,
            account_id=k.account_id,
            name=k.name,
            created_at=k.created_at,
            revoked_at=k.revoked_at,
        )


class KeyCreated(KeyShown):
    key: Annotated[str, Field(description="shown this once")]
