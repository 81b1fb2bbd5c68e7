"""A provider's answer is told to a charging before anybody else hears of it."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, replace
from typing import Any, Protocol

from billing.client.answer import AnswerReader, Whole
from billing.client.data import data_of
from billing.client.delivery import Delivery
from billing.client.documents import Operation
from billing.client.events import Comment, Event, json_of
from billing.client.items import message_of
from billing.client.outcome import NotUnderstood, OutcomeUnknown
from billing.client.provider_errors import ProviderError, provider_error, refusal_in
from billing.client.words import untold


class Response(Protocol):
    """What is read of a response, httpx's or one like it."""

    @property
    def status_code(self) -> int: ...


class ReadResponse(Response, Protocol):
    """Whose body was read."""

    @property
    def content(self) -> bytes: ...


class OpenResponse(Response, Protocol):
    """Whose body comes in chunks."""

    def iter_bytes(self) -> Iterator[bytes]: ...
    def aiter_bytes(self) -> AsyncIterator[bytes]: ...


@dataclass(frozen=True, slots=True)
class Told:
    """What the customer may be answered: the provider's answer, and nothing of an error that is none of the customer's
    business."""

    status: int
    content: bytes
    media_type: str


REFUSAL_BYTES = 1 << 20
"""Of a refusal; its status says enough of one that is longer."""

Heard = Event | Comment | Whole | ProviderError


class Hearing:
    """Reads an answer with this HTTP `status` and tells the delivery of it, then gives out what was read. Raises
    `OutcomeUnknown` where nobody can say what was made."""

    def __init__(self, delivery: Delivery, status: int) -> None:
        self._delivery = delivery
        self._status = status
        self._reader = AnswerReader()
        self._refusal = bytearray()
        self._told = False

    def feed(self, chunk: bytes) -> Iterator[Heard]:
        if not 200 <= self._status < 300:
            if len(self._refusal) <= REFUSAL_BYTES:
                self._refusal += chunk
            return
        for part in self._reader.feed(chunk):
            yield self._tell(part)

    def close(self) -> Iterator[Heard]:
        if not 200 <= self._status < 300:
            yield self._tell_refusal(json_of(bytes(self._refusal)))
            return
        for part in self._reader.close():
            yield self._tell(part)
        if not self._told:
            raise NotUnderstood("the provider's stream ended without an image")

    def _tell(self, part: Event | Comment | Whole) -> Heard:
        if isinstance(part, Comment) or part.document is None:
            return part
        error = refusal_in(part.document)
        if error is None:
            add = self._delivery.add_event if isinstance(part, Event) else self._delivery.add
            self._told = add(part.document) or self._told
            return part
        return self._refused(error)

    def _tell_refusal(self, document: Any) -> ProviderError:
        return self._refused(provider_error(self._status, document))

    def _refused(self, error: ProviderError) -> ProviderError:
        if not error.made_nothing:
            raise OutcomeUnknown(f"the provider answered {error}")
        self._told = True
        self._delivery.refuse(message_of(error.document) or error.said)
        return error


def told(delivery: Delivery, response: ReadResponse) -> Told:
    """The delivery is told of a whole answer, and the customer may be told the rest. What is not understood behind an
    image does not take that image away: it is billed."""
    hearing = Hearing(delivery, response.status_code)
    heard: list[Heard] = []
    try:
        for parts in (hearing.feed(response.content), hearing.close()):
            heard += parts
    except OutcomeUnknown:
        if not delivery.delivered:
            raise
    match heard:
        case [Whole() as whole]:
            return Told(response.status_code, _untold(whole), whole.media_type)
        case [ProviderError() as error]:
            return Told(error.status, json.dumps(error.document).encode(), "application/json")
    return Told(response.status_code, b"".join(_sent(part, "generation") for part in heard), "text/event-stream")


class Relaying:
    """Reads an answer and gives out the bytes of a stream of events, each after the delivery was told of it."""

    def __init__(self, delivery: Delivery, status: int, operation: Operation) -> None:
        self._hearing = Hearing(delivery, status)
        self._operation = operation

    def feed(self, chunk: bytes) -> Iterator[bytes]:
        return self._relayed(self._hearing.feed(chunk))

    def close(self) -> Iterator[bytes]:
        return self._relayed(self._hearing.close())

    def _relayed(self, heard: Iterator[Heard]) -> Iterator[bytes]:
        try:
            for part in heard:
                yield _sent(part, self._operation)
        except OutcomeUnknown:
            yield _sent(provider_error(504, None), self._operation)
            raise


class ResponseBody:
    """The body of a response, iterated as its client does: with or without `async`."""

    def __init__(self, response: OpenResponse) -> None:
        self._response = response

    def __iter__(self) -> Iterator[bytes]:
        return self._response.iter_bytes()

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self._response.aiter_bytes()


def _untold(whole: Whole) -> bytes:
    """As it came, but for secrets, which are in what is said of an image that failed."""
    told = untold(whole.document)
    return whole.body if told == whole.document else json.dumps(told).encode()


def _without_secrets(event: Event) -> Event:
    if event.document is None:
        return replace(event, data=untold(event.data))
    told = untold(event.document)
    return event if told == event.document else replace(event, data=json.dumps(told))


def _sent(part: Heard, operation: Operation) -> bytes:
    match part:
        case Whole():
            kind = f"image_{operation}.completed"
            events = [Event(json.dumps({"type": kind, **item}), kind) for item in data_of(part.document)]
        case ProviderError():
            events = [Event(json.dumps({"type": "error", **part.document}), "error")]
        case Event():
            events = [_without_secrets(part.complete)]
        case Comment():
            return bytes(part)
    return b"".join(map(bytes, events))
