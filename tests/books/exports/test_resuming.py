"""Exports that are interrupted: the same command goes on, and the file is the same to the byte."""

import asyncio
import errno
import fcntl
import json
import os
import signal
import subprocess
import sys
from datetime import datetime
from pathlib import Path

import pytest

from billing.books.exports.checking import check_file
from billing.books.exports.file import Busy, NoFile
from billing.books.exports.reports import slices
from billing.core.commands import OpenAccount
from billing.core.prices import PriceBooks
from billing.posting import Posting
from billing.store.refusals import DatabaseUnavailable
from tests.books.world import SMALL, asked, delivered

from .conftest import Export, written

# The command, in slices of a few rows, which ends as `kill -9` ends it at one of the points between which a file, and
# what is kept of how far it is, are written.
COMMAND = """
import asyncio, os, signal, sys
from pathlib import Path
from billing.books.exports import file
from billing.books.exports.question import ExportQuestion
from billing.store.engine import read_engine, work_engine
from billing.books.exports.reports import slices

slices.ROWS_AT_ONCE = 5
dsn, path, report, format, left = sys.argv[1:]
left = int(left)
pieces, put = file.pieces, file.put

def point():
    global left
    left -= 1
    if left == 0:
        os.kill(os.getpid(), signal.SIGKILL)

async def made(*asked, **more):
    async for piece in pieces(*asked, **more):
        point()
        yield piece

def kept(path, document):
    point()
    put(path, document)
    point()

file.pieces, file.put = made, kept
asyncio.run(file.write_file(read_engine(dsn), work_engine(dsn), ExportQuestion(report, format), Path(path)))
"""


def die(dsn: str, path: Path, report: str, format: str, at: int) -> None:
    """Exports in a process of its own, which dies at that point."""
    words = [sys.executable, "-c", COMMAND, dsn, str(path), report, format, str(at)]
    ran = subprocess.run(words, capture_output=True, text=True, check=False)
    assert ran.returncode == -signal.SIGKILL, ran.stderr


@pytest.mark.parametrize(
    ("report", "format"),
    [("journal", "csv"), ("usage", "jsonl"), ("journal", "parquet")],
)
def test_killed_again_and_again_it_comes_to_the_same_bytes(
    exported: str, books: PriceBooks, tmp_path: Path, report: str, format: str
) -> None:
    path = tmp_path / "it"
    kept = tmp_path / "it.part.json"
    die(exported, path, report, format, 9)
    assert not path.exists()
    first = json.loads(kept.read_text())
    asyncio.run(_meanwhile(exported, books, f"{report}-{format}"))
    with (tmp_path / "it.part").open("ab") as part:
        part.write(b"half a li")  # what a process that dies in the midst of a line leaves
    for point in (4, 5):  # before and after it is noted that a piece was written
        die(exported, path, report, format, point)
    assert json.loads(kept.read_text())["as_of"] == first["as_of"]
    asyncio.run(written(exported, path, report, format))
    assert sorted(file.name for file in tmp_path.iterdir()) == ["it", "it.totals.json"]
    assert check_file(path).ok
    told = json.loads((tmp_path / "it.totals.json").read_text())
    assert told["as_of"] == first["as_of"]

    again = asyncio.run(
        written(exported, tmp_path / "again", report, format, as_of=datetime.fromisoformat(told["as_of"]))
    )
    if format != "parquet":  # its groups are as large as the slices were
        assert (tmp_path / "again").read_bytes() == path.read_bytes()
        assert again.sha256 == told["sha256"]


def test_what_was_kept_is_believed_only_if_it_is_so(
    exported: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(slices, "ROWS_AT_ONCE", 5)

    def struck(done: int, total: int) -> None:
        if done > 20:
            raise KeyboardInterrupt

    for spoil in ("nothing", "bytes", "digest", "question", "json", "gone"):
        path = tmp_path / f"{spoil}.csv"
        with pytest.raises(KeyboardInterrupt):
            asyncio.run(written(exported, path, "journal", "csv", progress=struck))
        kept, part = tmp_path / f"{path.name}.part.json", tmp_path / f"{path.name}.part"
        if spoil == "bytes":
            os.truncate(part, 100)
        elif spoil == "digest":
            content = bytearray(part.read_bytes())
            content[100] ^= 1
            part.write_bytes(content)
        elif spoil == "question":
            kept.write_text(kept.read_text().replace('"question": "', '"question": "0'))
        elif spoil == "json":
            kept.write_text("{")
        elif spoil == "gone":
            part.unlink()
        found = asyncio.run(written(exported, path, "journal", "csv"))
        assert (found.resumed_rows > 0) is (spoil == "nothing")
        assert check_file(path).ok


def test_two_at_once(exported: str, export: Export, tmp_path: Path) -> None:
    with (tmp_path / "it.csv.part").open("wb") as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        with pytest.raises(Busy):
            export("journal", "csv", "it.csv")
    assert export("journal", "csv", "it.csv").totals.rows


def test_what_is_lost_on_the_way_is_gone_on_with(
    exported: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A database that went away and a disk that is full leave what there is; what is full says which file it was."""
    monkeypatch.setattr(slices, "ROWS_AT_ONCE", 5)
    path = tmp_path / "it.csv"
    for problem in (DatabaseUnavailable(), OSError(errno.ENOSPC, "No space left on device")):

        def lost(done: int, total: int, problem: Exception = problem) -> None:
            if done > 20:
                raise problem

        with pytest.raises(type(problem)) as raised:
            asyncio.run(written(exported, path, "journal", "csv", progress=lost))
        assert getattr(raised.value, "filename", f"{path}.part") == f"{path}.part"
    assert asyncio.run(written(exported, path, "journal", "csv")).resumed_rows == 20
    assert check_file(path).ok


def test_devices_and_folders_are_not_replaced(exported: str, tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    for path in (pipe, tmp_path):
        with pytest.raises(NoFile):
            asyncio.run(written(exported, path, "journal", "csv"))
    assert list(tmp_path.iterdir()) == [pipe]
    assert pipe.is_fifo()


async def _meanwhile(dsn: str, books: PriceBooks, name: str) -> None:
    async with Posting(dsn, lambda: books) as posting:
        account = f"aa-{name}"  # before all others
        await posting.post(OpenAccount(account, credit_limit=100))
        await posting.post(asked(account, "r", outputs=delivered(SMALL)))
