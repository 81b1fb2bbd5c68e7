"""The end of the story: balances and the journal's trial balance, each reckoned twice."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import Literal

from rich import box
from rich.table import Table

from billing.demo.scene import headline
from billing.demo.stage import Stage

Book = Literal["wallet", "money"]

MICROS = 1_000_000
"""Micro-dollars in a dollar."""


async def balances(stage: Stage) -> None:
    """What each account has, beside what the scenes say it must have."""
    headline(
        stage,
        "Balances",
        "What must be posted was reckoned by hand, scene by scene; nothing is held any more.",
    )
    columns = ("granted", "billed", "refunded", "must be", "posted", "held", "available", "")
    table = _table("account", *columns)
    for name, purse in stage.purses.items():
        balance = await stage.billing.balance(purse.account_id)
        agrees = stage.judge(
            f"balance of {name}",
            (purse.posted, 0, purse.posted),
            (balance["posted"], balance["held"], balance["available"]),
        )
        reckoned = (purse.granted, -purse.billed, purse.refunded, purse.posted)
        found = (balance["posted"], balance["held"], balance["available"])
        table.add_row(name, *(f"{amount:,}" for amount in reckoned + found), stage.mark(agrees))
    stage.console.print(table)


@dataclass(slots=True)
class _Sides:
    debits: int = 0
    credits: int = 0


async def trial_balance(stage: Stage) -> None:
    """Every transfer of the story's accounts, added up per ledger account."""
    headline(
        stage,
        "Trial balance",
        "Every journal row of these accounts, read back over HTTP and added up.",
    )
    purses = stage.purses.values()
    granted = sum(purse.granted for purse in purses)
    kept = sum(purse.billed - purse.refunded for purse in purses)
    posted = 0
    for purse in purses:
        posted += (await stage.billing.balance(purse.account_id))["posted"]

    wallet = await _sides(stage, "wallet")
    _show(stage, "wallet", "CREDIT", wallet)
    _agree(stage, "debits and credits are equal", *_totals(wallet))
    _agree(stage, "wallet = the sum of all posted balances", posted, _net(wallet, "wallet"))
    _agree(stage, "issued = all grants", granted, -_net(wallet, "issued"))
    _agree(stage, "consumed = all bills less refunds", kept, _net(wallet, "consumed"))

    money = await _sides(stage, "money")
    _show(stage, "money", "USD", money)
    _agree(stage, "debits and credits are equal", *_totals(money))
    _agree(
        stage,
        "deferred revenue = all that was paid, in micro-dollars",
        stage.paid_micros,
        _net(money, "deferred_revenue"),
    )


async def _sides(stage: Stage, book: Book) -> dict[str, _Sides]:
    sides: dict[str, _Sides] = defaultdict(_Sides)
    for purse in stage.purses.values():
        async for transfer in stage.office.transfers(purse.account_id, book=book):
            sides[transfer["debit"]].debits += transfer["amount"]
            sides[transfer["credit"]].credits += transfer["amount"]
    return sides


def _totals(sides: dict[str, _Sides]) -> tuple[int, int]:
    return sum(side.debits for side in sides.values()), sum(side.credits for side in sides.values())


def _net(sides: dict[str, _Sides], account: str) -> int:
    side = sides.get(account, _Sides())
    return side.credits - side.debits


def _show(stage: Stage, book: Book, asset: str, sides: dict[str, _Sides]) -> None:
    def amount(value: int) -> str:
        if book == "wallet":
            return f"{value:,}"
        return f"{value // MICROS:,}.{value % MICROS:06d}"

    table = _table(f"{book} book, {asset}", "debits", "credits", "balance")
    for account, side in sorted(sides.items()):
        net = side.credits - side.debits
        words = f"{amount(abs(net))} {'Cr' if net > 0 else 'Dr' if net < 0 else '  '}"
        table.add_row(account, amount(side.debits), amount(side.credits), words)
    debits, credits = _totals(sides)
    table.add_section()
    table.add_row("total", amount(debits), amount(credits), "")
    stage.console.print(table)


def _agree(stage: Stage, what: str, expected: int, found: int) -> None:
    agrees = stage.judge(what, expected, found)
    numbers = f"{found:,}" if agrees else f"{found:,}, not {expected:,}"
    stage.console.print(f" {stage.mark(agrees)} {what}: {numbers}", highlight=False)


def _table(first: str, *columns: str) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1))
    table.add_column(first)
    for column in columns:
        table.add_column(column, justify="right")
    return table
