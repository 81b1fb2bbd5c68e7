"""`billing serve`, and `billing migrate`."""

from pathlib import Path
from typing import Annotated

import typer

from billing.cli.session import console, run, settings_of
from billing.database import database
from billing.store.connection import unreachable
from billing.store.schema import migrate as migrate_database


def serve(
    host: Annotated[str | None, typer.Option(help="address to listen on  [BILLING_HOST]")] = None,
    port: Annotated[int | None, typer.Option(help="port to listen on  [BILLING_PORT]")] = None,
    workers: Annotated[int | None, typer.Option(help="processes that answer  [BILLING_WORKERS]")] = None,
    data_dir: Annotated[Path | None, typer.Option(help="of the embedded PostgreSQL  [BILLING_DATA_DIR]")] = None,
) -> None:
    """Start the service: on DATABASE_URL, or else on an embedded PostgreSQL under the data directory."""
    from billing.serving.parent import serve as run

    run(settings_of(host=host, port=port, workers=workers, data_dir=data_dir))


def migrate() -> None:
    """Bring the database up to date. `serve` does it by itself."""
    settings = settings_of()
    for attempt in range(3):
        try:
            with database(settings) as dsn:
                run(lambda: migrate_database(dsn))
            break
        except Exception as problem:
            # A command that owned the embedded server may have finished and taken it along.
            if attempt == 2 or settings.database_url is not None or not unreachable(problem):
                raise
    console.print("The database is up to date.")
