"""The application: what a worker serves."""

from fastapi import FastAPI

from billing import dashboard
from billing.api.app import create_app
from billing.settings import Settings


def application(settings: Settings, dsn: str | None = None) -> FastAPI:
    """The API, and the dashboard behind it. `dsn` as for `create_app`."""
    app = create_app(settings, dsn)
    dashboard.mount(app)
    return app
