"""Whether the service is ready is whether it can post: for each reason why not, it says so in a sentence."""

import asyncio
import threading
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager

import asyncpg
import pytest

from billing.embedded import EmbeddedPostgres
from tests.conftest import copied
from tests.faults.served import Served, fetch, until
from tests.faults.wire import Wire


class Place:
    """A service with a wire before its database, and an account."""

    def __init__(self, service: Served, wire: Wire, dsn: str) -> None:
        self.service, self.wire, self.dsn = service, wire, dsn
        assert self.post("/v1/accounts", {"account_id": "a"}) == 201

    def post(self, path: str, body: object) -> int:
        return self.service.client.post(path, json=body).status_code

    def answers(self, status: int) -> dict[str, object] | None:
        answer = self.service.client.get("/readyz", headers={"Authorization": ""})
        return {**answer.json(), "retry": answer.headers.get("retry-after")} if answer.status_code == status else None


@pytest.fixture(scope="module")
def place(server: EmbeddedPostgres, template: str) -> Iterator[Place]:
    with copied(server, template) as dsn, Wire.before(dsn) as wire, Served(wire.dsn_through(dsn)) as service:
        yield Place(service, wire, dsn)


@contextmanager
def a_frozen_database(place: Place) -> Iterator[None]:
    place.wire.freeze()
    try:
        yield
    finally:
        place.wire.thaw()


@contextmanager
def a_lane_that_waits(place: Place) -> Iterator[None]:
    """Somebody holds an account's row: whatever is read is read, but its lane commits nothing."""
    body = {"grant_id": "g", "kind": "plan", "credits": 1}
    with asyncio.Runner() as runner:
        holder = runner.run(asyncpg.connect(place.dsn))
        runner.run(holder.execute("BEGIN; SELECT 1 FROM account WHERE account_id = 'a' FOR UPDATE"))
        waiting = threading.Thread(target=place.post, args=("/v1/accounts/a/grants", body))
        waiting.start()
        try:
            yield
            assert place.service.client.get("/v1/accounts/a").status_code == 200
        finally:
            runner.run(holder.close())
            waiting.join()


@contextmanager
def a_table_that_takes_nothing(place: Place) -> Iterator[None]:
    """As with a full disk: transactions commit, but none that a gateway needs."""
    body = {"request_id": "r", "model": "gpt-image-2"}
    over = threading.Event()

    def insist() -> None:
        while not over.wait(0.1):
            assert place.post("/v1/accounts/a/charges", body) == 503

    fetch(place.dsn, "REVOKE ALL ON charge FROM billing_service")
    gateway = threading.Thread(target=insist)
    gateway.start()
    try:
        yield
    finally:
        over.set()
        gateway.join()
        fetch(place.dsn, "GRANT SELECT, INSERT, UPDATE ON charge TO billing_service")


@contextmanager
def a_schema_of_another_program(place: Place) -> Iterator[None]:
    [(ours,)] = fetch(place.dsn, "SELECT version_num FROM alembic_version")
    fetch(place.dsn, "UPDATE alembic_version SET version_num = 'of_a_newer_program'")
    try:
        yield
    finally:
        fetch(place.dsn, "UPDATE alembic_version SET version_num = $1", ours)


@contextmanager
def a_server_that_takes_no_writes(place: Place) -> Iterator[None]:
    [(name,)] = fetch(place.dsn, "SELECT current_database()")
    set_to = f"SET default_transaction_read_only = off; ALTER DATABASE {name} SET default_transaction_read_only = "
    throw_out = "; SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name LIKE 'billing%'"
    with asyncio.Runner() as runner:
        owner = runner.run(asyncpg.connect(place.dsn))
        runner.run(owner.execute(f"{set_to}on{throw_out}"))
        try:
            yield
        finally:
            runner.run(owner.execute(f"{set_to}off{throw_out}"))
            runner.run(owner.close())


@pytest.mark.parametrize(
    ("fault", "code", "sentence"),
    [
        (a_frozen_database, "posting_stalled", "the database does not answer"),
        (a_lane_that_waits, "posting_stalled", "something holds its locks"),
        (a_table_that_takes_nothing, "database_unavailable", "refuses what a posting lane writes"),
        (a_schema_of_another_program, "wrong_schema", "revision of_a_newer_program, which this program"),
        (a_server_that_takes_no_writes, "database_read_only", "takes no writes"),
    ],
)
def test_what_keeps_it_from_posting_is_said_and_so_is_that_it_is_over(place: Place, fault, code, sentence) -> None:
    until(lambda: place.answers(200), "ready")
    broken: AbstractContextManager[None] = fault(place)
    with broken:
        told = until(lambda: (said := place.answers(503)) and said["code"] == code and said, code)
        assert told["retry"] == "1"
        assert sentence in str(told["detail"])
        assert place.service.client.get("/healthz").status_code == 200
    until(lambda: place.answers(200), "ready again")
    assert place.post("/v1/accounts/a/grants", {"grant_id": "g", "kind": "plan", "credits": 1}) in (200, 201)
