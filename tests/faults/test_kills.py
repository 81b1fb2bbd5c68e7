"""kill -9 of each process of the service, while gateways work: what was acknowledged is there once, nothing lingers."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults.journal import Journal
from tests.faults.served import LANES, Served, children_of, fetch, kill, until


@pytest.fixture
def service(place: Path) -> Iterator[Served]:
    with Served(place / "data") as service:
        yield service


def kill_parent(service: Served) -> None:
    """Its worker and PostgreSQL must not outlive it."""
    assert len(children_of(service.parent)) >= 2
    service.end(9)
    service.start()


def kill_worker(service: Served) -> None:
    """The parent starts another."""
    (worker,) = service.workers
    kill(worker)


def kill_postgres(service: Served) -> None:
    """The service starts its PostgreSQL again, and its lanes find it."""
    kill(service.postgres)


def kill_a_session(service: Served) -> None:
    """PostgreSQL throws all sessions out and recovers by itself."""
    [(session,), *_] = until(lambda: fetch(service.dsn, LANES), "a lane has its session")
    kill(session)


def test_whatever_is_killed_what_was_acknowledged_is_there_once(service: Served) -> None:
    with Journal(service.url, timeout=30) as journal:
        for blow in (kill_worker, kill_a_session, kill_postgres, kill_parent, kill_worker):
            journal.gets_on(100)
            with journal.fault(blow.__name__.replace("_", " ")):
                blow(service)
    print(journal.check(service.dsn).line())
    until(service.is_ready, "the service is ready")
    journal.check_repeats(service.dsn)
    assert service.end().status == 0
