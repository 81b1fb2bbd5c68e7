"""Refusals: each has a code of its own, facts a program can read and a sentence a person can act on."""

from collections.abc import Iterator

import pytest

from billing.core import refusals
from billing.core.refusals import Refusal

TABLE = [
    (refusals.Refusal(), "refused", {}, "The request was refused"),
    (refusals.NotFound(), "not_found", {}, "Not found"),
    (
        refusals.AccountNotFound("a"),
        "account_not_found",
        {"account_id": "a"},
        "There is no account of this id that your key may see.",
    ),
    (
        refusals.ChargeNotFound("r"),
        "charge_not_found",
        {"request_id": "r"},
        "The account has no charge `r`; authorize it first.",
    ),
    (refusals.PriceBookNotFound(3), "price_book_not_found", {"version": 3}, "No such price book"),
    (
        refusals.PackNotFound("p"),
        "pack_not_found",
        {"pack_id": "p"},
        "GET /v1/packs lists the packs that can be bought.",
    ),
    (refusals.TopupNotFound("t"), "topup_not_found", {"topup_id": "t"}, "No such top-up"),
    (refusals.AutoRechargeNotFound(), "auto_recharge_not_found", {}, "The account has no auto-recharge"),
    (
        refusals.Invalid([{"field": f"f{i}", "message": "is wrong"} for i in range(6)]),
        "validation_error",
        {"errors": [{"field": f"f{i}", "message": "is wrong"} for i in range(6)]},
        "f0: is wrong; f1: is wrong; f2: is wrong; f3: is wrong; f4: is wrong",
    ),
    (
        refusals.IdReused("r", ["size", "n"]),
        "id_reused",
        {"id": "r", "differs": ["size", "n"]},
        "`r` was used before with another `size`, `n`. Nothing changed; take a new id.",
    ),
    (
        refusals.IdReused("r", []),
        "id_reused",
        {"id": "r", "differs": []},
        "`r` was used before with other content. Nothing changed; take a new id.",
    ),
    (
        refusals.AccountSuspended(),
        "account_suspended",
        {},
        "New authorizations are refused until the account is active; open charges still settle.",
    ),
    (
        refusals.UnknownModel("m"),
        "unknown_model",
        {"model": "m"},
        "The price book in force has no such model; GET /v1/price-books/current lists them.",
    ),
    (
        refusals.SizeNotAllowed("max_aspect"),
        "size_not_allowed",
        {"rule": "max_aspect"},
        "The size breaks the model's rule `max_aspect`.",
    ),
    (
        refusals.SizeNotPriced(4096, 3840),
        "size_not_priced",
        {"long_edge": 4096, "max_edge": 3840},
        "The long edge is 4096 px and prices end at 3840 px.",
    ),
    (
        refusals.QualityNotSupported(["high", "low"]),
        "quality_not_supported",
        {"supported": ["high", "low"]},
        "Use one of: high, low.",
    ),
    (
        refusals.PriceChanged(4),
        "price_changed",
        {"current": 4},
        "Price version 4 is in force; ask for a new quote.",
    ),
    (
        refusals.ChargeNotOpen("voided"),
        "charge_not_open",
        {"charge_status": "voided"},
        "The charge is voided.",
    ),
    (refusals.TopupNotPaid("t"), "topup_not_paid", {"topup_id": "t"}, "The top-up is not paid"),
    (
        refusals.RefundExceedsBill(5),
        "refund_exceeds_bill",
        {"refundable": 5},
        "At most 5 credits can still be refunded here.",
    ),
    (
        refusals.NothingToCorrect(),
        "nothing_to_correct",
        {},
        "What was delivered costs what is billed, or what is billed beyond it has been refunded.",
    ),
    (
        refusals.InsufficientCredits(available=-3, required=14),
        "insufficient_credits",
        {"available": -3, "required": 14, "shortfall": 17},
        "The request needs 14 credits and -3 are available. "
        "Nothing was recorded: top up and send the same request again.",
    ),
    (
        refusals.Unavailable(),
        "unavailable",
        {"retry_after_seconds": 1},
        "Try again: repeat the call with the same id; it takes effect at most once.",
    ),
]


@pytest.mark.parametrize(("refusal", "code", "facts", "detail"), TABLE, ids=lambda value: type(value).__name__)
def test_a_refusal_says_what_happened(refusal: Refusal, code: str, facts: dict[str, object], detail: str) -> None:
    assert refusal.code == code
    assert refusal.facts() == facts
    assert str(refusal) == refusal.detail == detail
    assert refusal.title


def every_refusal(root: type[Refusal] = Refusal) -> Iterator[type[Refusal]]:
    yield root
    for kind in root.__subclasses__():
        if kind.__module__ == refusals.__name__:
            yield from every_refusal(kind)


def test_every_refusal_is_in_the_table_and_has_a_code_of_its_own() -> None:
    classes = set(every_refusal())
    assert classes == {type(row[0]) for row in TABLE}
    assert len({kind.code for kind in classes}) == len(classes)


def test_every_refusal_is_drawn_in_the_tree() -> None:
    assert refusals.__doc__ is not None
    for kind in every_refusal():
        assert kind.__name__ in refusals.__doc__


def test_one_thing_that_is_wrong() -> None:
    assert refusals.Invalid.of("n", "is wrong").errors == [{"field": "n", "message": "is wrong"}]
