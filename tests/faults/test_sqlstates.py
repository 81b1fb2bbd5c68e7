"""What PostgreSQL says no with while it is operated: later, for everybody, and over as soon as it is over."""

import asyncio
import itertools
import time
from collections.abc import Iterator
from dataclasses import dataclass
from urllib.parse import urlsplit, urlunsplit

import asyncpg
import httpx
import pytest

from billing.embedded import EmbeddedPostgres
from tests.conftest import execute
from tests.faults.served import KEY, Served, client_of, fetch, until

LOGIN = "biller"  # no superuser: those are exempt from half of this
CONNECTED = f"SELECT pid FROM pg_stat_activity WHERE usename = '{LOGIN}'"
END_ALL = f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = '{LOGIN}'"
_numbers = itertools.count(1)


@dataclass(frozen=True)
class Fault:
    """How it is begun and ended. `ends_sessions`: those that there are would not notice. `reads`: they go on."""

    begin: str
    end: str
    ends_sessions: bool = True
    reads: bool = False


FAULTS = {
    "the role may not log in": Fault(f"ALTER ROLE {LOGIN} NOLOGIN", f"ALTER ROLE {LOGIN} LOGIN"),
    "no connection is left": Fault(f"ALTER ROLE {LOGIN} CONNECTION LIMIT 0", f"ALTER ROLE {LOGIN} CONNECTION LIMIT -1"),
    "read only": Fault(
        f"ALTER ROLE {LOGIN} SET default_transaction_read_only = on",
        f"ALTER ROLE {LOGIN} RESET default_transaction_read_only",
        reads=True,
    ),
    "the database takes no connections": Fault(
        "ALTER DATABASE {database} ALLOW_CONNECTIONS false", "ALTER DATABASE {database} ALLOW_CONNECTIONS true"
    ),
    "privileges are missing": Fault(
        "REVOKE ALL ON charge, api_key FROM billing_service",
        "GRANT SELECT, INSERT, UPDATE ON charge, api_key TO billing_service",
        ends_sessions=False,
    ),
    "tables are away": Fault(
        "ALTER TABLE charge RENAME TO away; ALTER TABLE api_key RENAME TO gone",
        "ALTER TABLE away RENAME TO charge; ALTER TABLE gone RENAME TO api_key",
        ends_sessions=False,
    ),
}


class Place:
    """The service on a database of its own, and who operates it."""

    def __init__(self, server: EmbeddedPostgres, database: str, served: Served) -> None:
        self.database, self.served = database, served
        self.owner, self._root = server.dsn(database), server.dsn("postgres")
        self.admin = client_of(served.url, key=KEY)
        accounts = {"account_id": "a"}, {"grant_id": "g", "kind": "purchase", "credits": 1_000_000}
        for path, body in zip(("/v1/accounts", "/v1/accounts/a/grants"), accounts, strict=True):
            assert self.admin.post(path, json=body).status_code == 201
        self.key = self.admin.post("/v1/keys", json={"role": "gateway", "name": "g"}).json()["key"]
        self.gateway = client_of(served.url, key=self.key)
        self.clients = (self.admin, self.gateway)

    def operate(self, statement: str) -> None:
        dsn = self.owner if "TABLE" in statement or "billing_service" in statement else self._root
        asyncio.run(execute(dsn, statement.format(database=self.database)))

    def charged(self, client: httpx.Client) -> bool:
        """Whether a charge goes through. If not, the caller is told to come later."""
        body = {"request_id": f"r{next(_numbers)}", "model": "gpt-image-2", "quality": "low"}
        return _well(client.post("/v1/accounts/a/charges", json=body))

    def read(self, client: httpx.Client) -> bool:
        return _well(client.get("/v1/accounts/a/balance")) and _well(client.get("/v1/accounts/a/charges"))


def _well(answer: httpx.Response) -> bool:
    if answer.status_code == 503:
        assert answer.json()["code"] == "database_unavailable"
        assert answer.headers["retry-after"]
    else:
        assert answer.status_code in (200, 201), answer.text
    return answer.is_success


@pytest.fixture(scope="module")
def place(server: EmbeddedPostgres, template: str) -> Iterator[Place]:
    database = f"billing_faults_{next(_numbers)}"
    root, dsn = server.dsn("postgres"), server.dsn(database)
    asyncio.run(execute(root, f"CREATE DATABASE {database} TEMPLATE {template}", f"CREATE ROLE {LOGIN} LOGIN"))
    asyncio.run(execute(root, f"GRANT billing_service TO {LOGIN}"))
    parts = urlsplit(dsn)
    with Served(urlunsplit((parts.scheme, f"{LOGIN}@", *parts[2:])), BILLING_DATABASE_SECONDS="2") as served:
        place = Place(server, database, served)
        yield place
        for client in place.clients:
            client.close()
    asyncio.run(execute(root, f"DROP DATABASE {database} WITH (FORCE)", f"DROP ROLE {LOGIN}"))


@pytest.mark.parametrize("name", FAULTS)
def test_who_charges_is_told_to_come_later(place: Place, name: str) -> None:
    fault = FAULTS[name]
    assert all(place.charged(client) and place.read(client) for client in place.clients)
    place.operate(fault.begin)
    try:
        if fault.ends_sessions:
            place.operate(END_ALL)
        for client in place.clients:
            until(lambda client=client: not place.charged(client), f"{name}: charges are put off")
            if not fault.reads:
                until(lambda client=client: not place.read(client), f"{name}: reads are put off")
        if fault.reads:
            assert all(place.read(client) for client in place.clients)
    finally:
        place.operate(fault.end)
    over = time.monotonic()
    for client in place.clients:
        until(lambda client=client: place.charged(client) and place.read(client), f"{name}: over")
    print(f"{name}: over after {time.monotonic() - over:.1f} s")


def test_sessions_that_all_end_are_replaced_and_nobody_hears_of_it(place: Place) -> None:
    """As when the server is started again: eight reads do not fail one after the other."""
    assert all(place.charged(client) and place.read(client) for client in place.clients)
    for _ in range(3):
        known = set(fetch(place.owner, CONNECTED))
        place.operate(END_ALL)
        until(lambda known=known: known.isdisjoint(fetch(place.owner, CONNECTED)), "they have ended")
        assert [place.read(client) for client in place.clients for _ in range(8)] == [True] * 16
        assert [place.charged(client) for client in place.clients] == [True] * 2


def test_a_lock_that_is_held_is_not_waited_for_for_ever(place: Place) -> None:
    async def held() -> tuple[bool, ...]:
        connection = await asyncpg.connect(place.owner)
        try:
            async with connection.transaction():
                await connection.execute("LOCK TABLE account")
                return tuple([await asyncio.to_thread(act, place.admin) for act in (place.charged, place.read)])
        finally:
            await connection.close()

    assert place.charged(place.admin)
    assert asyncio.run(held()) == (False, False)
    assert place.charged(place.admin)
