"""Bad days of the provider and of billing: what the customer hears, what becomes of the hold, what is charged."""

from __future__ import annotations

from collections.abc import Iterator

import openai
import pytest

from .city import City, GatewayProgram, free_port, until
from .pictures import sizes_of
from .turnstile import Turnstile

ASKED = {"model": "gpt-image-2", "quality": "medium", "size": "1024x1024"}

# The order, what the official client raises, its code, and the hold's end. 4 credits an image.
BAD_DAYS: dict[str, tuple[str, type[openai.APIStatusError], str, str]] = {
    "content policy": ("refuse", openai.BadRequestError, "moderation_blocked", "voided"),
    "our limit is reached": (
        "error=400; code=billing_hard_limit_reached",
        openai.InternalServerError,
        "provider_error",
        "voided",
    ),
    "our quota is used up": (
        "error=429; code=insufficient_quota",
        openai.InternalServerError,
        "provider_error",
        "voided",
    ),
    "our organisation may not": ("error=403", openai.InternalServerError, "provider_error", "voided"),
    "the model is not ours to have": ("error=404", openai.InternalServerError, "provider_error", "voided"),
    "overloaded, it says": ("error=503; code=overloaded", openai.InternalServerError, "provider_overloaded", "voided"),
    "a mistake of the customer's": ("error=400", openai.BadRequestError, "invalid_value", "voided"),
    "an error": ("error=500", openai.InternalServerError, "provider_error", "voided"),
    "overloaded": ("error=503", openai.InternalServerError, "provider_error", "voided"),
    "our key is refused": ("error=401", openai.InternalServerError, "provider_error", "voided"),
    "too fast": ("error=429", openai.RateLimitError, "rate_limit_exceeded", "voided"),
    "a redirect": ("error=307", openai.InternalServerError, "provider_error", "voided"),
    "the connection breaks": ("drop", openai.InternalServerError, "provider_connection_lost", "authorized"),
    "no JSON": ("garbage", openai.InternalServerError, "provider_error", "authorized"),
    "a time-out": ("error=408", openai.InternalServerError, "provider_error", "authorized"),
    "a time-out behind": ("error=504", openai.InternalServerError, "provider_error", "authorized"),
    "an error of somebody behind": (
        "error=500; code=upstream_timeout",
        openai.InternalServerError,
        "provider_error",
        "authorized",
    ),
    "a proxy without an answer": ("page=502", openai.InternalServerError, "provider_error", "authorized"),
    "a proxy's page": ("page=500", openai.InternalServerError, "provider_error", "authorized"),
    "a proxy out of patience": ("page=504", openai.InternalServerError, "provider_error", "authorized"),
    "a CDN with an odd answer": ("page=520", openai.InternalServerError, "provider_error", "authorized"),
    "a CDN out of patience": ("page=524", openai.InternalServerError, "provider_error", "authorized"),
    "a firewall": ("page=403", openai.InternalServerError, "provider_error", "voided"),
    "every image fails": ("fail=0,1", openai.InternalServerError, "no_image", "settled"),
}


@pytest.mark.parametrize(("order", "raised", "code", "status"), BAD_DAYS.values(), ids=BAD_DAYS.keys())
@pytest.mark.parametrize("id_given", [False, True])
def test_a_bad_day_of_the_provider_costs_nothing(
    gateway: GatewayProgram,
    city: City,
    order: str,
    raised: type[openai.APIStatusError],
    code: str,
    status: str,
    id_given: bool,
) -> None:
    customer = city.customer()
    headers = {"Idempotency-Key": "r1"} if id_given else {}
    with gateway.openai(customer) as client, pytest.raises(raised) as caught:
        client.images.generate(**ASKED, prompt=f"a bad day [{order}]", n=2, extra_headers=headers)
    assert caught.value.code == code
    assert "who" not in caught.value.response.text, "what names us stays here"
    charge = customer.the_charge()
    assert "who" not in str(charge)
    assert (charge["status"], charge["settled_credits"]) == (status, 0)
    assert customer.balance() == (1_000, 8 if status == "authorized" else 0)
    said = caught.value.response.headers
    assert said["X-Billing-Outcome"] == ("left_to_expire" if status == "authorized" else status)
    assert said["X-Billing-Request-Id"] == charge["request_id"]
    # A repeat is another charge, or goes on with the hold that is there; after a 4xx it is refused again.
    assert said["X-Should-Retry"] == ("false" if raised is openai.BadRequestError else "true")


