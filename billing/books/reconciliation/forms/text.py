"""Manifests as text: CSV (a header, commas, quotes where they must be) and JSON lines (one object to a line).

However long the file, one line of it at a time. Empty cells, and null, are as good as none.
"""

import csv
import json
from collections.abc import Iterator
from decimal import Decimal
from typing import Any, BinaryIO, Final, NamedTuple

from billing.books.reconciliation.forms.rows import (
    COLUMNS,
    NUMBERS,
    Loading,
    ManifestRow,
    ManifestUnreadable,
    checker,
    integer,
    places_of,
    shown,
    whole,
)
from billing.core.text import NamedTwice, named_once

LINE_BYTES = 65_536
_MARK = b"\xef\xbb\xbf"
_WIDE = (b"\xff\xfe", b"\xfe\xff")


class TextLine(NamedTuple):
    number: int
    text: str
    ended: bool  # by a line feed: only the last may be without


def text_lines(file: BinaryIO) -> Iterator[TextLine]:
    """The lines of `file`, in UTF-8 with or without a byte order mark. Raises ManifestUnreadable."""
    number = 0
    while line := file.readline(LINE_BYTES + 1):
        number += 1
        if number == 1:
            if line.startswith(_WIDE):
                raise ManifestUnreadable(1, "it is written in UTF-16: save it as UTF-8.")
            line = line.removeprefix(_MARK)
        if len(line) > LINE_BYTES:
            raise ManifestUnreadable(number, f"it is longer than {LINE_BYTES} bytes: this is no manifest.")
        if b"\x00" in line:
            raise ManifestUnreadable(number, "it holds a NUL: this is no text, or was damaged.")
        try:
            text = line.decode()
        except UnicodeDecodeError as problem:
            raise ManifestUnreadable(
                number, f"byte {problem.start + 1} of it is not UTF-8: save the manifest as UTF-8."
            ) from None
        yield TextLine(number, text, text.endswith("\n"))


def csv_rows(file: BinaryIO, loading: Loading) -> Iterator[ManifestRow]:
    """The rows of `file`, each checked. Raises ManifestUnreadable."""
    ended = True
    length = 0  # of the row so far: within quotes it may go on for lines, and is in memory until it ends

    def feed() -> Iterator[str]:
        nonlocal ended, length
        for line in text_lines(file):
            ended = line.ended
            length += len(line.text)
            if length > LINE_BYTES:
                raise ManifestUnreadable(line.number, "quotes that were opened before it do not end: close them.")
            yield line.text

    reader = csv.reader(feed(), strict=True)
    try:
        names = next(reader, None)
        if not names:
            raise ManifestUnreadable(1, "there is no header: the first line must name the columns.")
        width = len(names)
        places = places_of([name.strip() for name in names], loading, 1)
        check = checker(loading)
        numbers = [(place, name) for name in NUMBERS
                   if (place := places[_AT[name]]) is not None]  # fmt: skip
        order = [width if place is None else place for place in places]  # what is not there is behind the last cell
        length = 0
        for cells in reader:
            line, length = reader.line_num, 0
            if not cells:
                continue
            if len(cells) != width:
                raise ManifestUnreadable(line, _miscounted(len(cells), width, ended))
            values: list[str | int | None] = [cell or None for cell in cells]
            values.append(None)
            for place, name in numbers:
                text = cells[place]
                if text:
                    values[place] = integer(text, name, line)
            yield check(line, *[values[place] for place in order])
    except csv.Error as problem:
        cut = not ended and str(problem) == "unexpected end of data"
        said = "it is cut off within quotes." if cut else f"{str(problem).partition(' - ')[0]}."
        raise ManifestUnreadable(reader.line_num, f"it is no CSV: {said}") from None


def _miscounted(cells: int, width: int, ended: bool) -> str:
    if cells < width and not ended:
        return f"the manifest is cut off: its last line has {cells} of {width} cells and no end. Send the whole file."
    return f"it has {cells} cells, but the header names {width} columns."


_AT = {name: COLUMNS.index(name) for name in NUMBERS}


def json_rows(file: BinaryIO, loading: Loading) -> Iterator[ManifestRow]:
    """The rows of `file`, each checked. Raises ManifestUnreadable."""
    check = checker(loading)
    known = frozenset(COLUMNS)
    decode = json.JSONDecoder(object_pairs_hook=named_once, parse_float=_exactly, parse_constant=_CONSTANTS.get).decode
    numbers = [COLUMNS.index(name) for name in NUMBERS]
    for number, text, ended in text_lines(file):
        if text.isspace():
            continue
        try:
            row: Any = decode(text)
        except NamedTwice as found:
            raise ManifestUnreadable(number, f"`{shown(found.name)}` is there twice: keep one of them.") from None
        except (ValueError, RecursionError):
            if not ended:
                raise ManifestUnreadable(
                    number, "the manifest is cut off: its last line is not whole. Send the whole file."
                ) from None
            raise ManifestUnreadable(number, "it is not JSON: every line must be one object.") from None
        if type(row) is not dict:
            raise ManifestUnreadable(number, "it is no object: every line must be one object.")
        if not row.keys() <= known:
            places_of(list(row), loading, number)
        value = row.get
        values = [value(name) for name in COLUMNS]
        for place in numbers:
            if type(values[place]) is not int:
                values[place] = whole(values[place], COLUMNS[place], number)
        yield check(number, *values)


# NaN is what Python's own JSON makes of a gap, in any column.
_CONSTANTS: Final = {"NaN": None, "Infinity": Decimal("Infinity"), "-Infinity": Decimal("-Infinity")}


def _exactly(text: str) -> Decimal:
    try:
        return Decimal(text)
    except ArithmeticError:  # an exponent of dozens of digits
        raise ValueError(text) from None
