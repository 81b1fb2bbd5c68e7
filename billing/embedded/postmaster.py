"""The running server as a child of ours, and what can be known of servers that are not."""

import logging
import os
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import Future
from pathlib import Path

from billing.embedded import launcher
from billing.embedded.account import UnixUser
from billing.embedded.environment import environment
from billing.embedded.refusal import EmbeddedPostgresError

PATIENCE_SECONDS = 120.0
POLL_SECONDS = 0.02
NOTICE_SECONDS = 5.0
LARGEST_PID = 2**31 - 1
STATUS_LINE = 7  # of postmaster.pid, counted from 0

log = logging.getLogger(__name__)


def launch_command(account: UnixUser, program: str, *arguments: str) -> list[str]:
    """The command that runs `program` as `account` and lets it die with the thread that starts it."""
    interpreter = [sys.executable, "-I", "-S", launcher.__file__]
    return [*interpreter, str(os.getpid()), str(account.uid), str(account.gid), program, *arguments]


class Postmaster:
    """PostgreSQL's first process, our direct child: its pid is known, not read from a file."""

    def __init__(self, command: list[str], *, log_file: Path, stale_pid: str | None) -> None:
        """Launch `command`. `stale_pid` is what a killed server left in postmaster.pid, whoever has it now.

        Raises OSError if it cannot be launched.
        """
        env = environment()
        if stale_pid:
            # PostgreSQL refuses to start while the pid in its lock file is alive, whoever has it by now,
            # unless it is a grandparent's. Its second guard stays: shared memory that is still in use.
            env["PG_GRANDPARENT_PID"] = stale_pid
        launched: Future[subprocess.Popen[bytes]] = Future()
        # The death signal is sent when the launching *thread* ends; this one lives as long as the process.
        self._thread = threading.Thread(
            target=_launch_and_wait, args=(command, env, log_file, launched), name="postmaster", daemon=True
        )
        self._thread.start()
        self._process = launched.result()
        self.pid = self._process.pid

    @property
    def is_running(self) -> bool:
        return self._thread.is_alive()

    def ended_within(self, seconds: float) -> bool:
        """Wait for the server's end, `seconds` at most; whether it came."""
        self._thread.join(seconds)
        return not self._thread.is_alive()

    def stop(self) -> None:
        """End the server: open transactions are rolled back, everything committed is on disk."""
        for how, seconds in (
            (signal.SIGINT, PATIENCE_SECONDS),
            (signal.SIGQUIT, 10.0),
            (signal.SIGKILL, None),
        ):
            if self.is_running:
                self._process.send_signal(how)
                self._thread.join(seconds)

    def wait_until_ready(self, cluster: Path) -> None:
        """Return when the server takes connections, also after a long recovery.

        Raises EmbeddedPostgresError when it ends instead, or is not ready within PATIENCE_SECONDS.
        """
        patience = Patience(f"PostgreSQL is starting on {cluster}; after a crash it replays its log")
        while not self._says_ready(cluster):
            if self.ended_within(POLL_SECONDS):
                raise EmbeddedPostgresError("PostgreSQL ended while it was starting")
            if patience.is_over():
                raise EmbeddedPostgresError(f"PostgreSQL was not ready within {PATIENCE_SECONDS:.0f} s")

    def _says_ready(self, cluster: Path) -> bool:
        lines = lock_file_lines(cluster)
        return len(lines) > STATUS_LINE and lines[0] == str(self.pid) and lines[STATUS_LINE].strip() == "ready"


def _launch_and_wait(
    command: list[str], env: dict[str, str], log_file: Path, launched: "Future[subprocess.Popen[bytes]]"
) -> None:
    try:
        descriptor = os.open(log_file, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            # A session of its own: Ctrl-C is for the owner, which finishes what is in flight first.
            process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=descriptor,
                stderr=descriptor,
                cwd="/",
                env=env,
                start_new_session=True,
            )
        finally:
            os.close(descriptor)
    except BaseException as problem:
        launched.set_exception(problem)
        return
    launched.set_result(process)
    process.wait()


class Patience:
    """A bounded wait that shows, now and then, that it waits and for what."""

    def __init__(self, what: str) -> None:
        self._what = what
        self._began = time.monotonic()
        self._next_notice_seconds = NOTICE_SECONDS

    def is_over(self) -> bool:
        waited_seconds = time.monotonic() - self._began
        if waited_seconds >= self._next_notice_seconds:
            log.warning("%s; waited %.0f s of %.0f s", self._what, waited_seconds, PATIENCE_SECONDS)
            self._next_notice_seconds += NOTICE_SECONDS
        return waited_seconds > PATIENCE_SECONDS


def lock_file_lines(cluster: Path) -> list[str]:
    """The lines of postmaster.pid: the server's pid first, its status last; none if there is no such file."""
    try:
        return (cluster / "postmaster.pid").read_text(errors="replace").splitlines()
    except FileNotFoundError:
        return []


def stale_pid_in(cluster: Path) -> str | None:
    """The pid in a killed server's postmaster.pid. Call it only when no server can be left.

    A file without a pid, which a power cut can leave, is removed: PostgreSQL refuses to start beside it.
    """
    pid = next(iter(lock_file_lines(cluster)), "").strip()
    if pid.isascii() and pid.isdecimal() and 0 < int(pid) <= LARGEST_PID:
        return pid
    (cluster / "postmaster.pid").unlink(missing_ok=True)
    return None


def wait_for_leftovers(cluster_name: str) -> None:
    """Return when no process of an earlier server is left: one whose owner was killed takes a moment to stop.

    Raises EmbeddedPostgresError if they stay longer than PATIENCE_SECONDS.
    """
    patience = Patience("the earlier PostgreSQL of this data directory is still stopping")
    while left := _processes_of(cluster_name):
        if patience.is_over():
            raise EmbeddedPostgresError(
                f"An earlier PostgreSQL of this data directory does not end; "
                f"end it with `kill -INT {left[0]}`, then start again."
            )
        time.sleep(POLL_SECONDS)


def _processes_of(cluster_name: str) -> list[int]:
    """The server's processes: each shows the cluster's name in its command line, which everybody may read.

    Their working directories would say it too, but in a container root may not look at another user's.
    """
    return sorted(int(entry.name) for entry in Path("/proc").iterdir() if _is_of(entry, cluster_name))


def _is_of(entry: Path, cluster_name: str) -> bool:
    try:
        return (
            entry.name.isdigit()
            and (entry / "comm").read_text() == "postgres\n"
            and cluster_name.encode() in (entry / "cmdline").read_bytes()
        )
    except OSError:  # it has just ended
        return False
