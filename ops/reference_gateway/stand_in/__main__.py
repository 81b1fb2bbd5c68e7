"""`python -m ops.reference_gateway.stand_in [--port PORT]` listens on loopback and prints its address on one line.

It ends when its standard input does, so that it never outlives the process that started it.
"""

from __future__ import annotations

import argparse
import contextlib
import signal
import socket
import subprocess
import sys


def main() -> None:
    options = argparse.ArgumentParser(prog="stand-in provider", description=__doc__)
    options.add_argument("--port", type=int, default=0, help="default: any free one")
    port = options.parse_args().port or _free_port()
    server = subprocess.Popen(
        [
            *(sys.executable, "-m", "granian", f"{__package__}.app:app", "--interface", "asgi"),
            *("--host", "127.0.0.1", "--port", str(port), "--workers", "1", "--no-ws", "--no-log"),
            # Requests that were told to hang would keep a polite shutdown waiting.
            *("--workers-kill-timeout", "1"),
        ],
        stdin=subprocess.DEVNULL,
    )
    signal.signal(signal.SIGTERM, lambda *_: sys.exit())  # so that the server ends too
    try:
        print(f"http://127.0.0.1:{port}", flush=True)
        sys.stdin.buffer.read()
    finally:
        server.terminate()
        server.wait()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):
        main()
