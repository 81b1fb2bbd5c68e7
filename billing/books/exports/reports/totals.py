"""What an export comes to, summed up by the database over the very rows that it writes."""

from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass
from typing import Final, Literal, NamedTuple

import asyncpg

from billing.books.exports.reports.columns import Column
from billing.books.exports.reports.journal import within
from billing.books.exports.reports.slices import Extent
from billing.books.exports.reports.usage import usage
from billing.core.document import DOCUMENT
from billing.store.closings import ACCOUNTED_AT
from billing.store.connection import Connection
from billing.store.engine import Engine
from billing.store.snapshot import snapshot
from billing.store.usage import COUNTS

_ROWS_AT_ONCE: Final = 2_000
_ACCOUNTED: Final = f"FROM transfer t CROSS JOIN LATERAL (SELECT {ACCOUNTED_AT} AS accounted_at OFFSET 0) a"
By = Literal["account", "day"] | None
_GROUPS: Final[dict[By, str]] = {
    None: "NULL::text",
    "account": "t.account_id",
    "day": "(a.accounted_at AT TIME ZONE 'UTC')::date::text",
}
_MOVED: Final = """
    WITH moved AS MATERIALIZED (
        SELECT {group} AS told_apart, t.book, t.asset, t.debit, t.credit, sum(t.amount) AS amount, count(*) AS transfers
        {rows} WHERE {within} GROUP BY 1, 2, 3, 4, 5)
    SELECT told_apart, book, ledger_account, asset, sum(debits), sum(credits), sum(transfers) FROM (
        SELECT told_apart, book, debit AS ledger_account, asset, amount AS debits, 0 AS credits, transfers FROM moved
        UNION ALL SELECT told_apart, book, credit, asset, 0, amount, 0 FROM moved) each
    GROUP BY told_apart, book, ledger_account, asset ORDER BY told_apart, book DESC, asset, ledger_account"""
_ENDS: Final = """
    SELECT t.book, min(t.seq), max(t.seq) {rows} WHERE {within} GROUP BY t.book ORDER BY t.book DESC"""
_SUMS: Final = ", ".join(f"sum({name})" for name in COUNTS)


class LedgerSum(NamedTuple):
    """What moved on one ledger account in one asset, in its smallest units; `of` is the account or day, if asked.

    `transfers` are those that it was debited by: summed up, each transfer counts once.
    """

    of: str | None
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


@dataclass(frozen=True, slots=True)
class SeqRange:
    """The transfers of one book of one account that an export holds."""

    __pydantic_config__ = DOCUMENT
    book: str
    """`wallet` or `money`"""
    first: int
    """the lowest seq, from 1"""
    last: int
    """the highest seq"""


@dataclass(frozen=True, slots=True)
class UsageTotal:
    """What was billed of one kind, and what refunds and corrections changed of it, signed."""

    __pydantic_config__ = DOCUMENT
    event: str
    """`settle`, `refund` or `correction`"""
    model: str
    """as the charge names it"""
    size_tier: str | None
    """as measured; null for outputs that failed"""
    quality: str
    """as billed"""
    rows: int
    """lines of the usage export, 1 or more"""
    requests: int
    """requests that were settled, 0 or more"""
    images: int
    """outputs that were delivered; of corrections below 0 where more were taken away than counted"""
    failed_images: int
    """outputs that failed; of corrections below 0 where more were taken away than counted"""
    credits: int
    """whole credits, billed less given back; below 0 where they were given back"""


async def moved(engine: Engine, extent: Extent, *, by: By = None) -> AsyncGenerator[LedgerSum, None]:
    """Sums over the journal by ledger account and asset; before those, where asked, by account or by day (UTC)."""
    if by != "account":
        async with snapshot(engine) as connection:
            found = await ledger_sums(connection, extent, by)
        for one in found:  # nobody keeps a session while somebody reads slowly
            yield one
        return
    async with snapshot(engine) as connection:
        async for row in connection.cursor(_summed_up(extent, by), prefetch=_ROWS_AT_ONCE):
            yield _ledger_sum(row)


async def ledger_sums(connection: Connection, extent: Extent, by: By = None) -> list[LedgerSum]:
    """All of them, in a snapshot that is open."""
    return [_ledger_sum(row) for row in await connection.fetch(_summed_up(extent, by))]


async def ends(connection: Connection, extent: Extent) -> list[SeqRange]:
    """The first and last seq of each book of one account's."""
    query = _ENDS.format(rows=_rows(extent), within=within(extent))
    return [SeqRange(*row) for row in map(tuple, await connection.fetch(query))]


async def used(connection: Connection, extent: Extent) -> list[UsageTotal]:
    """Sums over usage by event, model, tier and quality."""
    origins = usage(_counted)
    query = " UNION ALL ".join(
        f"SELECT event, model, size_tier, quality, count(*), {_SUMS} FROM "
        f"(SELECT {origin.select} {origin.rows} AND {origin.within(extent)}) row GROUP BY event, model, size_tier, quality"
        for origin in origins
    )
    found = [UsageTotal(*row[:4], *map(int, row[4:])) for row in map(tuple, await connection.fetch(query))]
    order = [origin.name for origin in origins]
    return sorted(found, key=lambda one: (order.index(one.event), one.model, one.size_tier or "", one.quality))


def _summed_up(extent: Extent, by: By) -> str:
    rows = _ACCOUNTED if by == "day" else _rows(extent)
    return _MOVED.format(group=_GROUPS[by], rows=rows, within=within(extent))


def _rows(extent: Extent) -> str:
    """When each transfer counts is a question that a sum over all of them does not have."""
    return "FROM transfer t" if extent.start is None and extent.end is None else _ACCOUNTED


def _ledger_sum(row: asyncpg.Record) -> LedgerSum:
    return LedgerSum(*row[:4], *map(int, row[4:]))


def _counted(columns: Sequence[Column]) -> str:
    wanted = ("event", "model", "size_tier", "quality", *COUNTS)
    return ", ".join(f"{column.sql} AS {column.name}" for column in columns if column.name in wanted)
