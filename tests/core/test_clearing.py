"""Clearing: each balance transaction of the processor once; its fee, and on the house what it paid out."""

from typing import Any

import pytest

from billing.core.answers import ClearingAnswer
from billing.core.clearing import POSTED
from billing.core.commands import HOUSE, Command
from billing.core.content import content_digest
from billing.core.decide import decide
from billing.core.funding_commands import BookTransaction
from billing.core.ledger import Transfer
from billing.core.payments import BookedTransaction
from billing.core.refusals import AccountNotFound, IdReused, Invalid, Refusal
from billing.core.wallet import Wallet

from .examples import BOOKS, CENT, DOLLAR, ME, T0, Account, state
from .invariants import check


def transaction(
    event: str = "payment", amount: int = 10 * DOLLAR, fee: int = 59 * CENT, account_id: str = HOUSE, **changes: Any
) -> BookTransaction:
    asked = {"transaction_id": "txn_1", "booked_as": "pi_1", "currency": "USD"} | changes
    return BookTransaction(account_id, event=event, amount_micros=amount, fee_micros=fee, **asked)


def booked(wallet: Wallet, command: Command) -> ClearingAnswer:
    return decide(wallet, command, BOOKS, T0)


def routes(transfers: list[Transfer]) -> list[tuple[str, str, int, str | None, str]]:
    return [(row.debit, row.credit, row.amount, row.external_id, row.asset) for row in transfers]


# Event, amount and fee as the processor signs them → transfers on the house.
TABLE: list[tuple[str, int, int, list[tuple[str, str, int, str]]]] = [
    ("payment", 1000, 59, [("processor_fees", "stripe_clearing", 59, "txn_1")]),
    ("payment", 1000, 0, []),
    ("refund", -1000, 0, []),
    ("refund", -1000, -30, [("stripe_clearing", "processor_fees", 30, "txn_1")]),
    ("refund_failed", 1000, 0, []),
    ("dispute_opened", -1000, 1500, [("processor_fees", "stripe_clearing", 1500, "txn_1")]),
    ("dispute_won", 1000, -1500, [("stripe_clearing", "processor_fees", 1500, "txn_1")]),
    ("fee", 0, 200, [("processor_fees", "stripe_clearing", 200, "txn_1")]),
    ("fee", 0, 1, [("processor_fees", "stripe_clearing", 1, "txn_1")]),
    ("fee", 0, -200, [("stripe_clearing", "processor_fees", 200, "txn_1")]),
    ("payout", -5000, 0, [("bank", "stripe_clearing", 5000, "pi_1")]),
    ("payout", -5000, 25, [("bank", "stripe_clearing", 5000, "pi_1"), ("processor_fees", "stripe_clearing", 25, "txn_1")]),
    ("payout", 0, 0, []),
    ("payout", 5000, 0, [("stripe_clearing", "bank", 5000, "pi_1")]),  # the bank made good what was below zero
    ("payout_failed", 5000, 0, [("stripe_clearing", "bank", 5000, "pi_1")]),
    ("payout_failed", -5000, 0, [("bank", "stripe_clearing", 5000, "pi_1")]),
    ("reserve", -5000, 0, [("stripe_reserve", "stripe_clearing", 5000, "pi_1")]),
    ("reserve", 5000, 10, [("stripe_clearing", "stripe_reserve", 5000, "pi_1"), ("processor_fees", "stripe_clearing", 10, "txn_1")]),
    ("bank", 5000, 0, [("stripe_clearing", "bank", 5000, "pi_1")]),
    ("bank", -5000, 0, [("bank", "stripe_clearing", 5000, "pi_1")]),
    ("other", -5000, 0, [("other_business", "stripe_clearing", 5000, "pi_1")]),
    ("other", 5000, 0, [("stripe_clearing", "other_business", 5000, "pi_1")]),
]  # fmt: skip


