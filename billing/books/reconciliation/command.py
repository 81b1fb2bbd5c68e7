"""`billing reconcile`: what was delivered beside what was charged."""

import json
import os
import secrets
import sys
import tempfile
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, NoReturn, TypeVar

import typer
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

from billing.books.reconciliation import FORMATS, Application, Asked, Source, format_of, reconcile
from billing.books.reconciliation import rows as store
from billing.books.reconciliation.images import FOLDER_FORMAT, written_manifest
from billing.books.reconciliation.models import ReconciliationShown
from billing.books.reconciliation.report import as_csv, as_json
from billing.cli.given import moment
from billing.cli.session import AsJson, actor_of, clock_of, console, errors, ledger, on, run, settings_of
from billing.client import measure
from billing.core.prices import PriceBooks
from billing.core.reconciliation import Line, Reconciliation
from billing.core.refusals import ManifestUnreadable
from billing.posting import Posting
from billing.store.engine import Engine, read_engine, work_engine
from billing.store.price_books import price_books

T = TypeVar("T")
DIFFERENCES, UNREADABLE = 1, 2
_HEAD_BYTES = 1 << 20


def reconcile_manifest(
    manifest: Annotated[
        Path | None, typer.Argument(help="CSV, JSON lines or Parquet; or a folder of images, ACCOUNT/REQUEST/INDEX.png")
    ] = None,
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
    apply: Annotated[bool, typer.Option("--apply", help="post the corrections")] = False,
    approve: Annotated[
        str | None, typer.Option(metavar="ID", help="approve, with another key, what was asked to be applied")
    ] = None,
    show: Annotated[str | None, typer.Option(metavar="ID", help="show one that was made before")] = None,
    reason: Annotated[str | None, typer.Option(help="why it is applied, or approved; kept for ever")] = None,
    key: Annotated[
        str | None, typer.Option(help="a key of role admin or finance: who applies, or approves  [BILLING_KEY]")
    ] = None,
    lines: Annotated[int, typer.Option(min=0, help="how many lines to show")] = 50,
    csv_file: Annotated[Path | None, typer.Option("--csv", help="write all lines to this file")] = None,
    as_json: AsJson = False,
) -> None:
    """Compare what was delivered with what was charged, and with --apply correct the charges.

    Exit 0: nothing to do. 1: there are differences, or some wait for approval or for a person. 2: the manifest cannot
    be read, and nothing was compared.
    """
    if sum(given is not None for given in (manifest, approve, show)) != 1:
        raise ValueError("Name one manifest, or --approve ID, or --show ID.")
    if apply and approve is not None:
        raise ValueError("--approve posts what was asked for; --apply is for a manifest.")
    if (apply or approve is not None) and not (reason or "").strip():
        raise ValueError("Say why, with --reason: it is kept with every correction.")
    secret = key or os.environ.get("BILLING_KEY")
    if (apply or approve is not None) and secret is None:
        raise ValueError(
            "Corrections are posted in somebody's name: give your key with --key or BILLING_KEY. "
            "`billing keys create --role finance --name NAME` makes one."
        )
    with ledger() as dsn:
        actor = "command line" if secret is None else actor_of(dsn, secret)
        if approve is not None:
            found = _posted(dsn, lambda desk, tell: desk.approve(approve, actor, reason or "", tell))
        elif show is not None:
            found = run(lambda: on(read_engine(dsn, size=1), lambda engine: store.reconciliation(engine, show)))
        else:
            assert manifest is not None
            name = reconciliation_id or f"rec-{datetime.now(UTC):%Y%m%dT%H%M%S}-{secrets.token_hex(3)}"
            try:
                asked = Asked(
                    name,
                    actor,
                    account,
                    moment(start, "--from"),
                    moment(end, "--to"),
                    start is not None and end is not None and not partial,
                )
                found = _compared(dsn, manifest, format, asked)
            except ManifestUnreadable as problem:
                _refuse(manifest, problem, as_json)
            if apply:
                found = _posted(dsn, lambda desk, tell: desk.apply(name, actor, reason or "", tell))
        _report(dsn, found, lines, csv_file, as_json)
    sys.exit(DIFFERENCES if _to_do(found) else 0)


