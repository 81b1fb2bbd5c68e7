"""Of a provider's answer that is no image: was surely nothing made, whose fault is it, and what may the customer hear?"""

from __future__ import annotations

import asyncio
import json
from typing import Any

import httpx
import openai
import pytest

from billing.client import NotUnderstood, Whose, provider_error, read_outputs, refusal_in, surely_nothing
from billing.client.outcome import is_unknown

OWN = {"error": {"message": "no", "type": "server_error", "code": None}}

SURE = [*range(300, 309), *range(400, 408), 410, 413, 414, 415, 418, 421, 422, 426, 428, 429, 431, 451]
BY_ITS_WORDS = [500, 501, 503, 529]
NEVER_SURE = [200, 202, 204, 408, 409, 425, 499, 502, 504, 507, 508, *range(520, 528), 530, 598, 599, 999]


@pytest.mark.parametrize(
    ("statuses", "with_its_own_document", "with_none"),
    [(SURE, True, True), (BY_ITS_WORDS, True, False), (NEVER_SURE, False, False)],
)
def test_the_provider_was_paid_three_times_for_one_picture(
    statuses: list[int], with_its_own_document: bool, with_none: bool
) -> None:
    """408, 504, 520 and 524 were taken for "nothing was made", and each repeat was a new picture."""
    for status in statuses:
        assert surely_nothing(status, OWN) is with_its_own_document, status
        for document in (None, {}, [], "<html>", {"error": None}, {"error": {}}, {"message": "Internal Server Error"}):
            assert surely_nothing(status, document) is with_none, (status, document)


@pytest.mark.parametrize(
    "code", ["timeout", "request_timed_out", "DEADLINE_EXCEEDED", "upstream_error", "do_request_failed"]
)
@pytest.mark.parametrize("name", ["code", "type", "status"])
def test_an_error_of_somebody_behind_says_nothing_for_certain(code: str, name: str) -> None:
    assert not surely_nothing(500, {"error": {"message": "x", name: code}})
    for event in (
        {"type": "error", "error": {"message": "x", name: code}},
        {"type": "response.failed", "response": {"error": {"message": "x", name: code}}},
        {"type": "error", "message": "x", "code": code},
        {"error": f"x: {code}"},
    ):
        assert not provider_error(None, event).made_nothing, event
        with pytest.raises(NotUnderstood):
            read_outputs(event, 1)


# Code, type and message of an error; then whose it is, and the customer's status and code. HTTP statuses as providers send
# them, or None in a stream: it makes no difference.
ERRORS: dict[str, tuple[tuple[int, ...], dict[str, Any], Whose, int, str]] = {
    "moderation": (
        (400,),
        {"code": "moderation_blocked", "type": "image_generation_user_error", "message": "Rejected by the safety system."},
        Whose.CUSTOMERS,
        400,
        "moderation_blocked",
    ),
    "content policy": ((400, 403), {"code": "content_policy_violation", "message": "No."}, Whose.CUSTOMERS, 400, "content_policy_violation"),
    "a parameter": (
        (400,),
        {"code": "invalid_value", "type": "invalid_request_error", "param": "size", "message": "Invalid value: '1x1'."},
        Whose.CUSTOMERS,
        400,
        "invalid_value",
    ),
    "an address of the customer's": ((400,), {"code": "invalid_image_url", "message": "Could not fetch https://x.example/y.png"}, Whose.CUSTOMERS, 400, "invalid_image_url"),
    "our key": ((401,), {"code": "invalid_api_key", "type": "invalid_request_error", "message": "Incorrect API key provided: sk-who*****own."}, Whose.OURS, 502, "provider_error"),
    "our limit": ((400, 429), {"code": "billing_hard_limit_reached", "type": "invalid_request_error", "message": "Billing hard limit has been reached."}, Whose.OURS, 502, "provider_error"),
    "our quota": ((429,), {"code": "insufficient_quota", "type": "insufficient_quota", "message": "You exceeded your current quota, please check your plan and billing details."}, Whose.OURS, 502, "provider_error"),
    "our quota, by its words": ((429,), {"code": None, "type": "requests", "message": "You exceeded your current quota."}, Whose.OURS, 502, "provider_error"),
    "our organisation": ((403, 400), {"code": None, "type": "invalid_request_error", "message": "Your organization must be verified to use the model `gpt-image-2`."}, Whose.OURS, 502, "provider_error"),
    "our organisation, as a value": ((400,), {"code": "unsupported_value", "type": "invalid_request_error", "message": "Your organization must be verified to stream this model."}, Whose.OURS, 502, "provider_error"),
    "our country": ((403,), {"code": "unsupported_country_region_territory", "type": "request_forbidden", "message": "Country, region, or territory not supported"}, Whose.OURS, 502, "provider_error"),
    "our model": ((404, 400), {"code": "model_not_found", "type": "invalid_request_error", "message": "The model `x` does not exist or you do not have access to it."}, Whose.OURS, 502, "provider_error"),
    "our permission (Google)": ((403,), {"code": 403, "status": "PERMISSION_DENIED", "message": "Permission denied."}, Whose.OURS, 502, "provider_error"),
    "our key (Google)": ((400,), {"code": 400, "status": "INVALID_ARGUMENT", "message": "API key not valid. Please pass a valid API key."}, Whose.OURS, 502, "provider_error"),
    "our bills (Imagen)": ((400,), {"code": 400, "status": "INVALID_ARGUMENT", "message": "Imagen API is only accessible to billed users at this time."}, Whose.OURS, 502, "provider_error"),
    "our place (Gemini)": ((400,), {"code": 400, "status": "FAILED_PRECONDITION", "type": "invalid_request_error", "message": "User location is not supported for the API use."}, Whose.OURS, 502, "provider_error"),
    "our credits (Recraft)": ((400,), {"code": "not_enough_credits", "type": "invalid_request_error", "message": "Not enough credits"}, Whose.OURS, 502, "provider_error"),
    "too fast": ((429,), {"code": "rate_limit_exceeded", "type": "images", "message": "Rate limit reached for gpt-image-2 in organization org-who123456 on images per min: Limit 5."}, Whose.TOO_FAST, 429, "rate_limit_exceeded"),
    "too fast (Google)": ((429,), {"code": 429, "status": "RESOURCE_EXHAUSTED", "message": "Resource has been exhausted."}, Whose.TOO_FAST, 429, "rate_limit_exceeded"),
    "overloaded": ((503, 529), {"code": None, "type": "overloaded_error", "message": "Overloaded"}, Whose.OVERLOADED, 503, "provider_overloaded"),
    "a failure": ((500, 503), {"code": None, "type": "server_error", "message": "The server had an error. Ask org-who123456."}, Whose.PROVIDERS, 502, "provider_error"),
    "of no known kind": ((500,), {"message": "x"}, Whose.PROVIDERS, 502, "provider_error"),
}  # fmt: skip


