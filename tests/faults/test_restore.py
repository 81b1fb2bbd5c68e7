"""Dumped and restored: the same books, keys, sessions and signatures, elsewhere; or nothing at all."""

import asyncio
import json
import signal
import subprocess
import sys
import zipfile
from contextlib import closing
from pathlib import Path
from typing import Any

import httpx
import pytest

from billing.books.dump.archive import NotEmpty, dump, restore
from billing.embedded import EmbeddedPostgres
from billing.embedded.binaries import binaries_for
from tests.faults.journal import Journal
from tests.faults.served import BOUND_SECONDS, Served, fetch, until, verified

MANY = 100_000


def copies(path: Path) -> dict[str, list[bytes]]:
    """Each table's rows, as text."""
    with zipfile.ZipFile(path) as archive:
        return {name: sorted(archive.read(name).splitlines()) for name in archive.namelist() if name.endswith(".copy")}


def nobody(table: str, rows: int, of: int | None) -> None:
    """Is told of progress."""


def ran(service: Served, *words: str, status: int = 0) -> str:
    done = service.run(*words)
    assert done.returncode == status, done.stderr
    return done.stdout + done.stderr


def signed_in(service: Served, key: str) -> str:
    """The cookie of a session."""
    here = {"Origin": service.url, "Sec-Fetch-Site": "same-origin"}
    answer = service.client.post("/sign-in", data={"key": key}, headers=here)
    assert answer.status_code == 303, answer.text
    service.client.cookies.clear()
    return answer.headers["set-cookie"].partition(";")[0]


def test_a_service_moves_and_is_the_same(place: Path, empty_database: str) -> None:
    """Embedded → server and back while gateways work, and embedded → embedded when they have ended."""
    first, second, third = (place / f"{name}.dump" for name in ("first", "second", "third"))
    with Served(place / "a") as old:
        with Journal(old.url) as journal:
            key = old.client.post("/v1/keys", json={"role": "account", "account_id": "j-0", "name": "me"}).json()["key"]
            cookie = signed_in(old, key)
            journal.gets_on(60)
            asyncio.run(dump(old.dsn, first, nobody))
            journal.gets_on(20)
        month = fetch(old.dsn, "SELECT to_char(clock_timestamp() AT TIME ZONE 'UTC', 'YYYY-MM')")[0][0]
        statement = f"/v1/accounts/j-0/statements/{month}"
        issued = old.client.get(statement).json()
        old.end()
        assert json.loads(ran(old, "dump", str(second), "--json"))["tables"]["charge"]["rows"] >= 20
    assert second.stat().st_mode & 0o777 == 0o600  # there are secrets in it

    with closing(Served(place / "b")) as new:
        assert json.loads(ran(new, "restore", str(second), "--json"))["verify"]["ok"]
        new.start()
        journal.url = new.url
        journal.check(new.dsn)
        for headers in ({"Authorization": f"Bearer {key}"}, {"Cookie": cookie}):
            assert httpx.get(f"{new.url}/v1/accounts/j-0/balance", headers=headers, verify=False).status_code == 200
        again = new.client.get(statement).json()
        assert {**again, "issued_at": "", "signature": ""} == {**issued, "issued_at": "", "signature": ""}
        (place / "statement.json").write_text(json.dumps(issued))
        ran(
            new, "verify-statement", str(place / "statement.json"), "--keys", f"{new.url}/.well-known/billing-keys.json"
        )
        journal.check_repeats(new.dsn)

    asyncio.run(restore(empty_database, first, nobody))
    verified(empty_database)
    asyncio.run(dump(empty_database, third, nobody))
    assert copies(third) == copies(first)
    with pytest.raises(NotEmpty, match=r"it holds public\..* nothing was changed"):
        asyncio.run(restore(empty_database, third, nobody))
    with pytest.raises(FileExistsError):
        asyncio.run(dump(empty_database, third, nobody))


def test_a_restore_that_is_killed_leaves_an_empty_database(
    place: Path, fresh_database: str, empty_database: str
) -> None:
    dumped = place / "large.dump"
    asyncio.run(dump(fresh_database, place / "small.dump", nobody))
    row = b"acme\t2026-11-01 00:00:00+00\t%d\tevt-%d\ttopup.paid\t{}\tt\n"
    with zipfile.ZipFile(place / "small.dump") as small, zipfile.ZipFile(dumped, "w") as large:
        for name in small.namelist():
            content: Any = small.read(name)
            if name == "outbox.copy":
                content = b"".join(row % (number, number) for number in range(MANY))
            if name == "dump.json":
                contents = json.loads(content)
                contents["tables"]["outbox"]["rows"] = MANY
                content = json.dumps(contents)
            large.writestr(name, content)
    target = Served(empty_database)
    restoring = subprocess.Popen(
        [sys.executable, "-m", "billing", "restore", str(dumped)], env=target.environment, stderr=subprocess.DEVNULL
    )
    copying = "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND query LIKE 'COPY%outbox%'"
    [(backend,)] = until(lambda: fetch(empty_database, copying), "it is half-way")
    restoring.send_signal(signal.SIGKILL)
    restoring.wait(BOUND_SECONDS)
    until(lambda: not fetch(empty_database, "SELECT 1 FROM pg_stat_activity WHERE pid = $1", backend), "it is undone")
    assert fetch(empty_database, "SELECT 1 FROM pg_tables WHERE schemaname = 'public'") == []
    asyncio.run(restore(empty_database, dumped, nobody))
    assert fetch(empty_database, "SELECT count(*) FROM outbox") == [(MANY,)]
    target.close()


def test_what_was_restored_by_hand_is_mended_by_migrating(place: Path, fresh_database: str) -> None:
    """Without its owners, into a server that has never heard of the service's role."""
    tools = binaries_for(None)
    subprocess.run(
        [tools.program("pg_dump"), "-Fc", "-f", str(place / "by-hand"), fresh_database],
        check=True,
        timeout=BOUND_SECONDS,
    )
    with EmbeddedPostgres(place / "c") as server:
        done = subprocess.run(
            [tools.program("pg_restore"), "--no-owner", "-d", server.dsn(), str(place / "by-hand")],
            capture_output=True,
            text=True,
            check=False,
            timeout=BOUND_SECONDS,
        )
        assert 'role "billing_service" does not exist' in done.stderr
        with Served(server.dsn()) as service:  # which migrates
            assert service.client.get("/v1/price-books").status_code == 200
        verified(server.dsn())
