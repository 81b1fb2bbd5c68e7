"""`billing serve` told to end, started twice, and beside other commands. Every process is real."""

import asyncio
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import asyncpg
import httpx
import pytest

import billing.embedded
from billing.embedded import EmbeddedPostgres
from tests.faults.journal import GRANTED, MODEL
from tests.faults.served import BOUND_SECONDS, LOST, Served, fetch, is_alive, until

CODE = Path(billing.embedded.__file__).parents[2]


@pytest.fixture
def service(place: Path) -> Iterator[Served]:
    with Served(place / "data") as service:
        yield service


def test_sigterm_finishes_what_is_in_flight(service: Served) -> None:
    """A request waits for a lock that somebody else holds while the service is told to end."""
    account = "in-time"
    service.client.post("/v1/accounts", json={"account_id": account})
    grant = {"grant_id": "g", "kind": "purchase", "credits": GRANTED}
    service.client.post(f"/v1/accounts/{account}/grants", json=grant)
    answers: list[httpx.Response] = []
    body = {"request_id": "in-flight", "model": MODEL}
    path = f"/v1/accounts/{account}/charges"
    request = threading.Thread(target=lambda: answers.append(service.client.post(path, json=body)))
    waiting = "SELECT 1 FROM pg_stat_activity WHERE application_name = 'billing lane' AND wait_event_type = 'Lock'"
    with asyncio.Runner() as runner:
        lock = runner.run(asyncpg.connect(service.dsn))
        runner.run(lock.execute("BEGIN"))
        runner.run(lock.execute("SELECT 1 FROM account WHERE account_id = $1 FOR UPDATE", account))
        request.start()
        until(lambda: fetch(service.dsn, waiting), "the request waits for the lock")
        os.kill(service.parent, signal.SIGTERM)
        until(lambda: not listens(service), "no new calls are taken")
        assert request.is_alive()
        assert is_alive(service.postgres)
        runner.run(lock.execute("COMMIT"))
        runner.run(lock.close())
    request.join(BOUND_SECONDS)
    assert [answer.status_code for answer in answers] == [201]
    assert service.process is not None
    assert service.process.wait(BOUND_SECONDS) == 0
    assert isinstance(service.database, Path)
    with EmbeddedPostgres(service.database):
        assert fetch(service.dsn, "SELECT request_id, status FROM charge") == [("in-flight", "authorized")]


def listens(service: Served) -> bool:
    try:
        return service.client.get("/healthz", headers={"Connection": "close"}).status_code == 200
    except LOST:
        return False


def test_a_second_service_is_refused_the_data_directory_and_the_first_leaves_nothing_running(service: Served) -> None:
    assert isinstance(service.database, Path)
    second = Served(service.database)
    refused = second.run("serve")
    assert refused.returncode == 1
    assert "Traceback" not in refused.stderr
    assert len(refused.stderr.strip().splitlines()) == 1
    second.close()
    assert service.is_ready()
    assert service.end(signal.SIGINT).status == 0
    assert not (service.database / "cluster" / "postmaster.pid").exists()


def test_migrations_at_the_same_time_do_not_collide(empty_database: str) -> None:
    environment = {**os.environ, "DATABASE_URL": empty_database, "PYTHONPATH": str(CODE)}
    command = [sys.executable, "-m", "billing", "migrate"]
    running = [
        subprocess.Popen(command, env=environment, cwd="/", stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        for _ in range(3)
    ]
    ended = [(process.communicate(timeout=BOUND_SECONDS), process.returncode) for process in running]
    assert [status for _, status in ended] == [0, 0, 0], ended

    async def versions() -> int:
        connection = await asyncpg.connect(empty_database)
        try:
            return int(await connection.fetchval("SELECT count(*) FROM alembic_version"))
        finally:
            await connection.close()

    assert asyncio.run(versions()) == 1


def test_commands_at_the_same_time_share_one_embedded_server(place: Path) -> None:
    environment = {name: text for name, text in os.environ.items() if name != "DATABASE_URL"}
    environment |= {"BILLING_DATA_DIR": str(place / "data"), "PYTHONPATH": str(CODE)}
    command = [sys.executable, "-m", "billing", "migrate"]
    running = [subprocess.Popen(command, env=environment, cwd="/", stderr=subprocess.PIPE, text=True) for _ in range(3)]
    ended = [(process.communicate(timeout=BOUND_SECONDS)[1], process.returncode) for process in running]
    assert [status for _, status in ended] == [0, 0, 0], ended
