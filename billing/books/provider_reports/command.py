"""`billing provider import`: what the provider says it delivered and took."""

from pathlib import Path
from typing import Annotated

import typer

from billing.books.provider_reports.pages import MOST_BYTES, read
from billing.books.provider_reports.report import bring
from billing.cli.money import money
from billing.cli.session import AsJson, Secret, console, shown_as_json, write

app = typer.Typer(help="What the provider says it delivered, and what it took for it.", no_args_is_help=True)


@app.command("import")
def import_report(
    files: Annotated[
        list[Path], typer.Argument(help="pages of organization usage (images) or costs: JSON, or JSON lines of pages")
    ],
    provider: Annotated[str, typer.Option(help="whose report it is")] = "openai",
    key: Secret = None,
    as_json: AsJson = False,
) -> None:
    """Import the provider's usage and costs, all files or none. What was said of the same days before is replaced."""
    contents = read(provider, [(str(file), _content(file)) for file in files])
    found, new = write(lambda desk: bring(desk.work, contents, desk.actor), key)
    if shown_as_json(found, as_json):
        return
    console.print(
        f"{found.usage_lines:,} lines of usage ({found.images:,} images) and {found.cost_lines:,} of costs "
        f"({money(found.cost_micros, found.currency)}), {found.starts_at:%Y-%m-%d %H:%M} to {found.ends_at:%Y-%m-%d %H:%M} UTC; "
        + (f"{found.replaced:,} lines of earlier reports were replaced." if new else "they were imported before."),
        soft_wrap=True,
    )


def _content(file: Path) -> bytes:
    with file.open("rb") as source:
        return source.read(MOST_BYTES + 1)  # one beyond, so that what is too large is refused and not cut
