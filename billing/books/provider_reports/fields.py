"""Fields of a provider's report, read strictly: each knows where it stands, and a refusal says it.

Amounts of money are decimals in the JSON and are never floats here: they become whole micros, half to even.
"""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import ROUND_HALF_EVEN, Context, Decimal
from typing import Any, NoReturn

from billing.core.refusals import Invalid
from billing.core.text import NamedTwice, named_once

MOST_IMAGES = 10**9  # of one line
MOST_MICROS = 10**15  # of one line: a thousand million dollars
MOST_TEXT = 256
_LATEST = 4_102_444_800  # the year 2100
_DECIMAL = re.compile(r"-?[0-9]+(\.[0-9]+)?([eE][+-]?[0-9]+)?").fullmatch
_EXACT = Context(prec=200, rounding=ROUND_HALF_EVEN)


@dataclass(frozen=True, slots=True)
class Where:
    """Where something stands: `usage.json: line 3: data[0].results[1].images`."""

    file: str
    line: int | None = None  # where a file holds several pages
    path: str = ""

    def __getitem__(self, step: int | str) -> "Where":
        dotted = f"{self.path}.{step}" if self.path else str(step)
        return Where(self.file, self.line, f"{self.path}[{step}]" if isinstance(step, int) else dotted)

    def __str__(self) -> str:
        line = "" if self.line is None else f"line {self.line}"
        return ": ".join(filter(None, (self.file, line, self.path))) or "body"


def values(name: str, content: bytes) -> Iterator[tuple[Where, Any]]:
    """The JSON values of a file, one after another, with where each begins."""
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        refuse(Where(name, line), "is not UTF-8: export the report as JSON in UTF-8")
    decoder = json.JSONDecoder(parse_float=Decimal, parse_constant=_no_number, object_pairs_hook=named_once)
    place, line, several = _skip(text, 0), 1, False
    line += text.count("\n", 0, place)
    if place == len(text):
        refuse(Where(name), "is empty: send the pages of a report")
    while place < len(text):
        try:
            value, end = decoder.raw_decode(text, place)
        except RecursionError:
            refuse(Where(name, line), "is nested too deeply to be a page")
        except json.JSONDecodeError as error:
            refuse(Where(name, error.lineno), f"is not JSON: {error.msg} at column {error.colno}")
        except NamedTwice as found:
            said = found.name if found.name.isprintable() and len(found.name) <= MOST_TEXT else "a name"
            refuse(Where(name, line), f"says {said} twice in one object: which is meant?")
        except (ValueError, ArithmeticError):  # a number of thousands of digits, an exponent of dozens, or NaN
            refuse(Where(name, line), "holds a number that cannot be one")
        following = _skip(text, end)
        several = several or following < len(text)
        where = Where(name, line if several else None)
        if isinstance(value, list):
            for number, page in enumerate(value):
                yield where[number], page
        else:
            yield where, value
        line += text.count("\n", place, following)
        place = following


def object_of(where: Where, value: Any, name: str) -> dict[str, Any]:
    if not isinstance(value, dict) or value.get("object") != name:
        refuse(where, f'must be an object with "object": "{name}"')
    return value


def list_of(where: Where, value: Any) -> list[Any]:
    if not isinstance(value, list):
        refuse(where, "must be a list")
    return value


def boolean(where: Where, value: Any) -> bool:
    if not isinstance(value, bool):
        refuse(where, "must be true or false: it says whether pages are missing")
    return value


def moment(where: Where, value: Any) -> datetime:
    seconds = _whole(value)
    if seconds is None or not 0 <= seconds <= _LATEST:
        refuse(where, "must be a time in Unix seconds")
    return datetime.fromtimestamp(seconds, UTC)


def count_of(where: Where, result: dict[str, Any], name: str) -> int:
    count = _whole(result.get(name))
    if count is None or not 0 <= count <= MOST_IMAGES:
        refuse(where[name], f"must be an integer from 0 to {MOST_IMAGES}")
    return count


def _whole(value: Any) -> int | None:
    """A whole number, also as programs write it that have no other numbers than decimals: `6.0`."""
    if isinstance(value, Decimal) and value.adjusted() <= 12 and value == value.to_integral_value():
        return int(value)
    return value if type(value) is int else None


def text_of(where: Where, result: dict[str, Any], name: str) -> str:
    value = result.get(name)
    if value is None:
        return ""
    if not isinstance(value, str) or len(value) > MOST_TEXT or not value.isprintable():
        refuse(where[name], f"must be null or printable text of at most {MOST_TEXT} characters")
    return value


def micros_of(where: Where, value: Any) -> int:
    """Dollars as they stand in the JSON, a number or text, in whole micros."""
    try:
        if isinstance(value, bool) or not isinstance(value, int | Decimal | str) or len(str(value)) > 100:
            raise ValueError
        if isinstance(value, str) and _DECIMAL(value) is None:  # Python reads ` 1_0` and `１` too
            raise ValueError
        dollars = Decimal(value)
        if not dollars.is_finite():
            raise ValueError
    except (ArithmeticError, ValueError):
        refuse(where, "must be a decimal number of dollars")
    if dollars < 0:
        refuse(where, "is negative: costs cannot be; book what the provider gave back by hand")
    # Its magnitude first: to write out 1E+999999999 would take all memory there is.
    if dollars.adjusted() > 12 or (micros := dollars.scaleb(6, _EXACT)) > MOST_MICROS:
        refuse(where, f"must be at most {MOST_MICROS // 1_000_000} dollars")
    return int(micros.to_integral_value(context=_EXACT))


def _skip(text: str, place: int) -> int:
    while place < len(text) and text[place] in " \t\r\n":
        place += 1
    return place


def _no_number(name: str) -> NoReturn:
    raise ValueError(name)


def refuse(where: Where, message: str) -> NoReturn:
    raise Invalid.of(str(where), message)
