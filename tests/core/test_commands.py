"""Commands: an invalid one does not exist. For each constructor, what it refuses and on which field."""

from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest

from billing.core import commands
from billing.core.charges import Reported
from billing.core.commands import (
    AmendAccount,
    Authorize,
    Command,
    Correct,
    IssueGrant,
    Lapse,
    OpenAccount,
    Refund,
    Settle,
    Void,
)
from billing.core.refusals import Invalid
from billing.core.text import currency

BAD_IDS = ["", "..", "a" * 65, "a b", "a\n", "ä", "\x00", "\ud800", None, 7]
POISON = ["\x00", "\ud800"]
NO_INTEGER = [None, True, False, 1.0, 0.5, "1", 2**63, -1]
LATER = datetime(2027, 1, 1, tzinfo=UTC)


def ok(
    index: Any = 0, status: Any = "succeeded", width: Any = 1024, height: Any = 1024, reason: Any = None
) -> Reported:
    return Reported(index, status, width, height, reason)


GOOD: dict[type[Command], dict[str, Any]] = {
    OpenAccount: {"account_id": "a"},
    AmendAccount: {"account_id": "a"},
    IssueGrant: {"account_id": "a", "grant_id": "g", "kind": "purchase", "credits": 1},
    Authorize: {"account_id": "a", "request_id": "r", "model": "gpt-image-2"},
    Settle: {"account_id": "a", "request_id": "r", "outputs": (ok(),)},
    Void: {"account_id": "a", "request_id": "r"},
    Correct: {
        "account_id": "a",
        "correction_id": "c",
        "request_id": "r",
        "outputs": (ok(),),
        "reason": "x",
        "actor": "key",
    },
    Refund: {"account_id": "a", "request_id": "r", "refund_id": "f", "reason": "blurred"},
}
BAD_OUTPUTS: list[tuple[Any, str]] = [
    (tuple(ok(i) for i in range(1001)), "outputs"),
    ((ok(-1),), "outputs.0.index"),
    ((ok(2**31),), "outputs.0.index"),
    ((ok(True),), "outputs.0.index"),
    ((ok(0.0),), "outputs.0.index"),
    ((ok(None),), "outputs.0.index"),
    ((ok(0), ok(1), ok(0)), "outputs.2.index"),
    ((ok(status="ok"),), "outputs.0.status"),
    ((ok(status=None),), "outputs.0.status"),
    ((ok(width=None),), "outputs.0"),
    ((ok(height=None),), "outputs.0"),
    ((ok(0), ok(1, width=0)), "outputs.1.width"),
    ((ok(height=0),), "outputs.0.height"),
    ((ok(width=-16),), "outputs.0.width"),
    ((ok(width=2**31),), "outputs.0.width"),
    ((ok(height=2**31),), "outputs.0.height"),
    ((ok(width=1024.0),), "outputs.0.width"),
    ((ok(height=True),), "outputs.0.height"),
    ((ok(reason="\x00"),), "outputs.0.reason"),
    ((ok(reason="\ud800"),), "outputs.0.reason"),
    ((ok(reason="x" * 513),), "outputs.0.reason"),
    ((ok(reason=7),), "outputs.0.reason"),
]
METADATA: list[tuple[Any, str]] = [
    ({f"k{i}": i for i in range(51)}, "metadata"),
    ({"k" * 65: 1}, "metadata"),
    ({"k": "v" * 513}, "metadata"),
    ({"\x00": 1}, "metadata"),
    ({"k": "\ud800"}, "metadata"),
    ({"k": float("nan")}, "metadata"),
    ({"k": [1]}, "metadata"),
]
SETTINGS: list[tuple[str, Any, str]] = [
    *(("account_id", bad, "account_id") for bad in BAD_IDS),
    *(("name", bad, "name") for bad in [*POISON, "x" * 201, 7]),
    *(("credit_limit", bad, "credit_limit") for bad in NO_INTEGER),
    *(("overage", bad, "overage") for bad in ["", "Bill", "never", None, True]),
    *(("hold", bad, "hold") for bad in ["", "quoted", None]),
    *(("metadata", bad, field) for bad, field in METADATA),
]

