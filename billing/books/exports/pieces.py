"""Pieces: a file of any format from its first byte to its last, in constant memory, from any cursor on."""

import asyncio
import json
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing
from datetime import datetime
from typing import NamedTuple

from billing.books.exports.asked import ACCOUNTING, LEDGERS, Asked
from billing.books.exports.control import ControlTotals, control_totals
from billing.books.exports.cursor import written
from billing.books.exports.formats import accounting, ledgers
from billing.books.exports.formats.parquet import ParquetFile
from billing.books.exports.formats.workbook import workbook
from billing.books.exports.reports import ledger_text
from billing.books.exports.reports.columns import csv_list, json_list, typed_list
from billing.books.exports.reports.costs import costs
from billing.books.exports.reports.journal import journal
from billing.books.exports.reports.slices import Key, Lines, Part, slices, whole
from billing.books.exports.reports.usage import usage
from billing.store.engine import Engine

Totals = Callable[[], Awaitable[ControlTotals]]


class Piece(NamedTuple):
    """`content` with `rows` rows; a file may be broken off where `cursor` is told, and continued from there."""

    content: bytes
    rows: int = 0
    cursor: str | None = None


async def pieces(
    engine: Engine,
    asked: Asked,
    as_of: datetime,
    *,
    after: tuple[str, Key] | None = None,
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
        made = _workbook(engine, asked, await known())
    elif asked.format == "parquet":
        made = _parquet(engine, asked, as_of, ahead, known)
    else:
        made = _lines(engine, asked, as_of, after, ahead, known)
    async with aclosing(made):
        async for piece in made:
            yield piece


async def _lines(
    engine: Engine, asked: Asked, as_of: datetime, after: tuple[str, Key] | None, ahead: int, totals: Totals
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
        async with aclosing(ledgers.foot(engine, asked, await totals())) as foot:
            async for text in foot:
                yield Piece(text.encode())


async def _rows(
    engine: Engine, asked: Asked, as_of: datetime, after: tuple[str, Key] | None, ahead: int
) -> AsyncGenerator[Piece, None]:
    scope = asked.scope(as_of)
    lines: Lines = "json" if asked.format == "jsonl" else "ledger" if asked.format in LEDGERS else "csv"
    if asked.report == "costs":
        select = {"csv": csv_list, "jsonl": json_list, "parquet": typed_list}[asked.format]
        async with aclosing(whole(engine, costs(scope, select(asked.columns)), lines)) as blocks:
            async for content, count in blocks:
                yield Piece(content, count)
        return
    parts = _parts(asked)
    async with aclosing(slices(engine, parts, scope, lines=lines, after=after, ahead=ahead)) as found:
        async for one in found:
            yield Piece(one.content, one.rows, written(one.part, one.key))


def _parts(asked: Asked) -> tuple[Part, ...]:
    select = {
        "csv": csv_list,
        "jsonl": json_list,
        "parquet": typed_list,
        "beancount": ledger_text.beancount(asked.per_account),
        "hledger": ledger_text.hledger(asked.per_account),
    }[asked.format]
    return (journal if asked.report == "journal" else usage)(select)


async def _parquet(
    engine: Engine, asked: Asked, as_of: datetime, ahead: int, totals: Totals
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


async def _accounting(engine: Engine, asked: Asked, as_of: datetime) -> AsyncGenerator[Piece, None]:
    await accounting.check_mapped(engine, asked, as_of)
    yield Piece(accounting.csv_rows([accounting.HEADS[asked.format]]).encode())
    async for entry in accounting.entries(engine, asked, as_of):
        yield Piece(accounting.rows(asked, entry).encode(), len(entry.lines))


async def _workbook(engine: Engine, asked: Asked, totals: ControlTotals) -> AsyncGenerator[Piece, None]:
    async for content in workbook(engine, asked, totals):
        yield Piece(content)
