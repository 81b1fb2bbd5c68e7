"""The tie between a process and the one that started it."""

import ctypes
import os
import signal
import sys

PARENT = "BILLING_PARENT_PID"
_PR_SET_PDEATHSIG = 1


def end_with_parent(how: signal.Signals) -> None:
    """Has the kernel send `how` when the process that `PARENT` names has ended; whoever sets that is the one that starts us."""
    if parent := os.environ.get(PARENT):
        end_with(int(parent), how)


def end_with(parent: int, how: signal.Signals) -> None:
    """The same, for the process that `parent` has started."""
    if not sys.platform.startswith("linux"):
        return
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, how)
    if os.getppid() != parent:
        sys.exit("the process that started this one has ended")
