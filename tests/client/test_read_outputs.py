"""Reading a provider's answer: what is delivered, what failed, and what nobody could measure."""

from __future__ import annotations

import base64
import io
import json
import tracemalloc
from collections.abc import Callable
from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st
from openai.types import Image as OpenAIImage
from openai.types import ImagesResponse
from PIL import Image

from billing.client import NotUnderstood, Output, image_of, read_outputs
from billing.client.size import HEAD_BYTES


def picture(width: int, height: int, format: str = "png") -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (width, height), (200, 120, 30)).save(file, format)
    return file.getvalue()


def item(data: bytes) -> dict[str, str]:
    return {"b64_json": base64.b64encode(data).decode("ascii")}


def delivered(index: int, width: int, height: int) -> Output:
    return {"index": index, "status": "succeeded", "width": width, "height": height, "reason": None}


def test_each_image_is_measured_for_itself() -> None:
    response = {"created": 1, "data": [item(picture(1024, 1024)), item(picture(1023, 1025, "jpeg"))]}
    assert read_outputs(response, 2) == [delivered(0, 1024, 1024), delivered(1, 1023, 1025)]


@pytest.mark.parametrize("claims", [{}, {"size": "auto", "quality": "auto"}, {"size": "3840x2160", "quality": "high"}])
def test_billed_4k_got_1672x941(claims: dict[str, str]) -> None:
    """The top level may be absent, `auto` or plainly wrong: only the pixels count."""
    response = {**claims, "data": [item(picture(1672, 941))]}
    assert read_outputs(response, 1) == [delivered(0, 1672, 941)]


def test_failed_items_keep_their_index() -> None:
    error = {"code": "moderation_blocked", "message": "no"}
    response = {"data": [item(picture(16, 16)), {"error": error}, item(picture(32, 16))]}
    outputs = read_outputs(response, 4)
    assert [(output["index"], output["status"], output["reason"]) for output in outputs] == [
        (0, "succeeded", None),
        (1, "failed", "moderation_blocked: no"),
        (2, "succeeded", None),
        (3, "failed", "not in the provider's answer"),
    ]


def test_images_beyond_n_are_reported() -> None:
    response = {"data": [item(picture(16, 16)), item(picture(16, 16))]}
    assert read_outputs(response, 1) == [delivered(0, 16, 16), delivered(1, 16, 16)]


@pytest.mark.parametrize(
    ("response", "reason"),
    [
        ({"error": {"code": "server_error", "message": "try later"}}, "server_error: try later"),
        ({"error": {"message": "try later", "code": None}}, "try later"),
        ({"error": "down"}, "down"),
        ({"error": {}}, "not in the provider's answer"),
        ({"data": None}, "not in the provider's answer"),
        ({"data": []}, "not in the provider's answer"),
    ],
)
def test_an_answer_without_images_means_that_all_failed(response: dict[str, Any], reason: str) -> None:
    outputs = read_outputs(response, 2)
    assert [(output["index"], output["status"]) for output in outputs] == [(0, "failed"), (1, "failed")]
    assert {output["reason"] for output in outputs} == {reason}


@pytest.mark.parametrize(
    ("broken", "reason"),
    [
        ({"b64_json": "a"}, "the image is empty or not base64"),
        ({"b64_json": "é" * 8}, "the image is empty or not base64"),
        ({"b64_json": "===="}, "the image is empty or not base64"),
        ({"b64_json": ""}, "no image in this item"),
        ({"b64_json": None}, "no image in this item"),
        ({"b64_json": 7}, "no image in this item"),
        ({}, "no image in this item"),
        (None, "not an image"),
        (7, "not an image"),
    ],
)
def test_what_the_customer_cannot_use_has_failed(broken: object, reason: str) -> None:
    (output,) = read_outputs({"data": [broken]}, 1)
    assert (output["status"], output["reason"]) == ("failed", reason)


@pytest.mark.parametrize(
    "unreadable",
    [
        item(b'<svg width="3840" height="2160"></svg>'),
        item(picture(640, 480)[:20]),
        {"url": "https://images.example/1.png"},
        {"b64_json": item(picture(64, 64))["b64_json"] + "!"},
    ],
)
def test_delivered_but_unmeasured_is_not_failed(unreadable: dict[str, str]) -> None:
    (output,) = read_outputs({"data": [unreadable]}, 1)
    assert (output["status"], output["width"], output["height"]) == ("succeeded", None, None)
    assert output["reason"]


