"""Dumps: a whole database in one file, of one instant, for any PostgreSQL of ours; and back into an empty one.

A dump is a ZIP: `TABLE.copy` for each table, as PostgreSQL's COPY writes text, and at its end `dump.json`, which says of
which revision of the schema it is, which columns each table has and how many rows, and what the books come to. Its role is
not in it, nor who owns what: migrating makes them. Restoring brings an empty database to that very revision, copies the
rows, compares them with what the dump says, and only then goes on to this program's own revision: all in one
transaction, so that whatever interrupts it leaves an empty database. Memory is constant either way.
"""

import asyncio
import errno
import fcntl
import json
import os
import zipfile
import zlib
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import IO, Any, Final

import asyncpg
from sqlalchemy.ext.asyncio import AsyncConnection

from billing.core.instants import instant_text
from billing.store.connection import Connection, connected
from billing.store.engine import owner_engine
from billing.store.schema import ALONE, revisions, upgrade, way_on
from billing.store.tables import metadata

FORMAT: Final = "billing.dump.1"
CONTENTS: Final = "dump.json"
_PASSING: Final = {"manifest", "manifest_row"}  # what is being compared just now is of use to nobody else
_CHUNK = 1 << 20
_SESSION = {"timezone": "UTC", "datestyle": "ISO", "bytea_output": "hex", "application_name": "billing dump"}
# What the books come to; as text, because a sum of 64-bit integers may be longer.
_TOTALS: Final = """
    SELECT 'posted', sum(posted)::text FROM account UNION ALL SELECT 'held', sum(held)::text FROM account
    UNION ALL SELECT 'debt', sum(debt)::text FROM account
    UNION ALL SELECT book || ' ' || asset, sum(amount)::text FROM transfer GROUP BY book, asset"""
_FOUND: Final = """
    SELECT format('%s.%s', n.nspname, c.relname) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f') AND n.nspname <> 'information_schema' AND n.nspname !~ '^pg_'
    ORDER BY c.oid LIMIT 1"""
_CONTENTS_BYTES: Final = 1 << 20  # at most; a hundred tables are some 20 KB
# What the library says of a ZIP that is none; and a disk that cannot be read.
_TORN: Final = (zipfile.BadZipFile, zlib.error, EOFError, RuntimeError, OSError)
_UNFIT: Final = (asyncpg.DataError, asyncpg.IntegrityConstraintViolationError, asyncpg.SyntaxOrAccessError)
Progress = Callable[[str, int, int | None], None]


class NoDump(ValueError):
    """The file is no dump, or not a whole one."""


class NotEmpty(ValueError):
    """The database holds something already."""

    def __init__(self, found: str) -> None:
        super().__init__(found)
        self.found = found

    def __str__(self) -> str:
        return (
            f"The database is not empty: it holds {self.found}. A dump is restored into an empty database only; "
            "nothing was changed."
        )


@dataclass(frozen=True, slots=True)
class ArchiveContents:
    """What a dump says of itself. `columns` and `rows` by table; `totals` are what the books come to."""

    revision: str
    made_at: str
    server: str
    columns: dict[str, list[str]]
    rows: dict[str, int]
    totals: dict[str, str | None]

    def document(self) -> dict[str, Any]:
        tables = {table: {"columns": columns, "rows": self.rows[table]} for table, columns in self.columns.items()}
        return {
            "format": FORMAT,
            "revision": self.revision,
            "made_at": self.made_at,
            "postgresql": self.server,
            "tables": tables,
            "totals": self.totals,
        }

    @classmethod
    def read(cls, file: zipfile.ZipFile) -> "ArchiveContents":
        """Raises NoDump."""
        try:
            if file.getinfo(CONTENTS).file_size > _CONTENTS_BYTES:
                raise NoDump("it says too much of itself")
            with _as_written():
                document = json.loads(file.read(CONTENTS))
            if document["format"] != FORMAT:
                raise NoDump(f"it is a {document['format']}, and this program reads {FORMAT}")
            revision = str(document["revision"])
            if revision not in revisions():
                raise NoDump(f"it is of revision {revision}, which this program does not know: {way_on(revision)}")
            tables, totals = document["tables"], document["totals"]
            columns = {table: [str(column) for column in there["columns"]] for table, there in tables.items()}
            rows = {table: int(there["rows"]) for table, there in tables.items()}
            if sorted(file.namelist()) != sorted([CONTENTS, *(f"{table}.copy" for table in tables)]):
                raise NoDump("what is in it is not what it says it holds")
            return cls(revision, str(document["made_at"]), str(document["postgresql"]), columns, rows, totals)
        except NoDump:
            raise
        except (KeyError, TypeError, AttributeError, ValueError) as problem:
            raise NoDump("it is a ZIP, but no dump of billing's") from problem


async def dump(dsn: str, path: Path, progress: Progress) -> ArchiveContents:
    """Writes the database as it is at one instant to `path`, which appears when it is whole and was not there before.

    Who owns the file may read it, nobody else: there are secrets in it. Raises FileExistsError, OSError.
    """
    with _appearing(path) as file, zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        return await _write(dsn, archive, progress)


