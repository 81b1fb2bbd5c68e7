"""A city with one gateway street: a served billing service, a stand-in provider and gateways, each a process of its own
on loopback; and what a test asks of them beside what the official client does."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import httpx
import openai

from tests.client.served import Served
from tests.leftovers import new_directory

BOUND_SECONDS = 60.0
CALLBACK_SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
PROVIDER_KEY = "the-key-that-the-provider-knows"


def until(condition: Callable[[], Any], what: str) -> Any:
    """The first true value of `condition`, which is asked again and again, within a bound."""
    deadline, pause = time.monotonic() + BOUND_SECONDS, threading.Event()
    while not (value := condition()):
        assert time.monotonic() < deadline, f"never came true: {what}"
        pause.wait(0.01)
    return value


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
        return port


class Program:
    """A process that serves HTTP, in a session of its own, so that its children go with it."""

    def __init__(self, *command: str, url: str = "", **environment: str) -> None:
        inherited = {name: text for name, text in os.environ.items() if not name.startswith(("GATEWAY_", "BILLING_"))}
        self._said = tempfile.TemporaryFile()  # noqa: SIM115 - closed by `close`
        self._process = subprocess.Popen(
            [sys.executable, "-m", *command],
            env=inherited | environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE if not url else subprocess.DEVNULL,
            stderr=self._said,
            start_new_session=True,
        )
        if not url:
            assert self._process.stdout is not None
            url = self._process.stdout.readline().decode().strip()
        self.url = url
        # A connection for each call: whoever refuses a body half read closes it, and the next call would find it closed.
        self.http = httpx.Client(base_url=url, timeout=60, limits=httpx.Limits(max_keepalive_connections=0))
        until(self._ready, f"{command[0]} answers")

    def _ready(self) -> bool:
        assert self._process.poll() is None, f"it ended:\n{self.log()}"
        try:
            return self.http.get("/healthz").is_success
        except httpx.TransportError:
            return False

    def log(self) -> str:
        """All that it has written to its stderr."""
        written = self._said.fileno()
        return os.pread(written, os.fstat(written).st_size, 0).decode()

    def kill(self) -> None:
        """`kill -9`, children and all."""
        os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()

    def close(self) -> None:
        self.http.close()
        if self._process.poll() is None:
            self._process.terminate()
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait(60)
        if self._process.stdout is not None:
            self._process.stdout.close()
        self._said.close()


class StandIn(Program):
    """The provider."""

    def __init__(self) -> None:
        super().__init__("ops.reference_gateway.stand_in")

    def calls(self, mark: str) -> list[dict[str, Any]]:
        """The calls whose prompt holds `mark`."""
        noted: list[dict[str, Any]] = self.http.get("/stand-in/calls").json()
        return [call for call in noted if mark in call["prompt"]]

    def made(self, name: str) -> list[dict[str, Any]]:
        """What stands in its books under our name of a request."""
        return [one for one in self.http.get("/stand-in/made").json() if one["name"] == name]

    def open(self, gate: str) -> None:
        self.http.post(f"/stand-in/gates/{gate}").raise_for_status()


class Customer:
    """Somebody with an account and a key."""

    def __init__(self, service: Served, account_id: str) -> None:
        self._service = service
        self.account_id = account_id
        self.key = f"sk-{account_id}-{os.urandom(16).hex()}"
        self.api_key_id = f"{account_id}-web"

    def balance(self) -> tuple[int, int]:
        """Posted and held."""
        return self._service.balance(self.account_id)

    def charge(self, request_id: str) -> Any:
        return self._service.charge(self.account_id, request_id)

    def charges(self) -> list[Any]:
        found: list[Any] = self._service.call("GET", f"/v1/accounts/{self.account_id}/charges")["data"]
        return found

    def the_charge(self) -> Any:
        """The only one."""
        (charge,) = self.charges()
        return charge


class GatewayProgram(Program):
    """A gateway in front of `provider_url`; `place` is its own directory, beside the customers' file."""

    def __init__(self, place: Path, billing_url: str, key: str, provider_url: str, **settings: str) -> None:
        self.place = place
        port = free_port()
        super().__init__(
            "ops.reference_gateway",
            url=f"http://127.0.0.1:{port}",
            GATEWAY_PORT=str(port),
            GATEWAY_CUSTOMERS=str(place.parent / "customers.json"),
            **{
                "GATEWAY_BILLING_URL": billing_url,
                "GATEWAY_BILLING_KEY": key,
                "GATEWAY_UNSETTLED": str(place / "unsettled"),
                "GATEWAY_PROVIDER_URL": provider_url,
                "GATEWAY_PROVIDER_KEY": PROVIDER_KEY,
                "GATEWAY_CALLBACK_PAUSE_SECONDS": "0.01",
                "GATEWAY_SETTLE_AGAIN_SECONDS": "0.05",
                **settings,
            },
        )
        self._threads = ThreadPoolExecutor(8)

    def close(self) -> None:
        super().close()
        self._threads.shutdown()

    def in_background(self, call: Callable[[], Any]) -> Future[Any]:
        """The call in a thread of its own."""
        return self._threads.submit(call)

    def openai(self, customer: Customer, **options: Any) -> openai.OpenAI:
        """The official client, as the customer would make it; without its own repeats unless asked."""
        return openai.OpenAI(base_url=f"{self.url}/v1", api_key=customer.key, **{"max_retries": 0, **options})

    def post(self, customer: Customer, path: str, body: Any = None, **more: Any) -> httpx.Response:
        headers = {"Authorization": f"Bearer {customer.key}", **more.pop("headers", {})}
        return self.http.post(path, json=body, headers=headers, **more)

    def connected(self, customer: Customer, path: str, body: Any) -> socket.socket:
        """A connection on which this was POSTed: close it, and you have hung up."""
        sent = json.dumps(body).encode()
        head = (
            f"POST {path} HTTP/1.1\r\nHost: gateway\r\nContent-Type: application/json\r\n"
            f"Authorization: Bearer {customer.key}\r\nContent-Length: {len(sent)}\r\n\r\n"
        )
        connection = socket.create_connection(("127.0.0.1", int(self.url.rpartition(":")[2])), 60)
        connection.sendall(head.encode() + sent)
        return connection

    def get(self, customer: Customer, path: str) -> Any:
        return self.http.get(path, headers={"Authorization": f"Bearer {customer.key}"})


