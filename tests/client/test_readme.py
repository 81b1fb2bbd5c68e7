"""The README's examples, run as they stand there: a gateway in front of a provider, on a real service."""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from billing import client

from . import image_provider
from .image_provider import ImageProvider, providing, streamed
from .pictures import picture
from .served import Served

README = Path(client.__file__).with_name("README.md").read_text()
ROUTE, BLOCKING, STREAMS, TASKS, PLAIN = re.findall(r"^```python\n(.*?)^```", README, re.DOTALL | re.MULTILINE)

ASKED = {"model": "gpt-image-2", "prompt": "an evening", "n": 2, "size": "1024x1024", "quality": "medium"}
LOW_4K = {"model": "gpt-image-2", "prompt": "an evening", "size": "3840x2160", "quality": "low"}
FOUR_4K = {"model": "gpt-image-2", "prompt": "an evening", "n": 4, "size": "3840x2160", "quality": "high"}


@pytest.fixture
def provider() -> Iterator[ImageProvider]:
    with providing() as provider:
        yield provider


@pytest.fixture
def environment(service: Served, provider: ImageProvider, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    monkeypatch.setenv("BILLING_URL", service.url)
    monkeypatch.setenv("BILLING_KEY", service.key)
    monkeypatch.setenv("PROVIDER_URL", provider.url)
    return {"__name__": "readme"}


@asynccontextmanager
async def gateway(environment: dict[str, Any], *examples: str) -> AsyncIterator[httpx.AsyncClient]:
    """The app of the examples, and a customer of it."""
    for example in (ROUTE, *examples):
        exec(compile(example, "README.md", "exec", dont_inherit=True), environment)
    transport = httpx.ASGITransport(environment["app"])
    async with (
        environment["billing"],
        environment["provider"],
        httpx.AsyncClient(transport=transport, base_url="http://gateway") as customer,
    ):
        yield customer


def keyed(request_id: str) -> dict[str, str]:
    return {"Idempotency-Key": request_id}


def test_the_route_is_short() -> None:
    assert len(ROUTE.splitlines()) < 30


async def test_a_gateways_route(service: Served, provider: ImageProvider, environment: dict[str, Any]) -> None:
    account = service.account(9)
    path = f"/{account}/v1/images/generations"
    async with gateway(environment) as customer:
        served = await customer.post(path, json=ASKED, headers=keyed("r1"))
        assert (served.status_code, len(served.json()["data"])) == (200, 2)
        assert service.charge(account)["settled_credits"] == 8

        again = await customer.post(path, json=ASKED, headers=keyed("r1"))
        assert (again.status_code, again.json()["error"]["code"]) == (409, "charge_not_open")
        short = await customer.post(path, json=ASKED, headers=keyed("r2"))
        assert (short.status_code, short.json()["error"]["code"]) == (402, "insufficient_credits")
        odd = await customer.post(path, json={**ASKED, "n": "many"}, headers=keyed("r3"))
        assert (odd.status_code, odd.json()["error"]["code"]) == (422, "validation_error")
        of_no_model = {name: value for name, value in ASKED.items() if name != "model"}
        odd = await customer.post(path, json={**of_no_model, "size": None}, headers=keyed("r3"))
        assert (odd.status_code, odd.json()["error"]["code"]) == (422, "validation_error")
        assert (await customer.post(path, json=ASKED)).status_code == 422  # no key
        assert len(provider.asked) == 1

        low = {**ASKED, "n": 1, "quality": "low", "prompt": "forbidden"}
        refused = await customer.post(path, json=low, headers=keyed("r4"))
        assert (refused.status_code, refused.json()["error"]["code"]) == (400, "moderation_blocked")
        assert service.charge(account, "r4")["outputs"][0]["reason"] == "moderation_blocked: no"
    assert service.balance(account) == (1, 0)
    assert environment["unsettled"] == []


async def test_no_billing_no_image(
    provider: ImageProvider, environment: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BILLING_URL", "http://127.0.0.1:1")
    async with gateway(environment) as customer:
        answer = await customer.post("/acme/v1/images/generations", json=ASKED, headers=keyed("r1"))
    assert (answer.status_code, answer.json()["error"]["code"]) == (503, "unreachable")
    assert provider.asked == []


def test_without_async(service: Served, environment: dict[str, Any], capsys: pytest.CaptureFixture[str]) -> None:
    service.call("POST", "/v1/accounts", {"account_id": "acme"})
    gift = {"grant_id": "gift", "kind": "promotion", "credits": 200}
    service.call("POST", "/v1/accounts/acme/grants", gift)
    environment["call_the_provider"] = lambda: image_provider.answer(ASKED)
    exec("import os\n" + BLOCKING, environment)
    assert capsys.readouterr().out == "134 held, 28 billed\n"
    assert service.balance("acme") == (172, 0)


async def test_a_stream_is_billed_as_it_was_asked_for(service: Served, environment: dict[str, Any]) -> None:
    """Low at 4K is 4 credits; high, which is what a request without its quality is billed as, would be 133."""
    account = service.account(4)
    path = f"/{account}/v1/images/streams"
    async with gateway(environment, STREAMS) as customer:
        served = await customer.post(path, json=LOW_4K, headers=keyed("r1"))
        assert served.text.count("data: {") == 2
        assert [one["credits"] for one in service.charge(account)["outputs"]] == [4]
        short = await customer.post(path, json=LOW_4K, headers=keyed("r2"))
        assert short.status_code == 402
    assert service.balance(account) == (0, 0)


async def test_a_task_is_billed_as_it_was_asked_for(
    service: Served, provider: ImageProvider, environment: dict[str, Any]
) -> None:
    account = service.account(532)
    async with gateway(environment, STREAMS, TASKS) as customer:
        begun = await customer.post(f"/{account}/v1/async/images/generations", json=FOUR_4K, headers=keyed("r1"))
        assert begun.status_code == 202
        assert service.balance(account) == (532, 532)
        callback = provider.tasks[begun.json()["task"]]["callback"]
        for _ in range(2):
            told = await customer.post(callback, json=image_provider.answer(FOUR_4K))
            assert (told.status_code, told.json()) == (200, {"credits": 532})
    assert service.balance(account) == (0, 0)


async def test_a_task_that_is_polled(service: Served, provider: ImageProvider, environment: dict[str, Any]) -> None:
    account = service.account(20)
    async with gateway(environment, STREAMS, TASKS) as customer:
        forbidden = {**ASKED, "prompt": "forbidden"}
        begun = await customer.post(f"/{account}/v1/async/images/generations", json=forbidden, headers=keyed("r1"))
        task = begun.json()["task"]
        assert await environment["poll"](account, "r1", task) == "open"
        assert service.balance(account) == (20, 8)
        provider.finished.add(task)
        assert await environment["poll"](account, "r1", task) == "settled"
    assert service.charge(account)["outputs"][0]["reason"] == "moderation_blocked: no"
    assert service.balance(account) == (20, 0)


PAGE = b"<html>a page</html>"
IMAGES = {name: image_provider.answer({**ASKED, "n": 1})["data"][0]["b64_json"] for name in ("final",)}
OURS = b'{"error": {"message": "Incorrect API key provided: sk-ours-123456", "code": "invalid_api_key"}}'
FINAL = {"type": "image_generation.completed", "b64_json": IMAGES["final"]}
PREVIEW = {"type": "image_generation.partial_image", "partial_image_index": 0, "b64_json": IMAGES["final"]}
LIMIT = {
    "type": "error",
    "error": {"message": "Billing hard limit of org-ours1234", "code": "billing_hard_limit_reached"},
}

# What the provider answers; then what becomes of the hold, the bill of it (4 an image, two asked for), and what the customer
# is told by the route and by the stream: a status, or the types of the events.
TROUBLE: dict[str, tuple[tuple[int, str, bytes], tuple[str, int], int, int | list[str]]] = {
    "a 504 of a proxy": ((504, "text/html", PAGE), ("authorized", 0), 502, 502),
    "a 524 of a proxy": ((524, "text/html", PAGE), ("authorized", 0), 502, 502),
    "a 408": ((408, "application/json", b'{"error": {"code": "timeout"}}'), ("authorized", 0), 502, 502),
    "a page": ((200, "text/html", PAGE), ("authorized", 0), 502, ["error"]),
    "nothing": ((200, "application/json", b""), ("authorized", 0), 502, ["error"]),
    "half of it": ((200, "application/json", b'{"data": [{"b64_json": "iVBOR'), ("authorized", 0), 502, ["error"]),
    "a previews and no image": (
        (200, "text/event-stream", streamed(PREVIEW)),
        ("authorized", 0),
        502,
        ["partial", "error"],
    ),
    "our key is refused": ((401, "application/json", OURS), ("settled", 0), 502, 502),
    "our limit, in a stream": ((200, "text/event-stream", streamed(LIMIT)), ("settled", 0), 502, ["error"]),
    "an error of its own": (
        (500, "application/json", b'{"error": {"code": "server_error"}}'),
        ("settled", 0),
        502,
        502,
    ),
    "another shape": (
        (200, "application/json", json.dumps({"images": [IMAGES["final"]]}).encode()),
        ("settled", 4),
        200,
        ["completed"],
    ),
    "a stream": ((200, "text/plain", streamed(PREVIEW, FINAL)), ("settled", 4), 200, ["partial", "completed"]),
    "an image as it is": ((200, "image/png", picture(1024, 1024)), ("settled", 4), 200, ["completed"]),
}


@pytest.mark.parametrize(("answered", "ends", "status", "streamed"), TROUBLE.values(), ids=TROUBLE.keys())
async def test_recipes_on_a_bad_day(
    service: Served,
    provider: ImageProvider,
    environment: dict[str, Any],
    answered: tuple[int, str, bytes],
    ends: tuple[str, int],
    status: int,
    streamed: int | list[str],
) -> None:
    account = service.account(100)
    provider.told["trouble"] = answered
    async with gateway(environment, STREAMS) as customer:
        for number, route, expected in ((1, "generations", status), (2, "streams", streamed)):
            asked = {**ASKED, "prompt": "trouble"}
            answer = await customer.post(f"/{account}/v1/images/{route}", json=asked, headers=keyed(f"r{number}"))
            if isinstance(expected, int):
                assert answer.status_code == expected, answer.text[:300]
            else:
                kinds = re.findall(r"^event: (?:image_generation\.)?([a-z]+)", answer.text, re.MULTILINE)
                assert (answer.status_code, kinds) == (200, expected)
            charge = service.charge(account, f"r{number}")
            assert (charge["status"], charge["settled_credits"]) == ends
            assert "ours" not in answer.text + json.dumps(charge)


async def test_a_task_that_is_settled_by_hand(service: Served, environment: dict[str, Any]) -> None:
    account = service.account(20)
    async with gateway(environment, PLAIN):
        await environment["billing"].authorize(account, "r1", model="gpt-image-2", mode="async")
        assert await environment["settle_task"](account, "r1", image_provider.answer({"n": 1}), 1) == 14
    assert service.balance(account) == (6, 0)


def test_the_route_is_as_short_as_the_front_page_says():
    assert len([line for line in ROUTE.splitlines() if line.strip()]) < 30