@contextmanager
def _appearing(path: Path) -> Iterator[IO[bytes]]:
    if path.exists():
        raise FileExistsError(errno.EEXIST, "a file of that name is there already", str(path))
    part = path.with_name(path.name + ".part")
    with open(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600), "wb") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise FileExistsError(errno.EEXIST, "another process is writing it", str(path)) from None
        if path.exists():  # whoever was writing it has finished meanwhile, and it is the file that we hold
            raise FileExistsError(errno.EEXIST, "a file of that name is there already", str(path))
        if os.fstat(file.fileno()).st_uid != os.geteuid():
            raise FileExistsError(errno.EEXIST, "it is somebody else's, who could read the dump", str(part))
        try:
            os.fchmod(file.fileno(), 0o600)
            file.truncate()
            yield file
            file.flush()
            os.fsync(file.fileno())
            part.rename(path)
        except BaseException:
            part.unlink(missing_ok=True)
            raise


async def _write(dsn: str, archive: zipfile.ZipFile, progress: Progress) -> ArchiveContents:
    async with connected(dsn, _SESSION) as connection:
        async with connection.transaction(isolation="repeatable_read", readonly=True):
            columns, rows = {}, {}
            revision = await connection.fetchval("SELECT version_num FROM alembic_version")
            made_at: datetime = await connection.fetchval("SELECT clock_timestamp()")
            for table in sorted(metadata.tables.keys() - _PASSING):
                columns[table] = [column.name for column in metadata.tables[table].columns]
                rows[table] = await _copy_out(connection, archive, table, columns[table], progress)
            totals = await _totals(connection)
            server = connection.get_server_version()
        contents = ArchiveContents(
            revision, instant_text(made_at), f"{server.major}.{server.minor}", columns, rows, totals
        )
        archive.writestr(CONTENTS, json.dumps(contents.document(), indent=2))
        return contents


async def _copy_out(
    connection: asyncpg.Connection, archive: zipfile.ZipFile, table: str, columns: list[str], progress: Progress
) -> int:
    seen = 0
    with archive.open(f"{table}.copy", "w", force_zip64=True) as entry:

        async def write(piece: bytes) -> None:
            nonlocal seen
            seen += piece.count(b"\n")  # one for each row: those within are escaped
            progress(table, seen, None)
            await asyncio.to_thread(entry.write, piece)

        status = await connection.copy_from_table(table, columns=columns, output=write, format="text")
    return int(status.split()[1])


async def restore(dsn: str, path: Path, progress: Progress) -> ArchiveContents:
    """Fills the empty database at `dsn` from the dump at `path`, and brings it to this program's revision.

    Raises NoDump, NotEmpty, OSError.
    """
    with _opened(path) as archive:
        contents = ArchiveContents.read(archive)
        pool = owner_engine(dsn)
        try:
            async with pool.session() as (connection, session):
                async with connection.begin():
                    await _fill(connection, session, archive, contents, progress)
                    await connection.run_sync(upgrade)
                await session.execute("ANALYZE")
        finally:
            await pool.dispose()
    return contents


def contents_of(path: Path) -> ArchiveContents:
    """What the dump at `path` says of itself. Raises NoDump, OSError."""
    with _opened(path) as archive:
        return ArchiveContents.read(archive)


@contextmanager
def _opened(path: Path) -> Iterator[zipfile.ZipFile]:
    try:
        with path.open("rb") as file:
            with _as_written():
                archive = zipfile.ZipFile(file)
            with archive:
                yield archive
    except NoDump as problem:
        raise NoDump(f"{path} cannot be restored: {problem}. Nothing was changed.") from problem


@contextmanager
def _as_written() -> Iterator[None]:
    """What the library finds wrong with a ZIP is NoDump."""
    try:
        yield
    except _TORN as problem:
        raise NoDump(str(problem)) from problem


async def _fill(
    connection: AsyncConnection,
    raw: Connection,
    archive: zipfile.ZipFile,
    contents: ArchiveContents,
    progress: Progress,
) -> None:
    await raw.execute(ALONE)
    found = await raw.fetchval(_FOUND)
    if found is not None:
        raise NotEmpty(found)
    await connection.run_sync(upgrade, contents.revision)
    for table, rows in contents.rows.items():
        with _as_written():
            entry = archive.open(f"{table}.copy")
        with entry:
            source = _told(entry, table, rows, progress)
            columns = contents.columns[table]
            try:
                # Frozen: nobody has to write these pages once more.
                status = await raw.copy_to_table(table, source=source, columns=columns, format="text", freeze=True)
            except _UNFIT as problem:
                raise NoDump(f"its rows of {table} do not fit: {problem}") from problem
        if int(status.split()[1]) != rows:
            raise NoDump(f"it should hold {rows} rows of {table}, but there are {status.split()[1]}")
    totals = await _totals(raw)
    if totals != contents.totals:
        raise NoDump(f"its books should come to {contents.totals}, but they come to {totals}")


async def _totals(connection: asyncpg.Connection) -> dict[str, str | None]:
    return {row[0]: row[1] for row in await connection.fetch(_TOTALS)}


async def _told(entry: IO[bytes], table: str, rows: int, progress: Progress) -> AsyncIterator[bytes]:
    seen = 0
    while True:
        with _as_written():
            piece = await asyncio.to_thread(entry.read, _CHUNK)
        if not piece:
            return
        seen += piece.count(b"\n")
        progress(table, seen, rows)
        yield piece
