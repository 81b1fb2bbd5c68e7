"""`billing payouts`: what reached the bank, what it consisted of, and what Stripe still keeps."""

import json
from typing import Annotated, Any

import typer
from rich.markup import escape
from rich.table import Table

from billing.books.payouts.models import ClearingReportShown, ClearingShown, PayoutItemShown, PayoutShown
from billing.books.payouts.report import ClearingReport, clearing_report
from billing.books.payouts.sql import Payout, PayoutItem, payout_items, payouts
from billing.cli.money import decimal
from billing.cli.session import AsJson, console, ledger, on, run
from billing.core.months import Month
from billing.store.engine import Engine, read_engine

Told = tuple[list[tuple[Payout, list[PayoutItem]]], ClearingReport]


def show_payouts(
    period: Annotated[str | None, typer.Option(help="YYYY-MM: those of this month, and clearing at its end")] = None,
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="payouts, and lines of each list")] = 50,
    as_json: AsJson = False,
) -> None:
    """List payouts, newest first, with what is missing of them by name, and what clearing consists of."""
    month = None if period is None else Month.of(period)
    with ledger() as dsn:
        found, report = run(lambda: on(read_engine(dsn, size=1), lambda engine: _told(engine, month, limit)))
    if as_json:
        listed: list[dict[str, Any]] = [
            PayoutShown.of(payout).model_dump(mode="json")
            | {"wrong": [PayoutItemShown.of(item).model_dump(mode="json") for item in wrong]}
            for payout, wrong in found
        ]
        shown = ClearingReportShown.of(report).model_dump(mode="json")
        print(json.dumps({"payouts": listed, "clearing": shown}, indent=2))
        return
    _show(found)
    for currency in ClearingReportShown.of(report).currencies:
        _show_clearing(currency)
    console.print(
        "All that was paid out nets to zero."
        if report.ok
        else "[red]Not all that was paid out nets to zero: what is missing stands above.[/red]"
    )


async def _told(engine: Engine, month: Month | None, limit: int) -> Told:
    report = await clearing_report(engine, period=month and month.name, limit=limit)
    listed = await payouts(engine, start=month and month.starts_at, end=month and month.ends_at, limit=limit)
    found = []
    for payout, _ in listed:
        wrong = payout.wrong_items and await payout_items(engine, payout.payout_id, after="", wrong=True, limit=limit)
        found.append((payout, wrong or []))
    return found, report


def _show(found: list[tuple[Payout, list[PayoutItem]]]) -> None:
    table = Table("booked", "payout", "currency", title="Payouts")
    table.add_column("to the bank", justify="right")
    table.add_column("items", justify="right")
    table.add_column("status")
    for payout, wrong in found:
        shown = PayoutShown.of(payout)
        at = f"{shown.booked_at:%Y-%m-%d %H:%M}" if shown.booked_at else "not booked"
        status = shown.status.replace("_", " ") + (", came back" if shown.returned else "")
        table.add_row(
            at, escape(shown.payout_id), shown.currency, decimal(shown.arrived_micros), str(shown.items), status
        )
        for item in wrong:
            what = f"{item.type} {item.transaction_id}"
            table.add_row("", f"  {escape(what)}", item.currency, "", "", f"[red]{item.status.replace('_', ' ')}[/red]")
    console.print(table)


def _show_clearing(shown: ClearingShown) -> None:
    table = Table(title=f"Clearing in {shown.currency}", show_header=False)
    table.add_column("what")
    table.add_column(shown.currency, justify="right")
    table.add_row("booked, not paid out yet", decimal(shown.not_paid_out_micros))
    for one in shown.not_paid_out:
        table.add_row(f"  {escape(one.transaction_id)} {one.event} {escape(one.account_id)}", decimal(one.net_micros))
    table.add_row("reported, not settled by Stripe yet", decimal(shown.not_settled_micros))
    for late in shown.not_settled:
        table.add_row(f"  {escape(late.external_id or '')} {late.kind} {escape(late.account_id)}", decimal(late.micros))
    for payout in shown.incomplete_payouts:
        missing = ", ".join(payout.missing)
        table.add_row(f"[red]{escape(payout.payout_id)} without {escape(missing)}[/red]", decimal(payout.off_by_micros))
    if shown.unexplained_micros:
        table.add_row("[red]unexplained: see billing verify[/red]", decimal(shown.unexplained_micros))
    table.add_row("clearing", decimal(shown.balance_micros), style="bold")
    console.print(table)
