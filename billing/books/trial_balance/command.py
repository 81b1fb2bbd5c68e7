"""`billing trial-balance`: every ledger account, at any instant."""

from typing import Annotated, Literal

import typer
from rich.table import Table

from billing.books.trial_balance.models import TrialBalanceShown
from billing.books.trial_balance.report import trial_balance
from billing.cli.given import moment
from billing.cli.money import figure
from billing.cli.session import AsJson, console, ledger, on, run
from billing.store.engine import read_engine


def show_trial_balance(
    at: Annotated[
        str | None, typer.Option(help="RFC 3339 or a day: after all that was due by then; default: now")
    ] = None,
    period: Annotated[str | None, typer.Option(help="YYYY-MM: at the end of this month")] = None,
    known: Annotated[
        Literal["close", "now"] | None, typer.Option(help="of a period: as it was known when it was closed, or now")
    ] = None,
    known_at: Annotated[str | None, typer.Option(help="RFC 3339: only what was posted by then")] = None,
    account: Annotated[str | None, typer.Option(help="of this account only")] = None,
    as_json: AsJson = False,
) -> None:
    """Show every ledger account by book and asset: debits, credits and balance."""
    instant, until = moment(at, "--at"), moment(known_at, "--known-at")
    with ledger() as dsn:
        found = run(
            lambda: on(
                read_engine(dsn, size=1),
                lambda engine: trial_balance(
                    engine, at=instant, period=period, known=known, known_at=until, account_id=account
                ),
            )
        )
    if as_json:
        print(TrialBalanceShown.of(found).model_dump_json(indent=2))
        return
    when = f"the end of {found.period}" if found.period else f"{found.at:%Y-%m-%d %H:%M:%S} UTC"
    as_known = f"as known at {found.known_at:%Y-%m-%d %H:%M:%S} UTC" if found.known_at else "as known now"
    table = Table(title=f"Trial balance at {when}, {as_known}")
    for heading in ("book", "ledger account", "asset"):
        table.add_column(heading)
    for heading in ("debits", "credits", "balance"):
        table.add_column(heading, justify="right")
    for row in found.rows:
        figures = (figure(amount, row.asset) for amount in (row.debits, row.credits, row.balance))
        table.add_row(*row[:3], *figures)
    for total in found.totals:
        figures = (figure(amount, total.asset) for amount in (total.debits, total.credits, 0))
        table.add_row("", "total", total.asset, *figures, style="bold")
    console.print(table)
