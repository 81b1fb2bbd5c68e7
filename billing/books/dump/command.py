"""`billing dump` and `billing restore`: the whole database in a file, and back into an empty one."""

import json
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

from billing.books.dump import archive as store
from billing.books.verify import verify as check
from billing.books.verify.command import progress_of, show
from billing.cli.session import AsJson, console, errors, ledger, run, settings_of
from billing.database import database

File = Annotated[Path, typer.Argument(help="the dump", dir_okay=False)]


def dump(file: File, as_json: AsJson = False) -> None:
    """Write the whole database, as it is at this instant, to a file that must not be there yet. It holds secrets.

    The service may go on charging meanwhile. `billing restore` reads it into an empty database, of PostgreSQL 15 or later.
    """
    began = time.monotonic()
    with ledger() as dsn, _progress("dumping") as progress:
        contents = run(lambda: store.dump(dsn, file, progress))
    _tell("dumped to", file, contents, time.monotonic() - began, as_json)


def restore(
    file: File,
    verify: Annotated[bool, typer.Option(help="check the invariants of the books afterwards")] = True,
    as_json: AsJson = False,
) -> None:
    """Fill an empty database from a dump: DATABASE_URL's, or an embedded one that is made under the data directory.

    All of it or nothing. A dump of an older version is migrated. Then the books are verified; exit 1 if they do not hold.
    """
    began = time.monotonic()
    store.contents_of(file)  # before a database is made for it
    with database(settings_of(), join=False) as dsn:
        with _progress("restoring") as progress:
            contents = run(lambda: store.restore(dsn, file, progress))
        seconds, report = time.monotonic() - began, None
        if verify:
            with progress_of(errors) as told:
                report = run(lambda: check(dsn, None, told))
    _tell("restored from", file, contents, seconds, as_json, {"verify": asdict(report)} if report else {})
    if report is None:
        errors.print("Run `billing verify` before it serves.", highlight=False)
    elif not as_json:
        show(report, console)
    sys.exit(0 if report is None or report.ok else 1)


@contextmanager
def _progress(what: str) -> Iterator[store.Progress]:
    with errors.status(what) as status:

        def told(table: str, rows: int, of: int | None) -> None:
            status.update(f"{what} {escape(table)}: {rows:,}{'' if of is None else f' of {of:,}'} rows")

        yield told


def _tell(
    done: str,
    file: Path,
    contents: store.ArchiveContents,
    seconds: float,
    as_json: bool,
    more: dict[str, object] | None = None,
) -> None:
    size = file.stat().st_size
    if as_json:
        facts = {"file": str(file), "bytes": size, "seconds": round(seconds, 3), **contents.document(), **(more or {})}
        print(json.dumps(facts, indent=2))
        return
    rows = sum(contents.rows.values())
    console.print(
        f"{rows:,} rows of {len(contents.rows)} tables, as of {escape(contents.made_at)}, {done} {escape(str(file))}: "
        f"{size:,} bytes, {seconds:.1f} s.",
        highlight=False,
        soft_wrap=True,
    )
