"""The application: what a worker serves."""

from fastapi import FastAPI

from billing import dashboard
from billing.api.app import create_app
from billing.api.metrics import Counted, counted_alone
from billing.settings import Settings


def application(settings: Settings, dsn: str | None = None, counted: Counted = counted_alone) -> FastAPI:
    """The API, and the dashboard behind it. `dsn` and `counted` as for `create_app`."""
    app = create_app(settings, dsn, counted)
    dashboard.mount(app)
    return app
