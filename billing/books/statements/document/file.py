"""Statement files: what reading one gives, whichever form it has, and what a file that is none says of itself."""

import codecs
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple, Protocol

from billing.books.statements.document.fields import Field
from billing.books.statements.document.statement import (
    FORMAT,
    HEADER,
    SIGNATURE,
    SUBTOTAL,
    TOTAL,
    MovementTotal,
    Signature,
    Statement,
    Subtotal,
)


class Unreadable(Exception):
    """From `line` on the file is not what a statement is; `field` where one is to blame."""

    def __init__(self, line: int, message: str, field: str | None = None) -> None:
        super().__init__(message)
        self.line, self.message, self.field = line, message, field


class MovementRow(NamedTuple):
    """A movement as it stands in the file, and what is wrong with one of its cells: (field, message)."""

    line: int
    values: Mapping[str, Any]
    problem: tuple[str, str] | None = None


class StatementFile(Protocol):
    """The header must be read first, once, and then the rows."""

    def header(self) -> tuple[Mapping[str, Any], Mapping[str, int]]:
        """Its fields as JSON holds them, and on which line each stands. Raises Unreadable."""

    def rows(self) -> Iterator[MovementRow]:
        """The movements. Raises Unreadable."""


def decoded(chunks: Iterable[bytes]) -> Iterator[str]:
    """The text of UTF-8 `chunks`, with or without a mark at its beginning. Raises Unreadable."""
    decoder = codecs.getincrementaldecoder("utf-8-sig")()
    lines = 1
    try:
        for chunk in chunks:
            if text := decoder.decode(chunk):
                lines += text.count("\n")
                yield text
        decoder.decode(b"", final=True)
    except UnicodeDecodeError as error:
        good = error.object[: error.start].decode()
        if whole := good[: good.rfind("\n") + 1]:
            yield whole  # what is wrong before it is told first
        raise Unreadable(lines + good.count("\n"), "this is not UTF-8 text") from None


def is_statement(found: Mapping[str, Any]) -> bool:
    return found.get("format") == FORMAT


def header_of(found: Mapping[str, Any], lines: Mapping[str, int]) -> tuple[Statement, Signature]:
    """The header that a file holds. Raises Unreadable, naming the first field that is not as it is issued."""
    known = {"format", *(field.name for field in HEADER), "totals", "subtotals", "signature"}
    if missing := [name for name in known if name not in found]:
        raise Unreadable(1, f"the header has no {min(missing)}", min(missing))
    if unknown := [name for name in found if name not in known]:
        raise Unreadable(lines[unknown[0]], "no statement has this field", unknown[0])
    values = [_value(field, found[field.name], lines[field.name], field.name) for field in HEADER]
    totals = [MovementTotal(*_values(TOTAL, item, lines["totals"], "totals")) for item in _list(found, lines, "totals")]
    subtotals = [
        Subtotal(*_values(SUBTOTAL, item, lines["subtotals"], "subtotals")) for item in _list(found, lines, "subtotals")
    ]
    signature = Signature(*_values(SIGNATURE, found["signature"], lines["signature"], "signature"))
    return Statement(*[*values, tuple(totals), tuple(subtotals)]), signature


def _list(found: Mapping[str, Any], lines: Mapping[str, int], name: str) -> list[Any]:
    if not isinstance(found[name], list):
        raise Unreadable(lines[name], "must be a list", name)
    return list(found[name])


def _values(fields: tuple[Field, ...], found: Any, line: int, name: str) -> list[Any]:
    if not isinstance(found, dict) or set(found) != {field.name for field in fields}:
        raise Unreadable(line, f"must have the fields {', '.join(field.name for field in fields)}", name)
    return [_value(field, found[field.name], line, f"{name}.{field.name}") for field in fields]


def _value(field: Field, found: Any, line: int, name: str) -> Any:
    try:
        return field.value(found)
    except ValueError as error:
        raise Unreadable(line, str(error), name) from None
