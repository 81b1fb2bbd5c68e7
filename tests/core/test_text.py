"""Amounts and text at the ledger's door: what is not exactly what it should be does not come in."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from billing.core.amounts import MAX_AMOUNT, amount
from billing.core.refusals import Invalid
from billing.core.text import NamedTwice, free_text, identifier, metadata_json, named_once

MAX = 2**63 - 1
POISON = ["\x00", "a\x00b", "\ud800", "a\udfffb", "\udc00\ud800"]


@pytest.mark.parametrize("value", [0, 1, 2**31, 2**53 + 1, MAX])
def test_a_whole_number_of_64_bits_is_an_amount(value: int) -> None:
    assert amount(value, "credits") == value
    assert MAX_AMOUNT == 9_223_372_036_854_775_807


@pytest.mark.parametrize("value", [-1, 2**63, 10**30, True, False, 1.0, 0.5, float("nan"), "1", None, [1]])
def test_anything_else_is_no_amount(value: Any) -> None:
    with pytest.raises(Invalid) as refused:
        amount(value, "credits")
    assert refused.value.errors[0]["field"] == "credits"


@pytest.mark.parametrize(("value", "fits"), [(2, False), (3, True), (7, True), (8, False)])
def test_an_amount_lies_within_its_bounds(value: int, fits: bool) -> None:
    if fits:
        assert amount(value, "n", minimum=3, maximum=7) == value
    else:
        with pytest.raises(Invalid, match="between 3 and 7"):
            amount(value, "n", minimum=3, maximum=7)


@pytest.mark.parametrize("value", ["a", "A-Z_0.9:x", "_house", "-", "a" * 64])
def test_an_identifier(value: str) -> None:
    assert identifier(value, "account_id") == value


@pytest.mark.parametrize(
    "value",
    ["", ".", "..", "a" * 65, "a b", "a\n", "\na", "a/b", "ä", "１", "a\x00", "\ud800", None, 7, b"a", ["a"], True],
)
def test_no_identifier(value: Any) -> None:
    with pytest.raises(Invalid) as refused:
        identifier(value, "account_id")
    assert refused.value.errors[0]["field"] == "account_id"


@pytest.mark.parametrize("value", ["", "plain", "ünïcödé 🎨", "\U0010ffff", "a\nb\t", "é" * 512])
def test_free_text(value: str) -> None:
    assert free_text(value, "reason") == value


@pytest.mark.parametrize("value", [*POISON, "é" * 513, None, 7, b"bytes", True])
def test_no_free_text(value: Any) -> None:
    with pytest.raises(Invalid) as refused:
        free_text(value, "reason")
    assert refused.value.errors[0]["field"] == "reason"


def test_free_text_is_as_long_as_its_field() -> None:
    assert free_text("abc", "x", longest=3) == "abc"
    with pytest.raises(Invalid, match="at most 3"):
        free_text("abcd", "x", longest=3)


@given(st.text(st.characters(codec=None), max_size=20))
def test_free_text_is_just_what_postgresql_can_store(value: str) -> None:
    storable = "\x00" not in value and not any("\ud800" <= char <= "\udfff" for char in value)
    try:
        assert free_text(value, "reason") == value
        assert storable
    except Invalid:
        assert not storable


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, None),
        ({}, None),
        ({"b": 1, "a": "x"}, '{"a":"x","b":1}'),
        ({"ü": "🎨", "t": True, "f": False, "n": None, "d": 1.5}, '{"d":1.5,"f":false,"n":null,"t":true,"ü":"🎨"}'),
        ({"one": 1, "float": 1.0}, '{"float":1.0,"one":1}'),
        ({"k" * 64: "v" * 512}, '{"' + "k" * 64 + '":"' + "v" * 512 + '"}'),
        ({"": ""}, '{"":""}'),
        ({"big": -(2**256 - 1)}, '{"big":' + str(-(2**256 - 1)) + "}"),
    ],
)
def test_metadata_is_compact_and_sorted(value: Any, text: str | None) -> None:
    assert metadata_json(value) == text


@pytest.mark.parametrize(
    "value",
    [
        ["k"],
        "k",
        {f"k{i}": i for i in range(51)},
        {"k" * 65: 1},
        {"k": "v" * 513},
        {"k": float("inf")},
        {"k": float("-inf")},
        {"k": float("nan")},
        {"k": 2**256},
        {"k": -(2**256)},
        {"k": []},
        {"k": {}},
        {"k": {"nested": 1}},
        {"k": b"bytes"},
        {7: "number as a key"},
        {None: 1},
        *({poison: 1} for poison in POISON),
        *({"k": poison} for poison in POISON),
    ],
)
def test_no_metadata(value: Any) -> None:
    with pytest.raises(Invalid) as refused:
        metadata_json(value)
    assert refused.value.errors[0]["field"] == "metadata"


def test_fifty_labels_are_not_too_many() -> None:
    assert metadata_json({f"k{i}": i for i in range(50)})


def test_a_name_that_stands_twice_in_an_object_is_told() -> None:
    assert json.loads('{"a": 1, "b": {"a": 2}}', object_pairs_hook=named_once) == {"a": 1, "b": {"a": 2}}
    with pytest.raises(NamedTwice, match="'a' is there twice") as twice:
        json.loads('{"c": [{"a": 1, "b": 2, "a": 1}]}', object_pairs_hook=named_once)
    assert twice.value.name == "a"