@pytest.mark.parametrize(("event", "amount", "fee", "transfers"), TABLE)
def test_what_each_event_books(event: str, amount: int, fee: int, transfers: list[tuple[str, str, int, str]]) -> None:
    wallet = Wallet(HOUSE)
    answer = booked(wallet, transaction(event, amount, fee))
    assert routes(wallet.effects.transfers) == [(*row, "USD") for row in transfers]
    assert answer == ClearingAnswer(False, BookedTransaction(HOUSE, "txn_1", event, "pi_1", amount, fee, "USD", T0))
    assert (wallet.posted, wallet.wallet_seq, wallet.money_seq) == (0, 0, len(transfers))
    # What clearing moves by is the fee and, where it is booked here, the amount.
    moved = sum(row.amount if row.debit == "stripe_clearing" else -row.amount for row in wallet.effects.transfers)
    assert moved == (amount if event in POSTED else 0) - fee


def test_a_payments_fee_stands_on_its_account() -> None:
    account = Account()
    account.buy()
    account.do(transaction(account_id=ME, booked_as="pi_t1"))
    assert account.money() == {
        "stripe_clearing": 10 * DOLLAR - 59 * CENT,
        "deferred_revenue": -10 * DOLLAR,
        "processor_fees": 59 * CENT,
    }
    check(account)


def test_the_house_opens_itself_with_its_first_row() -> None:
    wallet = Wallet(HOUSE)
    booked(wallet, transaction("fee", 0, 1))
    settings = wallet.settings
    assert settings is not None
    assert (wallet.opened, wallet.changed, settings.status, settings.credit_limit) == (True, True, "active", 0)
    assert wallet.opening_digest == content_digest(settings.content)
    assert (wallet.effects.changes, wallet.effects.announcements) == ([], [])
    again = Wallet(HOUSE, settings, wallet.opening_digest)
    booked(again, transaction("fee", 0, 1, transaction_id="txn_2"))
    assert (again.opened, again.settings) == (False, settings)


@pytest.mark.parametrize("fee", [0, 59 * CENT])
def test_the_same_transaction_again_books_nothing(fee: int) -> None:
    account = Account()
    first: Any = account.do(transaction(fee=fee, account_id=ME))
    account.wait()
    before = state(account.load())
    wallet = account.load()
    again: Any = decide(wallet, transaction(fee=fee, account_id=ME), BOOKS, account.now)
    assert again == ClearingAnswer(True, first.transaction)
    assert state(wallet) == before


@pytest.mark.parametrize(
    "other",
    [{"event": "refund"}, {"amount": 1}, {"fee": 1}, {"booked_as": "pi_2"}, {"currency": "EUR"}],
)
def test_a_transaction_never_says_two_things(other: dict[str, Any]) -> None:
    wallet = Wallet(HOUSE)
    booked(wallet, transaction())
    before = state(wallet)
    with pytest.raises(IdReused) as refused:
        booked(wallet, transaction(**other))
    said = {"amount": "amount_micros", "fee": "fee_micros"}
    assert (refused.value.id, refused.value.differs) == ("txn_1", [said.get(name, name) for name in other])
    assert state(wallet) == before


@pytest.mark.parametrize(
    ("command", "refusal"),
    [
        (transaction("topup"), Invalid),
        (transaction(account_id="nobody"), AccountNotFound),
        (transaction("topup", account_id="nobody"), AccountNotFound),
    ],
)
def test_what_cannot_be_booked_leaves_nothing(command: BookTransaction, refusal: type[Refusal]) -> None:
    wallet = Wallet(command.account_id)
    before = state(wallet)
    with pytest.raises(refusal):
        booked(wallet, command)
    assert state(wallet) == before


def test_what_was_paid_and_paid_out_nets_to_zero() -> None:
    """I13: $10.00 paid, 59 cents of fees, $9.41 paid out: on the account and the house together nothing is left."""
    account, house = Account(), Wallet(HOUSE)
    account.buy()
    account.do(transaction(account_id=ME, booked_as="pi_t1"))
    booked(house, transaction("payout", -(10 * DOLLAR - 59 * CENT), 0, booked_as="po_1", transaction_id="txn_2"))
    paid_out = sum(row.amount for row in house.effects.transfers if row.credit == "stripe_clearing")
    assert account.money()["stripe_clearing"] - paid_out == 0
