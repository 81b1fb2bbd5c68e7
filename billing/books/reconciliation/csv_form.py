"""Manifests as CSV: a header, commas, quotes where they must be. Empty cells are as good as none."""

import csv
from collections.abc import Iterator
from typing import BinaryIO

from billing.books.reconciliation.lines import LINE_BYTES, text_lines
from billing.books.reconciliation.manifest import COLUMNS, NUMBERS, Wanted, checker, integer, places_of
from billing.core.reconciliation import ManifestRow
from billing.core.refusals import ManifestUnreadable


def csv_rows(file: BinaryIO, wanted: Wanted) -> Iterator[ManifestRow]:
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
        places = places_of([name.strip() for name in names], wanted, 1)
        check = checker(wanted)
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
