"""`billing serve` as a real process: started, asked, signalled and ended by a test."""

import asyncio
import contextlib
import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

import asyncpg
import httpx

import billing.embedded
from billing.books.verify import Verification, verify
from billing.embedded import EmbeddedPostgres

BOUND_SECONDS = 90.0
KEY = "the-key-of-who-looks-for-faults"
LOST = (httpx.TransportError,)
LANES = "SELECT pid FROM pg_stat_activity WHERE application_name = 'billing lane'"
_CODE = Path(billing.embedded.__file__).parents[2]
_FOREIGN = ("BILLING_", "STRIPE_", "DATABASE_")
Value = TypeVar("Value")


@dataclass(frozen=True, slots=True)
class Ended:
    """How a service ended: the parent's exit status, and how long its last process took."""

    status: int
    seconds: float


class Served:
    """`billing serve` on a port of its own, on a server's database (a DSN) or on a data directory (a Path)."""

    def __init__(self, database: str | Path, **environment: str) -> None:
        self.database = database
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        where = {"DATABASE_URL": database} if isinstance(database, str) else {"BILLING_DATA_DIR": str(database)}
        self.environment = {
            **{name: text for name, text in os.environ.items() if not name.startswith(_FOREIGN)},
            "BILLING_ADMIN_KEY": KEY,
            "BILLING_PORT": str(self.port),
            "PYTHONPATH": str(_CODE),
            "PYTHONDONTWRITEBYTECODE": "1",
            **where,
            **environment,
        }
        self.process: subprocess.Popen[bytes] | None = None
        self.client = client_of(self.url)
        self._said = tempfile.TemporaryFile()  # noqa: SIM115 - closed by `close`

    def __enter__(self) -> Self:
        try:
            self.start()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def start(self, *, ready: bool = True) -> None:
        """Starts it and, with `ready`, returns when it says that it is."""
        self.process = subprocess.Popen(
            [sys.executable, "-m", "billing", "serve"],
            env=self.environment,
            cwd="/",
            stdout=self._said,
            stderr=self._said,
        )
        if ready:
            until(self.is_ready, "the service is ready")

    def close(self) -> None:
        """Kills what still runs."""
        if self.process is not None and self.process.poll() is None:
            self.end(signal.SIGKILL)
        self.client.close()
        self._said.close()

    def end(self, with_signal: int = signal.SIGTERM) -> Ended:
        """Signals the parent and waits until nothing of the service is left."""
        assert self.process is not None
        began = time.monotonic()
        everyone = [self.parent, *children_of(self.parent)]
        self.process.send_signal(with_signal)
        status = self.process.wait(BOUND_SECONDS)
        for pid in everyone:
            until(lambda pid=pid: not is_alive(pid), f"process {pid} is gone")
        self.process = None
        return Ended(status, time.monotonic() - began)

    def is_ready(self) -> bool:
        assert self.process is not None
        assert self.process.poll() is None, f"the service ended:\n{self.log()}"
        try:
            return self.client.get("/readyz").status_code == 200
        except LOST:
            return False

    def log(self) -> str:
        """All that the service has written."""
        written = self._said.fileno()
        return os.pread(written, os.fstat(written).st_size, 0).decode()  # not read(): the service writes where we stand

    @property
    def parent(self) -> int:
        assert self.process is not None
        return self.process.pid

    @property
    def postgres(self) -> int:
        """The embedded PostgreSQL's first process."""
        assert isinstance(self.database, Path)
        return int((self.database / "cluster" / "postmaster.pid").read_text().split()[0])

    @property
    def workers(self) -> list[int]:
        others = [] if isinstance(self.database, str) else [self.postgres]
        return [pid for pid in children_of(self.parent) if pid not in others]

    @property
    def dsn(self) -> str:
        """The schema's owner's, past whatever stands before the service."""
        return self.database if isinstance(self.database, str) else EmbeddedPostgres(self.database).dsn()

    def run(self, *words: str, **environment: str) -> subprocess.CompletedProcess[str]:
        """A command of `billing`, in the service's environment and `environment`."""
        return subprocess.run(
            [sys.executable, "-m", "billing", *words],
            env={**self.environment, **environment},
            cwd="/",
            capture_output=True,
            text=True,
            check=False,
            timeout=BOUND_SECONDS,
        )


def client_of(url: str, *, key: str | None = KEY, timeout: float = 60) -> httpx.Client:
    headers = {} if key is None else {"Authorization": f"Bearer {key}"}
    return httpx.Client(base_url=url, headers=headers, timeout=timeout, verify=False)


def fetch(dsn: str, query: str, *arguments: Any) -> list[tuple[Any, ...]]:
    async def rows() -> list[tuple[Any, ...]]:
        connection = await asyncpg.connect(dsn)
        try:
            return [tuple(row) for row in await connection.fetch(query, *arguments)]
        finally:
            await connection.close()

    return asyncio.run(rows())


def verified(dsn: str) -> Verification:
    """What `billing verify` says. Fails unless every invariant holds."""
    report = asyncio.run(verify(dsn))
    assert report.ok, report
    return report


def until(condition: Callable[[], Value], what: str, *, seconds: float = BOUND_SECONDS) -> Value:
    deadline, pause = time.monotonic() + seconds, threading.Event()
    while not (value := condition()):
        assert time.monotonic() < deadline, f"never came true: {what}"
        pause.wait(0.01)
    return value


def kill(pid: int) -> None:
    os.kill(pid, signal.SIGKILL)
    until(lambda: not is_alive(pid), f"process {pid} is gone")


def is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2][0] not in "ZX"
    except (FileNotFoundError, ProcessLookupError):
        return False


def children_of(pid: int) -> list[int]:
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError):
                if int((entry / "stat").read_text().rpartition(") ")[2].split()[1]) == pid:
                    found.append(int(entry.name))
    return found