@pytest.mark.parametrize("headers", [{}, {"Idempotency-Key": "r1"}], ids=["no key", "a key"])
def test_a_repeat_after_nothing_was_made_is_another_charge(
    gateway: GatewayProgram, city: City, headers: dict[str, str]
) -> None:
    """The official client tries twice more by itself."""
    customer = city.customer()
    with gateway.openai(customer, max_retries=2) as client, pytest.raises(openai.InternalServerError):
        client.images.generate(**ASKED, prompt=f"three times {len(headers)} [error=500]", extra_headers=headers)
    assert len(city.stand_in.calls(f"three times {len(headers)}")) == 3
    assert [charge["status"] for charge in customer.charges()] == ["voided"] * 3
    assert customer.balance() == (1_000, 0)


@pytest.fixture(scope="module")
def impatient(the_city: City) -> GatewayProgram:
    return the_city.gateway(GATEWAY_PROVIDER_SECONDS="0.5")


def test_a_provider_that_does_not_answer(impatient: GatewayProgram, city: City) -> None:
    customer = city.customer()
    with impatient.openai(customer, max_retries=2) as client, pytest.raises(openai.InternalServerError) as caught:
        client.images.generate(**ASKED, prompt="never [hang]")
    assert (caught.value.status_code, caught.value.code) == (504, "provider_timeout")
    assert len(city.stand_in.calls("never [hang]")) == 3  # each under the one hold
    assert customer.the_charge()["status"] == "authorized"
    assert customer.balance() == (1_000, 4)
    assert caught.value.response.headers["X-Billing-Outcome"] == "left_to_expire"


def test_a_repeat_with_its_id_goes_on_with_the_hold(impatient: GatewayProgram, city: City) -> None:
    customer, asked = city.customer(4), {**ASKED, "prompt": "at last [wait=at-last]"}
    headers = {"Idempotency-Key": "r1"}
    with impatient.openai(customer) as client:
        with pytest.raises(openai.InternalServerError):
            client.images.generate(**asked, extra_headers=headers)
        assert customer.balance() == (4, 4)
        city.stand_in.open("at-last")
        assert sizes_of(client.images.generate(**asked, extra_headers=headers)) == [(1024, 1024)]
    assert customer.balance() == (0, 0)
    assert customer.the_charge()["settled_credits"] == 4


def test_a_slow_provider_is_waited_for(gateway: GatewayProgram, city: City) -> None:
    customer = city.customer()
    with gateway.openai(customer) as client:
        assert sizes_of(client.images.generate(**ASKED, prompt="slow [slow=0.3]")) == [(1024, 1024)]
    assert customer.balance() == (996, 0)


def test_a_provider_that_is_not_there(city: City) -> None:
    gateway, customer = city.gateway(GATEWAY_PROVIDER_URL=f"http://127.0.0.1:{free_port()}"), city.customer()
    with gateway.openai(customer) as client, pytest.raises(openai.InternalServerError) as caught:
        client.images.generate(**ASKED, prompt="nobody")
    assert (caught.value.status_code, caught.value.code) == (502, "provider_unreachable")
    assert customer.the_charge()["status"] == "voided"


def test_without_billing_the_provider_is_not_called(city: City) -> None:
    gateway, customer = city.gateway(f"http://127.0.0.1:{free_port()}"), city.customer()
    with gateway.openai(customer) as client, pytest.raises(openai.InternalServerError) as caught:
        client.images.generate(**ASKED, prompt="without billing")
    assert (caught.value.status_code, caught.value.code) == (503, "billing_unavailable")
    for path in ("/v1/images/generations", "/v1/async/images/generations"):
        for headers in ({"Idempotency-Key": "r1"}, {}):
            answer = gateway.post(customer, path, {**ASKED, "prompt": "without billing"}, headers=headers)
            assert (answer.status_code, answer.json()["error"]["code"]) == (503, "billing_unavailable")
            assert answer.headers["X-Should-Retry"] == "true"
    assert city.stand_in.calls("without billing") == []


