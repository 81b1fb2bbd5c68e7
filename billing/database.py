"""The database of a command: the one that `DATABASE_URL` names, or an embedded PostgreSQL of our own."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import structlog
import uvloop

from billing.embedded import DataDirectoryInUse, EmbeddedPostgres, EmbeddedPostgresError, default_data_dir
from billing.settings import Settings
from billing.store.connection import answers, plain_dsn

JOIN_SECONDS = 120.0  # as long as a recovery may take
WATCH_SECONDS = 0.5
RESERVED_CONNECTIONS = 10  # PostgreSQL keeps three for itself; the rest is for whoever looks
LEAST_CONNECTIONS, MOST_CONNECTIONS = 100, 2_000  # each is a process
log = structlog.get_logger("billing.database")


@contextmanager
def database(settings: Settings, *, join: bool = True, make: bool = True) -> Iterator[str]:
    """A connection string, good while the context lasts.

    An embedded server of our own that ends by itself is started again. With `join`, a running service's embedded
    server is used where there is one; without, two owners are an error. With `make`, an embedded database that is not
    there yet is made. Raises EmbeddedPostgresError, ValueError (an URL that is none).
    """
    if settings.database_url is not None:
        yield plain_dsn(settings.database_url)
        return
    room = str(max(LEAST_CONNECTIONS, min(settings.database_connections + RESERVED_CONNECTIONS, MOST_CONNECTIONS)))
    server = EmbeddedPostgres(settings.data_dir or default_data_dir(), settings={"max_connections": room})
    if not make and not server.is_made:
        raise EmbeddedPostgresError(
            f"There is no database under {server.data_dir} yet: `billing serve` or `billing migrate` makes one. "
            "BILLING_DATA_DIR names another directory, DATABASE_URL a server."
        )
    if not _start(server, join=join):
        yield server.dsn()
        return
    done = threading.Event()
    watch = threading.Thread(target=_keep_running, args=(server, done), name="embedded PostgreSQL's watch")
    watch.start()
    try:
        yield server.dsn()
    finally:
        done.set()
        watch.join()
        server.stop()


def _start(server: EmbeddedPostgres, *, join: bool) -> bool:
    """Starts `server`, or waits for its other owner's to answer; whether it is ours."""
    deadline = time.monotonic() + JOIN_SECONDS
    while True:
        try:
            server.start()
            return True
        except DataDirectoryInUse:
            if not join or time.monotonic() > deadline:
                raise
        if uvloop.run(answers(server.dsn())):
            return False
        time.sleep(0.1)  # its owner is starting it, or has just ended


def _keep_running(server: EmbeddedPostgres, done: threading.Event) -> None:
    while not done.wait(WATCH_SECONDS):
        if server.pid is None:
            log.warning("the embedded PostgreSQL ended by itself: starting it again")
            try:
                server.start()
            except EmbeddedPostgresError as problem:
                log.error("the embedded PostgreSQL does not start", reason=str(problem))
