"""`billing price-book simulate`: who would pay more, and who less."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape
from rich.table import Table

from billing.books.simulation.report import Repriced, RepricedCustomer, RepricedKind, Simulation, simulate
from billing.cli.given import document, moment
from billing.cli.session import AsJson, console, errors, read, shown_as_json


def simulate_prices(
    file: Annotated[Path, typer.Argument(help='JSON, as for publish: {"models": {…}}')],
    start: Annotated[str, typer.Option("--from", help="RFC 3339 or YYYY-MM-DD: of what was settled from then on")],
    end: Annotated[str, typer.Option("--to", help="RFC 3339 or YYYY-MM-DD, exclusive")],
    limit: Annotated[int, typer.Option(min=1, max=1_000_000, help="winners, and losers")] = 20,
    as_json: AsJson = False,
) -> None:
    """Price again what was really delivered, under a book that is not published. Writes nothing."""
    candidate = document(file)
    if not isinstance(candidate, dict) or not {"models"} <= set(candidate) <= {"models", "effective_from"}:
        raise ValueError(f"{file} must be an object with models")
    since, until = moment(start, "--from"), moment(end, "--to")
    assert since is not None
    assert until is not None
    with errors.status("pricing again what was delivered"):
        found = read(lambda engine: simulate(engine, candidate["models"], since, until, limit=limit))
    if not shown_as_json(found, as_json):
        _show(found)


def _show(found: Simulation) -> None:
    """Totals, winners and losers, then what it comes to by model, and what has no price."""
    losers = [(one.account_id, one) for one in found.losers]
    winners = [(one.account_id, one) for one in found.winners]
    console.print(_table("All customers", "", [(f"{found.customers:,} customers", found.total)]))
    console.print(_table(f"Would pay more: {found.losers_count:,} customers", "customer", losers))
    console.print(_table(f"Would pay less: {found.winners_count:,} customers", "customer", winners))
    kinds = [(f"{one.model} {one.quality} {one.size_tier}", one) for one in found.cells]
    console.print(_table("By model, quality and size tier, as billed now", "", kinds))
    if found.unpriced:
        table = Table("why", "model", "size", "quality", title="Without a price under this book")
        table.add_column("images", justify="right")
        table.add_column("credits now", justify="right")
        for one in found.unpriced:
            cells = (escape(cell) for cell in (one.code, one.model, one.size, one.quality))
            table.add_row(*cells, f"{one.images:,}", f"{one.credits_now:,}")
        console.print(table)


def _table(title: str, heading: str, lines: Sequence[tuple[str, Repriced | RepricedCustomer | RepricedKind]]) -> Table:
    table = Table(heading, title=title)
    for name in ("images", "credits now", "then", "difference"):
        table.add_column(name, justify="right")
    for name, one in lines:
        table.add_row(
            escape(name), f"{one.images:,}", f"{one.credits_now:,}", f"{one.credits_then:,}", f"{one.difference:+,}"
        )
    return table
