"""`billing close`, `reopen` and `periods`: months of the books."""

from typing import Annotated

import typer
from rich.markup import escape
from rich.table import Table

from billing.books.periods.closing import close, reopen
from billing.books.periods.report import Period, periods
from billing.cli.session import AsJson, Desk, Secret, console, errors, read, shown_as_json, shown_as_list, write
from billing.core.text import free_text

Name = Annotated[str, typer.Argument(help="YYYY-MM")]


def close_period(period: Name, key: Secret = None, as_json: AsJson = False) -> None:
    """Close a month that is over, after posting and recognising what belongs to it; what comes later counts in the next."""

    async def closed(desk: Desk) -> tuple[Period, bool]:
        async with desk.posting() as posting:
            return await close(desk.engine, desk.work, posting, period, desk.actor)

    with errors.status(f"closing {period}"):
        found, new = write(closed, key)
    if not shown_as_json(found, as_json):
        console.print(f"{period} is closed." if new else f"{period} was closed before.")


def reopen_period(
    period: Name,
    reason: Annotated[str, typer.Option(help="why; kept for ever")],
    key: Secret = None,
    as_json: AsJson = False,
) -> None:
    """Reopen the month that was closed last."""
    if not free_text(reason, "reason"):
        raise ValueError("--reason must say something")
    found, new = write(lambda desk: reopen(desk.engine, desk.work, period, desk.actor, reason), key)
    if not shown_as_json(found, as_json):
        console.print(f"{period} is open." if new else f"{period} was reopened before.")


def show_periods(as_json: AsJson = False) -> None:
    """List the months, newest first: which are closed, by whom, and what came late."""
    found = read(periods)
    if shown_as_list(found, as_json):
        return
    table = Table("month", "status", "closed at", "by", "reopened at", "by", "because")
    table.add_column("late transfers", justify="right")
    for one in found:
        closed, reopened = (f"{m:%Y-%m-%d %H:%M:%S}" if m else "" for m in (one.closed_at, one.reopened_at))
        cells = (closed, one.closed_by, reopened, one.reopened_by, one.reopen_reason)
        table.add_row(one.period, one.status, *(escape(cell or "") for cell in cells), f"{one.late_transfers:,}")
    console.print(table)
