"""`billing verify`."""

import json
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Annotated, Any, Protocol

import typer

from billing.books.verify.report import TITLES, Report
from billing.books.verify.run import verify as check
from billing.cli.session import AsJson, console, errors, ledger, run

_WIDTH = max(map(len, TITLES.values()))
_BAR = 30


def verify(
    account: Annotated[str | None, typer.Option(help="check this account only")] = None, as_json: AsJson = False
) -> None:
    """Check the invariants of the books, row by row; exit 1 and name the first row where one fails."""
    with ledger() as dsn, progress_of(errors) as progress:
        report = run(lambda: check(dsn, account, progress))
    if as_json:
        print(json.dumps(report.document(), indent=2))
    else:
        show(report, console)
    sys.exit(0 if report.ok else 1)


class Terminal(Protocol):
    """What is used of rich's Console, which the command line brings along: a terminal is its business."""

    def print(
        self, *objects: Any, markup: bool | None = None, highlight: bool | None = None, soft_wrap: bool | None = None
    ) -> None: ...

    def status(self, status: str, /) -> AbstractContextManager[Any]: ...


def table(report: Report) -> str:
    """One line for each invariant, under it the first row that is wrong, and a last line that sums up."""
    lines = []
    for name, title, checked_rows, finding in report.invariants:
        lines.append(f"{name:<4} {title:<{_WIDTH}}  {checked_rows:>13,} rows  {'BROKEN' if finding else 'holds'}")
        if finding:
            lines.append(f"     {finding.table} {finding.key}: {finding.problem}")
    return "\n".join([*lines, summary(report)])


def summary(report: Report) -> str:
    """The outcome in one sentence."""
    looked_at = (
        f"{_counted(report.accounts, 'account')}, {_counted(report.charges, 'charge')} and "
        f"{_counted(report.transfers, 'transfer')}"
    )
    if report.ok:
        return f"All {len(report.invariants)} invariants hold for {looked_at}."
    broken = [checked.name for checked in report.invariants if checked.finding]
    return f"{', '.join(broken)} {'is' if len(broken) == 1 else 'are'} broken, of {looked_at}."


def show(report: Report, terminal: Terminal) -> None:
    # Keys and problems came from the database: nothing in them is markup.
    terminal.print(table(report), markup=False, highlight=False, soft_wrap=True)


@contextmanager
def progress_of(terminal: Terminal) -> Iterator[Callable[[str, int, int], None]]:
    """A bar on `terminal` while the block lasts; what it yields is told of progress."""
    with terminal.status("Reading") as status:

        def progress(name: str, done: int, total: int) -> None:
            share = min(done / total, 1.0) if total else 1.0
            bar = ("━" * round(share * _BAR)).ljust(_BAR)
            status.update(f"{name:<4} {bar} {share:>4.0%}  {TITLES[name]}")

        yield progress


def _counted(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"
