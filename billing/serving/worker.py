"""A worker: a process that answers."""

import ctypes
import os
import signal
import sys
from typing import Any

from billing.serving.application import application
from billing.serving.logs import set_up_logs
from billing.settings import Settings

PARENT = "BILLING_PARENT_PID"
_PR_SET_PDEATHSIG = 1


def worker() -> Any:
    """The application in a worker process."""
    _die_with_parent()
    settings = Settings.read()
    set_up_logs(settings.log_format)
    return application(settings)


def _die_with_parent() -> None:
    """A worker whose parent was killed must not go on answering on its port without a database."""
    parent = os.environ.get(PARENT)
    if parent is None or not sys.platform.startswith("linux"):
        return
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != int(parent):
        sys.exit("the serving process has ended")
