"""A clock that jumps: credits and holds are not taken along. One machine's clocks jump together, so the service's too."""

import json
import os
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.faults.journal import Journal
from tests.faults.served import KEY, Served, client_of, fetch, until

LIBRARIES = (
    "/usr/lib/*/faketime/libfaketime.so.1",
    "/usr/lib/faketime/libfaketime.so.1",
    "/usr/lib64/faketime/libfaketime.so.1",
)
MISSING = "no libfaketime: `make faketime` installs it"
RIGHT, AHEAD, BACK = "+0", "+40d", "-40d"
DOUBTED, BELIEVED = "the database's clock is not believed", "the database's clock is believed again"
NEWEST = "SELECT max(posted_at) FROM transfer"
Z = "%Y-%m-%dT%H:%M:%SZ"


def libfaketime() -> str:
    """Without it tests are skipped, unless BILLING_FAKETIME=required: then they fail."""
    found = next((str(path) for pattern in LIBRARIES for path in Path("/").glob(pattern[1:])), None)
    if found is None and os.environ.get("BILLING_FAKETIME") == "required":
        pytest.fail(MISSING, pytrace=False)
    elif found is None:
        pytest.skip(MISSING)
    return found


class Machine:
    """A service with its PostgreSQL on one machine, whose clock the test sets. How long it has been up, it cannot set."""

    def __init__(self, place: Path) -> None:
        self._stamp = place / "clock"
        self.set(RIGHT)
        faked = {
            "FAKETIME_TIMESTAMP_FILE": str(self._stamp),
            "FAKETIME_CACHE_DURATION": "1",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        }
        self.service = Served(
            place / "data", BILLING_EXPIRY_SECONDS="1", BILLING_WORKERS="2", LD_PRELOAD=libfaketime(), **faked
        )

    def set(self, clock: str) -> None:
        written = self._stamp.with_suffix(".new")
        written.write_text(clock)
        written.chmod(0o644)
        written.rename(self._stamp)

    def says(self, what: str, times: int) -> None:
        until(lambda: self.service.log().count(what) >= times, f"{times} times: {what}")

    def post(self, path: str, **body: Any) -> Any:
        answer = self.service.client.post(path, json=body)
        assert answer.status_code in (200, 201), answer.text
        return answer.json()

    def page(self) -> int:
        """The status of a page, for who has just signed in."""
        with client_of(self.service.url, key=None) as browser:
            browser.post("/sign-in", data={"key": KEY}, headers={"Origin": self.service.url})
            return browser.get("/accounts/a").status_code

    def balance(self) -> dict[str, Any]:
        return dict(self.service.client.get("/v1/accounts/a/balance").json())


@pytest.fixture
def machine(place: Path) -> Iterator[Machine]:
    machine = Machine(place)
    with machine.service:
        yield machine


def test_what_a_clock_that_jumps_would_have_expired_is_still_there(machine: Machine) -> None:
    """Eight seconds were enough: every credit and hold that was due within weeks was gone for good, and all was dated then.

    It jumps while gateways work, and while nobody runs; it is set back; and at last it stays, and somebody says that it is right.
    """
    soon = datetime.now(UTC) + timedelta(days=10)
    machine.post("/v1/accounts", account_id="a")
    machine.post("/v1/accounts/a/grants", grant_id="g", kind="promotion", credits=1000, expires_at=soon.strftime(Z))
    machine.post("/v1/accounts/a/charges", request_id="held", model="gpt-image-2", hold_seconds=3600)
    whole = machine.balance()
    assert (whole["posted"], whole["held"], whole["lapsed"]) == (1000, 14, 0)

    def unharmed() -> None:
        """Also where a command comes to the account, which posts what is due there, and in a run over all that is due."""
        shown = machine.balance()
        assert (shown["posted"], shown["held"], shown["lapsed"]) == (1000, 14, 0)
        listed = machine.service.client.get("/v1/accounts/a/charges").json()["data"]
        assert [one["status"] for one in listed] == ["authorized"]
        months = machine.service.client.get("/v1/accounts/a/statements").json()["data"]
        assert max(one["start"] for one in months) < soon.strftime(Z)
        assert machine.page() == 200
        endpoint = machine.post(
            "/v1/webhook-endpoints", url="https://93.184.215.14/hook"
        )  # hears what happens from now on
        assert endpoint["created_at"] < soon.strftime(Z)
        machine.post("/v1/finance/recognition")
        [(newest,)] = fetch(machine.service.dsn, NEWEST)
        assert newest < soon

    with Journal(machine.service.url, timeout=30, gateways=2) as journal:
        journal.gets_on(10)
        with journal.fault("clock jumps 40 days ahead for a while"):
            machine.set(AHEAD)
            machine.says(DOUBTED, 2)  # each worker by itself
            journal.gets_on(30)
            unharmed()
            assert "clock is 40 days" in machine.service.client.get("/readyz").json()["warnings"][0]
            asked = machine.service.run("clock", "show", "--json")
            assert (asked.returncode, json.loads(asked.stdout)["doubt"][:32]) == (1, "The database's clock is 40 days,")
            closing = machine.service.client.post(f"/v1/finance/periods/{datetime.now(UTC):%Y-%m}/close", json={})
            assert closing.json()["code"] == "clock_doubted", closing.text
            machine.set(RIGHT)
            machine.says(BELIEVED, 2)
        unharmed()
        with journal.fault("clock is set back 40 days"):
            machine.set(BACK)
            journal.gets_on(30)
            machine.set(RIGHT)
        unharmed()
    print(journal.check(machine.service.dsn).line())

    machine.service.end()
    machine.set(AHEAD)
    machine.service.start()
    machine.says(DOUBTED, 4)
    unharmed()

    accepted = machine.service.run("clock", "accept", "--reason", "it was a month late before")
    assert accepted.returncode == 0, accepted.stderr
    machine.says(BELIEVED, 4)
    until(lambda: machine.balance()["posted"] == 0, "what is due has been posted")
    assert machine.balance()["held"] == 0
    until(lambda: fetch(machine.service.dsn, NEWEST)[0][0] > soon, "by the new time")
