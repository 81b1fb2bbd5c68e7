"""Holds that run out, on a clock that the test sets: what was not delivered is never charged, what was is billed late."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import openai
import pytest

from billing.embedded import EmbeddedPostgres
from tests.api.service import CLOCK_STARTS_AT, ask, with_a_clock
from tests.client.served import Served
from tests.conftest import copied

from .city import City, until
from .pictures import sizes_of

ASKED: dict[str, Any] = {"model": "gpt-image-2", "quality": "medium", "size": "1024x1024"}
ID = {"Idempotency-Key": "r1"}


@pytest.fixture
def clocked(server: EmbeddedPostgres, template: str) -> Iterator[City]:
    with copied(server, template) as dsn:
        with_a_clock(dsn)
        with Served(dsn, BILLING_CLOCK_BOUND_SECONDS="1000000") as service, City(service) as city:
            yield city
            service.verify()


def _pass_a_hold(city: City, holds: int = 1) -> None:
    ask(city.service.dsn, "UPDATE clock.reading SET at = $1", CLOCK_STARTS_AT + timedelta(seconds=901 * holds))


def test_a_hold_that_was_left_expires_and_its_key_is_free_again(clocked: City) -> None:
    gateway, customer = clocked.gateway(GATEWAY_PROVIDER_SECONDS="0.5"), clocked.customer(4)
    with gateway.openai(customer) as client:
        with pytest.raises(openai.InternalServerError):
            client.images.generate(**ASKED, prompt="never [hang]", extra_headers=ID)
        assert customer.balance() == (4, 4)
        _pass_a_hold(clocked)
        assert customer.balance() == (4, 0)
        assert customer.charge("r1")["status"] == "expired"
        with pytest.raises(openai.InternalServerError):  # the same again holds anew
            client.images.generate(**ASKED, prompt="never [hang]", extra_headers=ID)
        assert customer.balance() == (4, 4)
        _pass_a_hold(clocked, holds=2)
        assert sizes_of(client.images.generate(**ASKED, prompt="or something else", extra_headers=ID)) == [(1024, 1024)]
    assert [charge["status"] for charge in customer.charges()] == ["settled", "expired", "expired"]
    assert customer.balance() == (0, 0)


def test_what_is_delivered_after_its_hold_is_billed_late(clocked: City) -> None:
    gateway, customer = clocked.gateway(), clocked.customer(4)
    with gateway.openai(customer) as client:
        answer = gateway.in_background(
            lambda: client.images.generate(**ASKED, prompt="late [wait=late]", extra_headers=ID)
        )
        until(lambda: clocked.stand_in.calls("late"), "the provider is asked")
        _pass_a_hold(clocked)
        assert customer.balance() == (4, 0)
        clocked.stand_in.open("late")
        assert sizes_of(answer.result(60)) == [(1024, 1024)]
    charge = customer.charge("r1")
    assert (charge["settled_credits"], charge["flags"]) == (4, ["late"])
    assert customer.balance() == (0, 0)
