"""The database of a command: the one that `DATABASE_URL` names, or an embedded PostgreSQL of our own."""

from collections.abc import Iterator
from contextlib import contextmanager

from billing.embedded import DataDirectoryInUse, EmbeddedPostgres, default_data_dir
from billing.settings import Settings
from billing.store.engine import plain_dsn


@contextmanager
def database(settings: Settings, *, join: bool = True) -> Iterator[str]:
    """A connection string, good while the context lasts.

    With `join`, a running service's embedded server is used where there is one; without, two owners are an
    error. Raises EmbeddedPostgresError, ValueError (an URL that is none).
    """
    if settings.database_url is not None:
        yield plain_dsn(settings.database_url)
        return
    server = EmbeddedPostgres(settings.data_dir or default_data_dir())
    try:
        server.start()
    except DataDirectoryInUse:
        if not join:
            raise
    try:
        yield server.dsn()
    finally:
        server.stop()
