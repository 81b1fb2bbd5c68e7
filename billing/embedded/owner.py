"""The lock by which exactly one process owns a data directory."""

import fcntl
import os
import time
from pathlib import Path

from billing.embedded.refusal import DataDirectoryInUse

# What an owner that was killed had just forked lets go of its files when it becomes another program.
ORPHAN_SECONDS = 10.0
_PAUSE_SECONDS = 0.02

_held: set[int] = set()


def _forget_inherited() -> None:
    # A forked worker shares the open file. Kept open there, the lock would outlive the owner.
    for descriptor in _held:
        os.close(descriptor)
    _held.clear()


os.register_at_fork(after_in_child=_forget_inherited)


class OwnerLock:
    """The file `owner.lock`: it holds the owner's pid, and the kernel unlocks it when the owner ends."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._descriptor: int | None = None

    @property
    def is_held(self) -> bool:
        return self._descriptor in _held

    def take(self) -> None:
        """Take the lock unless we have it. Raises DataDirectoryInUse, naming another owner."""
        if self.is_held:
            return
        descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        if not self._locked(descriptor):
            owner_pid = _pid_in(descriptor) or "unknown"
            os.close(descriptor)
            raise DataDirectoryInUse(
                f"The data directory {self._path.parent} is in use by process {owner_pid}; "
                "stop that process first, or choose another data directory."
            )
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
        self._descriptor = descriptor
        _held.add(descriptor)

    @staticmethod
    def _locked(descriptor: int) -> bool:
        """Whether it could be locked; an owner that has ended already is waited for."""
        patience = time.monotonic() + ORPHAN_SECONDS
        while True:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                return True
            except BlockingIOError:
                if time.monotonic() > patience or not _has_ended(_pid_in(descriptor)):
                    return False
            time.sleep(_PAUSE_SECONDS)

    def release(self) -> None:
        """Give the lock up, if we have it. The file stays: removing it would let two in."""
        if self._descriptor is not None and self.is_held:
            _held.remove(self._descriptor)
            os.close(self._descriptor)
        self._descriptor = None


def _pid_in(descriptor: int) -> str:
    return os.pread(descriptor, 20, 0).decode("ascii", "replace").strip()


def _has_ended(pid: str) -> bool:
    try:
        os.kill(int(pid), 0)
    except ProcessLookupError:
        return True
    except (ValueError, OverflowError, PermissionError):  # none is named, or somebody else's
        return False
    return False
