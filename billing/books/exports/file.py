"""Files: an export appears under its name when it is whole; one that was interrupted is continued, or begun anew.

Until then it is `FILE.part`, and `FILE.part.json` says how far that is good: the question, the instant, the cursor, how
many bytes and rows, and their digest. The same command goes on there. Text goes on at its last slice; Parquet, workbooks
and what is summed up begin anew, as of the same instant. Either way the bytes are those of an export that was never
interrupted. Beside the file stands `FILE.totals.json`: its control totals and its SHA-256.
"""

import asyncio
import fcntl
import hashlib
import json
import os
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import aclosing, asynccontextmanager, contextmanager
from dataclasses import asdict, dataclass
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO

from billing.books.exports.pieces import pieces, place_of
from billing.books.exports.question import ACCOUNTING, ExportQuestion
from billing.books.exports.report import FORMAT, ControlTotals, OutOfControl, control_totals, instant
from billing.core.instants import instant_text
from billing.core.refusals import Refusal, Unavailable
from billing.store.engine import Engine

_AHEAD = 2  # one slice is written while two are read: PostgreSQL makes the lines, and has the cores for it
_BLOCK = 1 << 20
Progress = Callable[[int, int | None], None]


class Busy(ValueError):
    """Another process is writing this very file."""


class NoFile(ValueError):
    """What stands under the name is a folder or a device, which a file must not replace."""


@dataclass(frozen=True, slots=True)
class Written:
    """A file that is whole. `resumed_rows` of its rows were there from before."""

    path: Path
    asked: ExportQuestion
    totals: ControlTotals
    bytes: int
    sha256: str
    resumed_rows: int

    def document(self) -> dict[str, Any]:
        """As `FILE.totals.json` holds it."""
        return {
            "file": self.path.name,
            "file_format": self.asked.format,
            "bytes": self.bytes,
            "sha256": self.sha256,
            **self.totals.document(),
        }


@dataclass(slots=True)
class _State:
    question: str
    as_of: str
    cursor: str | None = None
    bytes: int = 0
    rows: int = 0
    sha256: str = ""


async def write_file(
    engine: Engine,
    work: Engine,
    asked: ExportQuestion,
    path: Path,
    *,
    as_of: datetime | None = None,
    progress: Progress | None = None,
) -> Written:
    """Writes the export to `path`, or what is missing of it. Nothing is there if the question cannot be answered.

    `progress` is told rows so far and, once they are counted, in all. What is missing when the database was lost, or the disk is full, is
    written by the next call. Raises Invalid, AccountNotFound, Busy, NoFile, OutOfControl, Unavailable, OSError.
    """
    tell = progress or _nobody
    check_replaceable(path)
    part, kept = path.with_name(f"{path.name}.part"), path.with_name(f"{path.name}.part.json")
    with _alone(part) as file:
        try:
            state = _continued(file, kept, question(asked, as_of))
            if state is None:
                state = _State(question(asked, as_of), instant_text(await instant(work, asked, as_of)))
            resumed = state.rows
            totals, digest = await _write(engine, asked, file, kept, state, tell)
        except Unavailable:
            raise
        except OSError as problem:  # a disk that is full does not say whose file it was
            if problem.filename is None and problem.errno is not None:
                raise OSError(problem.errno, problem.strerror, str(part)) from problem
            raise
        except (OutOfControl, Refusal):  # there is no going on from here
            part.unlink()
            kept.unlink(missing_ok=True)
            raise
        os.fsync(file.fileno())
        found = Written(path, asked, totals, file.tell(), digest, resumed)
        part.replace(path)
        put(path.with_name(f"{path.name}.totals.json"), found.document())
        kept.unlink(missing_ok=True)
        return found


