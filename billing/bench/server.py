"""HTTP servers in processes of their own: the service as `billing serve` runs it, and the echo."""

import os
import secrets
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Literal

from granian.constants import Interfaces, Loops
from granian.log import LogLevels
from granian.server import Server

from billing.bench.address import HOST, Served
from billing.bench.cpu import children_of
from billing.serving.parent import serve
from billing.serving.tie import PARENT, end_with_parent
from billing.settings import Settings, without_settings

_START_SECONDS = 60.0
_STOP_SECONDS = 60.0
Kind = Literal["service", "echo"]


@contextmanager
def served(kind: Kind, dsn: str) -> Iterator[Served]:
    """A server of one worker process on loopback, stopped afterwards."""
    port, key = _free_port(), f"bench-{secrets.token_hex(16)}"
    process = subprocess.Popen(
        [sys.executable, "-c", f"from billing.bench.server import main; main({kind!r})"],
        env=environment_of(dsn, port, key, os.environ),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
    )
    try:
        _wait_until_open(process, port)
        yield Served(port, key, (children_of(process.pid) or [process.pid])[0])
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def environment_of(dsn: str, port: int, key: str, inherited: Mapping[str, str]) -> dict[str, str]:
    """Without the operator's settings, and without their account at Stripe: what is measured takes no payments."""
    return without_settings(inherited) | {
        PARENT: str(os.getpid()),
        "DATABASE_URL": dsn,
        "BILLING_ADMIN_KEY": key,
        "BILLING_HOST": HOST,
        "BILLING_PORT": str(port),
        "BILLING_WORKERS": "1",
    }


def _free_port() -> int:
    with socket.socket() as one:
        one.bind((HOST, 0))
        return int(one.getsockname()[1])


def _wait_until_open(process: "subprocess.Popen[bytes]", port: int) -> None:
    ends = time.monotonic() + _START_SECONDS
    while process.poll() is None and time.monotonic() < ends:
        try:
            socket.create_connection((HOST, port), timeout=1).close()
        except OSError:
            time.sleep(0.05)
        else:
            return
    raise RuntimeError("the HTTP server did not start")


def main(kind: Kind) -> None:
    """Serves until it is stopped, set up by the environment alone."""
    end_with_parent(signal.SIGTERM)
    settings = Settings.read()
    if kind == "service":
        serve(settings)
        return
    Server(
        "billing.bench.echo:create_app",
        factory=True,
        interface=Interfaces.ASGI,
        address=settings.host,
        port=settings.port,
        workers=1,
        loop=Loops.uvloop,
        log_level=LogLevels.warning,
        log_access=False,
    ).serve()