def _compared(dsn: str, manifest: Path, format: str | None, asked: Asked) -> Reconciliation:
    """Raises ManifestUnreadable."""
    if format is not None and format not in FORMATS:
        raise ValueError(f"--format must be one of {', '.join(FORMATS)}")
    with _opened(manifest, format, asked.account_id) as source, _bar() as bar:
        total = source.file.seek(0, os.SEEK_END)
        task = bar.add_task("reading", total=total, of="")

        def tell(stage: str, done: int) -> None:
            if stage == "reading":
                bar.update(task, completed=done)
            else:
                bar.update(task, description="comparing", completed=total, of=f"{done:,} differences" if done else "")

        books = run(lambda: on(read_engine(dsn, size=1), price_books))
        return run(lambda: reconcile(dsn, source, asked, books, tell)).reconciliation


@contextmanager
def _opened(manifest: Path, format: str | None, account_id: str | None) -> Iterator[Source]:
    """The manifest; of a folder of images, one that is written while they are measured."""
    if not manifest.is_dir():
        chosen = format or format_of(manifest)
        with manifest.open("rb") as file:
            yield Source(file, manifest.name, chosen)
        return
    with tempfile.TemporaryFile() as file, errors.status("measuring images") as line:
        written_manifest(
            manifest, account_id, _measured, file, lambda count: line.update(f"measuring: {count:,} images")
        )
        yield Source(file, f"{manifest.name}/", FOLDER_FORMAT)


def _measured(path: Path) -> tuple[int, int] | None:
    """Width and height by the image's header; None where it cannot be read."""
    with path.open("rb") as file:
        size = measure(file.read(_HEAD_BYTES))
    return None if size is None else (size.width, size.height)


def _posted(
    dsn: str, work: Callable[[Application, Callable[[int], None]], Awaitable[tuple[Reconciliation, bool]]]
) -> Reconciliation:
    settings = settings_of()

    async def posting(tell: Callable[[int], None]) -> Reconciliation:
        engine = work_engine(dsn, size=2)
        try:
            books: PriceBooks = await price_books(engine)
            clock = await clock_of(engine)
            async with Posting(dsn, lambda: books, lanes=settings.lanes, now=clock.now) as path:
                found, _ = await work(Application(engine, path, settings.correction_approval), tell)
            return found
        finally:
            await engine.dispose()

    with errors.status("posting") as line:
        return run(lambda: posting(lambda done: line.update(f"posting: {done:,} charges")))


def _to_do(found: Reconciliation) -> bool:
    totals = json.loads(found.totals)
    if found.state == "applied":
        return bool(totals["for_a_person"] or json.loads(found.posted or "{}")["refused_lines"])
    return bool(totals["for_a_person"] or totals["charges_to_post"])


def _report(dsn: str, found: Reconciliation, limit: int, csv_file: Path | None, as_json_too: bool) -> None:
    shown = ReconciliationShown.of(found)

    async def write(engine: Engine) -> list[Line]:
        if csv_file is not None:
            with csv_file.open("w", newline="") as file:
                async for piece in as_csv(engine, found.reconciliation_id):
                    file.write(piece)
        if as_json_too:
            async for piece in as_json(engine, found.reconciliation_id, shown.model_dump(mode="json")):
                sys.stdout.write(piece)
            return []
        return await store.lines(engine, found.reconciliation_id, store.LineFilter(), after=0, limit=limit)

    some = run(lambda: on(read_engine(dsn, size=1), write))
    if not as_json_too:
        _show(shown, some)


