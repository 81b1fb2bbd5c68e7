"""The end of the story: balances and the journal's trial balance, each reckoned twice."""

from collections import defaultdict
from collections.abc import AsyncIterator, Callable
from copy import deepcopy
from dataclasses import dataclass
from typing import Literal

from billing.client import BillingClient, Problem
from billing.client.documents import Transfer
from billing.demo.cashbook import MICROS, dollars
from billing.demo.purchases import CENT
from billing.demo.scene import headline, table
from billing.demo.stage import Stage

Book = Literal["wallet", "money"]

HOUSE = "_house"
"""The service's account for what belongs to no customer: payouts, in this story."""


async def balances(stage: Stage) -> None:
    """What each account has, beside what the scenes say it must have."""
    headline(
        stage,
        "Balances",
        "What must be posted was reckoned by hand, scene by scene; nothing is held any more.",
    )
    columns = ("granted", "billed", "corrected", "refunded", "expired", "clawed back", "must be")
    shown = table("account", *(f">{column}" for column in (*columns, "posted", "held", "available")), "")
    for name, purse in stage.purses.items():
        balance = await stage.billing.balance(purse.account_id)
        agrees = stage.judge(
            f"balance of {name}",
            (purse.posted, 0, purse.posted),
            (balance["posted"], balance["held"], balance["available"]),
        )
        moved = (purse.granted, -purse.billed, -purse.corrected, purse.refunded, -purse.expired, -purse.clawed)
        found = (balance["posted"], balance["held"], balance["available"])
        shown.add_row(name, *(f"{amount:,}" for amount in (*moved, purse.posted, *found)), stage.mark(agrees))
    stage.console.print(shown)


@dataclass(slots=True)
class _Sides:
    """What a ledger account was debited and credited."""

    debits: int = 0
    credits: int = 0


async def trial_balance(stage: Stage) -> None:
    """Every transfer of the story, added up per ledger account, beside what it must be by hand."""
    headline(
        stage,
        "Trial balance",
        f"Every journal row of these accounts and of {HOUSE}, read back over HTTP and added up; and the service's own sums.",
    )
    purses = stage.purses.values()
    wallet, money = await _sides(stage, "wallet"), await _sides(stage, "money")
    told = await _told(stage)
    by_hand = {
        "consumed": -sum(purse.spent for purse in purses),
        "expired": -sum(purse.expired for purse in purses),
        "issued": sum(purse.granted for purse in purses),
        "revoked": -sum(purse.clawed for purse in purses),
        "wallet": -sum(purse.posted for purse in purses),
    }
    _show(stage, "wallet", "CREDIT", wallet, by_hand)
    _agree(stage, "debits and credits are equal", *_totals(wallet))
    posted = [(await stage.billing.balance(purse.account_id))["posted"] for purse in purses]
    _agree(stage, "wallet = the sum of all posted balances", sum(posted), -_net(wallet, "wallet"))
    _agree_told(stage, wallet, told["wallet"], "{:,}".format)

    accounts_alone = deepcopy(money)
    async for transfer in house_rows(stage.office):
        if transfer["seq"] > stage.house_rows:
            _enter(money, transfer)
    _show(stage, "money", "USD", money, stage.cashbook.balances())
    _agree(stage, "debits and credits are equal", *_totals(money), dollars)
    movements = await stage.stripe.order("objects", kind="balance_transaction")
    fees = sum(movement["fee"] for movement in movements) * CENT
    _agree(stage, "processor_fees = all fees in Stripe's own books", fees, _net(money, "processor_fees"), dollars)
    _agree(stage, "stripe_clearing: all that Stripe held was paid out", 0, _net(money, "stripe_clearing"), dollars)
    _agree_told(stage, accounts_alone, told["money"], dollars)


async def _sides(stage: Stage, book: Book) -> dict[str, _Sides]:
    """The journal of the story's accounts, added up here."""
    sides: dict[str, _Sides] = defaultdict(_Sides)
    for purse in stage.purses.values():
        async for transfer in stage.office.transfers(purse.account_id, book=book):
            _enter(sides, transfer)
    return sides


async def _told(stage: Stage) -> dict[Book, dict[str, _Sides]]:
    """The same, as the service has added it up."""
    told: dict[Book, dict[str, _Sides]] = {"wallet": defaultdict(_Sides), "money": defaultdict(_Sides)}
    for purse in stage.purses.values():
        balance = await stage.accountant.read("/v1/finance/trial-balance", account_id=purse.account_id)
        for row in balance["rows"]:
            side = told[row["book"]][row["ledger_account"]]
            side.debits += row["debits"]
            side.credits += row["credits"]
    return told


async def house_rows(office: BillingClient) -> AsyncIterator[Transfer]:
    """The rows of the house's money book; none before its first payout, which opens it."""
    try:
        async for transfer in office.transfers(HOUSE, book="money"):
            yield transfer
    except Problem as problem:
        if problem.code != "account_not_found":
            raise


def _enter(sides: dict[str, _Sides], transfer: Transfer) -> None:
    sides[transfer["debit"]].debits += transfer["amount"]
    sides[transfer["credit"]].credits += transfer["amount"]


def _totals(sides: dict[str, _Sides]) -> tuple[int, int]:
    return sum(side.debits for side in sides.values()), sum(side.credits for side in sides.values())


def _net(sides: dict[str, _Sides], account: str) -> int:
    """Its balance, debits positive."""
    side = sides.get(account, _Sides())
    return side.debits - side.credits


def _show(stage: Stage, book: Book, asset: str, sides: dict[str, _Sides], by_hand: dict[str, int]) -> None:
    def amount(value: int) -> str:
        if book == "wallet":
            return f"{value:,}"
        return f"{value // MICROS:,}.{value % MICROS:06d}"

    def balance(net: int) -> str:
        return f"{amount(abs(net))} {'Dr' if net > 0 else 'Cr' if net < 0 else '  '}"

    shown = table(f"{book} book, {asset}", ">debits", ">credits", ">balance", ">by hand", "")
    for account in sorted(sides.keys() | by_hand.keys()):
        side, net, expected = sides.get(account, _Sides()), _net(sides, account), by_hand.get(account, 0)
        agrees = stage.judge(f"trial balance: {account}", balance(expected).strip(), balance(net).strip())
        numbers = (amount(side.debits), amount(side.credits), balance(net), balance(expected))
        shown.add_row(account, *numbers, stage.mark(agrees))
    debits, credits = _totals(sides)
    shown.add_section()
    shown.add_row("total", amount(debits), amount(credits), "", "", "")
    stage.console.print(shown)


def _agree(stage: Stage, what: str, expected: int, found: int, words: Callable[[int], str] = "{:,}".format) -> None:
    numbers = words(found) if found == expected else f"{words(found)}, not {words(expected)}"
    stage.note(what, expected, found, f"{what}: {numbers}")


def _agree_told(stage: Stage, sides: dict[str, _Sides], told: dict[str, _Sides], words: Callable[[int], str]) -> None:
    debits, credits = map(words, _totals(told))
    what = f"the service's own trial balance of the accounts says so too: {debits} debited, {credits} credited"
    stage.note("the service's own trial balance", sides, told, what)
