"""API keys over HTTP."""

from datetime import datetime
from typing import Annotated, Literal

from pydantic import Field

from billing.http.models.common import Body, Identifier, Shown, Text


class NewKey(Body):
    role: Literal["admin", "gateway", "finance", "account"]
    """`admin`: all; `gateway`: quotes, charges, and reads of any account; `finance`: reads all, exports, corrects;
    `account`: reads its own account only"""
    account_id: Identifier | None = None
    """for role `account`, and no other: whose it is"""
    name: Annotated[Text, Field(max_length=200)]
    """whose it is, for the list; up to 200 characters"""


class KeyShown(Shown):
    id: str = Field(validation_alias="key_id")
    """in whose name records say that something was done"""
    role: str
    """`admin`, `gateway`, `finance` or `account`"""
    account_id: str | None
    """for role `account`: the one account that it sees; null: it has another role"""
    name: str
    """whose it is, up to 200 characters"""
    created_at: datetime
    """RFC 3339 in UTC"""
    revoked_at: datetime | None
    """since when it is no longer a key, RFC 3339 in UTC; null: it is one"""


class KeyCreated(KeyShown):
    key: str
    """`bk_…`, 43 characters: shown this once"""
