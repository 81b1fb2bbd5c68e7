"""`billing reconcile compare|apply|approve|show`: what was delivered beside what was charged."""

import json
import os
import secrets
import sys
import tempfile
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, NamedTuple, NoReturn

import typer
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text
from typer.core import TyperGroup

from billing.books.reconciliation.answer import Reconciliation, ReconciliationLine
from billing.books.reconciliation.application import Application
from billing.books.reconciliation.forms import FORMATS, Manifest, format_of
from billing.books.reconciliation.forms.images import FOLDER_FORMAT, written_manifest
from billing.books.reconciliation.forms.rows import ManifestUnreadable
from billing.books.reconciliation.report import (
    LineFilter,
    ReconciliationNotFound,
    as_csv,
    as_json,
    lines,
    reconciliation,
)
from billing.books.reconciliation.run import reconcile
from billing.books.reconciliation.suspects import ComparisonTerms
from billing.cli.given import Lang, language, moment
from billing.cli.session import AsJson, Desk, Secret, console, errors, read, write
from billing.client import measure
from billing.core.languages import Language
from billing.store.engine import Engine
from billing.store.price_books import price_books

DIFFERENCES, UNREADABLE = 1, 2
_HEAD_BYTES = 1 << 20
_NAMED = "Corrections are posted in somebody's name"


class _Group(TyperGroup):
    """Tells who types what was right before there were commands what to type now."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        if args and args[0] not in self.commands and args[0] not in ("-h", "--help"):
            raise ValueError(
                "There are commands: billing reconcile compare MANIFEST, and by the id that it says, "
                "apply ID, approve ID and show ID."
            )
        return super().parse_args(ctx, args)


app = typer.Typer(
    cls=_Group,
    no_args_is_help=True,
    help="""Compare what was delivered with what was charged, and correct the charges.

    Exit 0: nothing to do. 1: there are differences, or some wait for approval or for a person. 2: the manifest cannot be read.""",
)
Id = Annotated[str, typer.Argument(help="the reconciliation's, as `compare` says it")]
LinesOption = Annotated[int, typer.Option("--lines", min=0, help="how many lines to show")]
CsvOption = Annotated[Path | None, typer.Option("--csv", help="write all lines to this file")]


class _Shown(NamedTuple):
    """How a reconciliation is shown: by totals and `lines`, or as JSON; all lines are written to `csv_file` too."""

    language: Language
    lines: int
    csv_file: Path | None
    as_json: bool


@app.command("compare")
def compare(
    manifest: Annotated[
        Path, typer.Argument(help="CSV, JSON lines or Parquet; or a folder of images, ACCOUNT/REQUEST/INDEX.png")
    ],
    reconciliation_id: Annotated[
        str | None, typer.Option("--id", help="names it; a name of its own is made up unless given")
    ] = None,
    account: Annotated[str | None, typer.Option(help="of this account alone; its manifest need not name it")] = None,
    start: Annotated[
        str | None, typer.Option("--from", help="RFC 3339 or YYYY-MM-DD: the manifest begins here")
    ] = None,
    end: Annotated[str | None, typer.Option("--to", help="and ends before this")] = None,
    partial: Annotated[
        bool, typer.Option("--partial", help="it is not all that was delivered from --from to --to")
    ] = False,
    format: Annotated[str | None, typer.Option(help="csv, jsonl or parquet, where the name does not say")] = None,
    key: Secret = None,
    limit: LinesOption = 50,
    csv_file: CsvOption = None,
    lang: Lang = "en",
    as_json: AsJson = False,
) -> None:
    """Compare a manifest with what was charged. Nothing is posted until `billing reconcile apply`."""
    if format is not None and format not in FORMATS:
        raise ValueError(f"--format must be one of {', '.join(FORMATS)}")
    shown = _Shown(language(lang), limit, csv_file, as_json)
    name = reconciliation_id or f"rec-{datetime.now(UTC):%Y%m%dT%H%M%S}-{secrets.token_hex(3)}"
    times = (moment(start, "--from"), moment(end, "--to"))

    async def comparing(desk: Desk) -> Reconciliation:
        terms = ComparisonTerms(name, desk.actor, account, *times, None not in times and not partial)
        books = await price_books(desk.engine)
        with _bar(source) as tell:
            found, _ = await reconcile(desk.dsn, source, terms, books, shown.language, tell)
        return await _show(desk.engine, found, shown)

    try:
        with _opened(manifest, format, account) as source:
            found = write(comparing, key)
    except ManifestUnreadable as problem:
        _refuse(manifest, problem, as_json)
    sys.exit(DIFFERENCES if found.left_to_do else 0)


def _posting(step: Callable[..., Awaitable[tuple[Reconciliation, bool]]]) -> Callable[..., None]:
    """A command that takes this step of an Application, in somebody's name."""

    def command(
        reconciliation_id: Id,
        reason: Annotated[str, typer.Option(help="why; kept for ever")],
        key: Secret = None,
        limit: LinesOption = 50,
        csv_file: CsvOption = None,
        lang: Lang = "en",
        as_json: AsJson = False,
    ) -> None:
        shown = _Shown(language(lang), limit, csv_file, as_json)

        async def posting(desk: Desk) -> Reconciliation:
            with errors.status("posting") as line:
                async with desk.posting(await price_books(desk.engine)) as path:
                    application = Application(desk.work, path, desk.settings.correction_approval, shown.language)
                    found, _ = await step(
                        application,
                        reconciliation_id,
                        desk.actor,
                        reason,
                        lambda done: line.update(f"posting: {done:,} charges"),
                    )
            return await _show(desk.engine, found, shown)

        with _named(reconciliation_id):
            found = write(posting, key, named=_NAMED)
        sys.exit(DIFFERENCES if found.left_to_do else 0)

    return command


