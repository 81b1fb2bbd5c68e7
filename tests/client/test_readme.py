"""The README's examples, run as they stand there: a gateway in front of a provider, on a real service."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from billing import client

from . import image_provider
from .image_provider import ImageProvider, providing
from .served import Served

README = Path(client.__file__).with_name("README.md").read_text()
ROUTE, BLOCKING, STREAMS, TASKS, PLAIN = re.findall(r"^```python\n(.*?)^```", README, re.DOTALL | re.MULTILINE)

ASKED = {"model": "gpt-image-2", "prompt": "an evening", "n": 2, "size": "1024x1024", "quality": "medium"}


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


async def test_a_stream(service: Served, environment: dict[str, Any]) -> None:
    account = service.account(14)
    path = f"/{account}/v1/images/streams"
    async with gateway(environment, STREAMS) as customer:
        served = await customer.post(path, json=ASKED, headers=keyed("r1"))
        assert served.text.count("data: {") == 2
        assert [one["credits"] for one in service.charge(account)["outputs"]] == [14]
        short = await customer.post(path, json=ASKED, headers=keyed("r2"))
        assert short.status_code == 402
    assert service.balance(account) == (0, 0)


async def test_a_task_that_calls_back(service: Served, provider: ImageProvider, environment: dict[str, Any]) -> None:
    account = service.account(20)
    async with gateway(environment, STREAMS, TASKS) as customer:
        begun = await customer.post(f"/{account}/v1/async/images/generations", json=ASKED, headers=keyed("r1"))
        assert begun.status_code == 202
        assert service.balance(account) == (20, 14)
        callback = provider.tasks[begun.json()["task"]]["callback"]
        for _ in range(2):
            told = await customer.post(callback, json=image_provider.answer({"n": 1}))
            assert (told.status_code, told.json()) == (200, {"credits": 14})
    assert service.balance(account) == (6, 0)


async def test_a_task_that_is_polled(service: Served, provider: ImageProvider, environment: dict[str, Any]) -> None:
    account = service.account(20)
    async with gateway(environment, STREAMS, TASKS) as customer:
        forbidden = {**ASKED, "prompt": "forbidden"}
        begun = await customer.post(f"/{account}/v1/async/images/generations", json=forbidden, headers=keyed("r1"))
        task = begun.json()["task"]
        assert await environment["poll"](account, "r1", task) == "open"
        assert service.balance(account) == (20, 14)
        provider.finished.add(task)
        assert await environment["poll"](account, "r1", task) == "settled"
    assert service.charge(account)["outputs"][0]["reason"] == "moderation_blocked: no"
    assert service.balance(account) == (20, 0)


async def test_a_task_that_is_settled_by_hand(service: Served, environment: dict[str, Any]) -> None:
    account = service.account(20)
    async with gateway(environment, PLAIN):
        await environment["billing"].authorize(account, "r1", model="gpt-image-2", mode="async")
        assert await environment["settle_task"](account, "r1", image_provider.answer({"n": 1}), 1) == 14
    assert service.balance(account) == (6, 0)


def test_the_front_page_shows_the_same_route():
    front = Path(client.__file__).parents[2].joinpath("README.md").read_text()
    assert ROUTE in front
    assert len([line for line in ROUTE.splitlines() if line.strip()]) < 30
