"""The parent: it owns PostgreSQL and the migrations, its workers answer."""

import os

import uvloop
from granian.constants import Interfaces, Loops
from granian.log import LogLevels
from granian.server import Server

from billing.database import database
from billing.serving.port import require_free
from billing.serving.worker import PARENT
from billing.settings import Settings
from billing.store.schema import migrate

FINISH_SECONDS = 30


def serve(settings: Settings) -> None:
    """Migrates, listens and returns when SIGTERM or SIGINT has come and what was in flight is finished.

    Raises SettingsError where it cannot listen, before it touches a database.
    """
    require_free(settings.host, settings.port)
    with database(settings, join=False) as dsn:
        uvloop.run(migrate(dsn))
        os.environ["DATABASE_URL"] = dsn
        os.environ[PARENT] = str(os.getpid())
        host = f"[{settings.host}]" if ":" in settings.host else settings.host
        where = f"http://{host}:{settings.port}"
        kind = "DATABASE_URL" if settings.database_url else "embedded PostgreSQL"
        addresses = {"dashboard": f"{where}/", "docs": f"{where}/docs", "metrics": f"{where}/metrics", "database": kind}
        lines = [f"  {name:<9} {address}" for name, address in addresses.items()]
        print("\n".join([f"Billing on {where}", *lines]), flush=True)
        if settings.admin_key is None:
            print("  keys      BILLING_ADMIN_KEY is not set: `billing keys create --role admin --name you`", flush=True)
        Server(
            "billing.serving.worker:worker",
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
