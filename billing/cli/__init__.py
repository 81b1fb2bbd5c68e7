"""The `billing` command."""

import errno
import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Annotated

import structlog
import typer
import uvloop

from billing.cli import clock, keys, packs, prices, provider, stripe_events
from billing.cli.demo import service
from billing.cli.dump import dump, restore
from billing.cli.explain import explain
from billing.cli.export import export
from billing.cli.payouts import show_payouts
from billing.cli.periods import close_period, reopen_period, show_periods
from billing.cli.recognition import recognise_revenue
from billing.cli.reconcile import reconcile_manifest
from billing.cli.revenue import show_revenue
from billing.cli.session import AsJson, console, errors, fail, ledger, run, settings_of
from billing.cli.statements import verify_statement
from billing.cli.trial_balance import show_trial_balance
from billing.core.refusals import DatabaseUnavailable, Refusal
from billing.database import database
from billing.embedded import EmbeddedPostgresError
from billing.serving import NotServing
from billing.settings import SettingsError
from billing.store.engine import not_allowed, refused_login, unreachable
from billing.store.preparation import NotPrepared
from billing.store.schema import WrongSchema
from billing.store.schema import migrate as migrate_database
from billing.store.sqlstates import NotMigrated, reason

app = typer.Typer(
    help="Credits for image generation, charged exactly once, by the pixels that were delivered.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.add_typer(keys.app, name="keys")
app.add_typer(prices.app, name="price-book")
app.add_typer(packs.app, name="packs")
app.add_typer(stripe_events.app, name="stripe")
app.add_typer(provider.app, name="provider")
app.command()(dump)
app.command()(restore)
app.add_typer(clock.app, name="clock")
app.command()(explain)
app.command()(verify_statement)
app.command("export")(export)
app.command("reconcile")(reconcile_manifest)
app.command("recognise")(recognise_revenue)
app.command("revenue")(show_revenue)
app.command("close")(close_period)
app.command("reopen")(reopen_period)
app.command("periods")(show_periods)
app.command("payouts")(show_payouts)
app.command("margins")(provider.show_margins)
app.command("trial-balance")(show_trial_balance)


@app.command()
def serve(
    host: Annotated[str | None, typer.Option(help="address to listen on  [BILLING_HOST]")] = None,
    port: Annotated[int | None, typer.Option(help="port to listen on  [BILLING_PORT]")] = None,
    workers: Annotated[int | None, typer.Option(help="processes that answer  [BILLING_WORKERS]")] = None,
    data_dir: Annotated[Path | None, typer.Option(help="of the embedded PostgreSQL  [BILLING_DATA_DIR]")] = None,
) -> None:
    """Start the service: on DATABASE_URL, or else on an embedded PostgreSQL under the data directory."""
    from billing.serving.parent import serve as run

    run(settings_of(host=host, port=port, workers=workers, data_dir=data_dir))


@app.command()
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


@app.command()
def demo() -> None:
    """Run the whole main job on real image files; exit 0 only if the books tie out."""
    from billing.demo.story import run as play

    with tempfile.TemporaryDirectory(prefix="billing-demo-") as place:
        Path(place).chmod(0o755)  # the server's own user must reach its data inside
        with service(Path(place)) as house:
            agrees = uvloop.run(play(house.url, house.admin_key, house.stripe, console))
            console.rule("billing verify")
            verified = subprocess.run([sys.executable, "-m", "billing", "verify"], env=house.environment, check=False)
    sys.exit(0 if agrees and verified.returncode == 0 else 1)


@app.command()
def verify(
    account: Annotated[str | None, typer.Option(help="check this account only")] = None, as_json: AsJson = False
) -> None:
    """Check the invariants of the books, row by row; exit 1 and name the first row where one fails."""
    from billing.books import progress_of, show
    from billing.books import verify as check

    with ledger() as dsn, progress_of(errors) as progress:
        report = run(lambda: check(dsn, account, progress))
    if as_json:
        print(json.dumps(report.document(), indent=2))
    else:
        show(report, console)
    sys.exit(0 if report.ok else 1)


@app.command()
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


_NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


def main() -> None:
    """Runs a command; what cannot be done is one sentence and exit 1, never a traceback."""
    # What the rooms log is no part of what is printed. Whoever serves says it his own way.
    structlog.configure(logger_factory=lambda *_: structlog.PrintLogger(sys.stderr))
    try:
        app()
    except DatabaseUnavailable as problem:
        fail(f"{problem.title}: {reason(problem)}.")
    except (
        EmbeddedPostgresError,
        NotMigrated,
        NotPrepared,
        NotServing,
        WrongSchema,
        SettingsError,
        Refusal,
        ValueError,
    ) as problem:
        fail(str(problem))
    except Exception as problem:
        if isinstance(problem, OSError) and problem.filename is not None:
            fail(f"{problem.filename}: {problem.strerror}")
        if isinstance(problem, OSError) and problem.errno in _NO_ROOM:
            fail(f"What was to be written could not be: {problem.strerror}.")
        if said := refused_login(problem):
            fail(f"The database refuses us: {said}. Is DATABASE_URL right?")
        if said := not_allowed(problem):
            fail(f"The database does not let us: {said}. `billing migrate`, as the owner of its tables, mends that.")
        if unreachable(problem):
            fail(f"The database cannot be reached: {problem}. Is DATABASE_URL right, and does it run?")
        raise