def _show(shown: ReconciliationShown, lines: list[Line]) -> None:
    """Totals first, then by kind, then lines with their explanations."""
    head = Table.grid(padding=(0, 2))
    head.add_column(style="dim")
    head.add_column()
    scope = "" if shown.account_id is None else f", account {shown.account_id}"
    if shown.start is not None and shown.end is not None:
        scope += (
            f", {shown.start:%Y-%m-%d %H:%M} to {shown.end:%Y-%m-%d %H:%M} UTC{'' if shown.complete else ', in part'}"
        )
    head.add_row("manifest", Text(f"{shown.manifest}: {_counted(shown.rows, 'row')}{scope}"))
    head.add_row("matched", Text(f"{_counted(shown.matched_rows, 'row')} as charged"))
    head.add_row(
        "charges", Text(f"{_counted(shown.charges, 'charge')} of {_counted(shown.charged_credits, 'credit')} looked at")
    )
    head.add_row(
        "difference",
        Text(f"{_signed(shown.difference_credits)} credits, in {_counted(shown.charges_to_post, 'charge')}"),
    )
    head.add_row("for a person", Text(_counted(shown.for_a_person, "line")))
    head.add_row("state", Text(_state(shown)))
    console.print(Text(f"Reconciliation {shown.reconciliation_id}", "bold"))
    console.print(head)
    if shown.by_kind:
        kinds = Table("kind", "lines", "credits", title_justify="left")
        for name in ("lines", "credits"):
            next(column for column in kinds.columns if column.header == name).justify = "right"
        for kind in shown.by_kind:
            kinds.add_row(kind.title, f"{kind.lines:,}", _signed(kind.difference_credits))
        console.print(kinds)
    if lines:
        table = Table("line", "account / request / output", "what", "credits", "why")
        for line in lines:
            place = f"{line.account_id} / {line.request_id}" + ("" if line.index is None else f" / {line.index}")
            done = f"  [{line.outcome or line.action}]" if line.action != "none" else ""
            said = f"{line.explanation}{f' Refused: {line.problem}' if line.outcome == 'refused' else ''}"
            table.add_row(
                f"{line.line:,}", Text(place), Text(f"{line.kind}{done}"), _signed(line.difference_credits), Text(said)
            )
        console.print(table)
        if shown.lines > len(lines):
            console.print(f"and {shown.lines - len(lines):,} more lines: --lines, --csv FILE or --json show them all.")
    if shown.state == "awaiting_approval":
        console.print(
            f"Approve it with another key: billing reconcile --approve {shown.reconciliation_id} --reason … --key …",
            highlight=False,
        )
    elif shown.state == "compared" and shown.charges_to_post:
        console.print("Nothing was posted. With --apply --reason … --key … it is.", highlight=False)


def _state(shown: ReconciliationShown) -> str:
    if shown.posted is not None and shown.asked_by is not None:
        by = shown.asked_by + ("" if shown.approved_by is None else f", approved by {shown.approved_by}")
        return f"applied by {by}: {_signed(shown.posted.credits)} credits in {_counted(shown.posted.charges, 'charge')}"
    return {"compared": "compared", "awaiting_approval": f"waits for approval, asked for by {shown.asked_by}"}.get(
        shown.state, shown.state
    )


def _refuse(manifest: Path, problem: ManifestUnreadable, as_json_too: bool) -> NoReturn:
    name = str(manifest).encode(errors="replace").decode()
    where = name if problem.line is None else f"{name}:{problem.line}"
    if as_json_too:
        document = {"ok": False, "file": name, "line": problem.line, "problem": problem.problem}
        print(json.dumps(document, indent=2))
    else:
        errors.print("[red]billing:[/red]", Text(f"{where}: {problem.problem} Nothing was compared."), soft_wrap=True)
    sys.exit(UNREADABLE)


def _bar() -> Progress:
    return Progress(
        TextColumn("{task.description}"), BarColumn(), TextColumn("{task.percentage:>3.0f}% {task.fields[of]}"),
        TimeElapsedColumn(), console=errors, transient=True,
    )  # fmt: skip


def _signed(credits: int) -> str:
    return f"{credits:+,}" if credits else "0"


def _counted(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"
