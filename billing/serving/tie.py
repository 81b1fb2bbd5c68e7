"""The tie between a process and the one that started it."""

import ctypes
import os
import signal
import sys

PARENT = "BILLING_PARENT_PID"
_PR_SET_PDEATHSIG = 1


def end_with_parent(how: signal.Signals) -> None:
    """Has the kernel send `how` when the process that `PARENT` names has ended; whoever sets that is the one that starts us."""
    parent = os.environ.get(PARENT)
    if parent is None or not sys.platform.startswith("linux"):
        return
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, how)
    if os.getppid() != int(parent):
        sys.exit("the process that started this one has ended")
