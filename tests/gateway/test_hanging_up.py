"""Who hangs up too early: one wish keeps one hold, and its image waits for the repeat."""

from __future__ import annotations

from typing import Any

import httpx2
import openai
import pytest

from .city import City, Customer, GatewayProgram, until
from .pictures import sizes_of

ASKED: dict[str, Any] = {"model": "gpt-image-2", "quality": "medium", "size": "1024x1024"}
KEY = {"Idempotency-Key": "r1"}
PATH = "/v1/images/generations"


def test_with_a_key_the_call_goes_on_and_the_repeat_gets_its_image(gateway: GatewayProgram, city: City) -> None:
    customer, asked = city.customer(4), {**ASKED, "prompt": "gone [wait=gone]", "extra_headers": KEY}
    with gateway.openai(customer) as client:
        with pytest.raises(openai.APITimeoutError):
            client.images.generate(**asked, timeout=0.3)
        until(lambda: city.stand_in.calls("gone"), "the provider is asked")
        city.stand_in.open("gone")
        until(lambda: customer.charge("r1")["status"] == "settled", "it is billed, though nobody waits")
        raw = client.images.with_raw_response.generate(**asked)
    assert sizes_of(raw.parse()) == [(1024, 1024)]
    assert raw.headers["Idempotent-Replayed"] == "true"
    assert len(city.stand_in.calls("gone")) == 1
    assert customer.balance() == (0, 0)


def test_one_of_two_hangs_up_and_the_other_is_answered(gateway: GatewayProgram, city: City) -> None:
    customer, asked = city.customer(4), {**ASKED, "prompt": "one stays [wait=stays]", "extra_headers": KEY}
    with gateway.openai(customer) as client:
        stays = gateway.in_background(lambda: client.images.generate(**asked))
        until(lambda: city.stand_in.calls("one stays"), "the provider is asked")
        with pytest.raises(openai.APITimeoutError):
            client.images.generate(**asked, timeout=0.3)
        city.stand_in.open("stays")
        assert sizes_of(stays.result(60)) == [(1024, 1024)]
    assert len(city.stand_in.calls("one stays")) == 1
    assert customer.balance() == (0, 0)


def test_a_customer_is_not_locked_out_by_its_own_clients_repeats(gateway: GatewayProgram, city: City) -> None:
    """4K high for 133 of 300 credits, and a client that gives up and repeats twice: the last one waits long enough."""
    customer, held = city.customer(300), []

    def asked(request: httpx2.Request) -> None:
        held.append(customer.balance())
        if len(held) == 3:
            city.stand_in.open("locked-out")

    with (
        httpx2.Client(event_hooks={"request": [asked]}) as http,
        gateway.openai(customer, http_client=http, max_retries=2, timeout=1.5) as client,
    ):
        prompt = "locked out [wait=locked-out; sizes=3840x16]"  # drawn in no time
        answer = client.images.generate(model="gpt-image-2", prompt=prompt, size="3840x2160", quality="high")
    assert held == [(300, 0), (300, 133), (300, 133)]
    assert answer.billing["credits"] == 133  # type: ignore[attr-defined]
    assert len(city.stand_in.calls("locked out")) == 1
    assert customer.the_charge()["settled_credits"] == 133
    assert customer.balance() == (167, 0)


def _hang_up(gateway: GatewayProgram, city: City, customer: Customer, prompt: str) -> None:
    """Once the provider has been asked; returns when the gateway has noticed."""
    calls, left = len(city.stand_in.calls(prompt)), gateway.log().count(f"charge {customer.account_id} req:")
    with gateway.connected(customer, PATH, {**ASKED, "prompt": prompt}):
        until(lambda: len(city.stand_in.calls(prompt)) > calls, "the provider is asked")
    until(lambda: gateway.log().count(f"charge {customer.account_id} req:") > left, "the hold is left")


