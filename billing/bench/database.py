"""The bench's own PostgreSQL: a temporary cluster, tuned as the product's, and databases in it."""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import asyncpg

from billing.bench import floor
from billing.embedded import EmbeddedPostgres
from billing.store.schema import migrate

# Not /tmp: it is memory on many machines, where a commit costs nothing.
_ON_DISK = Path("/var/tmp")


@contextmanager
def temporary_server() -> Iterator[EmbeddedPostgres]:
    """A server of its own, gone afterwards. $TMPDIR moves it."""
    parent = None if "TMPDIR" in os.environ or not _ON_DISK.is_dir() else _ON_DISK
    with tempfile.TemporaryDirectory(prefix="billing-bench-", dir=parent, ignore_cleanup_errors=True) as made:
        directory = Path(made)
        directory.chmod(0o711)  # root runs PostgreSQL as somebody else, who must be able to pass
        with EmbeddedPostgres(directory / "data") as server:
            yield server


async def new_database(server: EmbeddedPostgres, name: str) -> str:
    """A migrated database with the floor's tables; returns its connection string."""
    owner = await asyncpg.connect(server.dsn())
    try:
        await owner.execute(f'CREATE DATABASE "{name}"')
    finally:
        await owner.close()
    dsn = server.dsn(database=name)
    await migrate(dsn)
    await floor.make_tables(dsn)
    return dsn


async def drop_database(server: EmbeddedPostgres, name: str) -> None:
    owner = await asyncpg.connect(server.dsn())
    try:
        await owner.execute(f'DROP DATABASE "{name}" WITH (FORCE)')
    finally:
        await owner.close()


async def settle_down(dsn: str) -> None:
    """Statistics, visibility and a checkpoint, so that a measurement does not pay for the one before."""
    await _run(dsn, "VACUUM ANALYZE", "CHECKPOINT")


async def checkpoint(dsn: str) -> None:
    await _run(dsn, "CHECKPOINT")


async def _run(dsn: str, *statements: str) -> None:
    connection = await asyncpg.connect(dsn)
    try:
        for statement in statements:
            await connection.execute(statement)
    finally:
        await connection.close()