REFUSED: list[tuple[type[Command], str, Any, str]] = [
    *((OpenAccount, *row) for row in SETTINGS),
    (OpenAccount, "account_id", "_house", "account_id"),
    *((OpenAccount, "asset", bad, "asset") for bad in ["USD", "credit", "", None]),
    *((AmendAccount, *row) for row in SETTINGS),
    *((AmendAccount, "status", bad, "status") for bad in ["", "closed", None]),
    *((IssueGrant, "account_id", bad, "account_id") for bad in BAD_IDS),
    *((IssueGrant, "grant_id", bad, "grant_id") for bad in BAD_IDS),
    *(
        (IssueGrant, "grant_id", bad, "grant_id")
        for bad in ["refund:f:1", "correction:c:1", "pack:1", "recharge:1", "refund:", "pack:"]
    ),
    *((IssueGrant, "kind", bad, "kind") for bad in ["", "gift", None]),
    *((IssueGrant, "credits", bad, "credits") for bad in [0, *NO_INTEGER]),
    (IssueGrant, "expires_at", datetime(2027, 1, 1), "expires_at"),  # noqa: DTZ001  # no time zone: the point
    *((IssueGrant, "priority", bad, "priority") for bad in [-1, 1001, True, 1.0, "1"]),
    (IssueGrant, "paid_micros", 1, "amount_paid"),
    (IssueGrant, "currency", "USD", "amount_paid"),
    *((IssueGrant, "funding", bad, "funding") for bad in ["", "cash", None]),
    *((IssueGrant, "reference", bad, "reference") for bad in [*POISON, "x" * 256, 7]),
    *((Authorize, "account_id", bad, "account_id") for bad in BAD_IDS),
    *((Authorize, "request_id", bad, "request_id") for bad in BAD_IDS),
    *((Authorize, "model", bad, "model") for bad in [None, 7, "m" * 65]),
    *((Authorize, "size", bad, "size") for bad in [None, 1024, "1" * 65]),
    *((Authorize, "quality", bad, "quality") for bad in [None, 1, "q" * 65]),
    *((Authorize, "operation", bad, "operation") for bad in ["", "variation", None]),
    *((Authorize, "mode", bad, "mode") for bad in ["", "batch", None]),
    *((Authorize, "n", bad, "n") for bad in [0, 11, *NO_INTEGER]),
    *((Authorize, "hold_seconds", bad, "hold_seconds") for bad in [29, 86_401, 900.0, *NO_INTEGER]),
    *((Authorize, "api_key_id", bad, "api_key_id") for bad in [*POISON, "x" * 129, 7]),
    *((Authorize, "end_user", bad, "end_user") for bad in [*POISON, "x" * 257, 7]),
    *((Authorize, "metadata", bad, field) for bad, field in METADATA),
    *((Authorize, "price_version", bad, "price_version") for bad in [0, 2**31, *NO_INTEGER[1:]]),
    *((Authorize, "outputs", bad, field) for bad, field in BAD_OUTPUTS),
    *((Settle, "account_id", bad, "account_id") for bad in BAD_IDS),
    *((Settle, "request_id", bad, "request_id") for bad in BAD_IDS),
    *((Settle, "outputs", bad, field) for bad, field in BAD_OUTPUTS),
    *((Void, "account_id", bad, "account_id") for bad in BAD_IDS),
    *((Void, "request_id", bad, "request_id") for bad in BAD_IDS),
    *((Void, "reason", bad, "reason") for bad in [*POISON, "x" * 513, 7]),
    *((Correct, "account_id", bad, "account_id") for bad in BAD_IDS),
    *((Correct, "request_id", bad, "request_id") for bad in BAD_IDS),
    *((Correct, "correction_id", bad, "correction_id") for bad in BAD_IDS),
    *((Correct, "reason", bad, "reason") for bad in [*POISON, "x" * 513, None, 7]),
    *((Correct, "actor", bad, "actor") for bad in [*POISON, "x" * 129, None, 7]),
    *((Correct, "outputs", bad, field) for bad, field in [*BAD_OUTPUTS, ((), "outputs")]),
    *((Refund, "account_id", bad, "account_id") for bad in BAD_IDS),
    *((Refund, "request_id", bad, "request_id") for bad in BAD_IDS),
    *((Refund, "refund_id", bad, "refund_id") for bad in BAD_IDS),
    *((Refund, "reason", bad, "reason") for bad in [*POISON, "x" * 513, None, 7]),
    *((Refund, "credits", bad, "credits") for bad in [0, *NO_INTEGER[1:]]),
    *((Refund, "outputs", bad, "outputs") for bad in [(), (0, 0), (-1,), (2**31,), (True,), (0.5,), ("0",), (None,)]),
]


@pytest.mark.parametrize(("kind", "field", "value", "named"), REFUSED)
def test_a_bad_field_is_refused_by_name(kind: type[Command], field: str, value: Any, named: str) -> None:
    with pytest.raises(Invalid) as refused:
        kind(**{**GOOD[kind], field: value})
    assert [error["field"] for error in refused.value.errors] == [named]


@pytest.mark.parametrize(
    ("micros", "code", "named"),
    [
        *((bad, "USD", "amount_paid.micros") for bad in NO_INTEGER[1:]),
        *((1, bad, "amount_paid.currency") for bad in ["", "usd", "US", "USDT", "U$D", "ÜSD", "US1", "USD\n", 840]),
        (True, 7, "amount_paid.micros"),
    ],
)
def test_a_cost_basis_is_micros_of_a_currency(micros: Any, code: Any, named: str) -> None:
    with pytest.raises(Invalid) as refused:
        IssueGrant("a", "g", "purchase", 1, paid_micros=micros, currency=code)
    assert refused.value.errors[0]["field"] == named