app.command(
    "apply", help="Post what was found, each correction once; above a sum it waits for another key's approval."
)(_posting(Application.apply))
app.command("approve", help="Approve, with another key, what was asked to be applied, and post it.")(
    _posting(Application.approve)
)


@app.command("show")
def show(
    reconciliation_id: Id,
    limit: LinesOption = 50,
    csv_file: CsvOption = None,
    lang: Lang = "en",
    as_json: AsJson = False,
) -> None:
    """Show one that was compared before."""
    shown = _Shown(language(lang), limit, csv_file, as_json)

    async def question(engine: Engine) -> Reconciliation:
        return await _show(engine, await reconciliation(engine, reconciliation_id, shown.language), shown)

    with _named(reconciliation_id):
        found = read(question)
    sys.exit(DIFFERENCES if found.left_to_do else 0)


@contextmanager
def _named(reconciliation_id: str) -> Iterator[None]:
    """Raises ValueError where there is none of that name."""
    try:
        yield
    except ReconciliationNotFound:
        raise ValueError(
            f"There is no reconciliation {reconciliation_id}: `billing reconcile compare MANIFEST` makes one and says its id."
        ) from None


@contextmanager
def _opened(manifest: Path, format: str | None, account_id: str | None) -> Iterator[Manifest]:
    """The manifest; of a folder of images, one that is written while they are measured. Raises ManifestUnreadable."""
    if not manifest.is_dir():
        chosen = format or format_of(manifest)
        with manifest.open("rb") as file:
            yield Manifest(file, manifest.name, chosen)
        return
    with tempfile.TemporaryFile() as file:
        with errors.status("measuring images") as line:
            written_manifest(
                manifest, account_id, _measured, file, lambda count: line.update(f"measuring: {count:,} images")
            )
        yield Manifest(file, f"{manifest.name}/", FOLDER_FORMAT)


def _measured(path: Path) -> tuple[int, int] | None:
    """Width and height by the image's header; None where it cannot be read."""
    with path.open("rb") as file:
        size = measure(file.read(_HEAD_BYTES))
    return None if size is None else (size.width, size.height)


@contextmanager
def _bar(manifest: Manifest) -> Iterator[Callable[[str, int], None]]:
    total = manifest.file.seek(0, os.SEEK_END)
    with Progress(
        TextColumn("{task.description}"), BarColumn(), TextColumn("{task.percentage:>3.0f}% {task.fields[of]}"),
        TimeElapsedColumn(), console=errors, transient=True,
    ) as bar:  # fmt: skip
        task = bar.add_task("reading", total=total, of="")

        def tell(stage: str, done: int) -> None:
            if stage == "reading":
                bar.update(task, completed=done)
            else:
                bar.update(task, description="comparing", completed=total, of=f"{done:,} differences" if done else "")

        yield tell


