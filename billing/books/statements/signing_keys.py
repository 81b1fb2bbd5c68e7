"""Signing keys: what signs statements, and every public key that ever did."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncEngine

from billing.store.snapshot import reading, working
from billing.store.tables import SigningKeyRow, columns_of

_FIELDS = ("key_id", "public_key", "created_at", "retired_at")
# No two processes look at the same time: the second finds the key that the first made.
_ALONE = "LOCK TABLE signing_key IN SHARE ROW EXCLUSIVE MODE"
_IN_USE = "SELECT seed FROM signing_key WHERE retired_at IS NULL AND seed IS NOT NULL ORDER BY created_at DESC, key_id LIMIT 1"
_RETIRE = "UPDATE signing_key SET retired_at = clock_timestamp() WHERE retired_at IS NULL AND key_id <> $1"
_USE = """
    INSERT INTO signing_key (key_id, seed, public_key, created_at) VALUES ($1, $2, $3, clock_timestamp())
    ON CONFLICT (key_id) DO UPDATE SET retired_at = NULL"""


@dataclass(frozen=True, slots=True)
class PublishedKey:
    """An Ed25519 public key of 32 bytes. `retired_at`: when another took its place; what it signed stays good."""

    key_id: str
    public_key: bytes
    created_at: datetime
    retired_at: datetime | None


async def published_keys(engine: AsyncEngine) -> list[PublishedKey]:
    """All keys, oldest first."""
    columns = columns_of(SigningKeyRow, _FIELDS)
    async with reading(engine) as connection:
        query = select(*columns).order_by(columns[2], columns[0])
        return [PublishedKey(*row) for row in await connection.execute(query)]


async def agreed_seed(work: AsyncEngine, key_id: str, seed: bytes, public_key: bytes) -> bytes:
    """The seed of the key that all processes sign with: one made before, or else this one, offered just now."""
    async with working(work) as connection:
        await connection.execute(_ALONE)
        found: bytes | None = await connection.fetchval(_IN_USE)
        if found is None:
            await connection.execute(_RETIRE, key_id)
            await connection.execute(_USE, key_id, seed, public_key)
    return found or seed


async def use_key(work: AsyncEngine, key_id: str, public_key: bytes) -> None:
    """Publishes a key whose seed is the operator's to keep, and retires every other."""
    async with working(work) as connection:
        await connection.execute(_ALONE)
        await connection.execute(_RETIRE, key_id)
        await connection.execute(_USE, key_id, None, public_key)
