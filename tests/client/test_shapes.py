"""Answers of image providers, each in its own shape: every image is measured, and what nobody can read is not nothing."""

from __future__ import annotations

import base64
import json
from types import SimpleNamespace
from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from billing.client import NotUnderstood, data_of, read_outputs
from billing.client.delivery import Delivery

from .pictures import picture

RAW = picture(640, 480)
IMAGE = base64.b64encode(RAW).decode("ascii")
OTHER = base64.b64encode(picture(320, 200, "webp")).decode("ascii")
PREVIEW = base64.b64encode(picture(64, 48)).decode("ascii")
DATA_URL = f"data:image/png;base64,{IMAGE}"
URL = "https://cdn.example/a.png"
BIG, SMALL, UNMEASURED = (640, 480), (320, 200), (None, None)


def part(image: str, **more: Any) -> dict[str, Any]:
    return {"inlineData": {"mimeType": "image/png", "data": image}, **more}


def call(image: str | None, **more: Any) -> dict[str, Any]:
    return {"type": "image_generation_call", "id": "ig_1", "status": "completed", "result": image, **more}


def chat(message: Any) -> dict[str, Any]:
    return {"object": "chat.completion", "choices": [{"index": 0, "message": {"role": "assistant", **message}}]}


def parts(*found: Any, **more: Any) -> dict[str, Any]:
    return {"candidates": [{"content": {"parts": list(found), "role": "model"}, "finishReason": "STOP", **more}]}


