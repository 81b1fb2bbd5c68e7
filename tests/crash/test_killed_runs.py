"""A run of the tests that is killed leaves no process and no directory behind, whoever started what."""

import json
import os
import subprocess
import sys
from pathlib import Path

from tests import leftovers
from tests.faults.served import BOUND_SECONDS, is_alive, until

CODE = Path(leftovers.__file__).parents[1]
RUN = """
import json, os, subprocess, threading
from pathlib import Path
from tests import leftovers
from tests.faults.served import Served

def test_that_is_killed(place):
    with Served(place / "data") as service:
        # Nobody's child, in a session of its own; it has closed all that it was given.
        orphan = subprocess.run(["sh", "-c", "setsid sleep 1000 <&- >&- 2>&- & echo $!"], capture_output=True, text=True)
        told = [str(place), os.environ[leftovers.MARK], int(orphan.stdout), os.getpid(), service.parent, service.postgres]
        Path(os.environ["TOLD"]).write_text(json.dumps(told + service.workers))
        threading.Event().wait()
"""


def test_nothing_is_left(tmp_path: Path) -> None:
    told = tmp_path / "told"
    (tmp_path / "test_that_is_killed.py").write_text(RUN)
    words = ("-p", "tests.conftest", "-p", "no:cacheprovider", "-c", str(CODE / "pyproject.toml"), "-n", "1", "-q")
    run = subprocess.Popen(
        [
            sys.executable,
            "-m",
            "pytest",
            *words,
            f"--basetemp={tmp_path / 'base'}",
            str(tmp_path / "test_that_is_killed.py"),
        ],
        env={**os.environ, "TOLD": str(told)},
        cwd=CODE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    until(lambda: (told.exists() and told.read_text().endswith("]")) or run.poll() is not None, "a test is under way")
    place, mark, *started = json.loads(told.read_text())
    assert all(map(is_alive, started))
    run.kill()
    run.wait(BOUND_SECONDS)
    for pid in started:
        until(lambda pid=pid: not is_alive(pid), f"process {pid} is gone")
    until(lambda: not leftovers.marked(mark) and not Path(place).parent.exists(), "everything is gone")
