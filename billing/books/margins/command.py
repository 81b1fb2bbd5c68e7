"""`billing margins`: what was billed and paid for images, beside what the provider took for them."""

from datetime import UTC, datetime
from typing import Annotated

import typer
from rich.table import Table

from billing.books.margins.report import DayMargin, Margin, margins
from billing.cli.money import money
from billing.cli.session import AsJson, console, read, shown_as_json


def show_margins(
    start: Annotated[datetime, typer.Option("--from", formats=["%Y-%m-%d"], help="the first day, in UTC")],
    end: Annotated[datetime, typer.Option("--to", formats=["%Y-%m-%d"], help="the day after the last")],
    model: Annotated[str | None, typer.Option(help="of this model only")] = None,
    as_json: AsJson = False,
) -> None:
    """Show margins by model, size tier and quality; cells that lose money first."""
    since, until = start.replace(tzinfo=UTC), end.replace(tzinfo=UTC)
    found = read(lambda engine: margins(engine, since, until, model=model))
    if shown_as_json(found, as_json):
        return
    if found.losing:
        table = _table("Cells that lose money", "day")
        for cell in found.losing:
            table.add_row(str(cell.day), *_row(cell, found.currency))
        console.print(table)
    table = _table(f"Margins from {start:%Y-%m-%d} to {end:%Y-%m-%d}, in {found.currency}")
    for kind in found.kinds:
        table.add_row(*_row(kind, found.currency))
    table.add_row("total", *_row(found.total, found.currency)[1:], style="bold")
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
            f"{left.day}: {money(left.cost_micros, found.currency)} for “{left.line_item or 'no line item'}” is unattributed: {why}."
        )
    if found.total.shared_cost:
        _say("Costs marked ~ are shared among cells by their images: the provider does not tell them apart.")
    if found.total.uncosted_images:
        _say(f"Images of days whose costs are not known, which have no margin: {found.total.uncosted_images:,}.")
    if found.unpaid_credits or found.free_credits:
        _say(
            f"Worth nothing: {found.unpaid_credits:,} credits that are owed, {found.free_credits:,} that were given away."
        )


def _table(title: str, *first: str) -> Table:
    table = Table(title=title)
    for heading in (*first, "model", "tier", "quality"):
        table.add_column(heading)
    for heading in ("images", "failed", "credits", "revenue", "cost", "margin"):
        table.add_column(heading, justify="right")
    return table


def _row(margin: Margin | DayMargin, currency: str) -> list[str]:
    revenue = ", ".join(f"{money(one.micros, one.currency)}" for one in margin.revenue) or "0"
    cost = (
        "unknown" if margin.cost_micros is None else f"{'~' * margin.shared_cost}{money(margin.cost_micros, currency)}"
    )
    left = "" if margin.margin_micros is None else money(margin.margin_micros, currency)
    return [
        margin.model or "", margin.size_tier or "", margin.quality or "", f"{margin.images:,}",
        f"{margin.failed_images:,}", f"{margin.credits - margin.returned_credits:,}", revenue, cost,
        f"[red]{left}[/red]" if margin.loses else left,
    ]  # fmt: skip


def _say(sentence: str) -> None:
    console.print(sentence, markup=False, highlight=False, soft_wrap=True)
