"""Streams, as the official client reads them: partial images cost nothing, the completed one says what it cost."""

from __future__ import annotations

import base64
from typing import Any

import openai
import pytest

from .city import City, GatewayProgram
from .pictures import png, size_of

ASKED: dict[str, Any] = {"model": "gpt-image-2", "quality": "medium", "size": "2048x1152", "stream": True}


def test_partial_images_and_the_completed_one(gateway: GatewayProgram, city: City) -> None:
    customer = city.customer()
    with gateway.openai(customer) as client:
        events = list(client.images.generate(**ASKED, prompt="a stream", partial_images=2))
    assert [event.type for event in events] == [
        "image_generation.partial_image",
        "image_generation.partial_image",
        "image_generation.completed",
    ]
    assert [event.partial_image_index for event in events[:2]] == [0, 1]  # type: ignore[union-attr]
    assert [size_of(base64.b64decode(event.b64_json)) for event in events] == [(64, 64), (64, 64), (2048, 1152)]
    charge = customer.the_charge()
    assert (charge["status"], charge["settled_credits"]) == ("settled", 17)
    assert events[-1].billing["credits"] == 17  # type: ignore[union-attr]
    assert customer.balance() == (983, 0)


def test_the_bill_follows_the_completed_image(gateway: GatewayProgram, city: City) -> None:
    customer = city.customer()
    with gateway.openai(customer) as client:
        events = list(client.images.generate(**ASKED, prompt="a stream [sizes=1536x864]", partial_images=0))
    assert [size_of(base64.b64decode(event.b64_json)) for event in events] == [(1536, 864)]
    assert customer.balance() == (996, 0)


def test_an_edit(gateway: GatewayProgram, city: City) -> None:
    customer = city.customer()
    with gateway.openai(customer) as client:
        events = list(client.images.edit(**ASKED, prompt="a stream", image=png(64, 64), partial_images=1))
    assert [event.type for event in events] == ["image_edit.partial_image", "image_edit.completed"]
    assert customer.the_charge()["settled_credits"] == 17


def test_a_refusal_before_the_first_event_is_an_ordinary_one(gateway: GatewayProgram, city: City) -> None:
    customer, poor = city.customer(), city.customer(16)
    with gateway.openai(customer) as client:
        with pytest.raises(openai.BadRequestError) as caught:
            client.images.generate(**ASKED, prompt="[refuse]")
        assert caught.value.code == "moderation_blocked"
        with pytest.raises(openai.BadRequestError):
            client.images.generate(**ASKED, prompt="a stream", n=2)
    with gateway.openai(poor) as client, pytest.raises(openai.APIStatusError) as unpaid:
        client.images.generate(**ASKED, prompt="unpaid stream")
    assert unpaid.value.status_code == 402
    assert city.stand_in.calls("unpaid stream") == []
    assert customer.the_charge()["status"] == "voided"


# The order, the error's code in the stream, and the hold's end.
BREAKS = {
    "the model fails": ("fail=0", "provider_error", "voided"),
    "the connection breaks": ("drop", "provider_connection_lost", "authorized"),
    "it ends without an image": ("cut", "provider_error", "authorized"),
    "our key is refused": ("code=invalid_api_key", "provider_error", "voided"),
    "our limit is reached": ("code=billing_hard_limit_reached", "provider_error", "voided"),
    "too fast": ("code=rate_limit_exceeded", "rate_limit_exceeded", "voided"),
    "content policy": ("code=moderation_blocked", "moderation_blocked", "voided"),
    "nobody knows": ("code=upstream_timeout", "provider_error", "authorized"),
}


@pytest.mark.parametrize(("order", "code", "status"), BREAKS.values(), ids=BREAKS.keys())
def test_a_stream_that_breaks_says_so_and_costs_nothing(
    gateway: GatewayProgram, city: City, order: str, code: str, status: str
) -> None:
    customer = city.customer()
    seen = []
    with gateway.openai(customer) as client:
        stream = client.images.generate(**ASKED, prompt=f"[{order}]", partial_images=1)
        with pytest.raises(openai.APIError) as caught:
            seen.extend(event.type for event in stream)
    assert seen == ["image_generation.partial_image"]
    assert caught.value.code == code
    assert "who" not in str(caught.value.body), "what names us stays here"
    charge = customer.the_charge()
    assert (charge["status"], charge["settled_credits"]) == (status, 0)


def test_a_stream_that_is_hung_up_goes_on_for_its_repeat(gateway: GatewayProgram, city: City) -> None:
    """Under its key; the repeat hears what comes from now on."""
    customer, asked = city.customer(17), {**ASKED, "prompt": "[wait=hung-up]", "partial_images": 1}
    with gateway.openai(customer) as client:
        stream = client.images.generate(**asked, extra_headers={"Idempotency-Key": "r1"})
        assert next(iter(stream)).type == "image_generation.partial_image"
        stream.close()
        city.stand_in.open("hung-up")
        again = client.images.generate(**asked, extra_headers={"Idempotency-Key": "r1"})
        assert [event.type for event in again] == ["image_generation.completed"]
    assert len(city.stand_in.calls("hung-up")) == 1
    assert customer.balance() == (0, 0)


def test_a_repeat_of_a_stream_is_its_completed_image(gateway: GatewayProgram, city: City) -> None:
    customer = city.customer()
    headers = {"Idempotency-Key": "r1"}
    with gateway.openai(customer) as client:
        first = list(client.images.generate(**ASKED, prompt="twice streamed", partial_images=1, extra_headers=headers))
        again = list(client.images.generate(**ASKED, prompt="twice streamed", partial_images=1, extra_headers=headers))
    assert [event.type for event in again] == ["image_generation.completed"]
    assert again[0].b64_json == first[-1].b64_json
    assert len(city.stand_in.calls("twice streamed")) == 1
    assert customer.balance() == (983, 0)


def test_a_stream_shows_signs_of_life_while_the_provider_does(gateway: GatewayProgram, city: City) -> None:
    customer = city.customer()
    asked = {**ASKED, "prompt": "[alive; wait=alive]", "partial_images": 1}
    headers = {"Authorization": f"Bearer {customer.key}"}
    with gateway.http.stream("POST", "/v1/images/generations", json=asked, headers=headers) as answer:
        lines = answer.iter_lines()
        first = [next(lines) for _ in range(7)]
        assert [line.partition(":")[::2] for line in first if line and not line.startswith("data")] == [
            ("", " alive"),
            ("event", " image_generation.partial_image"),
            ("", " alive"),
        ]
        city.stand_in.open("alive")
        assert [line for line in lines if line.startswith("event")] == ["event: image_generation.completed"]
    assert customer.balance() == (983, 0)
