"""A served service to charge against: a process of its own, on a database of its own."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from billing.embedded import EmbeddedPostgres
from tests.conftest import copied

from .served import Served


@pytest.fixture(scope="session")
def the_service(server: EmbeddedPostgres, template: str) -> Iterator[Served]:
    with copied(server, template) as dsn, Served(dsn) as service:
        yield service


@pytest.fixture
def service(the_service: Served) -> Iterator[Served]:
    """The session's service; afterwards its books must be in order."""
    yield the_service
    the_service.verify()
