"""`billing provider` and `billing margins`: what the provider delivered and took, beside what was billed."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from billing.books.margins.bringing import MOST_BYTES, bring, read
from billing.books.margins.models import MarginShown, MarginsShown, ProviderReportShown
from billing.books.margins.report import margins
from billing.cli.money import money
from billing.cli.session import AsJson, console, ledger, on, run
from billing.store.engine import Engine, read_engine, work_engine
from billing.store.price_books import price_books

_USD = "USD"  # what the provider's costs are read in
app = typer.Typer(help="What the provider says it delivered, and what it took for it.", no_args_is_help=True)


@app.command("import")
def import_report(
    files: Annotated[
        list[Path], typer.Argument(help="pages of organization usage (images) or costs: JSON, or JSON lines of pages")
    ],
    provider: Annotated[str, typer.Option(help="whose report it is")] = "openai",
    as_json: AsJson = False,
) -> None:
    """Import the provider's usage and costs, all files or none. What was said of the same days before is replaced."""
    contents = read(provider, [(str(file), _content(file)) for file in files])
    with ledger() as dsn:
        found, new = run(lambda: on(work_engine(dsn, size=1), lambda engine: bring(engine, contents, "command line")))
    if as_json:
        print(ProviderReportShown.of(found).model_dump_json(indent=2))
        return
    console.print(
        f"{found.usage_lines:,} lines of usage ({found.images:,} images) and {found.cost_lines:,} of costs "
        f"({money(found.cost_micros, 'USD')}), {found.starts_at:%Y-%m-%d %H:%M} to {found.ends_at:%Y-%m-%d %H:%M} UTC; "
        + (f"{found.replaced:,} lines of earlier reports were replaced." if new else "they were imported before."),
        soft_wrap=True,
    )


def show_margins(
    start: Annotated[datetime, typer.Option("--from", formats=["%Y-%m-%d"], help="the first day, in UTC")],
    end: Annotated[datetime, typer.Option("--to", formats=["%Y-%m-%d"], help="the day after the last")],
    model: Annotated[str | None, typer.Option(help="of this model only")] = None,
    as_json: AsJson = False,
) -> None:
    """Show margins by model, size tier and quality; cells that lose money first."""
    since, until = start.replace(tzinfo=UTC), end.replace(tzinfo=UTC)

    async def ask(engine: Engine) -> MarginsShown:
        found = await margins(engine, await price_books(engine), since, until, model=model)
        return MarginsShown.of(found, model)

    with ledger() as dsn:
        found = run(lambda: on(read_engine(dsn, size=1), ask))
    if as_json:
        print(found.model_dump_json(indent=2))
        return
    if found.losing:
        table = _table("Cells that lose money", "day")
        for cell in found.losing:
            table.add_row(str(cell.day), *_row(cell))
        console.print(table)
    table = _table(f"Margins from {start:%Y-%m-%d} to {end:%Y-%m-%d}, in {found.currency}")
    for kind in found.kinds:
        table.add_row(*_row(kind))
    table.add_row("total", *_row(found.total)[1:], style="bold")
    console.print(table)
    for one in found.differences:
        tier = f" {one.size_tier}" if one.size_tier else ""
        _say(
            f"{one.day}: the provider says {one.provider_images:,} images of {one.model or 'models it does not name'}"
            f"{tier}, we billed {one.billed_images:,} (and {one.failed_images:,} failed)."
        )
    for left in found.unattributed:
        why = "no model that we know is named" if left.reason == "unknown_model" else "no such image was billed"
        _say(
            f"{left.day}: {money(left.cost_micros, 'USD')} for “{left.line_item or 'no line item'}” is unattributed: {why}."
        )
    if found.total.shared_cost:
        _say("Costs marked ~ are shared among cells by their images: the provider does not tell them apart.")
    if found.total.uncosted_images:
        _say(f"{found.total.uncosted_images:,} images are of days whose costs are not known: they have no margin.")
    if found.unpaid_credits or found.free_credits:
        _say(
            f"Worth nothing: {found.unpaid_credits:,} credits that are owed, {found.free_credits:,} that were given away."
        )


def _content(file: Path) -> bytes:
    with file.open("rb") as source:
        return source.read(MOST_BYTES + 1)  # one beyond, so that what is too large is refused and not cut


def _table(title: str, *first: str) -> Table:
    table = Table(title=title)
    for heading in (*first, "model", "tier", "quality"):
        table.add_column(heading)
    for heading in ("images", "failed", "credits", "revenue", "cost", "margin"):
        table.add_column(heading, justify="right")
    return table


def _row(margin: MarginShown) -> list[str]:
    revenue = ", ".join(f"{money(one.micros, one.currency)}" for one in margin.revenue) or "0"
    cost = "unknown" if margin.cost_micros is None else f"{'~' * margin.shared_cost}{money(margin.cost_micros, 'USD')}"
    left = "" if margin.margin_micros is None else money(margin.margin_micros, _USD)
    return [
        margin.model or "", margin.size_tier or "", margin.quality or "", f"{margin.images:,}",
        f"{margin.failed_images:,}", f"{margin.credits - margin.returned_credits:,}", revenue, cost,
        f"[red]{left}[/red]" if margin.loses else left,
    ]  # fmt: skip


def _say(sentence: str) -> None:
    console.print(sentence, markup=False, highlight=False, soft_wrap=True)