async def _write(
    engine: Engine, asked: ExportQuestion, file: BinaryIO, kept: Path, state: _State, tell: Progress
) -> tuple[ControlTotals, str]:
    """Everything from the state's cursor on; the control totals, and the digest of the whole file."""
    digest = hashlib.sha256()
    file.seek(0)
    while block := file.read(_BLOCK):
        digest.update(block)
    after = None if state.cursor is None else place_of(state.cursor, asked.report)
    as_of = datetime.fromisoformat(state.as_of)

    def write(content: bytes) -> None:
        file.write(content)
        digest.update(content)

    put(kept, asdict(state))
    async with _counted(engine, asked, as_of) as counting:
        known = partial(asyncio.shield, counting)
        async with aclosing(pieces(engine, asked, as_of, after=after, ahead=_AHEAD, totals=known)) as made:
            async for piece in made:
                await asyncio.to_thread(write, piece.content)
                state.rows += piece.rows
                tell(state.rows, counting.result().rows if counting.done() else None)
                if piece.cursor is not None and asked.form.resumable:
                    file.flush()
                    state.cursor, state.bytes, state.sha256 = piece.cursor, file.tell(), digest.copy().hexdigest()
                    put(kept, asdict(state))
        totals = await counting
    file.flush()
    if asked.format not in (*ACCOUNTING, "xlsx") and state.rows != totals.rows:
        raise OutOfControl(f"{state.rows} rows were written and {totals.rows} counted")
    return totals, digest.hexdigest()


@asynccontextmanager
async def _counted(
    engine: Engine, asked: ExportQuestion, as_of: datetime
) -> AsyncIterator[asyncio.Task[ControlTotals]]:
    """The control totals, counted while rows are read. Who leaves early waits until the session is free again."""
    counting = asyncio.create_task(control_totals(engine, asked, as_of))
    try:
        yield counting
    finally:
        await asyncio.gather(counting, return_exceptions=True)


def stands(path: Path, asked: ExportQuestion, totals: ControlTotals) -> Written | None:
    """The file, if it is there, as it was written, and comes to these totals."""
    try:
        said = json.loads(path.with_name(f"{path.name}.totals.json").read_bytes())
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
            found = Written(path, asked, totals, file.tell(), digest, 0)
    except (OSError, ValueError):
        return None
    return found if said == json.loads(json.dumps(found.document())) else None


def _continued(file: BinaryIO, kept: Path, question: str) -> _State | None:
    """Where the file goes on, which is cut there; nothing where there is none, or it is not what it says."""
    state = None
    try:
        found = _State(**json.loads(kept.read_bytes()))
        if found.question == question and datetime.fromisoformat(found.as_of).tzinfo is not None:
            state = found
    except (OSError, ValueError, TypeError):
        pass
    if state is not None:
        digest, left = hashlib.sha256(), state.bytes
        file.seek(0)
        while left and (block := file.read(min(_BLOCK, left))):
            digest.update(block)
            left -= len(block)
        if left or (state.cursor is not None and digest.hexdigest() != state.sha256):
            state = None
        elif state.cursor is None:
            state.bytes = state.rows = 0
    file.truncate(0 if state is None else state.bytes)
    file.seek(0)
    return state


def question(asked: ExportQuestion, as_of: datetime | None) -> str:
    """A digest of all that decides what stands in the file, but for the instant, unless it was given."""
    asked_for = json.dumps([FORMAT, asdict(asked), instant_text(as_of)], default=str, sort_keys=True)
    return hashlib.sha256(asked_for.encode()).hexdigest()


@contextmanager
def _alone(part: Path) -> Iterator[BinaryIO]:
    """The file `part`, which nobody else writes meanwhile. Raises Busy."""
    while True:
        with part.open("a+b") as opened:
            try:
                fcntl.flock(opened, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise Busy(f"{part}: another export is writing it") from None
            try:
                if os.fstat(opened.fileno()).st_ino != part.stat().st_ino:
                    continue  # it got its name while we waited
            except FileNotFoundError:
                continue
            yield opened
            return


def put(path: Path, document: dict[str, Any]) -> None:
    """All of the document at once, or what was there before."""
    beside = path.with_name(f"{path.name}.new")
    beside.write_text(json.dumps(document, indent=2) + "\n")
    beside.replace(path)


def check_replaceable(path: Path) -> None:
    if not path.name or (path.exists() and not path.is_file()):
        raise NoFile(f"{path}: this is no file, and is not replaced by one: give the export a name of its own")


def _nobody(done: int, total: int | None) -> None:
    """Is told of progress where nobody asked."""
