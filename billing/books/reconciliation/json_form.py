"""Manifests as JSON lines: one object to a line, its fields named as columns are; null is as good as none."""

import json
from collections.abc import Iterator
from decimal import Decimal
from typing import Any, BinaryIO, Final

from billing.books.reconciliation.lines import text_lines
from billing.books.reconciliation.manifest import COLUMNS, NUMBERS, Wanted, checker, places_of, shown, whole
from billing.core.reconciliation import ManifestRow
from billing.core.refusals import ManifestUnreadable
from billing.core.text import NamedTwice, named_once


def json_rows(file: BinaryIO, wanted: Wanted) -> Iterator[ManifestRow]:
    """The rows of `file`, each checked. Raises ManifestUnreadable."""
    check = checker(wanted)
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
            places_of(list(row), wanted, number)
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
