"""Proof: what a session's server says of itself in a transaction that commits."""

from dataclasses import dataclass

import asyncpg

from billing.store.connection import Connection

# A message in the server's log for nobody: the smallest thing that has to reach its disk.
_ASK = """
    SELECT pg_is_in_recovery() OR current_setting('transaction_read_only')::boolean AS read_only,
        (SELECT version_num FROM alembic_version) AS revision"""
_WRITE = "SELECT pg_logical_emit_message(true, 'billing', 'a lane can commit')"


@dataclass(frozen=True, slots=True)
class Proof:
    """`revision` is the schema's, None where the database has none; `put_off`: the lane's last batch was, a moment ago."""

    revision: str | None
    read_only: bool
    put_off: bool = False


async def prove(connection: Connection, *, write: bool) -> Proof:
    """Commits a transaction that changes no row; with `write`, one that has to reach the disk, where it may."""
    async with connection.transaction():
        try:
            found = await connection.fetchrow(_ASK)
        except asyncpg.UndefinedTableError:
            return Proof(None, read_only=False)
        assert found is not None  # it has no FROM
        proof = Proof(found["revision"], found["read_only"])
        if write and not proof.read_only:
            await connection.execute(_WRITE)
    return proof


def takes_no_writes(error: BaseException) -> bool:
    """Whether it was the server that is none to write to, when a session was asked for or later."""
    return isinstance(error, asyncpg.TargetServerAttributeNotMatched | asyncpg.ReadOnlySQLTransactionError)
