"""Refusals: what the official client raises, that it does not try for ever, and that nothing was held or charged."""

from __future__ import annotations

import json
from typing import Any

import httpx2
import openai
import pytest

from .city import City, Customer, GatewayProgram

ASKED = {"model": "gpt-image-2", "prompt": "refused", "quality": "high", "size": "1024x1024"}

REFUSALS: dict[str, tuple[dict[str, Any], str, str]] = {
    "an unknown model": ({"model": "dall-e-2"}, "model_not_found", "model"),
    "an unknown quality": ({"quality": "ultra"}, "quality_not_supported", "quality"),
    "a size that is none": ({"size": "huge"}, "size_not_allowed", "size"),
    "a size off the grid": ({"size": "1000x1000"}, "size_not_allowed", "size"),
    "a size too small": ({"size": "256x256"}, "size_not_allowed", "size"),
    "a size without a price": ({"size": "3856x2048"}, "size_not_priced", "size"),
    "a size that this model has not": ({"model": "gpt-image-1.5", "size": "2048x2048"}, "size_not_allowed", "size"),
    "no image": ({"n": 0}, "invalid_value", "n"),
    "too many images": ({"n": 11}, "invalid_value", "n"),
    "a URL for an answer": ({"response_format": "url"}, "invalid_value", "response_format"),
    "an old parameter": ({"style": "vivid"}, "unknown_parameter", "style"),
    "an empty prompt": ({"prompt": ""}, "invalid_value", "prompt"),
    "a NUL in the end user": ({"user": "a\0b"}, "invalid_value", None),
    "a NUL in the model": ({"model": "a\0b"}, "invalid_value", None),
}


class Tries:
    """Counts what the official client sends."""

    def __init__(self) -> None:
        self.count = 0
        self.http = httpx2.Client(event_hooks={"request": [self._sent]})

    def _sent(self, request: httpx2.Request) -> None:
        self.count += 1


@pytest.mark.parametrize(("asked", "code", "param"), REFUSALS.values(), ids=REFUSALS.keys())
def test_what_a_customer_got_wrong(
    gateway: GatewayProgram, city: City, asked: dict[str, Any], code: str, param: str | None
) -> None:
    customer = city.customer()
    with gateway.openai(customer) as client, pytest.raises(openai.BadRequestError) as caught:
        client.images.generate(**{**ASKED, **asked})
    assert (caught.value.type, caught.value.code) == ("invalid_request_error", code)
    assert param is None or caught.value.param == param
    assert customer.charges() == []


def test_what_stands_in_the_query_is_not_left_out_in_silence(gateway: GatewayProgram, city: City) -> None:
    customer = city.customer()
    with gateway.openai(customer) as client, pytest.raises(openai.BadRequestError) as caught:
        client.images.generate(**ASKED, extra_query={"n": 2})
    assert (caught.value.code, caught.value.param) == ("unknown_parameter", "n")
    assert customer.charges() == []


def test_no_credits_is_said_once(gateway: GatewayProgram, city: City) -> None:
    customer, tries = city.customer(13), Tries()
    with (
        tries.http as http,
        gateway.openai(customer, max_retries=5, http_client=http) as client,
        pytest.raises(openai.APIStatusError) as caught,
    ):
        client.images.generate(**{**ASKED, "prompt": "unpaid"})
    assert tries.count == 1
    assert (caught.value.status_code, caught.value.type, caught.value.code) == (
        402,
        "insufficient_quota",
        "insufficient_quota",
    )
    assert "14 needed, 13 available" in str(caught.value)
    assert caught.value.response.headers["X-Billing-Balance"] == "13"
    assert city.stand_in.calls("unpaid") == []
    assert customer.charges() == []
    city.service.call(
        "POST",
        f"/v1/accounts/{customer.account_id}/grants",
        {"grant_id": "more", "kind": "promotion", "credits": 1},
    )
    with gateway.openai(customer) as client:
        client.images.generate(**{**ASKED, "prompt": "paid"})
    assert customer.balance() == (0, 0)


def test_a_suspended_account(gateway: GatewayProgram, city: City) -> None:
    customer = city.customer()
    city.service.call("PATCH", f"/v1/accounts/{customer.account_id}", {"status": "suspended"})
    with gateway.openai(customer) as client, pytest.raises(openai.PermissionDeniedError) as caught:
        client.images.generate(**ASKED)
    assert caught.value.code == "account_suspended"


@pytest.mark.parametrize(
    "authorization", ["", "Bearer", "sk-nobody", "Bearer sk-nobody", "Basic abc", "Bearer \xff\xfe"]
)
def test_nobodys_key(gateway: GatewayProgram, city: City, authorization: str) -> None:
    for path in ("generations", "edits"):
        for kind in ("/v1/images", "/v1/async/images"):
            answer = gateway.http.post(
                f"{kind}/{path}", json=ASKED, headers={"Authorization": authorization.encode("latin-1")}
            )
            assert (answer.status_code, answer.json()["error"]["code"]) == (401, "invalid_api_key")
    assert gateway.http.get("/v1/async/images/task_1").status_code == 401


