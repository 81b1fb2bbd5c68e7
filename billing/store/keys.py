"""API keys: random, shown once, stored only as a hash."""

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from typing import Any
from zlib import crc32

from sqlalchemy import select, tuple_
from sqlalchemy.ext.asyncio import AsyncEngine

from billing.core.refusals import Invalid
from billing.core.text import free_text
from billing.store.accounts import must_exist
from billing.store.engine import Engine
from billing.store.refusals import KeyNotFound
from billing.store.snapshot import reading, working
from billing.store.tables import ApiKeyRow, columns_of

ROLES = ("admin", "gateway", "finance", "account")
PREFIX = "bk_"
_RANDOM_BYTES = 24  # 192 bits, 32 characters
SECRET_LENGTH = len(PREFIX) + 32 + 8
_FIELDS = ("key_id", "role", "account_id", "name", "created_at", "revoked_at")
_FIND = f"""
    SELECT hash, {", ".join(_FIELDS)} FROM api_key WHERE hash = ANY($1::bytea[]) AND revoked_at IS NULL"""


@dataclass(frozen=True, slots=True)
class Key:
    """Who may call: `account_id` is set for role `account`, and nothing else is that key's to see."""

    key_id: str
    role: str
    account_id: str | None
    name: str
    created_at: datetime
    revoked_at: datetime | None


def new_secret() -> str:
    """`bk_`, 192 random bits and a checksum, so that a mistyped key never reaches the database."""
    body = PREFIX + secrets.token_urlsafe(_RANDOM_BYTES)
    return f"{body}{crc32(body.encode()):08x}"


def well_formed(secret: str) -> bool:
    return (
        len(secret) == SECRET_LENGTH
        and secret.startswith(PREFIX)
        and secret.isascii()
        and secret[-8:] == f"{crc32(secret[:-8].encode()):08x}"
    )


def digest(secret: str) -> bytes:
    """What is stored of a key. It is random enough that a fast hash gives nothing away."""
    return sha256(secret.encode("utf-8", "surrogatepass")).digest()


async def find_keys(engine: AsyncEngine, digests: Sequence[bytes]) -> dict[bytes, Key]:
    """The keys with these digests, but for those that were revoked."""
    async with reading(engine) as connection:
        rows: Any = await connection.exec_driver_sql(_FIND, (digests,))
        return {hashed: Key(*key) for hashed, *key in rows}


async def keys(engine: AsyncEngine, *, after: tuple[datetime, str] | None, limit: int) -> list[Key]:
    """Keys, also revoked ones, oldest first, beyond (created_at, key_id)."""
    columns = columns_of(ApiKeyRow, _FIELDS)
    query = select(*columns).order_by(columns[4], columns[0]).limit(limit)
    if after is not None:
        query = query.where(tuple_(columns[4], columns[0]) > after)
    async with reading(engine) as connection:
        return [Key(*row) for row in await connection.execute(query)]


async def create_key(work: Engine, role: str, account_id: str | None, name: str) -> tuple[Key, str]:
    """A new key and its secret, which nobody can show again. Raises Invalid, AccountNotFound."""
    if role not in ROLES:
        raise Invalid.of("role", f"must be one of {', '.join(ROLES)}")
    if (role == "account") != (account_id is not None):
        raise Invalid.of("account_id", "is needed for role `account`, and for no other")
    free_text(name, "name", longest=200)
    secret = new_secret()
    async with working(work) as connection:
        await must_exist(connection, account_id)
        row = await connection.fetchrow(
            f"""INSERT INTO api_key (key_id, hash, role, account_id, name, created_at)
                VALUES ($1, $2, $3, $4, $5, clock_timestamp()) RETURNING {", ".join(_FIELDS)}""",
            f"key_{secrets.token_hex(8)}",
            digest(secret),
            role,
            account_id,
            name,
        )
    assert row is not None
    return Key(*row), secret


async def revoke_key(work: Engine, key_id: str) -> Key:
    """Ends a key; again is the same. Raises KeyNotFound."""
    async with working(work) as connection:
        row = await connection.fetchrow(
            f"""UPDATE api_key SET revoked_at = coalesce(revoked_at, clock_timestamp()) WHERE key_id = $1
                RETURNING {", ".join(_FIELDS)}""",
            key_id,
        )
    if row is None:
        raise KeyNotFound()
    return Key(*row)
