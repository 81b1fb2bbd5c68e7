"""Server-sent events, read by the WHATWG's rules (https://html.spec.whatwg.org/multipage/server-sent-events.html).

Without input or output: bytes go in as they come, events come out. Two things are other than in a browser, on purpose.
An event that the stream ends in is given out although no blank line follows, for it may hold an image that was paid for;
and comments are given out too, for they keep connections alive that somebody else waits at. No library does all of this:
httpx-sse keeps a byte-order mark in the first field's name, drops comments and the last event, and has no limit.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import AsyncIterable, AsyncIterator, Iterable, Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Generic, Protocol, TypeVar

from billing.client.outcome import NotUnderstood
from billing.client.words import has_a_secret

EVENT_BYTES = 64 << 20
"""Of one event, at most. The base64 of a 4K picture without any compression has 44 MB."""

BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_LINE_END = re.compile("\r\n|\r|\n")

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)


@dataclass(frozen=True)
class Event:
    """`type` is what its `event:` line says, empty without one; `id` the last one that the stream gave."""

    data: str
    type: str = ""
    id: str = ""

    @cached_property
    def document(self) -> dict[str, Any] | None:
        """The JSON object that the data are, or None. Its `type` is the event's where it has none of its own."""
        document = self._parsed
        if not isinstance(document, dict):
            return {"type": self.type, "message": self.data} if self.type == "error" else None
        named = isinstance(document.get("type"), str) or not self.type
        return document if named else {**document, "type": self.type}

    @cached_property
    def _parsed(self) -> Any:
        return json_of(self.data)

    @property
    def complete(self) -> Event:
        """The same with its type in its data too, where OpenAI's clients look for it."""
        document = self.document
        return self if document is None or document is self._parsed else replace(self, data=json.dumps(document))

    def __bytes__(self) -> bytes:
        """As it is sent."""
        head = [f"{name}: {text}" for name, text in (("event", self.type), ("id", self.id)) if text]
        lines = [*head, *(f"data: {line}" for line in _LINE_END.split(self.data))]
        return ("\n".join(lines) + "\n\n").encode("utf-8", "replace")


@dataclass(frozen=True)
class Comment:
    """A line that begins with a colon: a sign of life."""

    text: str

    def __bytes__(self) -> bytes:
        """As it is sent: without its words, if they name something of ours."""
        text = "" if has_a_secret(self.text) else self.text
        return f": {text}\n\n".encode("utf-8", "replace")


class Reader(Protocol[T_co]):
    """Is fed bytes, and gives out what they come to; `close` gives out the rest."""

    def feed(self, chunk: bytes) -> Iterable[T_co]: ...
    def close(self) -> Iterable[T_co]: ...


class Reading(Generic[T]):
    """What a reader makes of chunks, as they come: with `async for` if that is how they come, else with `for`."""

    def __init__(self, reader: Reader[T], chunks: Iterable[bytes] | AsyncIterable[bytes]) -> None:
        self._reader = reader
        self._chunks = chunks

    def __iter__(self) -> Iterator[T]:
        if not isinstance(self._chunks, Iterable):
            raise TypeError("these chunks are awaited: use `async for`")
        for chunk in self._chunks:
            yield from self._reader.feed(chunk)
        yield from self._reader.close()

    async def __aiter__(self) -> AsyncIterator[T]:
        if not isinstance(self._chunks, AsyncIterable):
            raise TypeError("these chunks are not awaited: use `for`")
        async for chunk in self._chunks:
            for one in self._reader.feed(chunk):
                yield one
        for one in self._reader.close():
            yield one


class EventTooLong(NotUnderstood):
    """An event beyond the limit: nobody can say what it holds."""


class EventReader:
    """One stream, read once. Raises `EventTooLong` at an event or a line of more than `most_bytes`."""

    def __init__(self, most_bytes: int = EVENT_BYTES) -> None:
        self._most = most_bytes
        self._begun = False
        self._after_carriage_return = False
        self._line: list[bytes] = []
        self._line_bytes = 0
        self._data: list[bytes] = []
        self._data_bytes = 0
        self._type = self._id = ""

    def feed(self, chunk: bytes) -> list[Event | Comment]:
        """What became complete with `chunk`."""
        if not chunk:
            return []
        if self._after_carriage_return:  # its line feed may come in the next chunk
            chunk = chunk.removeprefix(b"\n")
        self._after_carriage_return = chunk.endswith(b"\r")
        given: list[Event | Comment] = []
        for part in chunk.splitlines(keepends=True):  # of bytes: only at CR, LF and CRLF
            line = part.rstrip(b"\r\n")
            self._line.append(line)
            self._line_bytes += len(line)
            if self._line_bytes + self._data_bytes > self._most:
                raise EventTooLong(f"the provider's stream has an event of more than {self._most} bytes")
            if len(line) < len(part):
                given += self._line_ended()
        return given

    def close(self) -> list[Event | Comment]:
        """What the stream ended in."""
        return [*self._line_ended(), *self._event_ended()]

    def _line_ended(self) -> list[Event | Comment]:
        line = b"".join(self._line)
        self._line, self._line_bytes = [], 0
        if not self._begun:
            self._begun, line = True, line.removeprefix(BYTE_ORDER_MARK)
        if not line:
            return self._event_ended()
        name, _, value = line.partition(b":")
        value = value.removeprefix(b" ")
        match name:
            case b"":
                return [Comment(_text(value))]
            case b"data":
                self._data.append(value)
                self._data_bytes += len(value) + 1
            case b"event":
                self._type = _text(value)
            case b"id" if b"\0" not in value:
                self._id = _text(value)
        return []

    def _event_ended(self) -> list[Event | Comment]:
        data, type, self._data, self._data_bytes, self._type = self._data, self._type, [], 0, ""
        return [Event(_text(b"\n".join(data)), type, self._id)] if data else []


def read_events(
    chunks: Iterable[bytes] | AsyncIterable[bytes], most_bytes: int = EVENT_BYTES
) -> Reading[Event | Comment]:
    """The events of a body that comes in chunks, as they come: `async for event in read_events(response.aiter_bytes())`,
    or with `for`, of `iter_bytes()`."""
    return Reading(EventReader(most_bytes), chunks)


def json_of(text: str | bytes) -> Any:
    """What the JSON in `text` says; None if it is none. Python would take NaN and 1e999 for numbers, which nobody could
    read who is sent them on: they are null."""
    try:
        return json.loads(text, parse_constant=_finite, parse_float=_finite)
    except (ValueError, RecursionError):
        return None


def _finite(number: str) -> float | None:
    value = float(number)
    return value if math.isfinite(value) else None


def _text(line: bytes) -> str:
    return line.decode("utf-8", "replace")
