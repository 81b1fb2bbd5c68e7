"""`billing close`, `reopen` and `periods`: months of the books."""

import json
from collections.abc import Awaitable, Callable
from typing import Annotated

import typer
from rich.markup import escape
from rich.table import Table

from billing.books.periods.closing import close, reopen
from billing.books.periods.models import PeriodShown
from billing.books.periods.report import Period, periods
from billing.cli.session import AsJson, clock_of, console, errors, ledger, on, run
from billing.core.prices import PriceBooks
from billing.posting import Posting
from billing.store.engine import Engine, read_engine, work_engine

ACTOR = "command line"
Name = Annotated[str, typer.Argument(metavar="PERIOD", help="YYYY-MM")]
Changed = tuple[Period, bool]


def close_period(period: Name, as_json: AsJson = False) -> None:
    """Close a month that is over, after posting and recognising what belongs to it; what comes later counts in the next."""
    with ledger() as dsn, errors.status(f"closing {period}"):
        found, new = run(
            lambda: _with_posting(dsn, lambda engine, work, posting: close(engine, work, posting, period, ACTOR))
        )
    _say(found, as_json, f"{period} is closed." if new else f"{period} was closed before.")


def reopen_period(
    period: Name, reason: Annotated[str, typer.Option(help="why; kept for ever")], as_json: AsJson = False
) -> None:
    """Reopen the month that was closed last."""
    if not 1 <= len(reason) <= 512 or "\x00" in reason:
        raise ValueError("--reason must have 1 to 512 characters")
    with ledger() as dsn:
        found, new = run(
            lambda: _with_posting(dsn, lambda engine, work, _: reopen(engine, work, period, ACTOR, reason))
        )
    _say(found, as_json, f"{period} is open." if new else f"{period} was reopened before.")


def show_periods(as_json: AsJson = False) -> None:
    """List the months, newest first: which are closed, by whom, and what came late."""
    with ledger() as dsn:
        found = run(lambda: on(read_engine(dsn, size=1), periods))
    shown = [PeriodShown.of(period) for period in found]
    if as_json:
        print(json.dumps([period.model_dump(mode="json") for period in shown], indent=2))
        return
    table = Table("month", "status", "closed at", "by", "reopened at", "by", "because")
    table.add_column("late transfers", justify="right")
    for period in shown:
        closed, reopened = (f"{m:%Y-%m-%d %H:%M:%S}" if m else "" for m in (period.closed_at, period.reopened_at))
        cells = (closed, period.closed_by, reopened, period.reopened_by, period.reopen_reason)
        late = f"{period.late_transfers:,}"
        table.add_row(period.period, period.status, *(escape(cell or "") for cell in cells), late)
    console.print(table)


async def _with_posting(dsn: str, act: Callable[[Engine, Engine, Posting], Awaitable[Changed]]) -> Changed:
    engine, work = read_engine(dsn, size=2), work_engine(dsn, size=2)
    try:
        clock = await clock_of(engine)
        clock.keep(work)
        # What expires and what is recognised has no price.
        async with Posting(dsn, lambda: PriceBooks([]), now=clock.now) as posting:
            return await act(engine, work, posting)
    finally:
        await work.dispose()
        await engine.dispose()


def _say(period: Period, as_json: bool, sentence: str) -> None:
    if as_json:
        print(PeriodShown.of(period).model_dump_json(indent=2))
    else:
        console.print(sentence)