SHAPES: dict[str, tuple[Any, list[tuple[int | None, int | None]]]] = {
    "OpenAI": ({"created": 1, "data": [{"b64_json": IMAGE}, {"b64_json": OTHER, "revised_prompt": "x"}]}, [BIG, SMALL]),
    "OpenAI, by address": ({"data": [{"url": URL}]}, [UNMEASURED]),
    "both members": ({"data": [{"b64_json": None, "url": URL}]}, [UNMEASURED]),
    "a data URL in url": ({"data": [{"url": DATA_URL}]}, [BIG]),
    "base64 in url": ({"data": [{"url": IMAGE}]}, [BIG]),
    "an address in b64_json": ({"data": [{"b64_json": URL}]}, [UNMEASURED]),
    "an address without a scheme": ({"data": [{"url": "/files/a.png"}]}, [UNMEASURED]),
    "data as an object": ({"data": {"b64_json": IMAGE}}, [BIG]),
    "data as a text": ({"data": IMAGE}, [BIG]),
    "a list of texts": ({"data": [IMAGE, DATA_URL, URL]}, [BIG, BIG, UNMEASURED]),
    "images of base64 (Bedrock, Stable Diffusion)": (
        {"images": [IMAGE, OTHER], "parameters": {}, "error": None},
        [BIG, SMALL],
    ),
    "images by address (fal)": ({"images": [{"url": URL, "width": 1024, "height": 1024}]}, [UNMEASURED]),
    "images in data URLs (fal, at once)": ({"images": [{"url": DATA_URL, "width": 9, "height": 9}]}, [BIG]),
    "images with b64": ({"images": [{"b64": IMAGE}]}, [BIG]),
    "one image (fal)": ({"image": {"url": DATA_URL, "width": 1, "height": 1}}, [BIG]),
    "one image (Stability v2)": ({"image": IMAGE, "finish_reason": "SUCCESS", "seed": 1}, [BIG]),
    "Stability v1": ({"artifacts": [{"base64": IMAGE, "seed": 1, "finishReason": "SUCCESS"}]}, [BIG]),
    "Bedrock's Stability": ({"seeds": [1], "finish_reasons": [None], "images": [IMAGE]}, [BIG]),
    "Gemini": (parts({"text": "here"}, part(IMAGE)), [BIG]),
    "Gemini's drafts are no outputs": (parts(part(PREVIEW, thought=True), part(IMAGE)), [BIG]),
    "Gemini, in snake case": (parts({"inline_data": {"mime_type": "image/png", "data": IMAGE}}), [BIG]),
    "Gemini, by address": (
        parts({"fileData": {"mimeType": "image/png", "fileUri": "gs://bucket/a.png"}}),
        [UNMEASURED],
    ),
    "Gemini, in another format": (
        parts({"inlineData": {"mimeType": "image/svg+xml", "data": "PHN2Zy8+"}}),
        [UNMEASURED],
    ),
    "Gemini, a stream as a list": ([parts({"text": "now"}), parts(part(IMAGE)), parts(part(OTHER))], [BIG, SMALL]),
    "Gemini interactions": ({"outputs": [{"type": "text", "text": "x"}, {"type": "image", "data": IMAGE}]}, [BIG]),
    "Vertex Imagen": ({"predictions": [{"mimeType": "image/png", "bytesBase64Encoded": IMAGE}]}, [BIG]),
    "Vertex Imagen, by address": ({"predictions": [{"gcsUri": "gs://bucket/a.png"}]}, [UNMEASURED]),
    "Google's library": ({"generatedImages": [{"image": {"imageBytes": IMAGE}}]}, [BIG]),
    "Responses": ({"output": [{"type": "reasoning"}, call(IMAGE), {"type": "message", "content": []}]}, [BIG]),
    "chat completions": (
        chat({"content": "", "images": [{"type": "image_url", "image_url": {"url": DATA_URL}}]}),
        [BIG],
    ),
    "chat completions in parts": (chat({"content": [{"type": "image_url", "image_url": {"url": URL}}]}), [UNMEASURED]),
    "Replicate": (
        {"id": "p", "status": "succeeded", "output": [URL, DATA_URL], "urls": {"get": URL}},
        [UNMEASURED, BIG],
    ),
    "Replicate, one": ({"status": "succeeded", "output": URL, "error": None}, [UNMEASURED]),
    "MiniMax": ({"data": {"image_base64": [IMAGE, OTHER]}, "base_resp": {"status_code": 0}}, [BIG, SMALL]),
    "MiniMax, by address": ({"data": {"image_urls": [URL, URL]}}, [UNMEASURED, UNMEASURED]),
    "Kling": (
        {"code": 0, "data": {"task_status": "succeed", "task_result": {"images": [{"index": 0, "url": URL}]}}},
        [UNMEASURED],
    ),
    "DashScope": ({"output": {"task_status": "SUCCEEDED", "results": [{"url": URL}]}}, [UNMEASURED]),
    "DashScope, at once": (
        {"output": {"choices": [{"message": {"content": [{"image": URL}, {"text": "x"}]}}]}},
        [UNMEASURED],
    ),
    "Cloudflare": ({"result": {"image": IMAGE}, "success": True, "errors": []}, [BIG]),
    "Black Forest Labs": ({"id": "x", "status": "Ready", "result": {"sample": URL, "prompt": "x"}}, [UNMEASURED]),
    "Luma": ({"state": "completed", "failure_reason": None, "assets": {"image": URL}}, [UNMEASURED]),
    "Leonardo": ({"generations_by_pk": {"generated_images": [{"url": URL, "id": "x"}]}}, [UNMEASURED]),
    "an image by itself": ({"b64_json": IMAGE}, [BIG]),
    "bytes": (RAW, [BIG]),
    "beside what nobody can read": ({"data": [{"b64_json": IMAGE}, {"picture": "file-7"}]}, [BIG, UNMEASURED]),
}


@pytest.mark.parametrize(("answer", "sizes"), SHAPES.values(), ids=SHAPES.keys())
def test_each_image_of_each_provider_is_measured(answer: Any, sizes: list[tuple[int | None, int | None]]) -> None:
    outputs = [output for output in read_outputs(answer, 1) if output["status"] == "succeeded"]
    assert [(output["width"], output["height"]) for output in outputs] == sizes
    assert all((output["width"] is None) == (output["reason"] is not None) for output in outputs)
    assert len(data_of(answer)) == len(sizes)  # and there is as much for the customer


def test_objects_of_a_library() -> None:
    blob = SimpleNamespace(data=RAW, mime_type="image/png")
    google = SimpleNamespace(
        candidates=[SimpleNamespace(content=SimpleNamespace(parts=[SimpleNamespace(inline_data=blob)]))]
    )
    assert [output["width"] for output in read_outputs(google, 1)] == [640]
    imagen = SimpleNamespace(generated_images=[SimpleNamespace(image=SimpleNamespace(image_bytes=RAW))])
    assert [output["width"] for output in read_outputs(imagen, 1)] == [640]


