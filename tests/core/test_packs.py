"""Packs: what may be sold, and money as the processor counts it."""

from typing import Any

import pytest

from billing.core.packs import Pack
from billing.core.refusals import Invalid

from .examples import CENT, DOLLAR

MAX = 2**63 - 1


def pack(**changes: Any) -> Pack:
    asked = {"pack_id": "p", "name": "A pack", "credits": 100, "price_micros": 10 * DOLLAR, "currency_code": "USD"}
    return Pack.of(**(asked | changes))


def test_a_pack_is_what_was_asked_for() -> None:
    assert pack() == Pack("p", "A pack", 100, 0, "own_grant", 10 * DOLLAR, "USD", None)
    full = pack(bonus_credits=20, bonus="dilutes", expires_in_days=365)
    assert full == Pack("p", "A pack", 100, 20, "dilutes", 10 * DOLLAR, "USD", 365)
    assert (full.diluted, pack().diluted) == (True, False)


BAD = [
    ("pack_id", "a b", "pack_id"),
    ("pack_id", "", "pack_id"),
    ("name", "", "name"),
    ("name", " \t", "name"),
    ("name", "\x00", "name"),
    ("name", "x" * 201, "name"),
    ("name", None, "name"),
    ("credits", 0, "credits"),
    ("credits", -1, "credits"),
    ("credits", MAX + 1, "credits"),
    ("credits", 1.0, "credits"),
    ("bonus_credits", -1, "bonus_credits"),
    ("bonus_credits", MAX - 99, "bonus_credits"),
    ("bonus_credits", True, "bonus_credits"),
    ("bonus", "free", "bonus"),
    ("price_micros", 0, "price.micros"),
    ("price_micros", CENT + 1, "price.micros"),
    ("price_micros", CENT - 1, "price.micros"),
    ("price_micros", MAX + 1, "price.micros"),
    ("currency_code", "usd", "price.currency"),
    ("currency_code", "US", "price.currency"),
    ("currency_code", None, "price.currency"),
    ("expires_in_days", 0, "expires_in_days"),
    ("expires_in_days", 3_651, "expires_in_days"),
]


@pytest.mark.parametrize(("field", "value", "named"), BAD)
def test_a_pack_that_makes_no_sense_does_not_exist(field: str, value: Any, named: str) -> None:
    with pytest.raises(Invalid) as refused:
        pack(**{field: value})
    assert refused.value.errors[0]["field"] == named


@pytest.mark.parametrize(
    "edge",
    [
        {"credits": 1},
        {"credits": MAX},
        {"bonus_credits": MAX - 100},
        {"price_micros": CENT},
        {"name": "x" * 200},
        {"expires_in_days": 1},
        {"expires_in_days": 3_650},
    ],
)
def test_what_lies_on_the_edge_is_allowed(edge: dict[str, Any]) -> None:
    assert pack(**edge)
