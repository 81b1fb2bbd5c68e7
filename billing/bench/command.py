"""`billing bench`."""

import sys
from pathlib import Path
from typing import Annotated

import typer


def bench(
    quick: Annotated[bool, typer.Option(help="an empty database and a few seconds each")] = False,
    stored: Annotated[int, typer.Option(help="charges stored for the second half")] = 2_000_000,
    seconds: Annotated[float | None, typer.Option(help="for each side of each measurement")] = None,
    json_file: Annotated[Path | None, typer.Option("--json", help="write the figures to this file")] = None,
) -> None:
    """Measure rates beside their floors, in the same run, on a PostgreSQL of its own."""
    from billing.bench import Options
    from billing.bench import run as measure

    sys.exit(measure(Options(quick=quick, stored=stored, seconds=seconds, json=json_file)))
