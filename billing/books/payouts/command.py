"""`billing payouts`: what reached the bank, what it consisted of, and what Stripe still keeps."""

from dataclasses import asdict
from typing import Annotated

import typer
from rich.markup import escape
from rich.table import Table

from billing.books.payouts.clearing import Clearing, CurrencyClearing, clearing_within
from billing.books.payouts.report import Payout, PayoutItem, items_within, payouts_within
from billing.cli.money import decimal
from billing.cli.session import AsJson, console, read, shown_as_json
from billing.store.clock import time_in
from billing.store.engine import Engine
from billing.store.snapshot import snapshot

Told = tuple[list[tuple[Payout, list[PayoutItem]]], Clearing]


def show_payouts(
    period: Annotated[str | None, typer.Option(help="YYYY-MM: those of this month, and clearing at its end")] = None,
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="payouts, and lines of each list")] = 50,
    as_json: AsJson = False,
) -> None:
    """List payouts, newest first, with what is missing of them by name, and what clearing consists of."""
    found, clearing = read(lambda engine: _told(engine, period, limit))
    listed = [{**asdict(payout), "wrong": wrong} for payout, wrong in found]
    if shown_as_json({"payouts": listed, "clearing": clearing}, as_json):
        return
    _show(found)
    for currency in clearing.currencies:
        _show_clearing(currency)
    console.print(
        "All that was paid out nets to zero."
        if clearing.ok
        else "[red]Not all that was paid out nets to zero: what is missing stands above.[/red]"
    )


async def _told(engine: Engine, period: str | None, limit: int) -> Told:
    async with snapshot(engine) as connection:
        clearing = await clearing_within(connection, await time_in(connection, engine), period=period, limit=limit)
        found = []
        for payout in await payouts_within(connection, period=period, limit=limit):
            wrong = payout.wrong_items and await items_within(connection, payout.payout_id, wrong=True, limit=limit)
            found.append((payout, wrong or []))
        return found, clearing


def _show(found: list[tuple[Payout, list[PayoutItem]]]) -> None:
    table = Table("booked", "payout", "currency", title="Payouts")
    table.add_column("to the bank", justify="right")
    table.add_column("items", justify="right")
    table.add_column("status")
    for one, wrong in found:
        at = f"{one.booked_at:%Y-%m-%d %H:%M}" if one.booked_at else "not booked"
        status = one.status.replace("_", " ") + (", came back" if one.returned else "")
        table.add_row(at, escape(one.payout_id), one.currency, decimal(one.arrived_micros), str(one.items), status)
        for item in wrong:
            what = f"{item.type} {item.transaction_id}"
            table.add_row("", f"  {escape(what)}", item.currency, "", "", f"[red]{item.status.replace('_', ' ')}[/red]")
    console.print(table)


def _show_clearing(one: CurrencyClearing) -> None:
    table = Table(title=f"Clearing in {one.currency}", show_header=False)
    table.add_column("what")
    table.add_column(one.currency, justify="right")
    table.add_row("booked, not paid out yet", decimal(one.not_paid_out_micros))
    for waiting in one.not_paid_out:
        what = f"  {escape(waiting.transaction_id)} {waiting.event} {escape(waiting.account_id)}"
        table.add_row(what, decimal(waiting.net_micros))
    table.add_row("reported, not settled by Stripe yet", decimal(one.not_settled_micros))
    for late in one.not_settled:
        table.add_row(f"  {escape(late.external_id or '')} {late.kind} {escape(late.account_id)}", decimal(late.micros))
    for payout in one.incomplete_payouts:
        missing = ", ".join(payout.missing)
        table.add_row(f"[red]{escape(payout.payout_id)} without {escape(missing)}[/red]", decimal(payout.off_by_micros))
    if one.unexplained_micros:
        table.add_row("[red]unexplained: see billing verify[/red]", decimal(one.unexplained_micros))
    table.add_row("clearing", decimal(one.balance_micros), style="bold")
    console.print(table)
