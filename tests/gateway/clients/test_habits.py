"""What each client does by itself, whatever the server is: the gateway is built on it, and its README says it."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import pytest

from tests.client.scripted_server import HangUp, Reply, ScriptedServer, Silence
from tests.gateway.pictures import png

from .callers import CLIENTS, Answered, Callers

IMAGE = {"created": 1, "data": [{"b64_json": "AAAA" * 8_000}]}
AT_ONCE = {"Content-Type": "application/json", "Retry-After-Ms": "1"}
"""Repeat without a pause: all of them read it."""

ANSWER = Reply(200, IMAGE, AT_ONCE)
BROKEN = Reply(200, IMAGE, AT_ONCE, cut=20_000)
KEY = "idempotency-key"
COUNT = "x-stainless-retry-count"

Called = tuple[Answered, ScriptedServer]
Call = Callable[..., Awaitable[Called]]


@pytest.fixture
def call(callers: Callers) -> Call:
    """A client's call of a server with a script: what came of it, and what was asked."""

    async def called(client: str, script: Sequence[Reply | HangUp | Silence], **asked: Any) -> Called:
        async with ScriptedServer(script).listening() as server:
            return await asyncio.wrap_future(callers.begin(client, server.url, "sk-customer", **asked)), server

    return called


def error(status: int, **headers: str) -> Reply:
    body = {"error": {"message": "on order", "type": "on_order", "param": None, "code": "on_order"}}
    return Reply(status, body, {**AT_ONCE, **{name.replace("_", "-"): value for name, value in headers.items()}})


async def each(calls: dict[str, Awaitable[Called]]) -> dict[str, Called]:
    return dict(zip(calls, await asyncio.gather(*calls.values()), strict=True))


def tried(found: dict[str, Called]) -> dict[str, int]:
    return {client: len(server.requests) for client, (_, server) in found.items()}


async def test_every_client_sends_the_key_that_it_is_given_with_each_repeat(call: Call) -> None:
    found = await each({client: call(client, [error(503), ANSWER], name="wish-1") for client in CLIENTS})
    for client, (answered, server) in found.items():
        assert answered.error is None, client
        assert [request.headers.get(KEY) for request in server.requests] == ["wish-1", "wish-1"], client


async def test_no_client_makes_up_a_key_of_its_own(call: Call) -> None:
    found = await each({client: call(client, [error(503), ANSWER]) for client in CLIENTS})
    assert {request.headers.get(KEY) for _, server in found.values() for request in server.requests} == {None}


@pytest.mark.parametrize("client", ["openai", "openai-6"])
async def test_the_option_of_node_that_is_named_for_the_key_is_never_sent(call: Call, client: str) -> None:
    answered, server = await call(client, [ANSWER], option="wish-1")
    assert answered.error is None
    assert "wish-1" not in str(server.requests)


async def test_repeats_are_counted_by_some_and_by_others_not(call: Call) -> None:
    """litellm's router repeats around the official client, which begins to count anew."""
    counts = ["0", "1", "2"]
    found = await each({client: call(client, [error(503), error(503), ANSWER], repeats=2) for client in CLIENTS})
    assert {
        client: [request.headers.get(COUNT) for request in server.requests] for client, (_, server) in found.items()
    } == {
        "openai-python": counts,
        "openai": counts,
        "openai-6": counts,
        "ai": [None] * 3,
        "ai-compatible": [None] * 3,
        "litellm": counts,
        "litellm-router": ["0"] * 3,
    }


@pytest.mark.parametrize("status", [408, 409, 429, 500, 502, 503, 504, 520])
async def test_statuses_that_are_repeated(call: Call, status: int) -> None:
    found = await each({client: call(client, [error(status), ANSWER], repeats=1) for client in CLIENTS})
    assert tried(found) == dict.fromkeys(CLIENTS, 2)


@pytest.mark.parametrize("status", [400, 401, 402, 403, 404, 410, 413, 422])
async def test_statuses_that_are_final(call: Call, status: int) -> None:
    found = await each({client: call(client, [error(status), ANSWER], repeats=1) for client in CLIENTS})
    stubborn = {"litellm-router"} if status == 403 else set()
    assert tried(found) == {client: 2 if client in stubborn else 1 for client in CLIENTS}


