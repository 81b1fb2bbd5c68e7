"""The processes of the story: the reference gateway and the stand-ins, started for it and gone after it.

The fake Stripe is the tests' own, and the gateway with its provider is the one in `ops`; a wheel has both beside this
module.
"""

import asyncio
import json
import os
import secrets
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from hashlib import sha256
from pathlib import Path
from types import MappingProxyType
from typing import IO

import httpx

from billing.client import BillingClient
from billing.demo.processor import StripeStandIn
from billing.settings import without_settings

START_SECONDS = 30.0
"""How long a program may take to listen, on a slow machine."""

FAKE_STRIPE, GATEWAY = "tests/fake_stripe", "ops/reference_gateway"
_HERE = Path(__file__).parent
_CHECKOUT = _HERE.parents[1]


def missing() -> list[str]:
    """What the story needs and is not here: neither in a checkout nor in a wheel."""
    return [folder for folder in (FAKE_STRIPE, GATEWAY) if not any(place.is_dir() for place in _places(folder))]


@contextmanager
def processor(place: Path) -> Iterator[StripeStandIn]:
    """A freshly started stand-in for Stripe. `place` is a directory for its note that it listens.

    Raises RuntimeError if it does not come up.
    """
    made, note = StripeStandIn(""), place / "fake-stripe-listens"
    with _program(FAKE_STRIPE, "--key", made.key, "--ready-file", str(note)) as process:
        deadline = time.monotonic() + START_SECONDS
        while not note.exists():
            if process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError("the stand-in for Stripe did not start")
            time.sleep(0.02)
        yield StripeStandIn(note.read_text(), made.key, made.webhook_secret)


class Street:
    """Where gateways stand in front of the service at `billing_url`, called with `key`: each a process, and all of them
    know the customers in one file and the stand-in `provider`.
    """

    def __init__(self, place: Path, billing_url: str, key: str, provider: httpx.AsyncClient) -> None:
        self.key = key
        self.provider = provider
        self.customers: dict[str, str] = {}
        self._file = place / "customers.json"
        self._settings = {
            "GATEWAY_BILLING_URL": billing_url,
            "GATEWAY_BILLING_KEY": key,
            "GATEWAY_CUSTOMERS": str(self._file),
            "GATEWAY_PROVIDER_URL": str(provider.base_url),
            "GATEWAY_UNSETTLED": str(place / "unsettled"),
        }
        self._list()

    def admit(self, account_id: str) -> None:
        """From now on the account has an API key, which every gateway knows."""
        self.customers[account_id] = f"sk-{secrets.token_hex(24)}"
        self._list()

    def _list(self) -> None:
        listed = [
            {"key_sha256": sha256(key.encode()).hexdigest(), "account_id": account_id, "api_key_id": "demo"}
            for account_id, key in self.customers.items()
        ]
        draft = self._file.with_suffix(".new")
        draft.write_text(json.dumps({"customers": listed}))
        draft.replace(self._file)

    @asynccontextmanager
    async def gateway(self, **settings: str) -> AsyncIterator[httpx.AsyncClient]:
        """A client of a freshly started gateway, with `settings` of its own. Raises RuntimeError."""
        url, own = (
            f"http://127.0.0.1:{free_port()}",
            {f"GATEWAY_{name.upper()}": text for name, text in settings.items()},
        )
        with tempfile.TemporaryFile() as said:
            environment = {**self._settings, **own, "GATEWAY_PORT": url.rpartition(":")[2]}
            with _program(GATEWAY, environment=environment, stderr=said) as process:
                limits = httpx.Limits(max_connections=None)
                async with httpx.AsyncClient(base_url=url, timeout=60, limits=limits) as client:
                    if not await _listens(client, process):
                        said.seek(0)
                        raise RuntimeError(f"the reference gateway did not start: {said.read().decode()[-1000:]}")
                    yield client


@asynccontextmanager
async def street(billing_url: str, office: BillingClient) -> AsyncIterator[Street]:
    """A street with a freshly started stand-in provider and a gateway's key, which live as long as the block.

    Raises RuntimeError if the provider does not come up.
    """
    key = await office.create_key(role="gateway", name="demo gateway")
    try:
        with tempfile.TemporaryDirectory() as place, _program(f"{GATEWAY}/stand_in", stdout=subprocess.PIPE) as process:
            assert process.stdout is not None
            with process.stdout:
                address = process.stdout.readline().decode().strip()
            async with httpx.AsyncClient(base_url=address, timeout=60) as provider:
                if not address or not await _listens(provider, process):
                    raise RuntimeError("the stand-in provider did not start")
                yield Street(Path(place), billing_url, key["key"], provider)
    finally:
        await office.revoke_key(key["id"])


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
        return port


def _places(folder: str) -> tuple[Path, Path]:
    """Where it may be: in a wheel, and in a checkout."""
    return _HERE / folder.partition("/")[2], _CHECKOUT / folder


@contextmanager
def _program(
    folder: str,
    *arguments: str,
    environment: Mapping[str, str] = MappingProxyType({}),
    stdout: int = subprocess.DEVNULL,
    stderr: IO[bytes] | None = None,
) -> Iterator[subprocess.Popen[bytes]]:
    """The program in `folder`. A caller's settings are none of its business."""
    in_a_wheel = _places(folder)[0].is_dir()
    module = (f"billing/demo/{folder.partition('/')[2]}" if in_a_wheel else folder).replace("/", ".")
    inherited = {name: text for name, text in without_settings(os.environ).items() if not name.startswith("GATEWAY_")}
    path = os.pathsep.join(filter(None, (str(_CHECKOUT), inherited.get("PYTHONPATH"))))
    process = subprocess.Popen(
        [sys.executable, "-m", "billing.demo.tied", module, *arguments],
        env={**inherited, "PYTHONPATH": path, **environment},
        stdin=subprocess.PIPE,
        stdout=stdout,
        stderr=stderr,
    )
    assert process.stdin is not None
    try:
        yield process
    finally:
        process.stdin.close()  # it ends with its input
        try:
            process.wait(START_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


async def _listens(client: httpx.AsyncClient, process: subprocess.Popen[bytes]) -> bool:
    deadline = asyncio.get_running_loop().time() + START_SECONDS
    while process.poll() is None and asyncio.get_running_loop().time() < deadline:
        try:
            return (await client.get("/healthz")).is_success
        except httpx.TransportError:
            await asyncio.sleep(0.02)
    return False
