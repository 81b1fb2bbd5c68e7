"""`billing price-book`: immutable, numbered versions of all prices."""

from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from billing.cli.given import document
from billing.cli.session import ADMIN, AsJson, Secret, console, read, shown_as_json, shown_as_list, write
from billing.core.instants import instant_of
from billing.http.models.prices import PriceBookShown
from billing.store.price_books import price_books, publish

app = typer.Typer(help="Price books: immutable, numbered versions of all prices.", no_args_is_help=True)


@app.command("show")
def show_prices(
    version: Annotated[int | None, typer.Argument(help="default: all that are published")] = None,
    as_json: AsJson = False,
) -> None:
    """Show price books: credits for one image, by model, quality and size tier."""
    found = read(price_books)
    if version is None:
        books = list(found)
        shown = shown_as_list(map(PriceBookShown.like, books), as_json)
    else:
        books = [found.version(version)]
        shown = shown_as_json(PriceBookShown.like(books[0]), as_json)
    for book in books if not shown else ():
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
def publish_prices(
    file: Annotated[Path, typer.Argument(help='JSON: {"effective_from": …, "models": {…}}')], key: Secret = None
) -> None:
    """Publish a new version of all prices, at least a minute before it applies."""
    asked = document(file)
    if not isinstance(asked, dict) or set(asked) != {"effective_from", "models"}:
        raise ValueError(f"{file} must be an object with effective_from and models")
    start = instant_of(asked["effective_from"])
    book, new = write(lambda desk: publish(desk.work, start, asked["models"], desk.actor), key, roles=(ADMIN,))
    console.print(f"Price book {book.version} {'is published' if new else 'was published before'}.")