def test_data_urls_and_line_breaks_are_read() -> None:
    text = base64.encodebytes(picture(700, 500)).decode("ascii")
    response = {"data": [{"b64_json": "data:image/png;base64," + text}, {"b64_json": text}]}
    assert read_outputs(response, 2) == [delivered(0, 700, 500), delivered(1, 700, 500)]


def test_a_header_behind_64_kib_of_metadata_is_found() -> None:
    image = picture(900, 600, "jpeg")
    segment = b"\xff\xe9" + (65_535).to_bytes(2, "big") + bytes(65_533)
    image = image[:2] + segment * 2 + image[2:]
    assert len(image) > 2 * HEAD_BYTES
    broken_into_lines = base64.encodebytes(image).decode("ascii")
    response = {"data": [item(image), {"b64_json": broken_into_lines}]}
    assert read_outputs(response, 2) == [delivered(0, 900, 600), delivered(1, 900, 600)]


def test_only_the_head_of_a_huge_image_is_decoded() -> None:
    """What follows may be anything: it is never looked at, and never in memory twice."""
    head = item(picture(3840, 2160))["b64_json"].rstrip("=")
    head = head[: len(head) // 4 * 4]
    huge = head + "A" * 40_000_000 + "not base64"
    tracemalloc.start()
    try:
        assert read_outputs({"data": [{"b64_json": huge}]}, 1) == [delivered(0, 3840, 2160)]
        assert tracemalloc.get_traced_memory()[1] < 2_000_000
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize(
    "written",
    [
        lambda text: "data:image/png;base64," + text,
        lambda text: "data:;base64," + text,
        lambda text: 'data:image/png;name="a,b";BASE64,' + text,
        lambda text: "data:image/png;base64," + quote(text, safe=""),
        lambda text: "\n" + text[:7] + "\r\n \t" + text[7:],
        lambda text: text.rstrip("="),
        lambda text: text.replace("+", "-").replace("/", "_"),
    ],
)
def test_base64_as_people_write_it(written: Callable[[str], str]) -> None:
    image = picture(321, 123)
    text = written(base64.b64encode(image).decode("ascii"))
    assert read_outputs({"data": [{"b64_json": text}]}, 1) == [delivered(0, 321, 123)]
    assert image_of({"b64_json": text}) == image


def test_objects_of_a_client_library_are_read_like_json() -> None:
    text = item(picture(64, 48))["b64_json"]
    response = ImagesResponse(
        created=1, data=[OpenAIImage(b64_json=text), OpenAIImage(url="https://images.example/1.png"), OpenAIImage()]
    )
    first, second, third = read_outputs(response, 3)
    assert first == delivered(0, 64, 48)
    assert (second["status"], second["width"]) == ("succeeded", None)
    assert (third["status"], third["reason"]) == ("failed", "no image in this item")
    assert [output["status"] for output in read_outputs(ImagesResponse(created=1), 1)] == ["failed"]


def test_a_reason_can_always_be_stored() -> None:
    (output,) = read_outputs({"error": "bad\x00 \ud800 request " + "x" * 5_000}, 1)
    assert output["reason"] is not None
    assert output["reason"].startswith("bad  request xxx")
    assert len(output["reason"]) == 200
    output["reason"].encode("utf-8")


def test_the_bytes_of_an_image_are_what_was_sent() -> None:
    image = picture(40, 30, "webp")
    text = base64.b64encode(image).decode("ascii")
    assert image_of({"b64_json": text}) == image
    assert image_of({"b64_json": "data:image/webp;base64," + text}) == image
    for nothing in ({}, None, {"url": "https://images.example/1.png"}, {"b64_json": "a"}, {"b64_json": ""}):
        assert image_of(nothing) is None


ANY_JSON = st.recursive(
    st.sampled_from([None, True, 0, "", "auto", "QUJD", "\x00\ud800", item(picture(8, 8))["b64_json"]]),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.sampled_from(["data", "error", "b64_json", "url", "code", "message"]), inner)
    ),
    max_leaves=12,
)


@given(st.dictionaries(st.sampled_from(["data", "error", "size"]), ANY_JSON), st.integers(1, 10))
def test_no_answer_breaks_the_reader(response: dict[str, Any], n: int) -> None:
    try:
        outputs = read_outputs(response, n)
    except NotUnderstood:
        return
    assert [output["index"] for output in outputs] == list(range(len(outputs)))
    assert len(outputs) >= n
    json.dumps(outputs, ensure_ascii=False).encode("utf-8")
