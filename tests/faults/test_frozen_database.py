"""A database that falls silent: packets vanish and nobody is told. Every caller hears 503 in time, and it gets over it."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.faults.journal import Journal
from tests.faults.served import Served, client_of, fetch, until
from tests.faults.wire import Wire

SECONDS = "3"
LANES = """
    SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'billing lane'"""
CLIENT_SECONDS = 10.0  # what most clients wait: longer would be a failure of theirs


@pytest.fixture
def wire(fresh_database: str) -> Iterator[Wire]:
    with Wire.before(fresh_database) as wire:
        yield wire


@pytest.fixture
def served(fresh_database: str, wire: Wire) -> Iterator[Served]:
    with Served(wire.dsn_through(fresh_database), BILLING_DATABASE_SECONDS=SECONDS) as served:
        yield served


CALLS = {
    "a charge": ("POST", "/v1/accounts/j-0/charges", {"request_id": "frozen", "model": "gpt-image-2"}),
    "a balance": ("GET", "/v1/accounts/j-0/balance", None),
    "usage": ("GET", "/v1/accounts/j-0/usage?start_time=0", None),
    "a key that must be looked up": ("GET", "/v1/accounts/j-0", None),
    "an export": ("GET", "/v1/finance/exports/journal?format=csv", None),
    "a pack": ("POST", "/v1/packs", {
        "pack_id": "p", "name": "p", "credits": 1, "price": {"micros": 1_000_000, "currency": "USD"}}),
    "a key": ("POST", "/v1/keys", {"role": "gateway", "name": "g"}),
    "the end of a month": ("POST", "/v1/finance/periods/2025-01/close", {}),
}  # fmt: skip


def test_everybody_hears_503_in_time_and_it_gets_on_when_packets_pass_again(
    fresh_database: str, served: Served, wire: Wire
) -> None:
    with Journal(served.url, timeout=CLIENT_SECONDS) as journal:
        secret = served.client.post("/v1/keys", json={"role": "gateway", "name": "g"}).json()["key"]
        journal.gets_on()
        with journal.fault("frozen database"):
            wire.freeze()

            def call(what: str) -> tuple[int, str]:
                method, path, body = CALLS[what]
                key = secret if what.startswith("a key that") else served.environment["BILLING_ADMIN_KEY"]
                with client_of(served.url, key=key, timeout=CLIENT_SECONDS) as client:
                    answer = client.request(method, path, json=body)
                return answer.status_code, answer.json()["code"]

            with ThreadPoolExecutor(len(CALLS)) as pool:
                heard = dict(zip(CALLS, pool.map(call, CALLS), strict=True))
            wire.thaw()
    assert heard == dict.fromkeys(CALLS, (503, "database_unavailable"))
    assert journal.figures.unanswered == 0
    print(journal.check(fresh_database).line())


def test_connections_that_die_alone_are_left_and_their_locks_are_taken_from_them(
    fresh_database: str, served: Served, wire: Wire
) -> None:
    """Those that there are hang with what they hold on the server; new ones work. The lanes find out by ids."""
    with Journal(served.url, timeout=CLIENT_SECONDS) as journal:
        journal.gets_on()
        with journal.fault("frozen connections"):
            wire.freeze(known_only=True)
            known = set(fetch(fresh_database, LANES))
            until(lambda: not known <= set(fetch(fresh_database, LANES)), "what is left on the server is ended")
            journal.gets_on()
            wire.thaw()  # and what was on its way arrives, too late
    print(journal.check(fresh_database).line())


def test_an_end_that_is_asked_for_meanwhile_comes_within_seconds(served: Served, wire: Wire) -> None:
    with Journal(served.url, timeout=CLIENT_SECONDS) as journal:
        journal.gets_on()
        wire.freeze()
        ended = served.end()
        print(f"ended after {ended.seconds:.1f} s")
        journal.stopping.set()
        wire.thaw()
        assert ended.status == 0
        served.start()