async def test_who_hears_whether_to_repeat(call: Call) -> None:
    deaf = {"ai", "ai-compatible", "litellm-router"}
    stop = await each({one: call(one, [error(503, X_Should_Retry="false"), ANSWER], repeats=1) for one in CLIENTS})
    go = await each({one: call(one, [error(402, X_Should_Retry="true"), ANSWER], repeats=1) for one in CLIENTS})
    assert tried(stop) == {one: 2 if one in deaf else 1 for one in CLIENTS}
    assert tried(go) == {one: 1 if one in deaf else 2 for one in CLIENTS}


async def test_who_is_told_to_wait_for_long_waits_stops_or_does_not_listen(call: Call) -> None:
    """Above a minute the AI SDK and openai for Node come after their own pause, above two minutes openai for Python not
    at all; openai 6 for Node would wait an hour."""
    hour = Reply(429, error(429).document, {"Content-Type": "application/json", "Retry-After": "3600"})
    clients = [client for client in CLIENTS if client != "openai-6"]
    found = await each({client: call(client, [hour, ANSWER], repeats=1) for client in clients})
    assert tried(found) == {client: 1 if client in ("openai-python", "litellm") else 2 for client in clients}


async def test_a_broken_answer_is_asked_for_again_but_by_openai_for_node(call: Call) -> None:
    found = await each({client: call(client, [BROKEN, ANSWER], repeats=1) for client in CLIENTS})
    by_hand = {"openai", "openai-6"}
    assert tried(found) == {client: 1 if client in by_hand else 2 for client in CLIENTS}
    for client in by_hand:
        assert found[client][0].error["kind"] == "TypeError", "no error of the library"


async def test_a_lost_connection_is_tried_again_by_all(call: Call) -> None:
    found = await each({client: call(client, [HangUp(), ANSWER], repeats=1) for client in CLIENTS})
    assert tried(found) == dict.fromkeys(CLIENTS, 2)


async def test_an_answer_without_images_is_asked_for_again_by_the_ai_sdk(call: Call) -> None:
    empty = Reply(200, {"created": 1, "data": []}, AT_ONCE)
    found = await each({client: call(client, [empty, ANSWER], repeats=1) for client in CLIENTS})
    assert tried(found) == {client: 2 if client.startswith("ai") else 1 for client in CLIENTS}


async def test_who_loses_patience_comes_again_but_the_ai_sdk(call: Call) -> None:
    found = await each({one: call(one, [Silence(), ANSWER], repeats=1, seconds=1) for one in CLIENTS})
    assert tried(found) == {client: 1 if client.startswith("ai") else 2 for client in CLIENTS}


async def test_more_than_ten_images_are_asked_for_in_parts_by_the_ai_sdk(call: Call) -> None:
    wished = {"gpt-image-2": ("ai", "ai-compatible", "openai", "litellm"), "house-model": ("ai", "ai-compatible")}
    found = await each(
        {
            f"{one} {model}": call(one, [ANSWER], model=model, n=12, name="w")
            for model in wished
            for one in wished[model]
        }
    )
    assert {
        which: sorted(request.document["n"] for request in server.requests) for which, (_, server) in found.items()
    } == {
        "ai gpt-image-2": [2, 10],
        "ai-compatible gpt-image-2": [2, 10],
        "openai gpt-image-2": [12],
        "litellm gpt-image-2": [12],
        "ai house-model": [1] * 12,
        "ai-compatible house-model": [2, 10],
    }
    assert {request.headers[KEY] for _, server in found.values() for request in server.requests} == {"w"}


async def test_litellm_puts_its_headers_into_the_body_too(call: Call) -> None:
    _, server = await call("litellm", [ANSWER], name="wish-1", seconds=30, seed=1)
    assert server.requests[0].document == {
        "model": "gpt-image-2",
        "prompt": "a lighthouse",
        "extra_headers": {"Idempotency-Key": "wish-1"},
        "seed": 1,
    }


async def test_an_edit_by_litellm_is_sent_once_and_without_openai(call: Call) -> None:
    image = base64.b64encode(png(8, 8)).decode()
    answered, server = await call("litellm", [error(503), ANSWER], image=image, name="wish-1")
    assert answered.error["status"] == 503
    (request,) = server.requests
    assert (request.headers[KEY], request.headers.get(COUNT)) == ("wish-1", None)
    assert request.headers["user-agent"].startswith("litellm/")
    assert b'name="image[]"' in request.body


async def test_who_is_who(call: Call) -> None:
    found = await each({client: call(client, [ANSWER]) for client in CLIENTS})
    said = {client: server.requests[0].headers["user-agent"].partition("/")[0] for client, (_, server) in found.items()}
    assert said == dict.fromkeys(CLIENTS, "OpenAI") | {"ai": "ai", "ai-compatible": "ai"}