class City:
    """Everybody. Customers are made before gateways, whose file names them; `with` ends all that was started."""

    def __init__(self, service: Served) -> None:
        self.service = service
        self._programs: list[Program] = []
        self._customers: list[Customer] = []
        self._place = new_directory()
        self.stand_in = self._started(StandIn())
        self.key = service.call("POST", "/v1/keys", {"role": "gateway", "name": "reference"})["key"]
        self.customer(0)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for program in reversed(self._programs):
            program.close()
        shutil.rmtree(self._place)

    def customer(self, granted: int = 1_000, **settings: Any) -> Customer:
        """Somebody new, whom every gateway knows at once."""
        customer = Customer(self.service, self.service.account(granted, **settings))
        self._customers.append(customer)
        self._list_customers()
        return customer

    def another_key(self, customer: Customer) -> Customer:
        """The same account, by another key of its own."""
        other = Customer(self.service, customer.account_id)
        other.api_key_id = f"{customer.account_id}-app"
        self._customers.append(other)
        self._list_customers()
        return other

    def dismiss(self, customer: Customer) -> None:
        """No gateway takes the customer's key any more."""
        self._customers.remove(customer)
        self._list_customers()

    def scribble(self) -> None:
        """The customers' file is no longer one."""
        (self._place / "customers.json").write_text('{"customers": [{"key')

    def _list_customers(self) -> None:
        listed = [
            {
                "key_sha256": hashlib.sha256(known.key.encode()).hexdigest(),
                "account_id": known.account_id,
                "api_key_id": known.api_key_id,
                "callback_secret": CALLBACK_SECRET,
            }
            for known in self._customers
        ]
        new = self._place / "customers.new"
        new.write_text(json.dumps({"customers": listed}))
        new.replace(self._place / "customers.json")

    def gateway(self, billing_url: str | None = None, **settings: str) -> GatewayProgram:
        """A new one; `settings` as in its environment."""
        place = self._place / self.service.new_id("gateway")
        url = billing_url or self.service.url
        return self._started(GatewayProgram(place, url, self.key, self.stand_in.url, **settings))

    def _started(self, program: Any) -> Any:
        self._programs.append(program)
        return program
