"""`billing clock`: how far the database's clock is believed, and the word of an operator that it is right."""

import getpass
from datetime import timedelta
from typing import Annotated

import typer
from rich.markup import escape
from rich.table import Table

from billing.cli.session import AsJson, Desk, console, read, shown_as_json, write
from billing.core.text import free_text
from billing.settings import Settings
from billing.store.clock import Acceptance, Clock, Machine, accept, acceptances, machines
from billing.store.engine import Engine

app = typer.Typer(help="The database's clock: how far it is believed.", no_args_is_help=True)
Reason = Annotated[str, typer.Option(help="why it is right; kept for ever")]


@app.command("show")
def show_clock(as_json: AsJson = False) -> None:
    """Show how far the database's clock is ahead of the time that passed on each machine; exit 1 where it is not believed."""
    doubt, known, said = read(_standing)
    doubted = doubt is not None or any(machine.ahead_micros for machine in known)
    if as_json:
        shown = [machine._asdict() for machine in known], [one._asdict() for one in said]
        document = {"believed": not doubted, "doubt": doubt, "machines": shown[0], "acceptances": shown[1]}
        shown_as_json(document, True)
    else:
        table = Table("machine, since its start", "started at", "believed at")
        table.add_column("ahead by", justify="right")
        for machine in known:
            ahead = str(timedelta(seconds=round(machine.ahead_micros / 1e6))) if machine.ahead_micros else "believed"
            table.add_row(machine.boot_id[:8], f"{machine.started_at:%Y-%m-%d %H:%M:%S}", f"{machine.believed_at:%Y-%m-%d %H:%M:%S}", ahead)  # fmt: skip
        console.print(table)
        for one in said:
            console.print(
                f"accepted at {one.accepted_at:%Y-%m-%d %H:%M:%S} by {escape(one.accepted_by)}: {escape(one.reason)}"
            )
        console.print(doubt or ("Another machine does not believe the clock." if doubted else "The clock is believed."))
    raise typer.Exit(int(doubted))


@app.command("accept")
def accept_clock(reason: Reason) -> None:
    """Say that the database's clock is right as it is: every process believes it within seconds, and what is due is posted."""
    why = free_text(reason, "reason")
    if not why.strip():
        raise ValueError("Say why, with --reason: it is kept.")
    write(lambda desk: _accept(desk, why))
    console.print("The clock is accepted. Every process of the service goes by it within seconds.")


async def _standing(engine: Engine) -> tuple[str | None, list[Machine], list[Acceptance]]:
    clock = await Clock.read(engine, Settings.read().clock_bound_seconds)
    return clock.doubt, await machines(engine), await acceptances(engine)


async def _accept(desk: Desk, reason: str) -> None:
    ahead = [desk.clock.ahead, *(timedelta(microseconds=one.ahead_micros) for one in await machines(desk.engine))]
    await accept(desk.work, max(ahead), getpass.getuser(), reason)
