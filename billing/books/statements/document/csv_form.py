"""Statements as CSV (RFC 4180): the header in rows that begin with `#`, then a row of titles and one for each movement.

    #format,billing.statement.1
    #account_id,acme
    …
    #totals,kind,movements,change
    #total,settle,3,-95
    #subtotals,model,size_tier,quality,images,failed_images,settled_credits,refunded_credits,credits
    #subtotal,gpt-image-2,1K,high,2,0,28,14,14
    #signature,Ed25519,…
    account_id,book,seq,kind,…,hash
    acme,wallet,1,grant,…

What is not there is an empty cell. Text that a spreadsheet would take for a formula has an apostrophe before it, which
is not part of it.
"""

import csv
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping, Sequence
from dataclasses import astuple
from io import StringIO
from typing import Any, BinaryIO

from billing.books.statements.document.fields import Field, cell, from_cell, written
from billing.books.statements.document.file import MovementRow, Unreadable, decoded
from billing.books.statements.document.statement import FORMAT, HEADER, MOVEMENT, SIGNATURE, SUBTOTAL, TOTAL
from billing.books.statements.report import Issued
from billing.core.ledger import Transfer

_TITLES = [field.name for field in MOVEMENT]
_LONGEST = 1 << 16  # bytes of a line
_LISTS = (("totals", "total", TOTAL), ("subtotals", "subtotal", SUBTOTAL))


async def as_csv(issued: Issued) -> AsyncIterator[str]:
    """The file, piece by piece."""
    document = issued.statement.document
    rows = [["#format", FORMAT]]
    rows += [[f"#{field.name}", cell(document[field.name])] for field in HEADER]
    for many, one, fields in _LISTS:
        rows.append([f"#{many}", *(field.name for field in fields)])
        rows += [[f"#{one}", *(cell(item[field.name]) for field in fields)] for item in document[many]]
    rows.append(["#signature", *map(cell, astuple(issued.signature))])
    yield _rows([*rows, _TITLES])
    async for page in issued.movements():
        yield _rows(map(_movement, page))


class CsvFile:
    """Reads a statement row by row. Raises Unreadable."""

    def __init__(self, file: BinaryIO) -> None:
        lines = decoded(iter(lambda: file.readline(_LONGEST), b""))
        self._reader = csv.reader(_whole(lines), strict=True)

    def header(self) -> tuple[Mapping[str, Any], Mapping[str, int]]:
        """What comes before the movements, and on which line each field stands."""
        found: dict[str, Any] = {"format": self._named("format", [Field("format", str)])[0]}
        lines = {"format": self._reader.line_num}
        for field in HEADER:
            (found[field.name],) = self._named(field.name, [field])
            lines[field.name] = self._reader.line_num
        row = self._row()
        for many, one, fields in _LISTS:
            if row != [f"#{many}", *(field.name for field in fields)]:
                raise self._unexpected(f"#{many}")
            lines[many], found[many] = self._reader.line_num, []
            while (row := self._row())[0] == f"#{one}":
                values = self._values(row[1:], fields)
                found[many].append(dict(zip((field.name for field in fields), values, strict=True)))
        if row[0] != "#signature":
            raise self._unexpected("#signature")
        lines["signature"] = self._reader.line_num
        values = self._values(row[1:], SIGNATURE)
        found["signature"] = dict(zip((field.name for field in SIGNATURE), values, strict=True))
        if self._row() != _TITLES:
            raise self._unexpected("the row of titles")
        return found, lines

    def rows(self) -> Iterator[MovementRow]:
        """The movements, each with its line."""
        while (row := self._next()) is not None:
            line = self._reader.line_num
            if len(row) != len(MOVEMENT):
                raise Unreadable(line, f"a movement has {len(MOVEMENT)} cells, and this row {len(row)}")
            values: dict[str, Any] = {}
            problem = None
            for field, found in zip(MOVEMENT, row, strict=True):
                try:
                    values[field.name] = from_cell(field, found)
                except ValueError as error:
                    values[field.name] = found
                    problem = problem or (field.name, str(error))
            yield MovementRow(line, values, problem)

    def _named(self, name: str, fields: Sequence[Field]) -> list[Any]:
        row = self._row()
        if row[0] != f"#{name}":
            raise self._unexpected(f"#{name}")
        return self._values(row[1:], fields)

    def _values(self, cells: Sequence[str], fields: Sequence[Field]) -> list[Any]:
        if len(cells) != len(fields):
            raise Unreadable(self._reader.line_num, f"{len(fields)} values are expected and {len(cells)} found")
        try:
            return [from_cell(field, found) for field, found in zip(fields, cells, strict=True)]
        except ValueError as error:
            raise Unreadable(self._reader.line_num, f"a value {error}") from None

    def _row(self) -> list[str]:
        row = self._next()
        if row is None:
            raise Unreadable(self._reader.line_num, "the file ends in the middle of the statement")
        return row or [""]

    def _next(self) -> list[str] | None:
        try:
            return next(self._reader, None)
        except csv.Error as error:
            raise Unreadable(self._reader.line_num, f"this is not CSV: {error}") from None

    def _unexpected(self, wanted: str) -> Unreadable:
        return Unreadable(self._reader.line_num, f"{wanted} is expected here")


def _whole(lines: Iterable[str]) -> Iterator[str]:
    for number, line in enumerate(lines, 1):
        if len(line) >= _LONGEST:
            raise Unreadable(number, "a line is too long")
        yield line


def _rows(rows: Iterable[Sequence[str]]) -> str:
    written_rows = StringIO()
    csv.writer(written_rows).writerows(rows)
    return written_rows.getvalue()


def _movement(transfer: Transfer) -> list[str]:
    return [cell(written(value)) for value in transfer]
