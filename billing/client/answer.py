"""A provider's answer as it comes in, whichever it is: a stream of events, or JSON, or an image as it is.

What was asked for decides nothing: some providers answer a request for a stream with JSON, or the other way round, and
the content type is as often wrong. The first byte tells, for no line of a stream begins with a brace or as images do.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from billing.client.events import BYTE_ORDER_MARK, EVENT_BYTES, Comment, Event, EventReader, json_of
from billing.client.outcome import NotUnderstood
from billing.client.size import format_of

ANSWER_BYTES = 10 * EVENT_BYTES
"""Of an answer that is no stream, at most: ten pictures, none of them compressed."""

_FIRST_OF_NO_STREAM = b'{["<\x89\xff\x00RG'
"""JSON, a page, and PNG, JPEG, AVIF, WebP (RIFF), GIF."""


@dataclass(frozen=True)
class Whole:
    """An answer that is no stream: an object of parsed JSON, a list of them, or an image's bytes."""

    document: Any
    body: bytes

    @property
    def media_type(self) -> str:
        return f"image/{format_of(self.body)}" if isinstance(self.document, bytes) else "application/json"


class AnswerReader:
    """The body of one answer, read once. Raises `NotUnderstood` for what is neither a stream, nor JSON, nor an image: a
    page, half an answer, nothing; or more than `most_bytes` of what is no stream."""

    def __init__(self, most_bytes: int = ANSWER_BYTES) -> None:
        self._most = most_bytes
        self._events: EventReader | None = None
        self._sniffed = False
        self._begin = b""
        self._body: list[bytes] = []
        self._body_bytes = 0

    def feed(self, chunk: bytes) -> list[Event | Comment | Whole]:
        """The events that became complete with `chunk`."""
        if self._events is not None:
            return list(self._events.feed(chunk))
        self._body.append(chunk)
        self._body_bytes += len(chunk)
        if self._body_bytes > self._most:
            raise NotUnderstood(f"the provider's answer has more than {self._most} bytes")
        if self._sniffed:
            return []
        self._begin = (self._begin + chunk).removeprefix(BYTE_ORDER_MARK).lstrip()
        if not self._begin:  # some providers keep alive with blanks: of these only the last one can mean something
            self._body, self._body_bytes = [chunk[-1:] if chunk[-1:].isspace() else b""], 1
            return []
        if BYTE_ORDER_MARK.startswith(self._begin):
            return []
        self._sniffed = True
        if self._begin[0] in _FIRST_OF_NO_STREAM:
            return []
        self._events = EventReader()
        return list(self._events.feed(b"".join(self._body)))

    def close(self) -> list[Event | Comment | Whole]:
        """What the answer ended in; an answer that is no stream comes now."""
        if self._events is not None:
            return list(self._events.close())
        body = b"".join(self._body)
        return [Whole(body if format_of(body) is not None else _parsed(body), body)]


def _parsed(body: bytes) -> Any:
    document = json_of(body)
    several = document if isinstance(document, list) else [document]
    if not several or not all(isinstance(one, dict) for one in several):
        begin = body[:1].decode("ascii", "replace")
        what = {"": "nothing", "<": "a page", "{": "broken JSON", "[": "no list of answers"}.get(begin, "not JSON")
        raise NotUnderstood(f"the provider's answer is {what}")
    return document
