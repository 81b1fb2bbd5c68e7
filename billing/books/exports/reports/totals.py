"""What an export comes to, summed up by the database over the very rows that it writes."""

from collections.abc import AsyncGenerator, Sequence
from typing import Final, Literal, NamedTuple

import asyncpg
from sqlalchemy.ext.asyncio import AsyncEngine

from billing.books.exports.reports.columns import Column
from billing.books.exports.reports.journal import within
from billing.books.exports.reports.slices import Scope
from billing.books.exports.reports.usage import usage
from billing.store.closings import ACCOUNTED_AT
from billing.store.snapshot import snapshot

_ROWS_AT_ONCE: Final = 2_000
_ACCOUNTED: Final = f"FROM transfer t CROSS JOIN LATERAL (SELECT {ACCOUNTED_AT} AS accounted_at OFFSET 0) a"
_GROUPS: Final = {
    None: "NULL::text",
    "account": "t.account_id",
    "day": "(a.accounted_at AT TIME ZONE 'UTC')::date::text",
}
_MOVED: Final = """
    WITH moved AS MATERIALIZED (
        SELECT {group} AS part, t.book, t.asset, t.debit, t.credit, sum(t.amount) AS amount, count(*) AS transfers
        {rows} WHERE {within} GROUP BY 1, 2, 3, 4, 5)
    SELECT part, book, ledger_account, asset, sum(debits), sum(credits), sum(transfers) FROM (
        SELECT part, book, debit AS ledger_account, asset, amount AS debits, 0 AS credits, transfers FROM moved
        UNION ALL SELECT part, book, credit, asset, 0, amount, 0 FROM moved) each
    GROUP BY part, book, ledger_account, asset ORDER BY part, book DESC, asset, ledger_account"""
_ENDS: Final = """
    SELECT t.book, min(t.seq), max(t.seq) {rows} WHERE {within} GROUP BY t.book ORDER BY t.book DESC"""


class Moved(NamedTuple):
    """What moved on one ledger account in one asset, in its smallest units; `part` is the account or day, if asked.

    `transfers` are those that it was debited by: summed up, each transfer counts once.
    """

    part: str | None
    book: str
    ledger_account: str
    asset: str
    debits: int
    credits: int
    transfers: int

    @property
    def balance(self) -> int:
        """Debits less credits."""
        return self.debits - self.credits


class Used(NamedTuple):
    """What was billed of one kind, signed; `rows` are the lines of the usage export."""

    event: str
    model: str
    size_tier: str | None
    quality: str
    rows: int
    requests: int
    images: int
    failed_images: int
    credits: int


async def moved(
    engine: AsyncEngine, scope: Scope, *, by: Literal["account", "day"] | None = None
) -> AsyncGenerator[Moved, None]:
    """Sums over the journal by ledger account and asset; before those, where asked, by account or by day (UTC)."""
    # When each transfer counts is a question that a sum over all of them does not have.
    plain = by != "day" and scope.start is None and scope.end is None
    rows = "FROM transfer t" if plain else _ACCOUNTED
    query = _MOVED.format(group=_GROUPS[by], rows=rows, within=within(scope))
    if by != "account":
        async with snapshot(engine) as connection:
            found = await connection.fetch(query)
        for row in found:  # nobody keeps a session while somebody reads slowly
            yield _moved(row)
        return
    async with snapshot(engine) as connection:
        async for row in connection.cursor(query, prefetch=_ROWS_AT_ONCE):
            yield _moved(row)


def _moved(row: asyncpg.Record) -> Moved:
    part, book, ledger_account, asset, debits, credits, transfers = row
    return Moved(part, book, ledger_account, asset, int(debits), int(credits), int(transfers))


async def ends(engine: AsyncEngine, scope: Scope) -> list[tuple[str, int, int]]:
    """The first and last seq of each book of one account's."""
    plain = scope.start is None and scope.end is None
    query = _ENDS.format(rows="FROM transfer t" if plain else _ACCOUNTED, within=within(scope))
    async with snapshot(engine) as connection:
        return [tuple(row) for row in await connection.fetch(query)]


async def used(engine: AsyncEngine, scope: Scope) -> list[Used]:
    """Sums over usage by event, model, tier and quality."""
    parts = usage(_summed)
    query = " UNION ALL ".join(
        f"SELECT event, model, size_tier, quality, count(*), {_SUMS} FROM "
        f"(SELECT {part.select} {part.rows} AND {part.scope(scope)}) row GROUP BY event, model, size_tier, quality"
        for part in parts
    )
    async with snapshot(engine) as connection:
        found = [Used(*row[:4], *(int(value) for value in row[4:])) for row in await connection.fetch(query)]
    order = [part.name for part in parts]
    return sorted(found, key=lambda u: (order.index(u.event), u.model, u.size_tier or "", u.quality))


_COUNTS: Final = ("requests", "images", "failed_images", "credits")
_SUMS: Final = ", ".join(f"sum({name})" for name in _COUNTS)


def _summed(columns: Sequence[Column]) -> str:
    wanted = ("event", "model", "size_tier", "quality", *_COUNTS)
    return ", ".join(f"{column.sql} AS {column.name}" for column in columns if column.name in wanted)
