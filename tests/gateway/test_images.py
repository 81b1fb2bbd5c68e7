"""What the official client gets back, and what the ledger says of it, agree. Prices are the published matrix's."""

from __future__ import annotations

from typing import Any

import pytest

from .city import PROVIDER_KEY, City, GatewayProgram
from .pictures import sizes_of

# What is asked, the stand-in's orders, the sizes that come, and credits by hand.
ANSWERS: dict[str, tuple[dict[str, Any], str, list[tuple[int, int]], int]] = {
    "one image": ({"size": "1024x1024", "quality": "low"}, "", [(1024, 1024)], 1),
    "as many as asked": ({"size": "1024x1024", "quality": "medium", "n": 3}, "", [(1024, 1024)] * 3, 3 * 4),
    "auto is high, at 1K": ({}, "", [(1024, 1024)], 14),
    "a wide one of 2K": ({"size": "2048x1152", "quality": "medium"}, "", [(2048, 1152)], 17),
    "4K by its tier's name": ({"size": "4K", "quality": "low"}, "", [(3840, 2160)], 4),
    "smaller than asked": ({"size": "3840x2160", "quality": "high"}, "sizes=1672x941", [(1672, 941)], 67),
    "smaller by two tiers": ({"size": "3840x2160", "quality": "high"}, "sizes=1536x864", [(1536, 864)], 14),
    "larger than asked": ({"size": "1024x1024", "quality": "high"}, "sizes=1537x1024", [(1537, 1024)], 67),
    "all sizes at once": (
        {"size": "2048x2048", "quality": "medium", "n": 3},
        "sizes=1024x1024,2048x2048,3840x2160",
        [(1024, 1024), (2048, 2048), (3840, 2160)],
        4 + 17 + 34,
    ),
    "one of three fails": ({"quality": "medium", "n": 3}, "fail=1", [(1024, 1024)] * 2, 8),
    "more than asked": ({"quality": "medium", "n": 2}, "extra=1", [(1024, 1024)] * 3, 8),
    "a flat price": ({"model": "gpt-image-1.5", "size": "1536x1024", "n": 2}, "", [(1536, 1024)] * 2, 2),
    "webp": ({"output_format": "webp", "quality": "low"}, "", [(1024, 1024)], 1),
    "jpeg": ({"output_format": "jpeg", "quality": "low"}, "", [(1024, 1024)], 1),
}


@pytest.mark.parametrize(("asked", "orders", "sizes", "credits"), ANSWERS.values(), ids=ANSWERS.keys())
def test_images_are_billed_as_they_came(
    gateway: GatewayProgram,
    city: City,
    asked: dict[str, Any],
    orders: str,
    sizes: list[tuple[int, int]],
    credits: int,
) -> None:
    customer = city.customer(1_000)
    prompt = f"a lighthouse [{orders}]" if orders else "a lighthouse"
    with gateway.openai(customer) as client:
        raw = client.images.with_raw_response.generate(**{"model": "gpt-image-2", "prompt": prompt, **asked})
    answer = raw.parse()
    assert sizes_of(answer) == sizes
    charge = customer.the_charge()
    assert charge["status"] == "settled"
    assert charge["settled_credits"] == credits
    delivered = [output for output in charge["outputs"] if output["status"] == "succeeded"]
    assert [(output["width"], output["height"]) for output in delivered] == sizes
    made = city.stand_in.made(f"{customer.account_id}/{charge['request_id']}")
    assert [(one["width"], one["height"]) for one in made if one["status"] == "succeeded"] == sizes
    assert customer.balance() == (1_000 - credits, 0)
    assert (charge["operation"], charge["mode"], charge["api_key_id"]) == ("generation", "sync", customer.api_key_id)
    assert raw.headers["X-Billing-Request-Id"] == charge["request_id"] == raw.request_id
    assert raw.headers["X-Billing-Outcome"] == "settled"
    assert raw.headers["X-Billing-Credits"] == str(credits)
    assert raw.headers["X-Billing-Balance"] == str(1_000 - credits)
    assert answer.billing["credits"] == credits  # type: ignore[attr-defined]
    assert [output["credits"] for output in answer.billing["outputs"]] == [  # type: ignore[attr-defined]
        output["credits"] for output in charge["outputs"]
    ]


def test_who_is_the_end_user_is_told_to_both(gateway: GatewayProgram, city: City) -> None:
    customer = city.customer()
    with gateway.openai(customer) as client:
        client.images.generate(
            model="gpt-image-2", prompt="told to both", quality="low", user="old", safety_identifier="u-7"
        )
    assert customer.the_charge()["end_user"] == "u-7"
    (call,) = city.stand_in.calls("told to both")
    assert call["safety_identifier"] == "u-7"


def test_the_provider_hears_our_key_and_never_the_customers(gateway: GatewayProgram, city: City) -> None:
    customer = city.customer()
    with gateway.openai(customer) as client:
        client.images.generate(model="gpt-image-2", prompt="whose key", quality="low")
    (call,) = city.stand_in.calls("whose key")
    assert call["authorization"] == f"Bearer {PROVIDER_KEY}"
    assert customer.key not in gateway.log()
    assert city.key not in gateway.log()
    assert PROVIDER_KEY not in gateway.log()


def test_an_image_that_nobody_can_measure_costs_what_was_quoted(gateway: GatewayProgram, city: City) -> None:
    customer = city.customer()
    with gateway.openai(customer) as client:
        answer = client.images.generate(
            model="gpt-image-2", prompt="cut off [truncate=0]", size="2048x2048", quality="medium"
        )
    assert len(answer.data or []) == 1
    charge = customer.the_charge()
    assert (charge["settled_credits"], charge["flags"]) == (17, ["unmeasured"])


def test_a_cap_holds(gateway: GatewayProgram, city: City) -> None:
    customer = city.customer(overage="cap")
    with gateway.openai(customer) as client:
        answer = client.images.generate(model="gpt-image-2", prompt="[sizes=3840x2160]", size="1K", quality="high")
    assert sizes_of(answer) == [(3840, 2160)]
    assert customer.the_charge()["settled_credits"] == 14
