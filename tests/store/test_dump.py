"""A dump that is not as it was written is refused, and leaves the database empty; an older one is migrated."""

import json
import zipfile

import asyncpg
import pytest

from billing.store.dump import NoDump, contents_of, dump, restore
from billing.store.engine import read_engine
from billing.store.schema import is_current


def nobody(table, rows, of):
    """Is told of progress."""


def changed(path, into, **entries):
    """The dump at `path` with other entries: bytes, or for `document` what is merged into `dump.json`."""
    with zipfile.ZipFile(path) as there, zipfile.ZipFile(into, "w") as made:
        for name in there.namelist():
            content = there.read(name)
            if name == "dump.json":
                content = json.dumps(json.loads(content) | entries.get("document", {}))
            made.writestr(name, entries.get(name.removesuffix(".copy"), content))
    return into


async def holds(dsn):
    connection = await asyncpg.connect(dsn)
    try:
        return await connection.fetchval("SELECT count(*) FROM pg_tables WHERE schemaname = 'public'")
    finally:
        await connection.close()


@pytest.fixture
def dumped(fresh_database, tmp_path, run):
    run(dump(fresh_database, tmp_path / "dump", nobody))
    return tmp_path / "dump"


async def test_a_file_that_is_no_dump_or_not_a_whole_one(dumped, tmp_path, empty_database):
    content = dumped.read_bytes()
    torn = content.index(b"price_book.copy") + 200
    other = tmp_path / "other"
    for bytes_, said in (
        (b"", "not a zip"),
        (content[: len(content) // 2], "not a zip"),
        (content[:torn] + bytes([content[torn] ^ 1]) + content[torn + 1 :], "Bad CRC|Error -3|decompressing"),
    ):
        other.write_bytes(bytes_)
        with pytest.raises(NoDump, match=rf"(?s)other cannot be restored: .*({said}).* Nothing was changed"):
            await restore(empty_database, other, nobody)
    for document, said in (
        ({"format": "billing.dump.9"}, "this program reads billing.dump.1"),
        ({"revision": "9999"}, "of revision 9999, which this program does not know"),
        ({"totals": {"posted": "1"}}, "its books should come to"),
        ({"tables": {"price_book": {"columns": ["version"], "rows": 7}}}, "its rows of price_book do not fit"),
    ):
        other.unlink()
        with pytest.raises(NoDump, match=said):
            await restore(empty_database, changed(dumped, other, document=document), nobody)
    with zipfile.ZipFile(other, "w") as no_dump:
        no_dump.writestr("letter", "to somebody else")
    with pytest.raises(NoDump, match="no dump of billing's"):
        contents_of(other)
    assert await holds(empty_database) == 0


async def test_a_dump_of_an_older_version_is_migrated(dumped, tmp_path, empty_database):
    """Before 0011 the provider's usage was not told apart by others."""
    books = contents_of(dumped).document()["tables"]["price_book"]
    usage = ["provider", "starts_at", "model", "size", "source", "project_id", "user_id", "api_key_id", "ends_at"]
    usage += ["images", "requests", "report_id"]
    tables = {"price_book": books, "provider_usage": {"columns": usage, "rows": 1}}
    row = b"openai\t2026-11-01 00:00:00+00\tgpt-image-2\t\t\t\t\t\t2026-11-02 00:00:00+00\t7\t7\tr-1\n"
    document = {"revision": "0010", "tables": tables}
    old = changed(dumped, tmp_path / "old", document=document, provider_usage=row)
    await restore(empty_database, old, nobody)
    reads = read_engine(empty_database, size=1)
    assert await is_current(reads)
    await reads.dispose()
    connection = await asyncpg.connect(empty_database)
    assert tuple(await connection.fetchrow("SELECT images, others FROM provider_usage")) == (7, "")
    await connection.close()
