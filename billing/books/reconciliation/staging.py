"""Manifests while they are compared: rows by COPY under a staging id, and gone when the comparison is made or given up.

A load is many short transactions, so that hours of it keep nothing from being vacuumed. Its heart beats with each; the
rows of one that has been silent for long, because its process died, are cleared (`retention`).
"""

import secrets
from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager

import asyncpg

from billing.books.reconciliation.forms.rows import ManifestRow, ManifestUnreadable, twice
from billing.core.refusals import Unavailable
from billing.store import connection
from billing.store.connection import Connection

# Whole tables are joined here, so the planner may do as it likes; there are no hot rows to look up.
SESSION = {"jit": "off", "timezone": "UTC", "work_mem": "64MB", "application_name": "billing reconciliation"}
_FIRST = """
    SELECT r.account_id, r.request_id, r.index, r.line
    FROM unnest($2::text[], $3::text[], $4::integer[]) AS wanted(account_id, request_id, index)
    JOIN manifest_row r ON r.account_id = wanted.account_id AND r.staging_id = $1
        AND r.request_id = wanted.request_id AND r.index = wanted.index"""


def connected(dsn: str) -> AbstractAsyncContextManager[Connection]:
    """A session for one reconciliation."""
    return connection.connected(dsn, SESSION)


class Staging:
    """One manifest's rows. `begin`, `add` in pieces, and `end` in the transaction of whoever has used them."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self.staging_id = secrets.token_hex(8)

    async def begin(self) -> None:
        await self._connection.execute("INSERT INTO manifest VALUES ($1, clock_timestamp())", self.staging_id)

    async def add(self, rows: Sequence[ManifestRow]) -> None:
        """Raises ManifestUnreadable for an output that an earlier piece has; within `rows` each is there once."""
        try:
            async with self._connection.transaction():
                await self.hold()
                await self._connection.copy_records_to_table("manifest_row", records=rows)
        except asyncpg.UniqueViolationError:
            raise await self._twice(rows) from None

    async def hold(self) -> None:
        """Keeps the rows from being given up until the transaction ends, and for as long again as that takes."""
        status = await self._connection.execute(
            "UPDATE manifest SET heartbeat_at = clock_timestamp() WHERE staging_id = $1", self.staging_id
        )
        if status != "UPDATE 1":  # the database crashed, or this process stood still for longer than anybody waits
            raise Unavailable()

    async def end(self) -> None:
        await self._connection.execute("DELETE FROM manifest_row WHERE staging_id = $1", self.staging_id)
        await self._connection.execute("DELETE FROM manifest WHERE staging_id = $1", self.staging_id)

    async def _twice(self, rows: Sequence[ManifestRow]) -> ManifestUnreadable:
        by_key = {(row.account_id, row.request_id, row.index): row for row in rows}
        keys = [list(part) for part in zip(*by_key, strict=True)]
        found = await self._connection.fetch(_FIRST, self.staging_id, *keys)
        pairs = [(by_key[account_id, request_id, index], line) for account_id, request_id, index, line in found]
        return twice(*min(pairs, key=lambda pair: pair[0].line))
