"""What is served, on a real PostgreSQL, and visitors who come to look at it."""

from collections.abc import Callable, Iterator

import pytest

from billing.embedded import EmbeddedPostgres
from tests.api.service import ADMIN_KEY, Api, serving, with_a_clock
from tests.conftest import copied

from .browser import Browser


@pytest.fixture(scope="session")
def api(server: EmbeddedPostgres, template: str) -> Iterator[Api]:
    """API and dashboard; the database keeps what tests leave in it."""
    with copied(server, template, "billing_dashboard") as dsn, serving(dsn) as api:
        yield api


@pytest.fixture
def clocked(fresh_database: str) -> Iterator[Api]:
    """The same on a database of the test's own, whose clock the test sets."""
    with_a_clock(fresh_database)
    with serving(fresh_database, expiry_seconds=1_000_000) as api:
        yield api


@pytest.fixture
def browser(api: Api) -> Browser:
    return Browser(api)


@pytest.fixture
def visitor(api: Api) -> Callable[[str, str], Browser]:
    """A browser that is signed in under a role; for role `account` the key is that of `account_id`."""

    def signed_in(role: str, account_id: str) -> Browser:
        secret = ADMIN_KEY
        if role != "admin":
            secret = api.new_key(role, account_id if role == "account" else None)["key"]
        return Browser(api).sign_in(secret)

    return signed_in
