"""A stream that is passed on: each final image is told before its bytes go out, whoever waits for the chunks."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest

from billing.client import Charging, OutcomeUnknown

from .image_provider import streamed
from .pictures import picture
from .test_decisions import Ledger, opened

IMAGE = base64.b64encode(picture(640, 480)).decode("ascii")
PREVIEW = {"type": "image_generation.partial_image", "partial_image_index": 0, "b64_json": IMAGE}
FINAL = {"type": "image_generation.completed", "b64_json": IMAGE}


class Chunks(httpx.SyncByteStream, httpx.AsyncByteStream):
    def __init__(self, body: bytes) -> None:
        self._body = body

    def __iter__(self) -> Iterator[bytes]:
        return (self._body[at : at + 100] for at in range(0, len(self._body), 100))

    async def __aiter__(self) -> Any:
        for chunk in self:
            yield chunk


def relayed_by_for(charge: Charging, response: httpx.Response, seen: Callable[[bytes], None]) -> None:
    for chunk in charge.relay(response):
        seen(chunk)


def relayed_by_async_for(charge: Charging, response: httpx.Response, seen: Callable[[bytes], None]) -> None:
    async def relay() -> None:
        async for chunk in charge.relay(response):
            seen(chunk)

    asyncio.run(relay())


@pytest.fixture(params=[relayed_by_for, relayed_by_async_for])
def relay(request: pytest.FixtureRequest) -> Any:
    return request.param


def answered(body: bytes, status: int = 200) -> httpx.Response:
    return httpx.Response(status, stream=Chunks(body))


def test_an_image_is_told_before_its_bytes_go_out(relay: Any) -> None:
    charge, seen = opened(Ledger()), []

    def look(chunk: bytes) -> None:
        delivered = sum(output["status"] == "succeeded" for output in charge.outputs)
        seen.append((chunk.partition(b"\n")[0].decode(), delivered))

    body = b": alive\n\n" + streamed(PREVIEW, FINAL, PREVIEW, FINAL) + b"data: [DONE]\n\n"
    relay(charge, answered(body), look)
    previews, finals = "event: image_generation.partial_image", "event: image_generation.completed"
    assert seen == [(": alive", 0), (previews, 0), (finals, 1), (previews, 1), (finals, 2), ("data: [DONE]", 2)]


def test_nothing_is_lost_on_the_way(relay: Any) -> None:
    body, chunks = streamed(PREVIEW, FINAL), []
    relay(opened(Ledger()), answered(body), chunks.append)
    assert b"".join(chunks) == body


def test_json_goes_out_as_events(relay: Any) -> None:
    charge, chunks = opened(Ledger()), []
    relay(charge, answered(json.dumps({"images": [IMAGE, IMAGE]}).encode()), chunks.append)
    assert b"".join(chunks) == streamed(FINAL, FINAL)
    assert [output["width"] for output in charge.outputs] == [640, 640, None]


UNKNOWN = {
    "a page": (200, b"<html>"),
    "a page of a proxy": (504, b"<html>"),
    "previews only": (200, streamed(PREVIEW)),
    "half an event": (200, streamed(FINAL)[:-40]),
    "nothing": (200, b""),
    "an image of nobody's": (200, streamed({"type": "x.done", "picture": IMAGE})),
}


@pytest.mark.parametrize(("status", "body"), UNKNOWN.values(), ids=UNKNOWN.keys())
def test_what_nobody_knows_is_said_to_the_customer_and_keeps_the_hold(relay: Any, status: int, body: bytes) -> None:
    ledger = Ledger()
    charge, chunks = opened(ledger), []
    with pytest.raises(OutcomeUnknown) as caught:
        relay(charge, answered(body, status), chunks.append)
    last = json.loads(chunks[-1].partition(b"data: ")[2])
    assert (last["type"], last["error"]["type"]) == ("error", "server_error")
    assert charge.closing(caught.value) is None
    assert charge.outcome == "left_to_expire"


def test_previews_alone_are_not_nothing_for_who_reads_by_hand() -> None:
    charge = opened(Ledger())
    assert charge.deliver_event(PREVIEW) is False
    assert charge.closing(None) is None
    assert charge.outcome == "left_to_expire"


def test_a_stream_that_nobody_read_is_not_nothing() -> None:
    charge = opened(Ledger())
    charge.relay(answered(streamed(FINAL)))
    assert charge.closing(None) is None
    assert charge.outcome == "left_to_expire"


def test_what_names_us_stays_here_wherever_it_stands(relay: Any) -> None:
    error = {"code": "x", "message": "Incorrect API key provided: sk-whose1234"}
    failed = {"type": "image_generation.partial_failed", "error": error}
    charge, chunks = opened(Ledger()), list[bytes]()
    relay(charge, answered(b": org-whose1234\n\ndata: of org-whose1234\n\n" + streamed(FINAL, failed)), chunks.append)
    assert IMAGE in b"".join(chunks).decode()
    assert b"whose" not in b"".join(chunks)
    answer = json.dumps({"data": [{"b64_json": IMAGE}, {"error": error}]}).encode()
    told = opened(Ledger()).deliver_response(httpx.Response(200, content=answer))
    assert IMAGE in told.content.decode()
    assert b"whose" not in told.content


def test_an_image_that_came_before_the_stream_broke_is_billed(relay: Any) -> None:
    charge = opened(Ledger())
    with pytest.raises(OutcomeUnknown):
        relay(charge, answered(streamed(FINAL) + b"data: " + json.dumps({"type": "x", "y": IMAGE}).encode()), len)
    assert [output["status"] for output in charge.outputs] == ["succeeded", "failed", "failed"]


def test_what_is_odd_behind_an_image_does_not_take_it_away_from_who_pays_for_it() -> None:
    charge = opened(Ledger())
    odd = streamed(FINAL) + streamed({"type": "x.done", "picture": IMAGE})
    told = charge.deliver_response(httpx.Response(200, content=odd))
    assert (told.status, told.content, told.media_type) == (200, streamed(FINAL), "text/event-stream")
    assert [output["status"] for output in charge.outputs] == ["succeeded", "failed", "failed"]


def test_a_task_whose_stream_only_began_stays_open() -> None:
    charge = opened(Ledger())
    charge._begun_here = False
    charge.deliver_event(PREVIEW)
    assert charge.closing(None) is None
    assert charge.outcome == "open"
