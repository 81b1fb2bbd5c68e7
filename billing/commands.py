"""The `billing` command, put together."""

import errno
import sys
from collections.abc import Callable

import structlog
import typer

from billing.bench.command import bench
from billing.books.dump.command import dump, restore
from billing.books.explain.command import explain
from billing.books.exports.command import export
from billing.books.margins.command import show_margins
from billing.books.payouts.command import show_payouts
from billing.books.periods.command import close_period, reopen_period, show_periods
from billing.books.provider_reports import command as provider
from billing.books.reconciliation import command as reconciliation
from billing.books.revenue.command import recognise_revenue, show_revenue
from billing.books.simulation.command import simulate_prices
from billing.books.statements.command import verify_statement
from billing.books.trial_balance.command import show_trial_balance
from billing.books.verify.command import verify
from billing.cli import clock, keys, packs, prices, stripe_events
from billing.cli.session import fail
from billing.core.refusals import Refusal
from billing.demo.command import demo
from billing.embedded import EmbeddedPostgresError
from billing.serving import NotServing
from billing.serving.command import migrate, serve
from billing.settings import SettingsError
from billing.store.connection import not_allowed, refused_login, unreachable
from billing.store.preparation import NotPrepared
from billing.store.refusals import DatabaseUnavailable
from billing.store.schema import WrongSchema
from billing.store.sqlstates import NotMigrated, reason

app = typer.Typer(
    help="Credits for image generation, charged exactly once, by the pixels that were delivered.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
for name, group in {
    "keys": keys.app,
    "price-book": prices.app,
    "packs": packs.app,
    "stripe": stripe_events.app,
    "provider": provider.app,
    "reconcile": reconciliation.app,
    "clock": clock.app,
}.items():
    app.add_typer(group, name=name)
prices.app.command("simulate")(simulate_prices)
_COMMANDS: dict[str, Callable[..., None]] = {
    "serve": serve,
    "migrate": migrate,
    "demo": demo,
    "verify": verify,
    "bench": bench,
    "dump": dump,
    "restore": restore,
    "explain": explain,
    "verify-statement": verify_statement,
    "export": export,
    "recognise": recognise_revenue,
    "revenue": show_revenue,
    "close": close_period,
    "reopen": reopen_period,
    "periods": show_periods,
    "payouts": show_payouts,
    "margins": show_margins,
    "trial-balance": show_trial_balance,
}
for name, command in _COMMANDS.items():
    app.command(name)(command)

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
