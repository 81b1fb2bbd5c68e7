"""What a run of the tests leaves behind: nothing, also when it is killed.

Each pytest process has a caretaker, a process that lives as long as it does and then ends whatever came of it, and removes
its directory. It knows them by a mark in their environment, so it makes no difference who started them, how, and whose
children they have become since. (The embedded PostgreSQL, which is told next to nothing of our environment, ends with its
owner by itself.)
"""

import os
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
from pathlib import Path

MARK = "OF_A_TEST_RUN"
_PAUSE_SECONDS = 0.05
_QUIET_LOOKS = 3  # what was being started while we looked is seen the next time

_place: Path | None = None
_pipe = -1  # open for as long as this process lives


def watch() -> None:
    """From now on, what this process starts and what it writes to `new_directory` does not outlive it."""
    global _place, _pipe
    if _place is not None:
        return
    _place = Path(tempfile.mkdtemp(prefix="billing-tests-", dir="/tmp"))  # a socket's path must be short
    _place.chmod(0o711)  # for root the server runs as a humbler user, who must get through
    mark = secrets.token_hex(16)
    reads, _pipe = os.pipe()
    subprocess.Popen(
        [sys.executable, "-I", "-S", __file__, mark, str(_place)], stdin=reads, env={}, cwd="/", start_new_session=True
    ).returncode = 0  # nobody waits for it
    os.close(reads)
    os.environ[MARK] = mark


def _forget() -> None:
    if _pipe >= 0:
        os.close(_pipe)


os.register_at_fork(after_in_child=_forget)  # kept open there, it would keep the caretaker waiting


def new_directory() -> Path:
    """An empty directory that every user may pass through: pytest's own are closed to the server's."""
    watch()
    assert _place is not None
    made = Path(tempfile.mkdtemp(dir=_place))
    made.chmod(0o711)
    return made


def marked(mark: str) -> list[int]:
    """The processes that were started with it."""
    wanted = f"{MARK}={mark}".encode()
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                if wanted in (entry / "environ").read_bytes().split(b"\0"):
                    found.append(int(entry.name))
            except OSError:  # it has ended, or is another user's
                continue
    return found


def _take_care(mark: str, place: str) -> None:
    sys.stdin.buffer.read()  # until nobody can write any more
    quiet, pause = 0, threading.Event()
    while quiet < _QUIET_LOOKS:
        left = marked(mark)
        quiet = 0 if left else quiet + 1
        for pid in left:
            try:
                os.kill(pid, signal.SIGKILL)
            except OSError:
                continue
        pause.wait(_PAUSE_SECONDS)
    shutil.rmtree(place, ignore_errors=True)


if __name__ == "__main__":
    _take_care(*sys.argv[1:])