async def _show(engine: Engine, found: Reconciliation, shown: _Shown) -> Reconciliation:
    if shown.csv_file is not None:
        with shown.csv_file.open("w", newline="") as file:
            async for piece in as_csv(engine, found, shown.language):
                file.write(piece)
    if shown.as_json:
        async for piece in as_json(engine, found, shown.language):
            sys.stdout.write(piece)
    else:
        some = await lines(engine, found.reconciliation_id, shown.language, LineFilter(), after=0, limit=shown.lines)
        _print(found, some)
    return found


def _print(found: Reconciliation, some: list[ReconciliationLine]) -> None:
    """Totals first, then by kind, then lines with their explanations, and what to type next."""
    head = Table.grid(padding=(0, 2))
    head.add_column(style="dim")
    head.add_column()
    scope = "" if found.account_id is None else f", account {found.account_id}"
    if found.start is not None and found.end is not None:
        scope += (
            f", {found.start:%Y-%m-%d %H:%M} to {found.end:%Y-%m-%d %H:%M} UTC{'' if found.complete else ', in part'}"
        )
    for name, value in (
        ("manifest", f"{found.manifest}: {_counted(found.rows, 'row')}{scope}"),
        ("matched", f"{_counted(found.matched_rows, 'row')} as charged"),
        ("charges", f"{_counted(found.charges, 'charge')} of {_counted(found.charged_credits, 'credit')} looked at"),
        ("difference", f"{_signed(found.difference_credits)} credits, in {_counted(found.charges_to_post, 'charge')}"),
        ("for a person", _counted(found.for_a_person, "line")),
        ("state", _state(found)),
    ):
        head.add_row(name, Text(value))
    console.print(Text(f"Reconciliation {found.reconciliation_id}", "bold"))
    console.print(head)
    if found.by_kind:
        kinds = Table("kind")
        for name in ("lines", "credits"):
            kinds.add_column(name, justify="right")
        for kind in found.by_kind:
            kinds.add_row(kind.title, f"{kind.lines:,}", _signed(kind.difference_credits))
        console.print(kinds)
    if some:
        table = Table("line", "account / request / output", "what", "credits", "why")
        for line in some:
            place = f"{line.account_id} / {line.request_id}" + ("" if line.index is None else f" / {line.index}")
            done = f"  [{line.outcome or line.action}]" if line.action != "none" else ""
            said = f"{line.explanation}{f' {line.problem}' if line.outcome == 'refused' else ''}"
            table.add_row(
                f"{line.line:,}", Text(place), Text(f"{line.kind}{done}"), _signed(line.difference_credits), Text(said)
            )
        console.print(table)
        if found.lines > len(some):
            console.print(f"and {found.lines - len(some):,} more lines: --lines, --csv FILE or --json show them all.")
    if found.state == "awaiting_approval":
        _next("Approve it with another key", "approve", found)
    elif found.state == "compared" and found.charges_to_post:
        _next("Nothing was posted. This does", "apply", found)


def _next(said: str, command: str, found: Reconciliation) -> None:
    name = found.reconciliation_id
    console.print(f"{said}: billing reconcile {command} {name} --reason … --key …", highlight=False, soft_wrap=True)


def _state(found: Reconciliation) -> str:
    if found.posted is not None and found.asked_by is not None:
        by = found.asked_by + ("" if found.approved_by is None else f", approved by {found.approved_by}")
        return f"applied by {by}: {_signed(found.posted.credits)} credits in {_counted(found.posted.charges, 'charge')}"
    return f"waits for approval, asked for by {found.asked_by}" if found.state == "awaiting_approval" else found.state


def _refuse(manifest: Path, problem: ManifestUnreadable, as_json_too: bool) -> NoReturn:
    name = str(manifest).encode(errors="replace").decode()
    where = name if problem.line is None else f"{name}:{problem.line}"
    if as_json_too:
        document = {"ok": False, "file": name, "line": problem.line, "problem": problem.problem}
        print(json.dumps(document, indent=2))
    else:
        errors.print("[red]billing:[/red]", Text(f"{where}: {problem.problem} Nothing was compared."), soft_wrap=True)
    sys.exit(UNREADABLE)


def _signed(credits: int) -> str:
    return f"{credits:+,}" if credits else "0"


def _counted(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"
