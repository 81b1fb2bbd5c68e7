"""The service that `billing demo` plays against: a child process on an empty database of its own."""

import os
import secrets
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from billing.cli.session import console
from billing.settings import SettingsError


@contextmanager
def service(data_dir: Path) -> Iterator[tuple[str, str, dict[str, str]]]:
    """A service of its own in a child process: its URL, an admin key, and the environment that finds its data."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    key = secrets.token_urlsafe(24)
    environment = {name: value for name, value in os.environ.items() if name != "DATABASE_URL"}
    environment |= {"BILLING_ADMIN_KEY": key, "BILLING_DATA_DIR": str(data_dir), "BILLING_PORT": str(port)}
    url = f"http://127.0.0.1:{port}"
    with console.status("starting the service on an empty database"):
        service = subprocess.Popen(
            [sys.executable, "-m", "billing", "serve"], env=environment, stdout=subprocess.DEVNULL
        )
        try:
            _wait_until_ready(service, url)
        except BaseException:
            service.terminate()
            raise
    try:
        yield url, key, environment
    finally:
        service.terminate()
        service.wait(60)


def _wait_until_ready(service: "subprocess.Popen[bytes]", url: str) -> None:
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        if service.poll() is not None:
            raise SettingsError("the service did not start; its messages stand above")
        try:
            with urllib.request.urlopen(f"{url}/readyz", timeout=2):
                return
        except (urllib.error.URLError, ConnectionError, TimeoutError):
            time.sleep(0.05)
    raise SettingsError("the service was not ready after two minutes")
