"""The application in this process, on a real PostgreSQL, with a key for each role."""

from collections.abc import Iterator

import pytest

from tests.conftest import Server, copied

from .service import Api, serving, with_a_clock


@pytest.fixture(scope="session")
def api(server: Server, template: str) -> Iterator[Api]:
    """A running application whose database keeps what tests leave in it: take accounts from `api.account()`."""
    with copied(server, template, "billing_api") as dsn, serving(dsn, webhook_allow_private=True) as api:
        yield api


@pytest.fixture(scope="module")
def quiet(server: Server, template: str) -> Iterator[Api]:
    """A running application on a database of the module's own, in which nothing falls due."""
    with copied(server, template, "billing_quiet") as dsn, serving(dsn) as api:
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
