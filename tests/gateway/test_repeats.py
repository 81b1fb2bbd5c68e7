"""One wish, one bill: asked for at once, later, after a restart, under a key that billed nothing."""

from __future__ import annotations

from typing import Any

import openai
import pytest

from .city import City, GatewayProgram, until
from .pictures import png, sizes_of
from .turnstile import Turnstile

ASKED: dict[str, Any] = {"model": "gpt-image-2", "quality": "medium", "size": "1024x1024"}
ID = {"Idempotency-Key": "r1"}


def test_the_same_request_twice_at_once(gateway: GatewayProgram, city: City) -> None:
    customer, asked = city.customer(4), {**ASKED, "prompt": "at once [wait=at-once]", "extra_headers": ID}
    with gateway.openai(customer) as client:
        both = [gateway.in_background(lambda: client.images.generate(**asked)) for _ in range(5)]
        until(lambda: city.stand_in.calls("at once"), "the provider is asked")
        city.stand_in.open("at-once")
        answers = [one.result(60) for one in both]
    assert len({answer.data[0].b64_json for answer in answers}) == 1
    assert len(city.stand_in.calls("at once")) == 1
    assert customer.the_charge()["settled_credits"] == 4
    assert customer.balance() == (0, 0)


def test_the_same_request_later(gateway: GatewayProgram, city: City) -> None:
    customer, asked = city.customer(), {**ASKED, "prompt": "once more", "extra_headers": ID}
    with gateway.openai(customer) as client:
        first, again = (client.images.with_raw_response.generate(**asked) for _ in range(2))
    assert first.parse() == again.parse()
    assert "Idempotent-Replayed" not in first.headers
    assert again.headers["Idempotent-Replayed"] == "true"
    assert again.headers["X-Billing-Credits"] == "4"
    assert len(city.stand_in.calls("once more")) == 1
    assert customer.balance() == (996, 0)


@pytest.fixture(scope="module")
def elsewhere(the_city: City) -> GatewayProgram:
    """A gateway that has not kept the first one's answers, so that billing has to know."""
    return the_city.gateway()


@pytest.mark.parametrize("other", [{"prompt": "another"}, {"n": 2}, {"quality": "low"}, {"background": "opaque"}])
def test_one_key_for_two_requests(
    gateway: GatewayProgram, elsewhere: GatewayProgram, city: City, other: dict[str, Any]
) -> None:
    customer, asked = city.customer(), {**ASKED, "prompt": "the first", "extra_headers": ID}
    with gateway.openai(customer) as client:
        client.images.generate(**asked)
    for known in (gateway, elsewhere):
        with known.openai(customer) as client, pytest.raises(openai.UnprocessableEntityError) as caught:
            client.images.generate(**{**asked, **other})
        assert caught.value.code == "request_id_reused"
        assert caught.value.response.headers["X-Should-Retry"] == "false"
    assert len(customer.charges()) == 1


def test_after_a_restart_billing_knows(gateway: GatewayProgram, elsewhere: GatewayProgram, city: City) -> None:
    """The images are gone, and so is the reason to pay for new ones under the old id."""
    customer, asked = city.customer(), {**ASKED, "prompt": "restarted", "extra_headers": ID}
    with gateway.openai(customer) as client:
        client.images.generate(**asked)
    with elsewhere.openai(customer, max_retries=5) as client, pytest.raises(openai.APIStatusError) as caught:
        client.images.generate(**asked)
    assert (caught.value.status_code, caught.value.code) == (410, "already_charged")
    assert caught.value.response.headers["X-Billing-Credits"] == "4"
    assert len(city.stand_in.calls("restarted")) == 1
    assert customer.balance() == (996, 0)


# What becomes of the first try under a key, and how its charge ends.
BILLED_NOTHING = {
    "refused": ("refuse", "voided"),
    "too fast": ("error=429", "voided"),
    "an error": ("error=500", "voided"),
    "an empty answer": ("fail=0", "settled"),
}


@pytest.mark.parametrize(("order", "status"), BILLED_NOTHING.values(), ids=BILLED_NOTHING.keys())
@pytest.mark.parametrize("restarted", [False, True])
def test_a_key_under_which_nothing_was_billed_is_free_again(
    gateway: GatewayProgram, elsewhere: GatewayProgram, city: City, order: str, status: str, restarted: bool
) -> None:
    """For the same, and for something else; billing remembers how far its charges have come."""
    customer = city.customer()
    with gateway.openai(customer) as client:
        for _ in range(3):
            with pytest.raises(openai.APIStatusError) as caught:
                client.images.generate(**ASKED, prompt=f"not this time [{order}]", extra_headers=ID)
            assert caught.value.status_code != 409
    with (elsewhere if restarted else gateway).openai(customer) as client:
        for _ in range(2):
            client.images.generate(**ASKED, prompt="at last", extra_headers=ID)
    charges = customer.charges()
    assert [charge["status"] for charge in charges] == ["settled", status, status, status]
    assert [charge["metadata"]["idempotency_key"] for charge in charges] == ["r1"] * 4
    assert charges[-1]["request_id"] == "r1"
    assert customer.balance() == (996, 0)


