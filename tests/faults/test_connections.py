"""Callers who let the service wait: idle by the thousand, trickling, not reading. Others go on, and it ends in time."""

import contextlib
import json
import subprocess
import sys
from collections.abc import Iterator

import pytest

from tests.faults.journal import Journal
from tests.faults.served import KEY, Served, client_of, until
from tests.faults.strangers import ASK, SEND, Trickler, connected, crowd, is_closed

POLITE = 64


class Polite:
    """A gateway's connection that is kept open between calls."""

    def __init__(self, port: int) -> None:
        self.socket = connected(port)
        self.file = self.socket.makefile("rb")

    def close(self) -> None:
        self.file.close()
        self.socket.close()

    def call(self) -> int:
        """The answer's status."""
        head = f"GET /v1/price-books HTTP/1.1\r\nHost: billing\r\nAuthorization: Bearer {KEY}\r\n\r\n"
        self.socket.sendall(head.encode())
        status = int(self.file.readline().split()[1])
        length = 0
        while (line := self.file.readline().strip()) != b"":
            name, _, text = line.partition(b":")
            length = int(text) if name.lower() == b"content-length" else length
        self.file.read(length)
        return status


def test_idle_strangers_by_the_thousand_keep_nobody_out(fresh_database: str) -> None:
    """1,500 without a key on a service that may have 1,000: it answered nobody new, and kept them for as long as they liked."""
    with Served(fresh_database, BILLING_CONNECTIONS="1000") as service, contextlib.ExitStack() as closing:
        polite = [closing.enter_context(contextlib.closing(Polite(service.port))) for _ in range(POLITE)]
        assert {one.call() for one in polite} == {200}
        with (
            Journal(service.url) as journal,
            journal.fault("1,500 idle strangers"),
            crowd(service.port, 1_500) as strangers,
        ):
            until(lambda: sum(map(is_closed, strangers)) > 1_500 - 600, "most of them are closed")
            assert {one.call() for one in polite} == {200}, "who has a key keeps the connection"
            with client_of(service.url) as newcomer:
                assert newcomer.get("/readyz").status_code == 200
            journal.gets_on(100)
        figures = journal.check(service.dsn)
        print(figures.line())
        assert figures.unanswered == 0
        print(f"SIGTERM: {service.end().seconds:.1f} s")


@contextlib.contextmanager
def not_reading(port: int) -> Iterator[None]:
    with contextlib.closing(connected(port, window=4096)) as one:
        one.sendall(ASK)
        one.recv(1)
        yield


def test_a_body_that_trickles_is_refused_and_no_slow_caller_is_waited_for_at_the_end(fresh_database: str) -> None:
    """One of them cost 30 seconds at SIGTERM, and then the worker's life with whatever it had to finish."""
    with Served(fresh_database) as service, contextlib.ExitStack() as closing:
        slow = closing.enter_context(contextlib.closing(Trickler(service.port, SEND)))
        until(lambda: not slow.thread.is_alive(), "it was hung up on")
        head, _, body = slow.heard.partition(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 408"), slow.heard
        assert b"connection: close" in head.lower()
        assert json.loads(body)["code"] == "body_too_slow"
        assert service.client.post("/v1/accounts", json={"account_id": "a"}).status_code == 201

        closing.enter_context(contextlib.closing(connected(service.port)))
        for first in (ASK[:20], SEND):
            closing.enter_context(contextlib.closing(Trickler(service.port, first)))
        closing.enter_context(not_reading(service.port))
        assert service.client.get("/readyz").status_code == 200
        ended = service.end()
        print(f"SIGTERM with silence, trickled headers, a trickled body and an answer unread: {ended.seconds:.1f} s")
        assert ended.status == 0
        assert "Killing" not in service.log()


@pytest.mark.parametrize(("soft", "hard", "has"), [(256, 4096, 2138), (256, 1024, None), (4096, 4096, 4096)])
def test_the_limit_of_open_files_is_raised_or_the_service_says_what_it_lacks(
    soft: int, hard: int, has: int | None
) -> None:
    code = f"""
import resource
from billing.serving.descriptors import require_descriptors
from billing.settings import Settings
resource.setrlimit(resource.RLIMIT_NOFILE, ({soft}, {hard}))
require_descriptors(Settings())
print(resource.getrlimit(resource.RLIMIT_NOFILE)[0])
"""
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    if has is None:
        assert ran.stderr.endswith("raise the limit (LimitNOFILE, ulimit -Hn), or lower BILLING_CONNECTIONS.\n")
    else:
        assert ran.stdout == f"{has}\n"
