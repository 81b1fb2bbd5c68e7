"""What was delivered, billed once more under another book."""

import pytest

from billing.core.charges import Reported
from billing.core.prices import PriceBook, PriceBooks
from billing.core.refusals import UnknownModel
from billing.core.simulation import one_image, rebilled, requoted

from .examples import BOOK, BOOKS, DAY, PLAIN, PUBLISHED, T0, Account, failed, large, small, unmeasured

# What costs 10 and 20 costs 7 and 50.
OTHER = PriceBook.of(2, T0 + DAY, {"plain": {**PLAIN, "prices": {**PLAIN["prices"], "10": {"S": 7, "L": 50}}}})


def billed(*outputs: Reported, n: int, book: PriceBook) -> list[int]:
    account = Account()
    account.grant("g1", 1_000)
    account.charge("r1", *outputs, n=n)
    return rebilled(account.of_charge("r1"), account.wallet.outputs["r1"], BOOKS, book)


def test_outputs_are_billed_by_the_rules_of_a_settlement() -> None:
    outputs = [small(0), failed(1), large(2), unmeasured(3), small(4)]
    assert billed(*outputs, n=3, book=BOOK) == [10, 0, 20, 10, 0]  # the last is one more than was asked for
    assert billed(*outputs, n=3, book=OTHER) == [7, 0, 50, 7, 0]


def test_what_a_refund_keeps_from_falling_costs_the_same_under_any_book() -> None:
    account = Account()
    account.grant("g1", 1_000)
    account.charge("r1", large(0), large(1), n=2)
    account.refund("r1", credits=15)
    account.correct("r1", small(0), small(1))  # the last was refunded 15 of its 20, and cannot cost 10
    outputs = account.wallet.standing("r1")
    assert [one.credits + one.corrected_credits for one in outputs] == [10, 15]
    assert rebilled(account.of_charge("r1"), outputs, BOOKS, OTHER) == [7, 15]


def test_a_book_without_the_model_has_no_price() -> None:
    book = PriceBook.of(2, T0 + DAY, PUBLISHED)
    with pytest.raises(UnknownModel):
        requoted(one_image("plain", "auto", "auto", "bill"), book)
    with pytest.raises(UnknownModel):
        rebilled(one_image("plain", "auto", "auto", "bill")._replace(price_version=1), [], PriceBooks([BOOK]), book)