NOT_UNDERSTOOD: dict[str, Any] = {
    "an empty object": {},
    "a name of nobody's": {"picture": URL},
    "an item of nobody's": {"data": [{"picture": URL}]},
    "a text of no kind": {"data": "images"},
    "a page": "<html>504</html>",
    "an image in a place of nobody's": {"data": [], "extra": {"deep": [{"picture": IMAGE}]}},
    "an image beside an error": {"error": {"message": "partly"}, "picture": {"x": IMAGE}},
    "an image in a text": chat({"content": f"Here it is: ![x]({DATA_URL})"}),
    "an address in a text": chat({"content": f"Here it is: ![x]({URL})"}),
    "words": {"output": ["a", " cat"]},
    "a result of no kind": {"result": {"picture": URL}},
    "a task that was taken": {"id": "task-1"},
    "a task in a queue (fal)": {"status": "IN_QUEUE", "request_id": "x", "response_url": URL},
    "a task at work (Replicate)": {"status": "processing", "output": None},
    "a task at work (DashScope)": {"output": {"task_status": "RUNNING", "task_id": "x"}},
    "a task at work (Responses)": {"status": "in_progress", "output": []},
    "a relay that got no answer": {"error": {"message": "x", "code": "upstream_timeout"}},
    "a response that was not read": SimpleNamespace(status_code=200, url=URL),
}


@pytest.mark.parametrize("answer", NOT_UNDERSTOOD.values(), ids=NOT_UNDERSTOOD.keys())
def test_what_is_not_understood_is_not_taken_for_nothing(answer: Any) -> None:
    with pytest.raises(NotUnderstood):
        read_outputs(answer, 1)
    delivery = Delivery()
    with pytest.raises(NotUnderstood):
        delivery.add(answer)
    assert not delivery.reported


EMPTY: dict[str, tuple[Any, str]] = {
    "an empty list": ({"data": []}, "not in the provider's answer"),
    "no images": ({"images": []}, "not in the provider's answer"),
    "items without": ({"data": [{"b64_json": None, "url": None}, {}, None]}, "no image in this item"),
    "a moderated item": ({"data": [{"b64_json": "", "respect_moderation": False}]}, "no image in this item"),
    "an error": ({"error": {"code": "server_error", "message": "later"}}, "server_error: later"),
    "an item's error": ({"data": [{"error": {"code": "x", "message": "no"}}]}, "x: no"),
    "Gemini's filter": (parts(finishReason="IMAGE_SAFETY"), "IMAGE_SAFETY"),
    "Gemini's block": ({"promptFeedback": {"blockReason": "PROHIBITED_CONTENT"}}, "PROHIBITED_CONTENT"),
    "Gemini says something else": (parts({"text": "I cannot"}), "not in the provider's answer"),
    "Imagen's filter": ({"predictions": [{"raiFilteredReason": "unsafe"}]}, "unsafe"),
    "Bedrock's error": ({"images": None, "error": "blocked by our filters"}, "blocked by our filters"),
    "a call that failed": ({"status": "completed", "output": [call(None, status="failed")]}, "no image in this item"),
    "a chat without an image": (chat({"content": "I cannot draw that."}), "not in the provider's answer"),
    "Replicate failed": ({"status": "failed", "output": None, "error": "NSFW"}, "NSFW"),
    "Cloudflare's errors": ({"success": False, "errors": [{"code": 3030, "message": "NSFW"}]}, "3030: NSFW"),
    "an error that speaks of data URLs": (
        {"error": {"message": "expected data:image/png;base64,…"}},
        "expected data:image/png;base64,…",
    ),
    "our own key": (
        {"error": {"message": "Incorrect API key provided: sk-ours"}},
        "The provider failed to make an image.",
    ),
}


@pytest.mark.parametrize(("answer", "reason"), EMPTY.values(), ids=EMPTY.keys())
def test_an_answer_that_says_that_nothing_came(answer: Any, reason: str) -> None:
    output = read_outputs(answer, 1)[0]
    assert (output["status"], output["reason"]) == ("failed", reason)
    assert data_of(answer) == []


