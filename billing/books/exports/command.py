"""`billing export`: finance's files, whole or not at all, and checked."""

import json
import sys
from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from billing.books.exports.checking import check_file
from billing.books.exports.formats.mapping import EXAMPLES, doubts, read_mapping
from billing.books.exports.parts import write_parts
from billing.books.exports.question import ACCOUNTING, LEAST_LINES, PART_LINES, REPORTS, ExportQuestion
from billing.books.exports.reports.focus import VERSIONS
from billing.cli.given import moment
from billing.cli.session import AsJson, console, errors, write

_SESSIONS = 4  # slices that are read at once, and what is summed up meanwhile


def export(
    report: Annotated[str | None, typer.Argument(help=" or ".join(REPORTS))] = None,
    format: Annotated[
        str | None, typer.Option(help="; ".join(f"{report}: {', '.join(forms)}" for report, forms in REPORTS.items()))
    ] = None,
    output: Annotated[Path | None, typer.Option("-o", "--output", help="the file to write")] = None,
    period: Annotated[str | None, typer.Option(help="YYYY-MM: what is accounted for in this month")] = None,
    since: Annotated[str | None, typer.Option("--from", help="RFC 3339, inclusive")] = None,
    until: Annotated[str | None, typer.Option("--to", help="RFC 3339, exclusive")] = None,
    account: Annotated[str | None, typer.Option(help="of this account only")] = None,
    as_of: Annotated[str | None, typer.Option(help="RFC 3339: as it was known then; default: now")] = None,
    per_account: Annotated[bool, typer.Option("--per-account", help="a ledger account for each customer")] = False,
    without_opening: Annotated[
        bool,
        typer.Option(
            "--without-opening", help="beancount, hledger: to be read after the file of what came before, not alone"
        ),
    ] = False,
    book: Annotated[str, typer.Option(help="money or wallet, for quickbooks and xero")] = "money",
    currency: Annotated[str | None, typer.Option(help="only this one, for quickbooks and xero")] = None,
    focus: Annotated[
        str | None, typer.Option(help=f"the version of FOCUS that costs are written in: {' or '.join(VERSIONS)}")
    ] = None,
    map_file: Annotated[Path | None, typer.Option("--map", help="ledger accounts in quickbooks or xero")] = None,
    example_map: Annotated[
        bool, typer.Option("--example-map", help="print a mapping to begin with, for --format quickbooks or xero")
    ] = False,
    part_lines: Annotated[
        int | None,
        typer.Option(
            help=f"lines to a file, at least {LEAST_LINES}, for quickbooks and xero; default: what each takes at once, "
            + ", ".join(f"{format} {lines}" for format, lines in PART_LINES.items())
        ),
    ] = None,
    check: Annotated[
        Path | None, typer.Option(help="compare a file with its control totals; needs no database")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Export journal, usage, costs (FOCUS) or a workbook, with control totals; the same command again goes on."""
    if example_map:
        if format not in EXAMPLES:
            raise ValueError(f"say for which: --format {' or '.join(EXAMPLES)}")
        print(EXAMPLES[format], end="")
    elif check is not None:
        _check(check, as_json)
    elif report is None:
        raise ValueError(f"say what to export: {', '.join(REPORTS)}")
    else:
        if output is not None and output.name == "-":
            raise ValueError(
                "--output must name a file: an export goes on where it stopped, and its totals stand beside it"
            )
        if report in REPORTS and format is None:
            format = REPORTS[report][0]
        asked = ExportQuestion(
            report, format or "", period=period, start=moment(since, "--from"), end=moment(until, "--to"),
            account_id=account, per_account=per_account, book=book, currency=currency, focus=focus, opening=not without_opening,
            part_lines=part_lines,
            accounts={} if map_file is None else read_mapping(map_file),
        )  # fmt: skip
        _export(asked, output or Path(asked.file_name), moment(as_of, "--as-of"), as_json)


def _export(asked: ExportQuestion, path: Path, as_of: datetime | None, as_json: bool) -> None:
    bars = Progress(
        SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(),
        console=errors, transient=True, disable=not errors.is_terminal,
    )  # fmt: skip
    with bars:
        task = bars.add_task(escape(path.name), total=None)
        written = write(
            lambda desk: write_parts(
                desk.engine, desk.work, asked, path, as_of=as_of,
                progress=lambda done, total: bars.update(task, completed=done, total=total),
            ),
            sessions=_SESSIONS,
        )  # fmt: skip
    for doubt in doubts(asked.format, asked.accounts):
        errors.print(f"[yellow]billing:[/yellow] {escape(doubt)}", highlight=False, soft_wrap=True)
    resumed = sum(file.resumed_rows for file in written.files)
    if as_json:
        print(json.dumps(written.document() | {"resumed_rows": resumed}, indent=2))
        return
    for file in written.files:
        rows = "" if asked.format in ACCOUNTING else f"{file.totals.rows:,} rows, "
        console.print(
            f"{escape(str(file.path))}: {rows}{file.bytes:,} bytes, SHA-256 {file.sha256}",
            highlight=False,
            soft_wrap=True,
        )
    if len(written.files) > 1:
        console.print(
            f"{len(written.files)} parts of at most {asked.lines_at_once} lines; {escape(path.name)}.totals.json holds all of them.",
            highlight=False, soft_wrap=True,
        )  # fmt: skip
    if resumed:
        console.print(f"{resumed:,} rows were there from a run that was interrupted.", highlight=False)


def _check(path: Path, as_json: bool) -> None:
    found = check_file(path)
    if as_json:
        print(json.dumps({"file": path.name, "ok": found.ok, "rows": found.rows, "problems": found.problems}, indent=2))
    elif found.ok:
        said = (
            f"its {found.rows:,} rows come to the control totals in it. With {path.name}.totals.json every byte is checked."
            if found.alone
            else f"as it was written, {found.rows:,} rows."
        )
        console.print(escape(f"{path}: {said}"), highlight=False, soft_wrap=True)
    else:
        for problem in found.problems:
            errors.print(f"[red]billing:[/red] {escape(str(path))}: {escape(problem)}", highlight=False, soft_wrap=True)
    sys.exit(0 if found.ok else 1)