def test_with_a_key_that_billing_refuses_the_provider_is_not_called(city: City) -> None:
    gateway, customer = city.gateway(GATEWAY_BILLING_KEY="bk_of_nobody"), city.customer()
    with gateway.openai(customer) as client, pytest.raises(openai.InternalServerError) as caught:
        client.images.generate(**ASKED, prompt="with nobody's key")
    assert (caught.value.status_code, caught.value.code) == (503, "billing_unavailable")
    assert city.stand_in.calls("with nobody's key") == []
    assert "bk_of_nobody" not in gateway.log()


@pytest.fixture(scope="module")
def the_turnstile(the_city: City) -> Iterator[Turnstile]:
    with Turnstile(the_city.service.url).standing() as turnstile:
        yield turnstile


@pytest.fixture
def turnstile(the_turnstile: Turnstile) -> Iterator[Turnstile]:
    yield the_turnstile
    the_turnstile.open()


def test_images_are_delivered_though_billing_is_away_and_billed_when_it_is_back(
    city: City, turnstile: Turnstile
) -> None:
    gateway, customer = city.gateway(turnstile.url), city.customer()
    turnstile.close("/settle", vanish=True)
    with gateway.openai(customer) as client:
        raw = client.images.with_raw_response.generate(
            **ASKED, prompt="billed later", extra_headers={"Idempotency-Key": "r1"}
        )
        assert sizes_of(raw.parse()) == [(1024, 1024)]
        assert raw.headers["X-Billing-Outcome"] == "unsettled"
        assert "X-Billing-Credits" not in raw.headers
    assert customer.charge("r1")["status"] == "authorized"
    gateway.kill()  # the bill is on disk
    turnstile.open()
    again = city.gateway(turnstile.url, GATEWAY_UNSETTLED=str(gateway.place / "unsettled"))
    until(lambda: customer.charge("r1")["status"] == "settled", "the bill is posted")
    until(lambda: not list((gateway.place / "unsettled").iterdir()), "the bill is put away")
    assert customer.balance() == (996, 0)
    assert "settled at last" in again.log()


def test_a_gateway_that_is_killed_before_the_bill_is_posted_charges_nothing(city: City, turnstile: Turnstile) -> None:
    """The images never reached anybody. The hold stays until it expires; a repeat with the id goes on with it."""
    gateway, customer = city.gateway(turnstile.url), city.customer(4)
    turnstile.close("/settle")
    asked, headers = {**ASKED, "prompt": "killed"}, {"Idempotency-Key": "r1"}
    with gateway.openai(customer) as client:
        waiting = gateway.in_background(lambda: client.images.generate(**asked, extra_headers=headers))
        turnstile.wait_for_one()
        gateway.kill()
        with pytest.raises(openai.APIConnectionError):
            waiting.result(60)
    assert customer.charge("r1")["status"] == "authorized"
    assert customer.balance() == (4, 4)
    turnstile.forget()
    turnstile.open()
    with city.gateway(turnstile.url).openai(customer) as client:
        assert sizes_of(client.images.generate(**asked, extra_headers=headers)) == [(1024, 1024)]
    assert customer.balance() == (0, 0)
    assert len(customer.charges()) == 1


@pytest.mark.parametrize("key", [{}, {"Idempotency-Key": "r1"}], ids=["no key", "a key"])
def test_who_hangs_up_while_the_bill_is_posted_gets_the_images_by_repeating(
    city: City, turnstile: Turnstile, key: dict[str, str]
) -> None:
    gateway, customer = city.gateway(turnstile.url), city.customer(4)
    asked = {**ASKED, "prompt": f"paid for {len(key)}", "extra_headers": key}
    turnstile.close("/settle")
    with gateway.openai(customer) as client:
        impatient = gateway.in_background(lambda: client.images.generate(**asked, timeout=1.5))
        turnstile.wait_for_one()
        with pytest.raises(openai.APITimeoutError):
            impatient.result(60)
        turnstile.open()
        assert sizes_of(client.images.generate(**asked)) == [(1024, 1024)]
    assert len(city.stand_in.calls(f"paid for {len(key)}")) == 1
    assert customer.balance() == (0, 0)
