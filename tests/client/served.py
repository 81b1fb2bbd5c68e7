"""The billing service as a process, and what a test asks of it beside the client that it tests."""

from __future__ import annotations

import asyncio
import os
import socket
import subprocess
import sys
import tempfile
import threading
import time
from types import TracebackType
from typing import Any, Self

import httpx

from billing.books import verify

ADMIN_KEY = "the-key-of-who-tests-the-client"
BOUND_SECONDS = 60.0


class Served:
    """`url` and `key` (an admin's) are what a client needs."""

    key = ADMIN_KEY

    def __init__(self, dsn: str) -> None:
        self.dsn = dsn
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        self.url = f"http://127.0.0.1:{port}"
        foreign = ("BILLING_", "STRIPE_", "DATABASE_")
        self._environment = {
            **{name: text for name, text in os.environ.items() if not name.startswith(foreign)},
            "DATABASE_URL": dsn,
            "BILLING_PORT": str(port),
            "BILLING_ADMIN_KEY": ADMIN_KEY,
        }
        self._numbers = 0

    def __enter__(self) -> Self:
        self._said = tempfile.TemporaryFile()
        self._process = subprocess.Popen(
            [sys.executable, "-m", "billing", "serve"],
            env=self._environment,
            stdout=subprocess.DEVNULL,
            stderr=self._said,
        )
        headers = {"Authorization": f"Bearer {ADMIN_KEY}"}
        self._client = httpx.Client(base_url=self.url, headers=headers, timeout=60)
        deadline, pause = time.monotonic() + BOUND_SECONDS, threading.Event()
        while not self._ready():
            assert self._process.poll() is None, "the service ended"
            assert time.monotonic() < deadline, "the service never was ready"
            pause.wait(0.01)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._client.close()
        self._process.terminate()
        self._process.wait(60)
        self._said.close()

    def _ready(self) -> bool:
        try:
            return self._client.get("/readyz").status_code == 200
        except httpx.TransportError:
            return False

    def call(self, method: str, path: str, body: Any = None) -> Any:
        answer = self._client.request(method, path, json=body)
        assert answer.is_success, f"{answer.status_code}: {answer.text}"
        return answer.json()

    def account(self, granted: int = 1_000, **settings: Any) -> str:
        """A new account with so many credits."""
        account_id = self.new_id("acc")
        self.call("POST", "/v1/accounts", {"account_id": account_id, **settings})
        if granted:
            grant = {"grant_id": "gift", "kind": "promotion", "credits": granted}
            self.call("POST", f"/v1/accounts/{account_id}/grants", grant)
        return account_id

    def new_id(self, noun: str) -> str:
        self._numbers += 1
        return f"{noun}-{self._numbers}"

    def charge(self, account_id: str, request_id: str = "r1") -> Any:
        return self.call("GET", f"/v1/accounts/{account_id}/charges/{request_id}")

    def balance(self, account_id: str) -> tuple[int, int]:
        """Posted and held."""
        found = self.call("GET", f"/v1/accounts/{account_id}/balance")
        return found["posted"], found["held"]

    def verify(self) -> None:
        """Every invariant, of every account."""
        report = asyncio.run(verify(self.dsn))
        assert report.ok, [checked.finding for checked in report.invariants if checked.finding]