def test_the_official_client_with_a_wrong_key(gateway: GatewayProgram, city: City) -> None:
    customer = city.customer()
    customer.key = "sk-nobody"
    with gateway.openai(customer) as client, pytest.raises(openai.AuthenticationError):
        client.images.generate(**ASKED)


GARBAGE: dict[str, bytes] = {
    "nothing": b"",
    "no JSON": b"{",
    "no object": b"[]",
    "a number": b"1",
    "no Unicode": b'{"prompt": "\xff"}',
    "a lone surrogate in the prompt": rb'{"prompt": "\ud800"}',
    "a lone surrogate in a name": rb'{"prompt": "p", "\ud800": 1}',
    "a lone surrogate in the model": rb'{"prompt": "p", "model": "\ud800"}',
    "a lone surrogate in the user": rb'{"prompt": "p", "user": "\ud800"}',
    "deep": b'{"prompt": ' + b"[" * 100_000 + b"]" * 100_000 + b"}",
    "an endless number": b'{"prompt": "p", "n": ' + b"9" * 10_000 + b"}",
    "NaN": b'{"prompt": "p", "n": NaN}',
    "a truth for a number": b'{"prompt": "p", "n": true}',
    "text for a number": b'{"prompt": "p", "n": "1"}',
    "a fraction": b'{"prompt": "p", "n": 1.5}',
    "a list for a prompt": b'{"prompt": ["p"]}',
    "an object for a size": b'{"prompt": "p", "size": {}}',
    "only nulls": b'{"prompt": null, "n": null}',
    "uploads in JSON": b'{"prompt": "p", "uploads": []}',
    "a callback of nobody's": b'{"prompt": "p", "callback_url": "https://x.example"}',
}


@pytest.mark.parametrize("body", GARBAGE.values(), ids=GARBAGE.keys())
def test_garbage(gateway: GatewayProgram, city: City, body: bytes) -> None:
    customer = city.customer()
    for path in ("/v1/images/generations", "/v1/images/edits"):
        answer = gateway.post(customer, path, content=body, headers={"Content-Type": "application/json"})
        assert answer.status_code == 400, answer.text
        assert answer.json()["error"]["type"] == "invalid_request_error"
        assert answer.headers["X-Should-Retry"] == "false"
    assert customer.charges() == []


EDITS = {
    "no images": {"prompt": "p"},
    "images is text": {"prompt": "p", "images": "https://x"},
    "a file of this machine": {"prompt": "p", "images": [{"image_url": "file:///etc/passwd"}]},
    "plain http": {"prompt": "p", "images": [{"image_url": "http://127.0.0.1/x.png"}]},
    "a page": {"prompt": "p", "images": [{"image_url": "data:text/html;base64,AAAA"}]},
    "too many": {"prompt": "p", "images": [{"image_url": "https://x.example/y.png"}] * 17},
    "no URL": {"prompt": "p", "images": [{}]},
}


@pytest.mark.parametrize("asked", EDITS.values(), ids=EDITS.keys())
def test_edits_in_bad_json(gateway: GatewayProgram, city: City, asked: dict[str, Any]) -> None:
    customer = city.customer()
    answer = gateway.post(customer, "/v1/images/edits", asked)
    assert (answer.status_code, answer.json()["error"]["type"]) == (400, "invalid_request_error")
    assert customer.charges() == []


@pytest.mark.parametrize("key", ["x" * 256, "a\tb", '""'])
def test_a_key_that_is_none(gateway: GatewayProgram, city: City, key: str) -> None:
    customer = city.customer()
    answer = gateway.post(customer, "/v1/images/generations", ASKED, headers={"Idempotency-Key": key.encode("latin-1")})
    assert (answer.status_code, answer.json()["error"]["param"]) == (400, "Idempotency-Key")
    assert customer.charges() == []


def test_bodies_have_a_limit(city: City) -> None:
    gateway, customer = city.gateway(GATEWAY_BODY_BYTES="10000"), city.customer()
    body = json.dumps({"prompt": "p" * 10_000}).encode()
    for path in ("/v1/images/generations", "/v1/images/edits"):
        answer = gateway.post(customer, path, content=body)
        assert (answer.status_code, answer.json()["error"]["code"]) == (413, "payload_too_large")
        # Without a length nobody knows beforehand.
        answer = gateway.post(customer, path, content=iter([body[:5_000], body[5_000:]]))
        assert (answer.status_code, answer.json()["error"]["code"]) == (413, "payload_too_large")
    answer = gateway.post(customer, "/v1/images/edits", data={"prompt": "p"}, files={"image": b"x" * 20_000})
    assert (answer.status_code, answer.json()["error"]["code"]) == (413, "payload_too_large")


def test_where_nothing_is(gateway: GatewayProgram, city: City) -> None:
    customer: Customer = city.customer()
    answer = gateway.get(customer, "/v1/models")
    assert (answer.status_code, answer.json()["error"]["code"]) == (404, "unknown_url")
    answer = gateway.get(customer, "/v1/images/generations")
    assert (answer.status_code, answer.json()["error"]["code"]) == (405, "unknown_url")
    answer = gateway.get(customer, "/v1/async/images/task_nobodys")
    assert (answer.status_code, answer.json()["error"]["code"]) == (404, "task_not_found")
