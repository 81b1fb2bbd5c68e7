"""The application: what a worker serves, put together."""

from collections.abc import Coroutine, Iterable
from typing import Any

from fastapi import FastAPI

from billing import dashboard
from billing.books.explain import routes as explain
from billing.books.exports import routes as exports
from billing.books.margins import routes as margins
from billing.books.payouts import routes as payouts
from billing.books.periods import routes as periods
from billing.books.provider_reports import routes as provider_reports
from billing.books.reconciliation import routes as reconciliation
from billing.books.revenue import routes as revenue
from billing.books.revenue.recognition import DailyRecognition
from billing.books.simulation import routes as simulation
from billing.books.statements import routes as statements
from billing.books.trial_balance import routes as trial_balance
from billing.books.usage import routes as usage
from billing.http import app
from billing.http.metrics import Counted, counted_alone
from billing.http.service import Service
from billing.settings import Settings

SHELVES = (
    usage,
    explain,
    statements,
    revenue,
    trial_balance,
    periods,
    exports,
    payouts,
    provider_reports,
    margins,
    simulation,
    reconciliation,
)


def application(settings: Settings, dsn: str, counted: Counted = counted_alone) -> FastAPI:
    """The API, and the dashboard behind it. `dsn` and `counted` as for `create_app`."""
    made = create_app(settings, dsn, counted)
    dashboard.mount(made)
    return made


def create_app(settings: Settings, dsn: str, counted: Counted = counted_alone) -> FastAPI:
    """The API: the routes that write, and every shelf's."""
    return app.create_app((shelf.router for shelf in SHELVES), settings, dsn, counted, _chores)


def _chores(service: Service) -> Iterable[Coroutine[Any, Any, None]]:
    if service.settings.recognition == "daily":
        yield DailyRecognition(service.long_reads, service.posting).run()
