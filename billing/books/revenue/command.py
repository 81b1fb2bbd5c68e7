"""`billing revenue`: what a month has earned, and how deferred revenue rolled forward through it."""

from typing import Annotated, Literal

import typer
from rich.table import Table

from billing.books.revenue.models import RevenueShown
from billing.books.revenue.report import Revenue, RollForward, revenue
from billing.cli.money import decimal
from billing.cli.session import AsJson, console, ledger, on, run
from billing.core.months import Month
from billing.store.clock import database_time
from billing.store.engine import Engine, read_engine


def show_revenue(
    period: Annotated[str | None, typer.Option(help="YYYY-MM; default: the running month")] = None,
    known: Annotated[
        Literal["close", "now"] | None,
        typer.Option(help="as it was known when it was closed, or by when it was due; default: as it is accounted for"),
    ] = None,
    account: Annotated[str | None, typer.Option(help="of this account only")] = None,
    as_json: AsJson = False,
) -> None:
    """Show what a month has earned, and how deferred revenue rolled forward through it."""
    month = None if period is None else Month.of(period)
    with ledger() as dsn:
        found = run(lambda: on(read_engine(dsn, size=1), lambda engine: _revenue(engine, month, known, account)))
    if as_json:
        print(RevenueShown.of(found).model_dump_json(indent=2))
        return
    for one in found.currencies:
        _show(found.period, one)
    if not found.currencies:
        console.print(f"Nothing was ever paid for credits until the end of {found.period}.")
    if found.unrecognised_accounts:
        console.print(
            f"Accounts that changed since they were recognised: {found.unrecognised_accounts:,}. Run `billing recognise`."
        )


async def _revenue(
    engine: Engine, month: Month | None, known: Literal["close", "now"] | None, account: str | None
) -> Revenue:
    name = month.name if month else f"{await database_time(engine):%Y-%m}"
    return await revenue(engine, name, known=known, account_id=account)


def _show(period: str, one: RollForward) -> None:
    table = Table(title=f"Deferred revenue in {period}", show_header=False)
    table.add_column("what")
    table.add_column("how much", justify="right")
    table.add_row("opening", decimal(one.opening))
    table.add_row("+ sold", decimal(one.flow.sold))
    table.add_row("− recognised: revenue from usage", decimal(one.flow.recognised))
    table.add_row("− breakage: revenue from what expired", decimal(one.flow.breakage))
    table.add_row("− refunded", decimal(one.flow.refunded))
    table.add_row("− lost to disputes", decimal(one.flow.disputed))
    table.add_row(f"= closing, in {one.currency}", decimal(one.closing), style="bold")
    console.print(table)
