"""`billing verify`."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Annotated

import typer
from rich.console import Console

from billing.books.verify.report import TITLES, Verification, verification
from billing.cli.session import AsJson, console, errors, read, shown_as_json

_WIDTH = max(map(len, TITLES.values()))
_BAR = 30


def verify(
    account: Annotated[str | None, typer.Option(help="check this account only")] = None, as_json: AsJson = False
) -> None:
    """Check the invariants of the books, row by row; exit 1 and name the first row where one fails."""
    with progress_of(errors) as progress:
        found = read(lambda engine: verification(engine, account, progress))
    if not shown_as_json(found, as_json):
        show(found, console)
    sys.exit(0 if found.ok else 1)


def table(found: Verification) -> str:
    """One line for each invariant, under it the first row that is wrong, and a last line that sums up."""
    lines = []
    for one in found.invariants:
        outcome = "BROKEN" if one.finding else "holds"
        rows = "row" if one.checked_rows == 1 else "rows"
        lines.append(f"{one.name:<4} {one.title:<{_WIDTH}}  {one.checked_rows:>13,} {rows:<4}  {outcome}")
        if one.finding:
            lines.append(f"     {one.finding.table} {one.finding.key}: {one.finding.problem}")
    return "\n".join([*lines, summary(found)])


def summary(found: Verification) -> str:
    """The outcome in one sentence."""
    looked_at = (
        f"{_counted(found.accounts, 'account')}, {_counted(found.charges, 'charge')} and "
        f"{_counted(found.transfers, 'transfer')}"
    )
    if found.ok:
        return f"All {len(found.invariants)} invariants hold for {looked_at}."
    broken = [checked.name for checked in found.invariants if checked.finding]
    return f"{', '.join(broken)} {'is' if len(broken) == 1 else 'are'} broken, of {looked_at}."


def show(found: Verification, terminal: Console) -> None:
    # Keys and problems came from the database: nothing in them is markup.
    terminal.print(table(found), markup=False, highlight=False, soft_wrap=True)


@contextmanager
def progress_of(terminal: Console) -> Iterator[Callable[[str, int, int], None]]:
    """A bar on `terminal` while the block lasts; what it yields is told of progress."""
    with terminal.status("Reading") as status:

        def progress(name: str, done: int, total: int) -> None:
            share = min(done / total, 1.0) if total else 1.0
            bar = ("━" * round(share * _BAR)).ljust(_BAR)
            status.update(f"{name:<4} {bar} {share:>4.0%}  {TITLES[name]}")

        yield progress


def _counted(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"
