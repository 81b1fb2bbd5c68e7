"""`billing price-book`: immutable, numbered versions of all prices."""

import json
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from billing.cli.given import document
from billing.cli.session import AsJson, console, ledger, on, run
from billing.http.models.common import parse_time
from billing.store.engine import read_engine
from billing.store.price_books import price_books, publish

app = typer.Typer(help="Price books: immutable, numbered versions of all prices.", no_args_is_help=True)


@app.command("show")
def show_prices(
    version: Annotated[int | None, typer.Argument(help="default: all that are published")] = None,
    as_json: AsJson = False,
) -> None:
    """Show price books: credits for one image, by model, quality and size tier."""

    with ledger() as dsn:
        found = run(lambda: on(read_engine(dsn, size=1), price_books))
    books = list(found) if version is None else [found.version(version)]
    if as_json:
        shown = [
            {"version": b.version, "effective_from": b.effective_from.isoformat(), "models": b.documents()}
            for b in books
        ]
        print(json.dumps(shown, indent=2))
        return
    for book in books:
        table = Table(title=f"Price book {book.version}, from {book.effective_from:%Y-%m-%d %H:%M} UTC")
        for heading in ("model", "quality", "size tier", "long edge up to"):
            table.add_column(heading)
        table.add_column("credits", justify="right")
        for model in book.models.values():
            for quality, row in model.prices.items():
                asked = ", ".join(name for name, billed in model.qualities.items() if billed == quality)
                for tier in model.tiers.all:
                    table.add_row(model.name, asked, tier.name, f"{tier.max_edge} px", str(row[tier.name]))
        console.print(table)


@app.command("publish")
def publish_prices(file: Annotated[Path, typer.Argument(help='JSON: {"effective_from": …, "models": {…}}')]) -> None:
    """Publish a new version of all prices, at least a minute before it applies."""
    asked = document(file)
    if not isinstance(asked, dict) or set(asked) != {"effective_from", "models"}:
        raise ValueError(f"{file} must be an object with effective_from and models")
    with ledger() as dsn:
        book, new = run(lambda: publish(dsn, parse_time(asked["effective_from"]), asked["models"], "command line"))
    console.print(f"Price book {book.version} {'is published' if new else 'was published before'}.")
