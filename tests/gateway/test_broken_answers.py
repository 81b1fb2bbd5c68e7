"""Answers that break off on their way: the official client asks again by itself, and gets what it has paid for."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import openai
import pytest

from .city import City, Customer, GatewayProgram, until
from .parrot import IMAGE, Parrot
from .pictures import sizes_of
from .scissors import Scissors

ASKED: dict[str, Any] = {"model": "gpt-image-2", "quality": "high", "size": "1024x1024"}
KEY = {"Idempotency-Key": "r1"}


@pytest.fixture(scope="module")
def the_scissors(the_gateway: GatewayProgram) -> Iterator[Scissors]:
    with Scissors(the_gateway.url).standing() as scissors:
        yield scissors


@pytest.fixture
def scissors(the_scissors: Scissors) -> Scissors:
    the_scissors.cuts = 0
    the_scissors.cut_after(20_000)
    return the_scissors


def _through(scissors: Scissors, customer: Customer, **options: Any) -> openai.OpenAI:
    return openai.OpenAI(base_url=f"{scissors.url}/v1", api_key=customer.key, **options)


@pytest.mark.parametrize("headers", [{}, KEY], ids=["no key", "a key"])
def test_a_broken_answer_is_billed_once(
    gateway: GatewayProgram, city: City, scissors: Scissors, headers: dict[str, str]
) -> None:
    customer, prompt = city.customer(), f"a broken answer {len(headers)}"
    with _through(scissors, customer) as client:
        answer = client.images.generate(**ASKED, prompt=prompt, extra_headers=headers)
    assert scissors.cuts == 1
    assert sizes_of(answer) == [(1024, 1024)]
    assert answer.billing["credits"] == 14  # type: ignore[attr-defined]
    assert len(city.stand_in.calls(prompt)) == 1
    assert customer.the_charge()["settled_credits"] == 14
    assert customer.balance() == (986, 0)


def test_who_asks_for_another_picture_gets_another(gateway: GatewayProgram, city: City) -> None:
    """Sent for the first time after an answer arrived, it is a new wish, whatever it asks for."""
    customer = city.customer()
    with gateway.openai(customer) as client:
        for _ in range(2):
            client.images.generate(**ASKED, prompt="one more of these")
    assert len(city.stand_in.calls("one more of these")) == len(customer.charges()) == 2
    assert customer.balance() == (972, 0)


def test_a_stream_that_breaks_off_in_its_last_event(gateway: GatewayProgram, city: City, scissors: Scissors) -> None:
    customer = city.customer()
    asked = {**ASKED, "prompt": "a broken stream", "stream": True, "partial_images": 1, "extra_headers": KEY}
    with _through(scissors, customer) as client:
        with pytest.raises(openai.APIConnectionError):
            list(client.images.generate(**asked))
        assert [event.type for event in client.images.generate(**asked)] == ["image_generation.completed"]
    assert len(city.stand_in.calls("a broken stream")) == 1
    assert customer.balance() == (986, 0)


def test_a_task_whose_receipt_is_lost_is_taken_once(gateway: GatewayProgram, city: City, scissors: Scissors) -> None:
    """It is a short answer: cut at once."""
    scissors.cut_after(0)
    customer = city.customer()
    with _through(scissors, customer) as client:
        body = {**ASKED, "prompt": "a lost receipt"}
        task = client.post("/async/images/generations", cast_to=dict[str, Any], body=body)
    assert scissors.cuts == 1
    until(lambda: gateway.get(customer, f"/v1/async/images/{task['id']}").json()["completed_at"], "the task is done")
    assert len(city.stand_in.calls("a lost receipt")) == 1
    assert customer.balance() == (986, 0)


@pytest.fixture(scope="module")
def verbose(the_city: City) -> Iterator[GatewayProgram]:
    """A gateway whose provider's answers do not fit into the buffers of any system."""
    with Parrot().speaking() as parrot:
        yield the_city.gateway(GATEWAY_PROVIDER_URL=parrot.url)


@pytest.mark.parametrize("stream", [False, True])
def test_who_hangs_up_in_the_middle_of_an_answer_may_come_back_for_it(
    verbose: GatewayProgram, city: City, stream: bool
) -> None:
    """Also without a key, and without a word of being a repeat."""
    customer = city.customer()
    image = {"b64_json": IMAGE + "<pad>"}
    body = f"data: {json.dumps({'type': 'image_generation.completed', **image})}\n\n" if stream else {"data": [image]}
    told = {"status": 200, "body": body if stream else json.dumps(body), "pad": 8 << 20}
    asked = {"prompt": json.dumps(told), "quality": "high", "stream": stream}
    with verbose.connected(customer, "/v1/images/generations", asked) as connection:
        connection.recv(20_000)
    until(
        lambda: f"charge {customer.account_id} {customer.the_charge()['request_id']}: its answer" in verbose.log(),
        "seen",
    )
    again = verbose.post(customer, "/v1/images/generations", asked)
    assert again.headers["Idempotent-Replayed"] == "true"
    assert len(again.content) > 8 << 20
    assert customer.the_charge()["settled_credits"] == 14
    another = verbose.post(customer, "/v1/images/generations", asked)  # the first has arrived now
    assert "Idempotent-Replayed" not in another.headers
    assert customer.balance() == (972, 0)


def test_an_address_of_an_image_is_given_again(verbose: GatewayProgram, city: City) -> None:
    customer = city.customer()
    body = json.dumps({"data": [{"b64_json": None, "url": "https://cdn.example/a.png"}]})
    asked = {"prompt": json.dumps({"status": 200, "body": body}), "quality": "high"}
    first, again = (verbose.post(customer, "/v1/images/generations", asked, headers=KEY) for _ in range(2))
    assert (first.status_code, again.status_code) == (200, 200)
    assert first.json() == again.json()
    assert customer.balance() == (986, 0)
