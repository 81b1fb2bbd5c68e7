"""The dashboard's sessions: only digests are stored, of the token and of the key that it was opened with."""

from collections.abc import Sequence
from typing import Any, NamedTuple

from billing.store.clock import time_by, time_in
from billing.store.engine import Engine
from billing.store.keys import Key
from billing.store.snapshot import reading, working

_FIND = """
    SELECT clock_timestamp(), s.expires_at, s.digest, s.key_hash, k.key_id, k.role, k.account_id, k.name, k.created_at,
        k.revoked_at
    FROM session s LEFT JOIN api_key k ON k.hash = s.key_hash AND k.revoked_at IS NULL
    WHERE s.digest = ANY($1::bytea[])"""


class Session(NamedTuple):
    """`key` is None where no live key in the database has this hash: it was revoked, or is the environment's."""

    key_hash: bytes
    key: Key | None


async def open_session(engine: Engine, digest: bytes, key_hash: bytes, *, seconds: int) -> None:
    """Opens a session of `seconds`."""
    async with working(engine) as connection:
        await connection.execute(
            "INSERT INTO session VALUES ($1, $2, $4::timestamptz, $4 + make_interval(secs => $3))",
            digest,
            key_hash,
            seconds,
            await time_in(connection, engine),
        )


async def find_sessions(engine: Engine, digests: Sequence[bytes]) -> dict[bytes, Session]:
    """The sessions with these digests, but for those whose time is over."""
    async with reading(engine) as connection:
        rows: Any = await connection.exec_driver_sql(_FIND, (digests,))
        now = time_by(engine)
        return {
            digest: Session(key_hash, None if key[0] is None else Key(*key))
            for told, expires_at, digest, key_hash, *key in rows
            if expires_at > now(told)
        }


async def close_session(engine: Engine, digest: bytes) -> None:
    """Ends a session; again is the same."""
    async with working(engine) as connection:
        await connection.execute("DELETE FROM session WHERE digest = $1", digest)
