"""One port, one service: whoever comes second, or at the same moment, is told; and a service that is announced answers."""

import re
import socket
import threading
from contextlib import ExitStack

import pytest

from billing.serving.port import port_of_ours
from billing.settings import SettingsError
from tests.faults.served import BOUND_SECONDS, Served, client_of, fetch, kill, until


def test_of_two_services_that_start_at_once_one_is_told(fresh_database: str) -> None:
    with ExitStack() as closing:
        first, second = services = [Served(fresh_database, BILLING_HOST=host) for host in ("127.0.0.1", "0.0.0.0")]
        for service in services:
            closing.callback(service.close)
            service.environment["BILLING_PORT"] = str(first.port)
            service.start(ready=False)
        until(lambda: first.process.poll() is not None or second.process.poll() is not None, "one of them ends")
        refused, winner = (first, second) if first.process.poll() is not None else (second, first)
        assert refused.process.wait(BOUND_SECONDS) == 1
        assert re.fullmatch(r"billing: Cannot listen on \S+, port \d+: Address already in use\..*\n", refused.log())
        until(lambda: "Billing on" in winner.log(), "the other is announced")


def test_of_many_that_take_a_port_at_once_one_has_it() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    for hosts in (("127.0.0.1", "0.0.0.0"), ("::1", "::")) * 20:
        together, had = threading.Barrier(8), []

        def take(host: str, together: threading.Barrier = together, had: list[str] = had) -> None:
            together.wait()
            try:
                with port_of_ours(host, port):
                    had.append(host)
                    together.wait()
            except SettingsError:
                together.wait()

        takers = [threading.Thread(target=take, args=(hosts[number % 2],)) for number in range(8)]
        for taker in takers:
            taker.start()
        for taker in takers:
            taker.join()
        assert len(had) <= 1


def test_nobody_is_let_in_before_a_worker_listens() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with port_of_ours("127.0.0.1", port), pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port))


def test_a_service_is_announced_when_all_its_workers_answer_and_ends_when_one_cannot_start(fresh_database: str) -> None:
    service = Served(fresh_database, BILLING_WORKERS="2")
    try:
        service.start(ready=False)
        until(lambda: "Billing on" in service.log(), "it is announced")
        first, _ = service.workers
        for _ in range(10):  # each a connection of its own, to either worker
            with client_of(service.url) as client:
                assert client.get("/readyz").status_code == 200
        fetch(service.dsn, "ALTER TABLE price_book RENAME TO price_book_of_old")
        kill(first)
        assert service.process.wait(BOUND_SECONDS) == 1
        *_, sentence = service.log().splitlines()
        assert sentence.startswith('billing: A worker could not start: relation "price_book" does not exist')
        assert service.log().count("A worker could not start") == 1
    finally:
        service.close()


def test_a_worker_that_does_not_find_the_database_is_tried_again_while_the_others_answer(fresh_database: str) -> None:
    """One killed while the database was silent for longer than the next one waits took the whole service along."""
    with Served(fresh_database, BILLING_WORKERS="2") as service:
        until(lambda: "Billing on" in service.log(), "it is announced")
        fetch(fresh_database, "ALTER TABLE price_book RENAME TO away")
        fetch(
            fresh_database,
            "CREATE FUNCTION starting() RETURNS boolean LANGUAGE plpgsql AS $$ BEGIN RAISE SQLSTATE '57P03'; END $$",
        )
        fetch(fresh_database, "CREATE VIEW price_book AS SELECT * FROM away WHERE starting()")
        fetch(fresh_database, "GRANT SELECT ON price_book TO billing_service")
        kill(service.workers[0])
        until(lambda: "a worker is started again" in service.log(), "the next one did not find it")
        assert service.is_ready()
        fetch(fresh_database, "DROP VIEW price_book")
        fetch(fresh_database, "ALTER TABLE away RENAME TO price_book")
        until(lambda: _answering(service) == 2, "both answer")
        assert service.end().status == 0


def _answering(service: Served) -> int:
    text = service.client.get("/metrics").text
    return int(float(text.split("\nbilling_workers_ready ")[1].split()[0]))
