"""Statements as JSON: one object, a line for each field of the header and then one for each movement.

    {
    "format": "billing.statement.1",
    "account_id": "acme",
    …
    "signature": {"algorithm": "Ed25519", …},
    "movements": [
    {"account_id": "acme", "book": "wallet", "seq": 1, …},
    …
    ]}

The header comes before the movements, so that whoever verifies it needs to keep neither. Spaces and line breaks between
values mean nothing; everything else must be as it was written.
"""

import json
from collections.abc import AsyncIterator, Iterator, Mapping
from dataclasses import asdict
from typing import Any, BinaryIO, Final

from billing.books.statements.document.fields import written
from billing.books.statements.document.file import MovementRow, Unreadable, decoded
from billing.books.statements.report import Issued
from billing.core.ledger import Transfer
from billing.core.text import NamedTwice, named_once

MOVEMENTS: Final = "movements"
_CHUNK = 1 << 16
_LONGEST = 1 << 22  # characters of one value: a header's subtotals, at most
_DIGITS = 40  # more than any sum of 64-bit amounts has
_SPACE = " \t\r\n"


async def as_json(issued: Issued) -> AsyncIterator[str]:
    """The file, piece by piece."""
    header = issued.statement.document | {"signature": asdict(issued.signature)}
    yield "{\n" + "".join(f"{_text(name)}: {_lines(value)},\n" for name, value in header.items())
    yield f'"{MOVEMENTS}": ['
    separator = "\n"
    async for page in issued.movements():
        yield separator + ",\n".join(map(_movement, page))
        separator = ",\n"
    yield "\n]}\n"


class JsonFile:
    """Reads a statement from its first brace to its last, keeping one value at a time. Raises Unreadable."""

    def __init__(self, file: BinaryIO) -> None:
        self._text = decoded(iter(lambda: file.read(_CHUNK), b""))
        self._buffer, self._at, self._ended = "", 0, False
        self.line = 1

    def header(self) -> tuple[Mapping[str, Any], Mapping[str, int]]:
        """What comes before the movements, and on which line each field stands."""
        found: dict[str, Any] = {}
        lines: dict[str, int] = {}
        self._pass("{")
        while True:
            line, name = self._place(), self._value()
            if not isinstance(name, str) or name in found:
                raise Unreadable(
                    line, f"{name!r} stands there twice" if isinstance(name, str) else "a name must be text"
                )
            self._pass(":")
            if name == MOVEMENTS:
                self._pass("[")
                return found, lines
            found[name], lines[name] = self._value(), line
            if self._pass(",}") == "}":
                raise Unreadable(self.line, "it has no movements")

    def rows(self) -> Iterator[MovementRow]:
        """The movements, each with its line."""
        if self._peek() == "]":
            self._pass("]")
        else:
            while True:
                line, value = self._place(), self._value()
                if not isinstance(value, dict):
                    raise Unreadable(line, "a movement must be an object")
                yield MovementRow(line, value)
                if self._pass(",]") == "]":
                    break
        self._pass("}")
        if self._peek():
            raise Unreadable(self.line, "something follows the end of the statement")

    def _place(self) -> int:
        self._peek()
        return self.line

    def _peek(self) -> str:
        """The next character that is no space, or nothing at the end."""
        while True:
            while self._at < len(self._buffer):
                letter = self._buffer[self._at]
                if letter not in _SPACE:
                    return letter
                self.line += letter == "\n"
                self._at += 1
            if not self._fill():
                return ""

    def _pass(self, wanted: str) -> str:
        found = self._peek()
        if found == "":
            raise Unreadable(self.line, "the file ends in the middle of the statement")
        if found not in wanted:
            raise Unreadable(
                self.line, f"{' or '.join(wanted)} is expected and {found!r} found: this is not JSON as issued"
            )
        self._at += 1
        return found

    def _value(self) -> Any:
        if self._peek() == "":
            raise Unreadable(self.line, "the file ends in the middle of the statement")
        while True:
            try:
                value, end = _decoder.raw_decode(self._buffer, self._at)
                if end < len(self._buffer) or self._ended:  # or a number may go on
                    break
            except NamedTwice as error:
                raise Unreadable(self.line, f"{error.name!r} stands there twice") from None
            except RecursionError:
                raise Unreadable(self.line, "it is nested too deeply") from None
            except json.JSONDecodeError as error:
                cut = error.msg.startswith("Unterminated") or error.pos > len(self._buffer) - 16
                if self._ended or not cut:
                    line = self.line + self._buffer.count("\n", self._at, error.pos)
                    if self._ended and cut:
                        raise Unreadable(line, "the file ends in the middle of the statement") from None
                    raise Unreadable(line, f"this is not JSON: {error.msg.lower()}") from None
            if len(self._buffer) - self._at > _LONGEST:
                raise Unreadable(self.line, "a value is too long")
            self._fill()
        self.line += self._buffer.count("\n", self._at, end)
        self._at = end
        return value

    def _fill(self) -> bool:
        """Reads on; whether there was more."""
        more = next(self._text, "")
        self._ended = not more
        self._buffer = self._buffer[self._at :] + more
        self._at = 0
        return bool(more)


def _integer(digits: str) -> Any:
    return int(digits) if len(digits) <= _DIGITS and digits != "-0" else _no_amount(digits)


def _no_amount(_: str) -> Any:
    return object()  # no field takes it: whoever reads the field says so


_decoder = json.JSONDecoder(
    object_pairs_hook=named_once, parse_int=_integer, parse_float=_no_amount, parse_constant=_no_amount
)


def _text(value: Any) -> str:
    return json.dumps(value, separators=(",", ":"))


def _lines(value: Any) -> str:
    """A list with a line for each of its items; anything else on one."""
    if isinstance(value, list) and value:
        return "[\n" + ",\n".join(map(_text, value)) + "\n]"
    return _text(value)


def _movement(transfer: Transfer) -> str:
    return _text({name: written(value) for name, value in zip(Transfer._fields, transfer, strict=True)})
