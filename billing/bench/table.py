"""The tables that a run prints."""

from collections.abc import Mapping, Sequence

from rich.console import Console
from rich.table import Table

from billing.bench.measurement import Measurement, Target
from billing.bench.options import Options


def show(
    console: Console,
    options: Options,
    machine: Mapping[str, str],
    sections: Mapping[str, Sequence[Measurement]],
) -> None:
    """The machine, each section's measurements beside their floors, and what limits those that fall short."""
    about = Table.grid(padding=(0, 2))
    for name, value in machine.items():
        about.add_row(name, value)
    about.add_row("run", f"{options.turns} turns a side, {options.seconds:g} s in all; {options.accounts:,} accounts")
    console.print(about)
    for title, measurements in sections.items():
        console.print(_section(title, measurements))
    for title, measurements in sections.items():
        for measurement in measurements:
            if not all(target.reached for target in measurement.targets):
                about_it = f"[bold]{measurement.name}[/bold] ({title}) falls short."
                console.print(f"{about_it} Cores busy while it ran: {measurement.limit}.")


def _section(title: str, measurements: Sequence[Measurement]) -> Table:
    table = Table(title=title, title_justify="left")
    table.add_column("measured")
    for heading in ("rate", "floor", "ratio", "p50 ms", "p99 ms"):
        table.add_column(heading, justify="right")
    table.add_column("target")
    table.add_column("reached")
    table.add_column("cores busy")
    for one in measurements:
        floor, ratio = one.floor, one.ratio
        table.add_row(
            one.name,
            f"{one.ours.rate:,.0f} {one.unit}",
            "" if floor is None else f"{floor.rate:,.0f}",
            "" if ratio is None else f"{ratio:.2f}",
            _wait(one, 50),
            _wait(one, 99),
            "\n".join(_wanted(target) for target in one.targets),
            "\n".join(_verdict(target) for target in one.targets),
            one.limit.replace(", ", "\n", 1),
        )
    return table


def _wait(one: Measurement, percent: float) -> str:
    """Ours, and in brackets the floor's."""
    ours = one.ours.percentile_ms(percent)
    floors = one.floor.percentile_ms(percent) if one.floor else None
    if ours is None:
        return ""
    return f"{ours:.1f}" if floors is None else f"{ours:.1f} ({floors:.1f})"


def _wanted(target: Target) -> str:
    bound = f"≥ {target.at_least:g}" if target.at_least is not None else f"≤ {target.at_most:g}"
    return f"{target.figure} {bound}" + (f" ({target.stretch:g})" if target.stretch is not None else "")


def _verdict(target: Target) -> str:
    if not target.reached:
        return f"[red]no, {target.value:.2f}[/red]"
    beyond = target.stretch is not None and target.value >= target.stretch
    return "[green]yes, stretch too[/green]" if beyond else "[green]yes[/green]"
