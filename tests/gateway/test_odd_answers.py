"""Providers that say what nobody expects: never a 500, and what the customer got is what is billed."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

import pytest

from .city import City, GatewayProgram
from .parrot import IMAGE, Parrot
from .pictures import png


@pytest.fixture(scope="module")
def parroted(the_city: City) -> Iterator[GatewayProgram]:
    """A gateway whose provider answers what the prompt tells it to."""
    with Parrot().speaking() as parrot:
        yield the_city.gateway(GATEWAY_PROVIDER_URL=parrot.url)


PREVIEW = base64.b64encode(png(64, 64)).decode()
DATA_URL = f"data:image/png;base64,{IMAGE}"


def _events(*events: Any) -> str:
    return "".join(f"data: {event if isinstance(event, str) else json.dumps(event)}\n\n" for event in events)


PARTIAL = {"type": "image_generation.partial_image", "b64_json": PREVIEW, "partial_image_index": 0}
CALL = {"type": "image_generation_call", "id": "ig_1", "result": IMAGE}
COMPLETED = {"type": "image_generation.completed", "b64_json": IMAGE}

# What the provider answers; then our status, the number of images passed on, the hold's end and the bill.
# Medium at 1K: 4 credits an image, two asked for.
ODD: dict[str, tuple[int, str, tuple[int, int, str, int]]] = {
    "nothing": (200, "", (502, 0, "authorized", 0)),
    "a list": (200, "[]", (502, 0, "authorized", 0)),
    "an empty object": (200, "{}", (502, 0, "authorized", 0)),
    "no data": (200, '{"data": null}', (502, 0, "settled", 0)),
    "data is text": (200, '{"data": "images"}', (502, 0, "authorized", 0)),
    "items that are none": (200, '{"data": [1, null, [], {}]}', (502, 0, "settled", 0)),
    "items that may be some": (200, '{"data": [1, null, "x", []]}', (502, 0, "authorized", 0)),
    "an image that is a number": (200, '{"data": [{"b64_json": 5}]}', (502, 0, "settled", 0)),
    "an image that is a list": (200, '{"data": [{"b64_json": ["x"]}]}', (502, 0, "authorized", 0)),
    "an image that is no base64": (200, '{"data": [{"b64_json": "&&&"}]}', (502, 0, "settled", 0)),
    "an error with 200": (200, '{"error": {"code": "\\u0000", "message": "\\ud800"}}', (502, 0, "settled", 0)),
    "one image and noise": (200, json.dumps({"data": [7, {"b64_json": IMAGE}]}), (200, 1, "settled", 4)),
    "an image at the top": (200, json.dumps({"b64_json": IMAGE}), (200, 1, "settled", 4)),
    "addresses of images": (200, '{"data": [{"url": "https://x.example/1"}]}', (200, 1, "settled", 4)),
    "a lone surrogate beside": (
        200,
        json.dumps({"x": "\ud800", "data": [{"b64_json": IMAGE}]}),
        (200, 1, "settled", 4),
    ),
    "endless depth": (200, "[" * 20_000, (502, 0, "authorized", 0)),
    "no content": (204, "", (502, 0, "authorized", 0)),
    "a refusal that is text": (400, "no", (400, 0, "voided", 0)),
    "a refusal that is a list": (400, "[1]", (400, 0, "voided", 0)),
    "an error that is text": (400, '{"error": "no"}', (400, 0, "voided", 0)),
    "an error of odd members": (
        400,
        '{"error": {"message": {"a": 1}, "code": [2], "param": 3, "type": 4}}',
        (400, 0, "voided", 0),
    ),
    "a surrogate in an error": (400, '{"error": {"message": "\\ud800", "code": "\\ud800"}}', (400, 0, "voided", 0)),
    "our own key in an error": (
        401,
        '{"error": {"message": "Incorrect API key: sk-ours", "type": "invalid_request_error"}}',
        (502, 0, "voided", 0),
    ),
    "not found": (404, '{"error": {"message": "no model for org-ours"}}', (502, 0, "voided", 0)),
    "a teapot": (418, "", (502, 0, "voided", 0)),
    "images of base64": (200, json.dumps({"images": [IMAGE]}), (200, 1, "settled", 4)),
    "a data URL": (200, json.dumps({"data": [{"url": DATA_URL}]}), (200, 1, "settled", 4)),
    "data as an object": (200, json.dumps({"data": {"b64_json": IMAGE}}), (200, 1, "settled", 4)),
    "Gemini's": (
        200,
        json.dumps(
            {"candidates": [{"content": {"parts": [{"inlineData": {"mimeType": "image/png", "data": IMAGE}}]}}]}
        ),
        (200, 1, "settled", 4),
    ),
    "a place of nobody's": (200, json.dumps({"pictures": [IMAGE]}), (502, 0, "authorized", 0)),
    "an item of nobody's beside an image": (
        200,
        json.dumps({"data": [{"b64_json": IMAGE}, {"picture": "file-7"}]}),
        (200, 2, "settled", 8),
    ),
    "a task that was taken": (202, '{"id": "task-1", "status": "queued"}', (502, 0, "authorized", 0)),
    "a list of events": (200, json.dumps([PARTIAL, COMPLETED]), (200, 1, "settled", 4)),
    "a preview for an answer": (200, json.dumps(PARTIAL), (502, 0, "authorized", 0)),
    "a data URL, percent-encoded": (
        200,
        json.dumps({"data": [{"url": quote(DATA_URL, safe=":;,")}] * 2}),
        (200, 2, "settled", 8),
    ),
    "base64 that ends badly": (
        200,
        json.dumps({"data": [{"b64_json": IMAGE}, {"b64_json": IMAGE + "!"}]}),
        (200, 2, "settled", 8),
    ),
    "one call twice, and another": (
        200,
        _events(
            *[{"type": "response.output_item.done", "item": call} for call in (CALL, CALL, {**CALL, "id": "ig_2"})]
        ),
        (200, 2, "settled", 8),
    ),
    "what is no number": (
        200,
        f'{{"data": [{{"b64_json": "{IMAGE}"}}], "usage": {{"cost": NaN}}}}',
        (200, 1, "settled", 4),
    ),
    "a time-out with 200": (200, '{"code": "upstream_timeout", "message": "no"}', (502, 0, "authorized", 0)),
    "a time-out as text": (200, '{"error": "request timed out"}', (502, 0, "authorized", 0)),
    "our key in a comment": (200, ": sk-ours1234\n\n" + _events(COMPLETED), (200, 1, "settled", 4)),
    "our key beside an image": (
        200,
        json.dumps(
            {
                "data": [{"b64_json": IMAGE}, {"error": {"message": "of org-ours1234"}, "x": DATA_URL}],
                "usage": {"by": "org-ours1234"},
            }
        ),
        (200, 2, "settled", 8),
    ),
    "a refusal without end": (400, "<pad>", (400, 0, "voided", 0)),
    "a stream where JSON was asked for": (200, _events(PARTIAL, COMPLETED, COMPLETED), (200, 2, "settled", 8)),
    "a stream that ends too soon": (200, _events(PARTIAL, COMPLETED), (200, 1, "settled", 4)),
    "a stream of nothing": (200, _events(PARTIAL), (502, 0, "authorized", 0)),
    "a stream that fails": (
        200,
        _events({"type": "error", "error": {"code": "moderation_blocked", "message": "no"}}),
        (400, 0, "voided", 0),
    ),
    "a stream that turns odd behind an image": (
        200,
        _events(COMPLETED, {"type": "x.done", "picture": IMAGE}),
        (200, 1, "settled", 4),
    ),
    "a stream that fails behind an image": (
        200,
        _events(COMPLETED, {"type": "error", "error": {"code": "server_error"}}),
        (200, 1, "settled", 4),
    ),
}


@pytest.mark.parametrize(("status", "body", "expected"), ODD.values(), ids=ODD.keys())
def test_odd_answers(
    parroted: GatewayProgram, city: City, status: int, body: str, expected: tuple[int, int, str, int]
) -> None:
    customer = city.customer()
    prompt = json.dumps({"status": status, "body": body})
    answer = parroted.post(
        customer,
        "/v1/images/generations",
        {"prompt": prompt, "n": 2, "quality": "medium"},
    )
    document = json.loads(answer.text, parse_constant=pytest.fail)
    images = len(document["data"]) if "data" in document else int("b64_json" in document)
    charge = customer.the_charge()
    assert (answer.status_code, images, charge["status"], charge["settled_credits"]) == expected, answer.text[:500]
    assert "ours" not in answer.text
    assert customer.balance() == (1_000 - expected[3], 8 if expected[2] == "authorized" else 0)


ODD_STREAMS: dict[str, tuple[str, tuple[list[str], str, int]]] = {
    "noise before the image": (
        ": hello\nretry: 1\n\n" + _events("no JSON", "[]", "1", COMPLETED),
        (["image_generation.completed"], "settled", 4),
    ),
    "events of no kind": (
        _events({"a": 1}, {"type": 7}, COMPLETED),
        (["image_generation.completed"], "settled", 4),
    ),
    "an image without an image": (_events({"type": "image_generation.completed"}), ([], "authorized", 0)),
    "an image that is a number": (
        _events({"type": "image_generation.completed", "b64_json": 5}),
        ([], "settled", 0),
    ),
    "an error": (
        _events({"type": "error", "error": {"message": "no", "code": "moderation_blocked"}}),
        ([], "voided", 0),
    ),
    "an error of no shape": (_events({"type": "error", "error": 5}), ([], "voided", 0)),
    "without spaces": (
        f"data:{json.dumps(PARTIAL)}\n\ndata:{json.dumps(COMPLETED)}\n\n",
        (["image_generation.partial_image", "image_generation.completed"], "settled", 4),
    ),
    "types on the event lines only": (
        f'event: image_generation.partial_image\ndata: {{"b64_json": "{PREVIEW}", "partial_image_index": 0}}\n\n'
        f'event: image_generation.completed\ndata: {{"b64_json": "{IMAGE}"}}\n\n',
        (["image_generation.partial_image", "image_generation.completed"], "settled", 4),
    ),
    "a byte-order mark, and no blank line at the end": (
        f"\ufeffdata: {json.dumps(COMPLETED)}",
        (["image_generation.completed"], "settled", 4),
    ),
    "CR for line ends, and data in several lines": (
        f'data: {{"type": "image_generation.completed",\rdata: "b64_json": "{IMAGE}"}}\r\r',
        (["image_generation.completed"], "settled", 4),
    ),
    "separators that end no line": (
        f'data: {{"type": "image_generation.completed", "x": "\u2028\u0085", "b64_json": "{IMAGE}"}}\n\n',
        (["image_generation.completed"], "settled", 4),
    ),
    "JSON where a stream was asked for": (
        json.dumps({"data": [{"b64_json": IMAGE}]}),
        (["image_generation.completed"], "settled", 4),
    ),
    "Responses' events": (
        _events(
            {
                "type": "response.image_generation_call.partial_image",
                "partial_image_b64": PREVIEW,
                "partial_image_index": 0,
            },
            {"type": "response.output_item.done", "item": {"type": "image_generation_call", "result": IMAGE}},
        ),
        (["image_generation.partial_image", "image_generation.completed"], "settled", 4),
    ),
    "an image where none is known to be": (_events({"type": "x.done", "picture": IMAGE}), ([], "authorized", 0)),
    "our key in a comment": (
        ": sk-ours1234\n\n" + _events(COMPLETED),
        (["image_generation.completed"], "settled", 4),
    ),
    "our key in an error": (
        _events({"type": "error", "error": {"message": "Incorrect API key: sk-ours123", "code": "invalid_api_key"}}),
        ([], "voided", 0),
    ),
    "done": ("data: [DONE]\n\n", ([], "authorized", 0)),
    "nothing": ("", ([], "authorized", 0)),
}


@pytest.mark.parametrize(("body", "expected"), ODD_STREAMS.values(), ids=ODD_STREAMS.keys())
def test_odd_streams(parroted: GatewayProgram, city: City, body: str, expected: tuple[list[str], str, int]) -> None:
    customer = city.customer()
    prompt = json.dumps({"status": 200, "body": body})
    answer = parroted.post(customer, "/v1/images/generations", {"prompt": prompt, "stream": True, "quality": "medium"})
    kinds = [line.removeprefix("event: ") for line in answer.text.splitlines() if line.startswith("event: ")]
    charge = customer.the_charge()
    assert (kinds, charge["status"], charge["settled_credits"]) == expected
    assert "ours" not in answer.text
    if "image_generation.completed" in kinds:
        images = [json.loads(line[6:])["b64_json"] for line in answer.text.split("\n") if line.startswith("data: ")]
        assert images == [PREVIEW, IMAGE][-len(images) :]
    if not kinds:
        assert answer.status_code in (400, 502)
        assert answer.json()["error"]["type"] in ("invalid_request_error", "server_error")


WAITS = {
    "3": "3",
    "0": "1",
    "3600": "59",
    "0.5": "1",
    "1e400": "59",
    "Wed, 21 Oct 2115 07:28:00 GMT": "59",
    "soon": None,
    "Wed, 21 Oct 99999999999999999999 07:28:00 GMT": None,
}


@pytest.mark.parametrize(("said", "passed_on"), WAITS.items())
def test_nobody_is_told_to_wait_for_longer_than_all_clients_understand(
    parroted: GatewayProgram, city: City, said: str, passed_on: str | None
) -> None:
    prompt = json.dumps({"status": 429, "body": "{}", "headers": {"Retry-After": said}})
    answer = parroted.post(city.customer(), "/v1/images/generations", {"prompt": prompt})
    assert (answer.status_code, answer.headers.get("Retry-After")) == (429, passed_on)