def test_a_currency_is_three_capital_letters() -> None:
    assert currency("EUR", "currency") == "EUR"


def test_a_refund_is_by_credits_or_by_outputs() -> None:
    with pytest.raises(Invalid, match="not both"):
        Refund("a", "r", "f", "blurred", credits=1, outputs=(0,))


ACCEPTED: list[tuple[type[Command], dict[str, Any]]] = [
    (OpenAccount, {"account_id": "A_z.0:-" + "x" * 57, "name": "Ünïcode & Söhne", "credit_limit": 2**63 - 1}),
    (OpenAccount, {"overage": "cap", "hold": "max", "metadata": {"crm": 7}}),
    (AmendAccount, {"name": None, "status": "suspended", "credit_limit": 0, "overage": "cap", "hold": "quote"}),
    (AmendAccount, {"name": "x" * 200, "metadata": None}),
    (IssueGrant, {"credits": 2**63 - 1, "priority": 0, "expires_at": LATER, "reference": "№ 7" + "x" * 252}),
    (IssueGrant, {"priority": 1000, "paid_micros": 0, "currency": "JPY", "funding": "stripe_clearing"}),
    (IssueGrant, {"grant_id": "refund", "paid_micros": 2**63 - 1, "currency": "USD"}),
    (IssueGrant, {"expires_at": datetime(2027, 1, 1, tzinfo=timezone(timedelta(hours=14)))}),
    (Authorize, {"n": 1, "hold_seconds": 30, "operation": "edit", "mode": "async"}),
    (Authorize, {"n": 10, "hold_seconds": 86_400, "price_version": 1}),
    (Authorize, {"model": "m" * 64, "size": "", "quality": "\x00", "price_version": 2**31 - 1}),
    (Authorize, {"api_key_id": "k" * 128, "end_user": "ü" * 256, "metadata": {"k": None}, "outputs": ()}),
    (Settle, {"outputs": (), "force": True}),
    (Settle, {"outputs": tuple(ok(i) for i in range(1000))}),
    (Settle, {"outputs": (ok(2**31 - 1, "failed", None, None, "x" * 512), ok(0, width=1, height=2**31 - 1))}),
    (Void, {"reason": "x" * 512}),
    (Refund, {"credits": 1, "reason": ""}),
    (Refund, {"credits": 2**63 - 1}),
    (Refund, {"outputs": (2**31 - 1, 0)}),
]


@pytest.mark.parametrize(("kind", "content"), ACCEPTED)
def test_what_lies_on_the_edge_is_still_good(kind: type[Command], content: dict[str, Any]) -> None:
    assert kind(**{**GOOD[kind], **content}).account_id


@pytest.mark.parametrize(("kind", "priority"), [("promotion", 10), ("plan", 20), ("adjustment", 30), ("purchase", 50)])
def test_each_kind_of_grant_has_its_place_in_the_burn_order(kind: str, priority: int) -> None:
    assert IssueGrant("a", "g", kind, 1).priority == priority
    assert IssueGrant("a", "g", kind, 1, priority=7).priority == 7
    assert IssueGrant("a", "g", kind, 1, priority=0).priority == 0


def test_defaults() -> None:
    opened = OpenAccount("a")
    assert (opened.asset, opened.credit_limit, opened.overage, opened.hold) == ("CREDIT", 0, "bill", "quote")
    asked = Authorize("a", "r", "m")
    assert (asked.operation, asked.mode, asked.n, asked.size, asked.quality, asked.hold_seconds, asked.outputs) == (
        "generation", "sync", 1, "auto", "auto", 900, None
    )  # fmt: skip
    assert Settle("a", "r", ()).force is False
    assert IssueGrant("a", "g", "plan", 1).funding == "bank"
    assert AmendAccount("a").status is commands.UNCHANGED
    assert Lapse("a").account_id == "a"


def test_metadata_is_kept_as_text() -> None:
    assert OpenAccount("a", metadata={"b": 1, "a": 2}).metadata_json == '{"a":2,"b":1}'
    assert Authorize("a", "r", "m", metadata={"b": 1, "a": 2}).metadata_json == '{"a":2,"b":1}'
    assert Authorize("a", "r", "m", metadata={}).metadata_json is None
    assert AmendAccount("a", metadata={"b": 1, "a": 2}).metadata == '{"a":2,"b":1}'


def test_outputs_to_refund_are_the_same_in_any_order() -> None:
    assert Refund("a", "r", "f", "x", outputs=(3, 0, 2)) == Refund("a", "r", "f", "x", outputs=(0, 2, 3))


def test_outputs_to_correct_are_the_same_in_any_order() -> None:
    there, back = (Correct("a", "c", "r", outputs, "x", "key") for outputs in ((ok(0), ok(1)), (ok(1), ok(0))))
    assert there == back