def test_who_does_not_say_that_it_repeats_stops_the_call_and_leaves_one_hold(
    gateway: GatewayProgram, city: City
) -> None:
    customer, prompt = city.customer(4), "stopped [wait=stopped]"
    for _ in range(2):
        _hang_up(gateway, city, customer, prompt)
        assert customer.balance() == (4, 4)
    city.stand_in.open("stopped")
    answer = gateway.post(customer, PATH, {**ASKED, "prompt": prompt})
    assert answer.status_code == 200
    assert "Idempotent-Replayed" not in answer.headers
    assert len(city.stand_in.calls("stopped")) == 3
    assert customer.the_charge()["settled_credits"] == 4
    assert customer.balance() == (0, 0)


def test_two_at_once_without_a_key_are_two_wishes(gateway: GatewayProgram, city: City) -> None:
    customer = city.customer(8)
    with gateway.openai(customer) as client:
        both = [
            gateway.in_background(lambda: client.images.generate(**ASKED, prompt="two of it [wait=two]"))
            for _ in range(2)
        ]
        until(lambda: len(city.stand_in.calls("two of it")) == 2, "the provider is asked for both")
        city.stand_in.open("two")
        for one in both:
            one.result(60)
    assert len(customer.charges()) == 2
    assert customer.balance() == (0, 0)


def test_another_key_of_the_account_gets_nothing_of_it(gateway: GatewayProgram, city: City) -> None:
    one, prompt = city.customer(12), "not yours [wait=not-yours]"
    other = city.another_key(one)
    _hang_up(gateway, city, one, prompt)
    city.stand_in.open("not-yours")
    assert gateway.post(other, PATH, {**ASKED, "prompt": prompt}).status_code == 200
    assert one.balance() == (8, 4)
    assert gateway.post(one, PATH, {**ASKED, "prompt": prompt}, headers=KEY).status_code == 200
    assert gateway.post(other, PATH, {**ASKED, "prompt": prompt}, headers=KEY).status_code == 422


@pytest.fixture(scope="module")
def hasty(the_city: City) -> GatewayProgram:
    """A gateway that answers within a moment, or says why not; and lets nobody wait in silence."""
    return the_city.gateway(GATEWAY_ANSWER_SECONDS="0.2", GATEWAY_QUIET_SECONDS="0.05")


def test_what_takes_longer_than_a_client_waits_is_said_and_goes_on(hasty: GatewayProgram, city: City) -> None:
    customer, seen = city.customer(4), []

    def heard(response: httpx2.Response) -> None:
        seen.append((response.status_code, response.headers.get("Retry-After"), response.headers.get("X-Should-Retry")))
        if response.status_code == 504:
            city.stand_in.open("still-running")

    with (
        httpx2.Client(event_hooks={"response": [heard]}) as http,
        hasty.openai(customer, http_client=http, max_retries=4) as client,
    ):
        answer = client.images.generate(**ASKED, prompt="still running [wait=still-running]")
    assert sizes_of(answer) == [(1024, 1024)]
    assert seen[0] == (504, "1", "true")
    assert len(city.stand_in.calls("still running")) == 1
    assert customer.balance() == (0, 0)


def test_the_asynchronous_route_is_offered(hasty: GatewayProgram, city: City) -> None:
    customer = city.customer()
    answer = hasty.post(customer, PATH, {**ASKED, "prompt": "[wait=never-opened]"})
    assert (answer.status_code, answer.json()["error"]["code"]) == (504, "still_running")
    assert "/v1/async/images/" in answer.json()["error"]["message"]


def test_a_stream_is_never_silent(hasty: GatewayProgram, city: City) -> None:
    customer = city.customer(4)
    asked = {**ASKED, "prompt": "silent [wait=silent]", "stream": True}
    headers = {"Authorization": f"Bearer {customer.key}"}
    with hasty.http.stream("POST", PATH, json=asked, headers=headers) as answer:
        lines = answer.iter_lines()
        assert next(lines).startswith(":")
        city.stand_in.open("silent")
        assert "event: image_generation.completed" in list(lines)
    assert customer.balance() == (0, 0)
