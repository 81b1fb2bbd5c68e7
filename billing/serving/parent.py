"""The parent: it owns PostgreSQL and the migrations, its workers answer."""

import os
import signal
import threading
from functools import partial

import structlog
import uvloop
from granian.constants import HTTPModes, Interfaces, Loops
from granian.http import HTTP1Settings
from granian.log import LogLevels
from granian.server import Server

from billing.database import database
from billing.serving import NotServing, supervisor
from billing.serving.database_room import require_room
from billing.serving.descriptors import require_descriptors
from billing.serving.metrics_port import metrics_place, watching
from billing.serving.port import port_of_ours
from billing.serving.reports import Reports
from billing.serving.tie import end_with_parent
from billing.serving.worker import FAILED, UP, worker
from billing.settings import Settings
from billing.store.schema import migrate

FINISH_SECONDS = 10  # after which a worker is killed: twice what callers and the database may take of the end
BACKLOG = 4096  # connections that wait to be let in: Linux's own most
CALLER_SECONDS = 30  # for the first byte of a connection, for a request's headers, and between two requests

log = structlog.get_logger("billing.serving")


def serve(settings: Settings) -> None:
    """Migrates, listens and returns when SIGTERM or SIGINT has come and what was in flight is finished.

    Raises SettingsError where it cannot listen, before it touches a database, and where the database has no room for it;
    NotServing where a worker cannot start.
    """
    end_with_parent(signal.SIGTERM)
    require_descriptors(settings)
    with (
        port_of_ours(settings.host, settings.port),
        metrics_place(settings) as place,
        database(settings, join=False) as dsn,
        Reports() as reports,
    ):
        uvloop.run(migrate(dsn))
        uvloop.run(require_room(settings, dsn))
        server = Server(
            "billing",
            interface=Interfaces.ASGI,
            address=settings.host,
            port=settings.port,
            workers=settings.workers,
            backlog=BACKLOG,
            backpressure=settings.connections,  # beyond them nobody is let in, so the doorkeeper never lets it come to that
            loop=Loops.uvloop,
            # Not "auto": it waits for ever for the first byte of a connection, to see which protocol it is.
            http=HTTPModes.http1,
            websockets=False,
            http1_settings=HTTP1Settings(header_read_timeout=CALLER_SECONDS * 1000),
            log_level=LogLevels.warning,
            log_access=False,
            workers_kill_timeout=FINISH_SECONDS,
            respawn_failed_workers=True,
        )
        failures: list[str] = []
        announced = threading.Event()

        def on_up(_: int, __: object) -> None:
            if len(reports.newest[UP]) == settings.workers and not announced.is_set():
                announced.set()
                _announce(settings)

        def on_failed(_: int, failure: tuple[str, bool]) -> None:
            sentence, is_unreachable = failure
            if is_unreachable and announced.is_set():
                log.warning("a worker is started again", reason=sentence)
                return  # the others tell callers to come later, and go on when the database does
            failures.append(sentence)
            server.signal_handler_interrupt()  # type: ignore[no-untyped-call]

        reports.heard |= {UP: on_up, FAILED: on_failed}
        with watching(settings, dsn, reports, place):
            server.serve(
                target_loader=partial(worker, settings, dsn, os.getpid(), reports.letterbox), wrap_loader=False
            )
        supervisor.tell("STOPPING=1")
        if failures:
            raise NotServing(failures[0])


def _announce(settings: Settings) -> None:
    """Says that every worker listens: to who looks on, and to systemd."""
    host = f"[{settings.host}]" if ":" in settings.host else settings.host
    where = f"http://{host}:{settings.port}"
    kind = "DATABASE_URL" if settings.database_url else "embedded PostgreSQL"
    addresses = {"dashboard": f"{where}/", "docs": f"{where}/docs", "metrics": f"{where}/metrics", "database": kind}
    if settings.metrics_port:
        addresses["metrics"] = f"http://{host}:{settings.metrics_port}/metrics"
    lines = [f"  {name:<9} {address}" for name, address in addresses.items()]
    if settings.admin_key is None:
        lines.append("  keys      BILLING_ADMIN_KEY is not set: `billing keys create --role admin --name you`")
    print("\n".join([f"Billing on {where}", *lines]), flush=True)
    supervisor.tell("READY=1")
