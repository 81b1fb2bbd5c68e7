"""`python -m ops.reference_gateway` serves the gateway; settings come from the environment (`settings.py`).

Without GATEWAY_PROVIDER_URL the stand-in provider is started beside it.
"""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from granian.constants import Interfaces
from granian.log import LogLevels
from granian.server import Server

from .settings import Settings


def main() -> None:
    if "GATEWAY_PROVIDER_URL" in os.environ:
        _serve()
    else:
        with _stand_in() as url:
            os.environ["GATEWAY_PROVIDER_URL"] = url
            _serve()


def _serve() -> None:
    try:
        settings = Settings.read(os.environ)
        _require_free(settings.host, settings.port)
    except ValueError as error:
        sys.exit(str(error))
    print(f"Gateway on http://{settings.host}:{settings.port}/v1, provider {settings.provider_url}", flush=True)
    Server(
        f"{__package__}.app:serve",
        factory=True,
        interface=Interfaces.ASGI,
        address=settings.host,
        port=settings.port,
        workers=1,  # tasks and answers are kept in memory
        log_level=LogLevels.warning,
        log_access=False,
        workers_kill_timeout=30,
    ).serve()


def _require_free(host: str, port: int) -> None:
    """Raises ValueError unless it can be listened on: the server would share a port with another gateway, in silence,
    and each would know half of the answers, wishes and tasks.
    """
    try:
        [(family, kind, protocol, _, address), *_] = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_NUMERICHOST
        )
        with socket.socket(family, kind, protocol) as alone:
            alone.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            alone.bind(address)
    except OSError as error:
        raise ValueError(
            f"cannot listen on GATEWAY_HOST {host} (an IP address), GATEWAY_PORT {port}: {error.strerror}"
        ) from error


@contextmanager
def _stand_in() -> Iterator[str]:
    process = subprocess.Popen(
        [sys.executable, "-m", f"{__package__}.stand_in"],
        # The gateway's secrets are none of its business.
        env={name: text for name, text in os.environ.items() if not name.startswith(("BILLING_", "GATEWAY_"))},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        yield process.stdout.readline().decode().strip()
    finally:
        process.stdin.close()  # it ends with its input
        process.wait()


if __name__ == "__main__":
    main()