def test_a_key_that_was_refused_before_a_hold_is_free_again(gateway: GatewayProgram, city: City) -> None:
    customer = city.customer()
    with gateway.openai(customer) as client:
        with pytest.raises(openai.BadRequestError):
            client.images.generate(**{**ASKED, "size": "huge"}, prompt="a", extra_headers=ID)
        assert sizes_of(client.images.generate(**ASKED, prompt="b", extra_headers=ID)) == [(1024, 1024)]
    assert customer.charge("r1")["settled_credits"] == 4


def test_a_key_whose_bill_waits_was_billed(city: City) -> None:
    """The images went out; that billing does not know it yet makes no second wish of it."""
    customer = city.customer()
    with Turnstile(city.service.url).standing() as turnstile:
        turnstile.close("/settle", vanish=True)
        gateway = city.gateway(turnstile.url, GATEWAY_KEPT_BYTES="1", GATEWAY_SETTLE_AGAIN_SECONDS="60")
        with gateway.openai(customer) as client:
            client.images.generate(**ASKED, prompt="its bill waits", extra_headers=ID)
            with pytest.raises(openai.APIStatusError) as caught:
                client.images.generate(**ASKED, prompt="its bill waits", extra_headers=ID)
        assert (caught.value.status_code, caught.value.code) == (410, "already_charged")
    assert len(city.stand_in.calls("its bill waits")) == 1


def test_answers_are_forgotten_when_there_is_no_room(city: City) -> None:
    gateway, customer = city.gateway(GATEWAY_KEPT_BYTES="1"), city.customer()
    with gateway.openai(customer) as client:
        client.images.generate(**ASKED, prompt="forgotten", extra_headers=ID)
        with pytest.raises(openai.APIStatusError) as caught:
            client.images.generate(**ASKED, prompt="forgotten", extra_headers=ID)
    assert (caught.value.status_code, caught.value.code) == (410, "already_charged")


def test_two_accounts_may_use_one_key(gateway: GatewayProgram, city: City) -> None:
    one, other = city.customer(), city.customer()
    for customer in (one, other):
        with gateway.openai(customer) as client:
            client.images.generate(**ASKED, prompt="my own", extra_headers=ID)
    assert one.balance() == other.balance() == (996, 0)
    assert len(city.stand_in.calls("my own")) == 2


def test_a_proxys_request_id_names_nothing(gateway: GatewayProgram, city: City) -> None:
    """One for three calls: three pictures. It is kept, and said again."""
    customer = city.customer()
    said = "Root=1-67891233-abcdef012345678912345678;Parent=53995c3f42cd8ad8"
    with gateway.openai(customer) as client:
        for _ in range(3):
            raw = client.images.with_raw_response.generate(
                **ASKED, prompt="traced", extra_headers={"X-Request-Id": said}
            )
            assert raw.request_id == said
            assert raw.headers["X-Billing-Request-Id"] in {charge["request_id"] for charge in customer.charges()}
    assert len(city.stand_in.calls("traced")) == 3
    assert [charge["metadata"]["x_request_id"] for charge in customer.charges()] == [said] * 3
    assert customer.balance() == (988, 0)


KEYS = {
    "as the draft spells it": ('"r1"', "r1", "r1"),
    "with spaces": ("order 7 / 2", "order 7 / 2", None),
    "of another alphabet": ("único", "único", None),
    "the longest": ("k" * 255, "k" * 255, None),
    "no segment of a path": ("..", "..", None),
    "one of ours": (f"r1:{'0' * 24}", f"r1:{'0' * 24}", None),
}


@pytest.mark.parametrize(("sent", "key", "request_id"), KEYS.values(), ids=KEYS.keys())
def test_keys_of_any_form(gateway: GatewayProgram, city: City, sent: str, key: str, request_id: str | None) -> None:
    customer, headers = city.customer(), {"Idempotency-Key": sent.encode()}
    first, again = (
        gateway.post(customer, "/v1/images/generations", {**ASKED, "prompt": "a form"}, headers=headers)
        for _ in range(2)
    )
    assert first.json() == again.json()
    charge = customer.the_charge()
    assert charge["metadata"]["idempotency_key"] == key
    assert charge["request_id"] == request_id or (request_id is None and charge["request_id"] != key)


def test_options_of_a_clients_transport_ask_for_nothing(gateway: GatewayProgram, city: City) -> None:
    """Some clients put them into the body; the request is the same without them."""
    customer = city.customer()
    options = {"extra_headers": {"a": "b"}, "extra_query": {}, "extra_body": {"n": 7}, "timeout": 600.0}
    first, again = (
        gateway.post(customer, "/v1/images/generations", {**ASKED, "prompt": "with options", **more}, headers=ID)
        for more in (options, {})
    )
    assert (first.status_code, again.status_code) == (200, 200), first.text
    assert again.headers["Idempotent-Replayed"] == "true"
    (call,) = city.stand_in.calls("with options")
    assert not options.keys() & call.keys()
    form = {**ASKED, "prompt": "a form with options", "timeout": "600"}
    edit = gateway.post(customer, "/v1/images/edits", data=form, files={"image": png(64, 64)})
    assert edit.status_code == 200, edit.text
