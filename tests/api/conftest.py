"""The application in this process, on a real PostgreSQL, with a key for each role."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from billing.embedded import EmbeddedPostgres

from .service import Api, ask, serving, with_a_clock


@contextmanager
def copy_of(server: EmbeddedPostgres, template: str, name: str) -> Iterator[str]:
    """The DSN of a copy of the migrated database, which is dropped afterwards."""
    ask(server.dsn("postgres"), f"CREATE DATABASE {name} TEMPLATE {template}")
    yield server.dsn(name)
    ask(server.dsn("postgres"), f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture(scope="session")
def api(server: EmbeddedPostgres, template: str) -> Iterator[Api]:
    """A running application whose database keeps what tests leave in it: take accounts from `api.account()`."""
    with copy_of(server, template, "billing_api") as dsn, serving(dsn, webhook_allow_private=True) as api:
        yield api


@pytest.fixture(scope="module")
def quiet(server: EmbeddedPostgres, template: str) -> Iterator[Api]:
    """A running application on a database of the module's own, in which nothing falls due."""
    with copy_of(server, template, "billing_quiet") as dsn, serving(dsn) as api:
        yield api


@pytest.fixture
def fresh(fresh_database: str) -> Iterator[Api]:
    """A running application on a database of the test's own."""
    with serving(fresh_database) as api:
        yield api


@pytest.fixture
def clocked(fresh_database: str) -> Iterator[Api]:
    """A running application whose database's clock the test sets."""
    with_a_clock(fresh_database)
    with serving(fresh_database, expiry_seconds=1_000_000) as api:
        yield api
