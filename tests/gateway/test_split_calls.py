"""The Vercel AI SDK sends one call for many images as several requests at once, under one key: each is served and billed
once, and once more is a repeat of them all."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from .city import City, Customer, GatewayProgram, until

ASKED: dict[str, Any] = {"model": "gpt-image-2", "quality": "low", "size": "1024x1024"}
SDK = {"User-Agent": "ai/7.0.173 ai-sdk/openai/3.0.141 runtime/node.js/22", "Idempotency-Key": "r1"}


def _call(gateway: GatewayProgram, customer: Customer, prompt: str, numbers: list[int]) -> list[httpx.Response]:
    def ask(n: int) -> Any:
        body = {**ASKED, "prompt": prompt, "n": n}
        return gateway.in_background(lambda: gateway.post(customer, "/v1/images/generations", body, headers=SDK))

    return [asked.result(60) for asked in [ask(n) for n in numbers]]


@pytest.mark.parametrize("numbers", [[3, 1], [1, 1, 1]], ids=["most, and the rest", "equal ones"])
def test_each_part_of_a_call_is_served_and_billed_once(gateway: GatewayProgram, city: City, numbers: list[int]) -> None:
    customer, prompt = city.customer(), f"split into {len(numbers)} [wait=split-{len(numbers)}]"
    first = gateway.in_background(lambda: _call(gateway, customer, prompt, numbers))
    until(lambda: len(city.stand_in.calls(prompt)) == len(numbers), "the provider is asked for each")
    city.stand_in.open(f"split-{len(numbers)}")
    answers = first.result(60)
    assert [len(answer.json()["data"]) for answer in answers] == numbers
    assert "r1" in {charge["request_id"] for charge in customer.charges()}
    again = _call(gateway, customer, prompt, numbers)
    assert {answer.headers["Idempotent-Replayed"] for answer in again} == {"true"}
    billed = sorted(answer.headers["X-Billing-Request-Id"] for answer in answers)
    assert sorted(answer.headers["X-Billing-Request-Id"] for answer in again) == billed
    assert len(city.stand_in.calls(prompt)) == len(customer.charges()) == len(numbers)
    assert customer.balance() == (1_000 - sum(numbers), 0)
    (other,) = _call(gateway, customer, "something else", [1])
    assert (other.status_code, other.json()["error"]["code"]) == (422, "request_id_reused")


def test_after_a_restart_no_part_is_made_twice(gateway: GatewayProgram, city: City) -> None:
    customer, prompt = city.customer(), "split and restarted [wait=split-restarted]"
    first = gateway.in_background(lambda: _call(gateway, customer, prompt, [2, 1]))
    until(lambda: len(city.stand_in.calls(prompt)) == 2, "the provider is asked for each")
    city.stand_in.open("split-restarted")
    assert [answer.status_code for answer in first.result(60)] == [200, 200]
    again = _call(city.gateway(), customer, prompt, [1, 2])
    assert [(answer.status_code, answer.json()["error"]["code"]) for answer in again] == [(410, "already_charged")] * 2
    assert customer.balance() == (997, 0)
