"""`billing recognise`: makes revenue of what was used or expired."""

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from billing.books.revenue.models import RecognisedShown
from billing.books.revenue.recognition import Progress as Told
from billing.books.revenue.recognition import Recognised, recognise
from billing.cli.money import money
from billing.cli.session import AsJson, clock_of, console, errors, ledger, run
from billing.core.prices import PriceBooks
from billing.posting import Posting
from billing.store.engine import read_engine

_COLUMNS = (TextColumn("recognising"), BarColumn(), MofNCompleteColumn(), TextColumn("accounts"), TimeRemainingColumn())


def recognise_revenue(as_json: AsJson = False) -> None:
    """Make revenue of what was used or expired and is not yet recognised. Again, or at any time: only what is missing."""
    with ledger() as dsn, Progress(*_COLUMNS, console=errors, transient=True) as shown:
        task = shown.add_task("recognising", total=None)
        found = run(lambda: _recognise(dsn, lambda done, total: shown.update(task, completed=done, total=total)))
    if as_json:
        print(RecognisedShown.of(found).model_dump_json(indent=2))
        return
    console.print(f"Accounts that had changed: {found.accounts:,}. Transfers posted: {found.transfers:,}.")
    for amount in found.amounts:
        usage, breakage = (money(micros, amount.currency) for micros in amount[1:])
        console.print(f"{usage} of usage, {breakage} of breakage.", highlight=False)


async def _recognise(dsn: str, progress: Told) -> Recognised:
    engine = read_engine(dsn, size=2)
    try:
        clock = await clock_of(engine)
        async with Posting(dsn, lambda: PriceBooks([]), now=clock.now) as posting:  # what was used has its price
            return await recognise(engine, posting, progress)
    finally:
        await engine.dispose()
