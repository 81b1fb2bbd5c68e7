"""The embedded server as its owner sees it: start, connect, stop."""

import os
import sys
import tempfile
import threading
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Self
from urllib.parse import quote

from billing.embedded.account import UnixUser, account_for
from billing.embedded.binaries import binaries_for, reachable
from billing.embedded.cluster import (
    DATABASE,
    OWNER_ROLE,
    clear_partial_clusters,
    create_cluster,
    create_database,
    major_of,
)
from billing.embedded.owner import OwnerLock
from billing.embedded.postmaster import Postmaster, launch_command, stale_pid_in, wait_for_leftovers
from billing.embedded.refusal import EmbeddedPostgresError
from billing.embedded.sockets import PORT, digest_of, prepare_socket_dir, socket_dir_for
from billing.embedded.tuning import settings_with

ROOT_DATA_DIR = Path("/var/lib/billing")
LOG_TAIL_BYTES = 8192


def default_data_dir() -> Path:
    """$BILLING_DATA_DIR; else /var/lib/billing for root and the user's data home for everybody else."""
    if chosen := os.environ.get("BILLING_DATA_DIR"):
        return Path(chosen).expanduser()
    if os.geteuid() == 0:
        return ROOT_DATA_DIR
    data_home = os.environ.get("XDG_DATA_HOME", "")
    # The XDG specification says to ignore a relative path.
    return (Path(data_home) if data_home.startswith("/") else Path.home() / ".local/share") / "billing"


class EmbeddedPostgres:
    """One PostgreSQL server on one data directory, owned by this process and gone with it.

    `stop()` ends it; so does the owner's death, by kill -9 too. `start()` works after either, and after the
    server itself was killed. A second owner of the same data directory is refused while the first lives. A
    forked child is not an owner: its `stop()` does nothing.
    """

    def __init__(self, data_dir: Path, *, settings: Mapping[str, str] | None = None) -> None:
        """Nothing runs yet. `settings` are PostgreSQL's, by name.

        Raises EmbeddedPostgresError for one that would lose acknowledged charges or open another way in.
        """
        if not sys.platform.startswith("linux"):
            raise EmbeddedPostgresError("The embedded PostgreSQL runs on Linux; elsewhere set DATABASE_URL.")
        self.data_dir = data_dir.expanduser().resolve()
        self.socket_dir = socket_dir_for(self.data_dir)
        self._settings = settings_with(settings or {})
        self._cluster = self.data_dir / "cluster"
        self._cluster_name = f"billing-{digest_of(self.data_dir)}"
        self._log_file = self.data_dir / "server.log"
        self._lock = OwnerLock(self.data_dir / "owner.lock")
        self._postmaster: Postmaster | None = None
        self._one_at_a_time = threading.RLock()

    @property
    def pid(self) -> int | None:
        """The server's process id while it runs, else None."""
        return self._postmaster.pid if self._postmaster and self._postmaster.is_running else None

    @property
    def is_made(self) -> bool:
        """Whether there is a cluster in the data directory: a first `start()` makes it."""
        return major_of(self._cluster) is not None

    def dsn(self, database: str = DATABASE, user: str = OWNER_ROLE) -> str:
        """The connection string: asyncpg takes it as it is, SQLAlchemy as `postgresql+asyncpg://…`."""
        # The port is named because drivers would otherwise take $PGPORT.
        host = quote(str(self.socket_dir))
        return f"postgresql://{quote(user, safe='')}@/{quote(database, safe='')}?host={host}&port={PORT}"

    def start(self) -> None:
        """Return when the server takes connections and has its database; at once if it runs already.

        A first start makes the cluster. After a crash it waits for recovery, 120 s at most, and says so.
        It blocks: a coroutine calls it in a thread. Raises EmbeddedPostgresError.
        """
        with self._one_at_a_time:
            if self.pid is not None:
                return
            try:
                self._start()
            except OSError as problem:
                self.stop()
                raise EmbeddedPostgresError(
                    f"The embedded PostgreSQL cannot use {self.data_dir}: {problem}. "
                    "Make that possible, or choose another data directory."
                ) from problem
            except BaseException:
                self.stop()
                raise

    def stop(self) -> None:
        """End the server and give the data directory up; nothing happens if it does not run."""
        with self._one_at_a_time:
            if self._postmaster:
                self._postmaster.stop()
                self._postmaster = None
            self._lock.release()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _start(self) -> None:
        account = account_for(self._cluster)
        self._make_data_dir(account)
        self._lock.take()
        wait_for_leftovers(self._cluster_name)
        # From here on nobody else uses the directory.
        clear_partial_clusters(self.data_dir)
        binaries = reachable(binaries_for(major_of(self._cluster)), account, self.data_dir)
        if major_of(self._cluster) is None:
            create_cluster(self._cluster, binaries, account)
        prepare_socket_dir(self.socket_dir, account)
        log_began_at = self._log_file.stat().st_size if self._log_file.exists() else 0
        self._postmaster = Postmaster(
            launch_command(account, binaries.program("postgres"), *self._server_arguments()),
            log_file=self._log_file,
            stale_pid=stale_pid_in(self._cluster),
        )
        try:
            self._postmaster.wait_until_ready(self._cluster)
            create_database(self.socket_dir, binaries, account)
        except EmbeddedPostgresError as problem:
            raise EmbeddedPostgresError(
                f"{problem}{self._complaint_since(log_began_at)}. Read {self._log_file}, then start again."
            ) from None

    def _make_data_dir(self, account: UnixUser) -> None:
        """Make what is missing, closed to others. Directories that were there keep their permissions."""
        missing = [step for step in (self.data_dir, *self.data_dir.parents) if not step.exists()]
        for step in reversed(missing):
            # Made under another name: whoever starts at the same time finds it with its permissions, or not at all.
            made = Path(tempfile.mkdtemp(prefix=f".{step.name}-", dir=step.parent))
            try:
                if not account.is_ourselves:
                    made.chmod(0o711)
                made.rename(step)
            except OSError:
                made.rmdir()
                if not step.is_dir():
                    raise
        if not account.is_ourselves and not account.may_enter(self.data_dir):
            raise EmbeddedPostgresError(
                f"Root runs PostgreSQL as user {account.name}, who may not enter {self.data_dir} "
                f"or a directory above it; choose a data directory elsewhere, such as {ROOT_DATA_DIR}."
            )

    def _server_arguments(self) -> list[str]:
        ours = {"unix_socket_directories": f'"{self.socket_dir}"', "cluster_name": self._cluster_name}
        settings = [f"{name}={value}" for name, value in (self._settings | ours).items()]
        # On the command line nothing in a configuration file, nor ALTER SYSTEM, can turn fsync off.
        return ["-D", str(self._cluster), *(word for setting in settings for word in ("-c", setting))]

    def _complaint_since(self, offset_bytes: int) -> str:
        """The last FATAL or PANIC that the server logged since `offset_bytes`, as the tail of a sentence."""
        with self._log_file.open("rb") as log:
            log.seek(max(offset_bytes, self._log_file.stat().st_size - LOG_TAIL_BYTES))
            lines = log.read().decode("utf-8", "replace").splitlines()
        complaints = [line.partition("] ")[2] or line for line in lines if "FATAL:" in line or "PANIC:" in line]
        return f" ({complaints[-1]})" if complaints else ""