EVENTS: dict[str, list[Any]] = {
    "OpenAI": [
        {"type": "image_generation.partial_image", "b64_json": PREVIEW, "partial_image_index": 0},
        {"type": "image_generation.completed", "b64_json": IMAGE},
    ],
    "OpenAI without types": [{"b64_json": PREVIEW, "partial_image_index": 0}, {"b64_json": IMAGE}],
    "Responses": [
        {"type": "response.created", "response": {"status": "in_progress", "output": []}},
        {"type": "response.image_generation_call.partial_image", "partial_image_b64": PREVIEW},
        {"type": "response.output_item.done", "item": call(IMAGE)},
        {"type": "response.completed", "response": {"status": "completed", "output": [call(IMAGE)]}},
    ],
    "Seedream": [
        {"type": "image_generation.partial_succeeded", "image_index": 0, "b64_json": IMAGE},
        {"type": "image_generation.completed", "usage": {"generated_images": 1}},
    ],
    "chat completions": [
        {"choices": [{"delta": {"content": "he"}}]},
        {"choices": [{"delta": {"images": [{"image_url": {"url": DATA_URL}}]}}]},
    ],
}


@pytest.mark.parametrize("events", EVENTS.values(), ids=EVENTS.keys())
def test_streams_are_billed_for_final_images_only_and_once(events: list[Any]) -> None:
    delivery = Delivery()
    told = [delivery.add_event(event) for event in events]
    assert any(told)
    assert [(output["width"], output["height"]) for output in delivery.outputs(1)] == [BIG]


def test_a_list_of_events_is_billed_for_final_images_only() -> None:
    """The preview was billed, and the picture went out as one more than was asked for."""
    for events in (EVENTS["OpenAI"], EVENTS["OpenAI without types"]):
        assert [(output["width"], output["height"]) for output in read_outputs(events, 1)] == [BIG]
        assert [item["b64_json"] for item in data_of(events)] == [IMAGE]
        for previews in (events[:1], events[0]):
            with pytest.raises(NotUnderstood):
                read_outputs(previews, 1)


def test_as_much_is_given_as_is_billed() -> None:
    answer = {
        "data": [
            {"b64_json": "&&&"},
            {"url": f"data:image/png;base64,{quote(IMAGE, safe='')}"},
            {"b64_json": IMAGE + "!"},
        ]
    }
    assert [output["status"] for output in read_outputs(answer, 3)] == ["failed", "succeeded", "succeeded"]
    assert data_of(answer) == [{"b64_json": IMAGE}, {"b64_json": IMAGE + "!"}]


def test_what_a_stream_shows_twice_is_given_once() -> None:
    calls: set[str] = set()
    assert [len(data_of(event, calls)) for event in EVENTS["Responses"][2:]] == [1, 0]


def test_what_nobody_can_read_goes_on_without_secrets() -> None:
    odd = {
        "picture": [IMAGE],
        "error": {"message": "Incorrect API key provided: sk-whose1234"},
        "at": "https://x.example/org-whose1234/1",
    }
    _, given = data_of({"data": [{"b64_json": IMAGE}, odd]})
    assert given == {**odd, "error": {"message": "The provider failed to make an image."}}


def test_an_event_with_an_image_where_none_is_known_to_be_is_not_passed_over() -> None:
    with pytest.raises(NotUnderstood):
        Delivery().add_event({"type": "image_generation.finished", "picture": {"of": IMAGE}})


ANYWHERE = st.recursive(
    st.just(PREVIEW),
    lambda inner: (
        st.builds(lambda one, other: [other, one], inner, st.sampled_from([None, "", 7, {}, "x"]))
        | st.builds(
            lambda one, name, beside: {**beside, name: one},
            inner,
            st.sampled_from(
                ["data", "images", "image", "b64_json", "url", "output", "result", "error", "message", "x", "item"]
            ),
            st.sampled_from([{}, {"data": []}, {"error": {"message": "no"}}, {"images": None}, {"type": "message"}]),
        )
    ),
    max_leaves=6,
)


@given(ANYWHERE, st.booleans())
def test_an_image_anywhere_in_an_answer_is_never_settled_at_nothing_in_silence(answer: Any, streamed: bool) -> None:
    delivery = Delivery()
    try:
        (delivery.add_event if streamed else delivery.add)(json.loads(json.dumps(answer)))
    except NotUnderstood:
        return
    assert delivery.delivered
