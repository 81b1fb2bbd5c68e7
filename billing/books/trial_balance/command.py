"""`billing trial-balance`."""

from typing import Annotated

import typer
from rich.table import Table

from billing.books.trial_balance.report import trial_balance
from billing.cli.given import moment
from billing.cli.money import figure
from billing.cli.session import AsJson, console, read, shown_as_json
from billing.store.closings import Known


def show_trial_balance(
    at: Annotated[
        str | None, typer.Option(help="RFC 3339 or a day: after all that was due by then; default: now")
    ] = None,
    period: Annotated[str | None, typer.Option(help="YYYY-MM: at the end of this month")] = None,
    known: Annotated[Known | None, typer.Option(help="of a period: as it was known when it was closed, or now")] = None,
    known_at: Annotated[str | None, typer.Option(help="RFC 3339: only what was posted by then")] = None,
    account: Annotated[str | None, typer.Option(help="of this account only")] = None,
    as_json: AsJson = False,
) -> None:
    """Show every ledger account by book and asset: debits, credits and balance."""
    instant, until = moment(at, "--at"), moment(known_at, "--known-at")
    found = read(
        lambda engine: trial_balance(engine, at=instant, period=period, known=known, known_at=until, account_id=account)
    )
    if shown_as_json(found, as_json):
        return
    when = f"the end of {found.period}" if found.period else f"{found.at:%Y-%m-%d %H:%M:%S} UTC"
    as_known = f"as known at {found.known_at:%Y-%m-%d %H:%M:%S} UTC" if found.known_at else "as known now"
    table = Table("book", "ledger account", "asset", title=f"Trial balance at {when}, {as_known}")
    for heading in ("debits", "credits", "balance"):
        table.add_column(heading, justify="right")
    for row in found.rows:
        figures = (figure(amount, row.asset) for amount in (row.debits, row.credits, row.balance))
        table.add_row(row.book, row.ledger_account, row.asset, *figures)
    for total in found.totals:
        figures = (figure(amount, total.asset) for amount in (total.debits, total.credits, 0))
        table.add_row("", "total", total.asset, *figures, style="bold")
    console.print(table)
