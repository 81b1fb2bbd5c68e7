"""`billing recognise` makes revenue of what was used or expired; `billing revenue` tells what a month has earned."""

from typing import Annotated

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from billing.books.revenue.recognition import Recognised, recognise
from billing.books.revenue.report import CurrencyRevenue, revenue
from billing.cli.money import decimal, money
from billing.cli.session import AsJson, Desk, Secret, console, errors, read, shown_as_json, write
from billing.store.closings import Known

_COLUMNS = (TextColumn("recognising"), BarColumn(), MofNCompleteColumn(), TextColumn("accounts"), TimeRemainingColumn())
_LINES = {
    "opening": "opening",
    "+ sold": "sold",
    "− recognised: revenue from usage": "recognised",
    "− breakage: revenue from what expired": "breakage",
    "− refunded": "refunded",
    "− lost to disputes": "disputed",
}


def recognise_revenue(key: Secret = None, as_json: AsJson = False) -> None:
    """Make revenue of what was used or expired and is not yet recognised. Again, or at any time: only what is missing."""
    with Progress(*_COLUMNS, console=errors, transient=True) as shown:
        task = shown.add_task("recognising", total=None)

        async def made(desk: Desk) -> Recognised:
            async with desk.posting() as posting:
                return await recognise(
                    desk.engine, posting, lambda done, total: shown.update(task, completed=done, total=total)
                )

        found = write(made, key)
    if shown_as_json(found, as_json):
        return
    console.print(f"Accounts that had changed: {found.accounts:,}. Transfers posted: {found.transfers:,}.")
    for one in found.amounts:
        usage, breakage = money(one.usage_micros, one.currency), money(one.breakage_micros, one.currency)
        console.print(f"{usage} of usage, {breakage} of breakage.", highlight=False)


def show_revenue(
    period: Annotated[str | None, typer.Option(help="YYYY-MM; default: the running month")] = None,
    known: Annotated[
        Known | None,
        typer.Option(help="as it was known when it was closed, or by when it was due; default: as it is accounted for"),
    ] = None,
    account: Annotated[str | None, typer.Option(help="of this account only")] = None,
    as_json: AsJson = False,
) -> None:
    """Show what a month has earned, and how deferred revenue rolled forward through it."""
    found = read(lambda engine: revenue(engine, period, known=known, account_id=account))
    if shown_as_json(found, as_json):
        return
    for one in found.currencies:
        _show(found.period, one)
    if not found.currencies:
        console.print(f"Nothing was ever paid for credits until the end of {found.period}.")
    if found.unrecognised_accounts:
        console.print(
            f"Accounts that changed since they were recognised: {found.unrecognised_accounts:,}. Run `billing recognise`."
        )


def _show(period: str, one: CurrencyRevenue) -> None:
    table = Table(title=f"Deferred revenue in {period}", show_header=False)
    table.add_column("what")
    table.add_column("how much", justify="right")
    for words, name in _LINES.items():
        table.add_row(words, decimal(getattr(one.roll_forward, name)))
    table.add_row(f"= closing, in {one.currency}", decimal(one.roll_forward.closing), style="bold")
    console.print(table)
