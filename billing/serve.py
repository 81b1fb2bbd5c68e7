"""Serving: the parent owns PostgreSQL and the migrations, its workers answer."""

import ctypes
import os
import signal
import socket
import sys
from typing import Any

import structlog
import uvloop
from fastapi import FastAPI
from granian.constants import Interfaces, Loops
from granian.log import LogLevels
from granian.server import Server

from billing import dashboard
from billing.api.app import create_app
from billing.database import database
from billing.settings import Settings, SettingsError
from billing.store.schema import migrate

FINISH_SECONDS = 30
_PARENT = "BILLING_PARENT_PID"
_PR_SET_PDEATHSIG = 1


def serve(settings: Settings) -> None:
    """Migrates, listens and returns when SIGTERM or SIGINT has come and what was in flight is finished.

    Raises SettingsError where it cannot listen, before it touches a database.
    """
    require_free(settings.host, settings.port)
    with database(settings, join=False) as dsn:
        uvloop.run(migrate(dsn))
        os.environ["DATABASE_URL"] = dsn
        os.environ[_PARENT] = str(os.getpid())
        host = f"[{settings.host}]" if ":" in settings.host else settings.host
        where = f"http://{host}:{settings.port}"
        kind = "DATABASE_URL" if settings.database_url else "embedded PostgreSQL"
        addresses = {"dashboard": f"{where}/", "docs": f"{where}/docs", "metrics": f"{where}/metrics", "database": kind}
        lines = [f"  {name:<9} {address}" for name, address in addresses.items()]
        print("\n".join([f"Billing on {where}", *lines]), flush=True)
        if settings.admin_key is None:
            print("  keys      BILLING_ADMIN_KEY is not set: `billing keys create --role admin --name you`", flush=True)
        Server(
            "billing.serve:worker",
            factory=True,
            interface=Interfaces.ASGI,
            address=settings.host,
            port=settings.port,
            workers=settings.workers,
            loop=Loops.uvloop,
            log_level=LogLevels.warning,
            log_access=False,
            workers_kill_timeout=FINISH_SECONDS,
            respawn_failed_workers=True,
        ).serve()


def require_free(host: str, port: int) -> None:
    """Raises SettingsError unless the IP address `host` is this machine's and nobody listens on `port` there.

    The server shares a port with whoever allows it (SO_REUSEPORT), and another `billing serve` does: callers would reach
    one database now and the other then.
    """
    try:
        [(family, kind, protocol, _, address), *_] = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_NUMERICHOST
        )
        with socket.socket(family, kind, protocol) as alone:
            alone.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # connections that have ended keep nobody out
            alone.bind(address)
    except OSError as problem:
        raise SettingsError(
            f"Cannot listen on {host}, port {port}: {problem.strerror}. "
            "BILLING_HOST (an IP address) and BILLING_PORT name another place."
        ) from problem


def worker() -> Any:
    """The application in a worker process."""
    _die_with_parent()
    settings = Settings.read()
    set_up_logs(settings.log_format)
    return application(settings)


def application(settings: Settings, dsn: str | None = None) -> FastAPI:
    """What is served: the API, and the dashboard behind it. `dsn` as for `create_app`."""
    app = create_app(settings, dsn)
    dashboard.mount(app)
    return app


def set_up_logs(log_format: str) -> None:
    """Logs to stderr: for a person, or as JSON for a program."""
    last: Any = structlog.processors.JSONRenderer() if log_format == "json" else structlog.dev.ConsoleRenderer()
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            last,
        ],
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )


def _die_with_parent() -> None:
    """A worker whose parent was killed must not go on answering on its port without a database."""
    parent = os.environ.get(_PARENT)
    if parent is None or not sys.platform.startswith("linux"):
        return
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != int(parent):
        sys.exit("the serving process has ended")