@pytest.mark.parametrize(("statuses", "error", "whose", "status", "code"), ERRORS.values(), ids=ERRORS.keys())
def test_whose_fault_an_error_is_and_what_the_customer_hears(
    statuses: tuple[int, ...], error: dict[str, Any], whose: Whose, status: int, code: str
) -> None:
    streamed = [
        {"type": "error", "error": error},
        {"type": "response.failed", "response": {"status": "failed", "error": error}},
    ]
    found = [provider_error(one, {"error": error}) for one in statuses] + [
        provider_error(None, event) for event in streamed
    ]
    found += [one for event in (*streamed, {"error": error}) if (one := refusal_in(event))]
    assert len(found) == len(statuses) + 5
    for one in found:
        assert (one.whose, one.made_nothing, one.status, one.document["error"]["code"]) == (
            whose,
            True,
            status,
            code,
        ), one
        assert one.repeat is (whose is not Whose.CUSTOMERS)
        assert "who" not in json.dumps(one.document) + str(one)
        passed_on = one.document["error"]["message"] == error["message"]
        assert passed_on is (whose is Whose.CUSTOMERS)


def test_a_customers_mistake_that_names_us_is_told_without_its_words() -> None:
    told = provider_error(
        400, {"error": {"code": "invalid_value", "param": "size", "message": "no size for org-who123456"}}
    )
    assert told.document["error"] == {
        "message": "The provider refused the request.",
        "type": "invalid_request_error",
        "param": "size",
        "code": "invalid_value",
    }
    assert (
        provider_error(400, {"error": {"code": "sk-who123456", "message": "no"}}).document["error"]["code"]
        == "invalid_value"
    )


@pytest.mark.parametrize(
    "document", [None, [], "no", {"error": 5}, {"error": "no"}, {"error": {"message": {}, "code": [2], "param": 3}}]
)
def test_errors_of_no_shape(document: Any) -> None:
    assert provider_error(400, document).document["error"]["code"] == "invalid_value"
    assert provider_error(502, document).whose is Whose.NOBODY_KNOWS
    assert not provider_error(502, document).made_nothing


@pytest.mark.parametrize(
    "event", [{"type": "error"}, {"type": "error", "error": 5}, {"type": "error", "code": None, "message": "no"}]
)
def test_a_stream_that_says_that_it_failed_has_failed(event: Any) -> None:
    found = refusal_in(event)
    assert found is not None
    assert found.made_nothing


@pytest.mark.parametrize(
    "answer",
    [{"data": []}, {"type": "response.created", "response": {}}, {"data": [{"url": "https://x"}], "error": "late"}],
)
def test_what_is_no_refusal(answer: Any) -> None:
    assert refusal_in(answer) is None


REQUEST = httpx.Request("POST", "https://provider.example/v1/images/generations")


def raised_for(status: int, **body: Any) -> httpx.HTTPStatusError:
    return httpx.HTTPStatusError("x", request=REQUEST, response=httpx.Response(status, request=REQUEST, **body))


async def of_openai(status: int, **body: Any) -> Exception:
    import httpx2

    def answer(request: httpx2.Request) -> httpx2.Response:
        return httpx2.Response(status, **body)

    http = httpx2.AsyncClient(transport=httpx2.MockTransport(answer))
    async with openai.AsyncOpenAI(api_key="sk-x", base_url="https://x/v1", max_retries=0, http_client=http) as client:
        with pytest.raises(Exception) as caught:  # noqa: PT011 - whichever it is
            await client.images.generate(model="gpt-image-2", prompt="x")
        return caught.value


@pytest.mark.parametrize(
    ("status", "unknown"), [(400, False), (429, False), (408, True), (504, True), (524, True), (500, True)]
)
def test_errors_of_client_libraries_are_judged_by_the_answer_they_carry(status: int, unknown: bool) -> None:
    assert is_unknown(raised_for(status, text="<html>")) is unknown
    assert is_unknown(asyncio.run(of_openai(status, text="<html>"))) is unknown


def test_errors_of_client_libraries_with_the_providers_own_document() -> None:
    assert not is_unknown(raised_for(500, json=OWN))
    assert not is_unknown(asyncio.run(of_openai(500, json=OWN)))


def test_an_answer_that_cannot_be_read_is_no_refusal() -> None:
    with pytest.raises(ValueError, match="Expecting") as caught:
        httpx.Response(200, text='{"data": [').json()
    assert is_unknown(caught.value)
    assert is_unknown(asyncio.run(of_openai(200, text='{"data": [', headers={"Content-Type": "application/json"})))
    assert is_unknown(httpx.DecodingError("gzip"))
