"""One id, one charge, one call of the provider: at once, later, under another name, after a restart."""

from __future__ import annotations

from typing import Any

import openai
import pytest

from .city import City, GatewayProgram, until
from .pictures import sizes_of

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
    customer, asked = city.customer(), {**ASKED, "prompt": "once more", "extra_headers": {"X-Request-Id": "r1"}}
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
def test_one_id_for_two_requests(
    gateway: GatewayProgram, elsewhere: GatewayProgram, city: City, other: dict[str, Any]
) -> None:
    customer, asked = city.customer(), {**ASKED, "prompt": "the first", "extra_headers": ID}
    with gateway.openai(customer) as client:
        client.images.generate(**asked)
    for known in (gateway, elsewhere):
        with known.openai(customer) as client, pytest.raises(openai.ConflictError) as caught:
            client.images.generate(**{**asked, **other})
        assert caught.value.code == "request_id_reused"
        assert caught.value.response.headers["X-Should-Retry"] == "false"
    assert len(customer.charges()) == 1


def test_after_a_restart_billing_knows(gateway: GatewayProgram, elsewhere: GatewayProgram, city: City) -> None:
    """The images are gone, and so is the reason to pay for new ones under the old id."""
    customer, asked = city.customer(), {**ASKED, "prompt": "restarted", "extra_headers": ID}
    with gateway.openai(customer) as client:
        client.images.generate(**asked)
    with elsewhere.openai(customer, max_retries=5) as client, pytest.raises(openai.ConflictError) as caught:
        client.images.generate(**asked)
    assert caught.value.code == "already_charged"
    assert caught.value.response.headers["X-Billing-Credits"] == "4"
    assert len(city.stand_in.calls("restarted")) == 1
    assert customer.balance() == (996, 0)


def test_an_id_whose_charge_was_voided_is_over(gateway: GatewayProgram, city: City) -> None:
    customer = city.customer()
    with gateway.openai(customer) as client:
        for raised in (openai.BadRequestError, openai.ConflictError):
            with pytest.raises(raised) as caught:
                client.images.generate(**ASKED, prompt="over [refuse]", extra_headers=ID)
    assert caught.value.code == "request_id_closed"
    assert len(city.stand_in.calls("over [refuse]")) == 1


def test_answers_are_forgotten_when_there_is_no_room(city: City) -> None:
    gateway, customer = city.gateway(GATEWAY_KEPT_BYTES="1"), city.customer()
    with gateway.openai(customer) as client:
        client.images.generate(**ASKED, prompt="forgotten", extra_headers=ID)
        with pytest.raises(openai.ConflictError) as caught:
            client.images.generate(**ASKED, prompt="forgotten", extra_headers=ID)
    assert caught.value.code == "already_charged"


def test_two_accounts_may_use_one_id(gateway: GatewayProgram, city: City) -> None:
    one, other = city.customer(), city.customer()
    for customer in (one, other):
        with gateway.openai(customer) as client:
            client.images.generate(**ASKED, prompt="my own", extra_headers=ID)
    assert one.balance() == other.balance() == (996, 0)
    assert len(city.stand_in.calls("my own")) == 2


def test_who_hangs_up_pays_nothing_and_may_come_back(gateway: GatewayProgram, city: City) -> None:
    customer, asked = city.customer(4), {**ASKED, "prompt": "gone [wait=gone]", "extra_headers": ID}
    with gateway.openai(customer) as client:
        with pytest.raises(openai.APITimeoutError):
            client.images.generate(**asked, timeout=0.3)
        until(lambda: f"charge {customer.account_id} r1: left to expire" in gateway.log(), "the gateway has noticed")
        assert customer.charge("r1")["status"] == "authorized"
        assert customer.balance() == (4, 4)
        city.stand_in.open("gone")
        assert sizes_of(client.images.generate(**asked)) == [(1024, 1024)]
    assert customer.balance() == (0, 0)
    assert len(customer.charges()) == 1


def test_one_of_two_hangs_up_and_the_other_is_answered(gateway: GatewayProgram, city: City) -> None:
    customer, asked = city.customer(4), {**ASKED, "prompt": "one stays [wait=stays]", "extra_headers": ID}
    with gateway.openai(customer) as client:
        stays = gateway.in_background(lambda: client.images.generate(**asked))
        until(lambda: city.stand_in.calls("one stays"), "the provider is asked")
        with pytest.raises(openai.APITimeoutError):
            client.images.generate(**asked, timeout=0.3)
        city.stand_in.open("stays")
        assert sizes_of(stays.result(60)) == [(1024, 1024)]
    assert len(city.stand_in.calls("one stays")) == 1
    assert customer.balance() == (0, 0)
