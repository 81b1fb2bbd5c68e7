"""A simulation of prices on a terminal: who would pay more, and who less."""

from collections.abc import Sequence

from rich.markup import escape
from rich.table import Table

from billing.books.simulation import Change, Simulation
from billing.cli.session import console


def show_simulation(found: Simulation) -> None:
    """Totals, winners and losers, then what it comes to by model, and what has no price."""
    losers = [(one.account_id, one) for one in found.losers]
    winners = [(one.account_id, one) for one in found.winners]
    console.print(_table("All customers", "", [(f"{found.customers:,} customers", found.total)]))
    console.print(_table(f"Would pay more: {found.losers_count:,} customers", "customer", losers))
    console.print(_table(f"Would pay less: {found.winners_count:,} customers", "customer", winners))
    cells = [(f"{one.model} {one.quality} {one.size_tier}", one) for one in found.cells]
    console.print(_table("By model, quality and size tier, as billed now", "", cells))
    if found.unpriced:
        table = Table("why", "model", "size", "quality", title="Without a price under this book")
        table.add_column("images", justify="right")
        table.add_column("credits now", justify="right")
        for one in found.unpriced:
            table.add_row(*(escape(cell) for cell in one[:4]), f"{one.images:,}", f"{one.credits_now:,}")
        console.print(table)


def _table(title: str, heading: str, changes: Sequence[tuple[str, Change]]) -> Table:
    table = Table(heading, title=title)
    for name in ("images", "credits now", "then", "difference"):
        table.add_column(name, justify="right")
    for name, one in changes:
        table.add_row(
            escape(name), f"{one.images:,}", f"{one.credits_now:,}", f"{one.credits_then:,}", f"{one.difference:+,}"
        )
    return table
