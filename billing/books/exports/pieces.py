"""Pieces: a file of any format from its first byte to its last, in constant memory, from any cursor on.

A cursor says how far a file has been written, as text: the origin of its last row, and that row's key, joined by commas. For
the journal that is `journal,<account_id>,<book>,<seq>`; for usage `settle,<account_id>,<request_id>,<index>`,
`refund,<account_id>,<refund_id>,<index>` or `correction,<account_id>,<correction_id>,<index>,<sign>`. The origin alone is
its end.
"""

import asyncio
import json
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing
from datetime import datetime
from typing import Final, NamedTuple

from billing.books.exports.formats import accounting, ledger_entries, ledgers
from billing.books.exports.formats.parquet import ParquetFile
from billing.books.exports.formats.tables import csv_list, json_list, typed_list
from billing.books.exports.formats.workbook import workbook
from billing.books.exports.question import ACCOUNTING, LEDGERS, ExportQuestion
from billing.books.exports.report import ControlTotals, control_totals
from billing.books.exports.reports.costs import costs
from billing.books.exports.reports.journal import journal
from billing.books.exports.reports.slices import Key, Lines, Origin, slices, whole
from billing.books.exports.reports.usage import usage
from billing.core.refusals import Invalid
from billing.core.text import identifier
from billing.store.engine import Engine

Place = tuple[str, Key]
Totals = Callable[[], Awaitable[ControlTotals]]
_KEYS: Final[dict[str, dict[str, tuple[type, ...]]]] = {
    "journal": {"journal": (str, str, int)},
    "usage": {"settle": (str, str, int), "refund": (str, str, int), "correction": (str, str, int, int)},
}
_HIGHEST: Final = 2**63 - 1


class Piece(NamedTuple):
    """`content` with `rows` rows; a file may be broken off where `cursor` is told, and continued from there."""

    content: bytes
    rows: int = 0
    cursor: str | None = None


async def pieces(
    engine: Engine,
    asked: ExportQuestion,
    as_of: datetime,
    *,
    after: Place | None = None,
    ahead: int = 1,
    totals: Totals | None = None,
) -> AsyncGenerator[Piece, None]:
    """The file as of that instant, or what follows `after`. Raises Invalid, AccountNotFound, OutOfControl.

    `ahead`: how many slices are read before they are asked for, each over a session of its own.
    """

    async def known() -> ControlTotals:
        return await (totals() if totals is not None else control_totals(engine, asked, as_of))

    if asked.format in ACCOUNTING:
        made = _accounting(engine, asked, as_of)
    elif asked.format == "xlsx":
        made = _workbook(engine, asked, as_of, await known())
    elif asked.format == "parquet":
        made = _parquet(engine, asked, as_of, ahead, known)
    else:
        made = _lines(engine, asked, as_of, after, ahead, known)
    async with aclosing(made):
        async for piece in made:
            yield piece


async def _lines(
    engine: Engine, asked: ExportQuestion, as_of: datetime, after: Place | None, ahead: int, totals: Totals
) -> AsyncGenerator[Piece, None]:
    if after is None:
        if asked.format == "csv":
            yield Piece((",".join(column.name for column in asked.columns) + "\n").encode())
        if asked.format in LEDGERS:
            async with aclosing(ledgers.head(engine, asked, as_of)) as head:
                async for text in head:
                    yield Piece(text.encode())
    async with aclosing(_rows(engine, asked, as_of, after, ahead)) as rows:
        async for piece in rows:
            yield piece
    if asked.format == "jsonl":
        document = json.dumps({"control_totals": (await totals()).document()}, separators=(",", ":"))
        yield Piece(f"{document}\n".encode())
    if asked.format in LEDGERS:
        async with aclosing(ledgers.foot(engine, asked, as_of, await totals())) as foot:
            async for text in foot:
                yield Piece(text.encode())


async def _rows(
    engine: Engine, asked: ExportQuestion, as_of: datetime, after: Place | None, ahead: int
) -> AsyncGenerator[Piece, None]:
    extent = asked.extent(as_of)
    lines: Lines = "json" if asked.format == "jsonl" else "ledger" if asked.format in LEDGERS else "csv"
    if asked.report == "costs":
        select = {"csv": csv_list, "jsonl": json_list, "parquet": typed_list}[asked.format]
        async with aclosing(whole(engine, costs(extent, select(asked.columns)), lines)) as blocks:
            async for content, count in blocks:
                yield Piece(content, count)
        return
    async with aclosing(slices(engine, _origins(asked), extent, lines=lines, after=after, ahead=ahead)) as found:
        async for one in found:
            yield Piece(one.content, one.rows, ",".join((one.origin, *map(str, one.key))))


def _origins(asked: ExportQuestion) -> tuple[Origin, ...]:
    select = {
        "csv": csv_list,
        "jsonl": json_list,
        "parquet": typed_list,
        "beancount": ledger_entries.beancount(asked.per_account),
        "hledger": ledger_entries.hledger(asked.per_account),
    }[asked.format]
    return (journal if asked.report == "journal" else usage)(select)


async def _parquet(
    engine: Engine, asked: ExportQuestion, as_of: datetime, ahead: int, totals: Totals
) -> AsyncGenerator[Piece, None]:
    file = ParquetFile(asked.columns)
    if asked.report == "costs":  # sums of a day: few enough for one group
        blocks = [piece async for piece in _rows(engine, asked, as_of, None, ahead)]
        content = await asyncio.to_thread(file.group, b"".join(block.content for block in blocks))
        yield Piece(content, sum(block.rows for block in blocks))
    else:
        async with aclosing(_rows(engine, asked, as_of, None, ahead)) as rows:
            async for piece in rows:
                yield Piece(await asyncio.to_thread(file.group, piece.content), piece.rows)
    yield Piece(file.end(await totals()))


async def _accounting(engine: Engine, asked: ExportQuestion, as_of: datetime) -> AsyncGenerator[Piece, None]:
    await accounting.check_mapped(engine, asked, as_of)
    yield Piece(accounting.csv_rows([accounting.HEADS[asked.format]]).encode())
    async for entry in accounting.entries(engine, asked, as_of):
        yield Piece(accounting.rows(asked, entry).encode(), len(entry.lines))


async def _workbook(
    engine: Engine, asked: ExportQuestion, as_of: datetime, totals: ControlTotals
) -> AsyncGenerator[Piece, None]:
    async for content in workbook(engine, asked, as_of, totals):
        yield Piece(content)


def place_of(cursor: str, report: str) -> Place:
    """The origin and key of a cursor. Raises Invalid."""
    origin, *texts = cursor.split(",")
    kinds = _KEYS.get(report, {}).get(origin)
    if kinds is None:
        raise Invalid.of("after", f"of {report} must begin with {' or '.join(_KEYS.get(report, {})) or 'nothing'}")
    if texts and len(texts) != len(kinds):
        raise Invalid.of("after", f"has {len(texts)} values after {origin} and must have {len(kinds)}")
    return origin, tuple(_value(text, kind) for text, kind in zip(texts, kinds, strict=False))


def _value(text: str, kind: type) -> str | int:
    if kind is str:
        return identifier(text, "after")
    if not text.removeprefix("-").isdecimal() or not text.isascii() or len(text) > 20 or abs(int(text)) > _HIGHEST:
        raise Invalid.of("after", "ends with whole numbers")
    return int(text)
