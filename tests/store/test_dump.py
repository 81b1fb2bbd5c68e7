"""A dump that is not as it was written is refused, and leaves the database empty. An older one is migrated: `test_revision_0013`."""

import asyncio
import json
import zipfile

import asyncpg
import pytest

from billing.books.dump.archive import NoDump, NotEmpty, contents_of, dump, restore
from billing.store.schema import ALONE


def nobody(table, rows, of):
    """Is told of progress."""


def changed(path, into, **entries):
    """The dump at `path` with other entries: bytes, or for `document` what is merged into `dump.json`."""
    with zipfile.ZipFile(path) as there, zipfile.ZipFile(into, "w") as made:
        document = json.loads(there.read("dump.json")) | entries.pop("document", {})
        made.writestr("dump.json", json.dumps(document))
        for table in document["tables"]:
            made.writestr(f"{table}.copy", entries.get(table, there.read(f"{table}.copy")))
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
    places = content.rindex(b"PK\x05\x06") + 16  # from where on the entries are listed
    version = content.rindex(b"PK\x01\x02") + 6  # which a reader must be of, in the last entry's line
    for bytes_, said in (
        (b"", "not a zip"),
        (content[: len(content) // 2], "not a zip"),
        (content[:torn] + bytes([content[torn] ^ 1]) + content[torn + 1 :], "Bad CRC|Error -3|decompressing"),
        (content[:places] + b"\xff" * 4 + content[places + 4 :], "Invalid argument|central directory"),
        (content[:version] + b"\xff" + content[version + 1 :], "zip file version"),
    ):
        other.write_bytes(bytes_)
        with pytest.raises(NoDump, match=rf"(?s)other cannot be restored: .*({said}).* Nothing was changed"):
            await restore(empty_database, other, nobody)
    for document, said in (
        ({"format": "billing.dump.9"}, "this program reads billing.dump.1"),
        ({"revision": "9999"}, "of revision 9999, which this program does not know: use the newer program"),
        (
            {"revision": "0010"},
            "of revision 0010, which this program does not know: migrate it to 0013 with the program",
        ),
        ({"totals": {"posted": "1"}}, "its books should come to"),
        ({"tables": {"price_book": {"columns": ["version"], "rows": 7}}}, "its rows of price_book do not fit"),
        ({"tables": {"price_book": {"columns": [1, []], "rows": 7}}}, "its rows of price_book do not fit"),
        ({"tables": {"price_book": {"columns": ["version"], "rows": "many"}}}, "no dump of billing's"),
        ({"made_at": " " * (1 << 20)}, "it says too much of itself"),
    ):
        with pytest.raises(NoDump, match=said):
            await restore(empty_database, changed(dumped, other, document=document), nobody)
    for entries, said in (
        ({"letter": "to somebody else"}, "no dump of billing's"),
        ({"dump.json": content[:40]}, "no dump of billing's"),
        ({"dump.json": "[" * 100_000}, "recursion"),
        ({"dump.json": json.dumps(contents_of(dumped).document())}, "what is in it is not what it says it holds"),
    ):
        with zipfile.ZipFile(other, "w") as no_dump:
            for name, text in entries.items():
                no_dump.writestr(name, text)
        with pytest.raises(NoDump, match=said):
            contents_of(other)
    assert await holds(empty_database) == 0


async def test_who_may_read_a_file_that_was_there_before_may_not_read_the_dump(fresh_database, tmp_path):
    path, part = tmp_path / "dump", tmp_path / "dump.part"
    part.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(OSError, match=r"dump\.part"):
        await dump(fresh_database, path, nobody)
    assert not (tmp_path / "elsewhere").exists()
    part.unlink()
    part.touch(0o666)  # as one that was killed leaves it, were it not ours alone
    await dump(fresh_database, path, nobody)
    assert path.stat().st_mode & 0o777 == 0o600
    assert not part.exists()


async def test_of_two_who_fill_a_database_at_once_the_second_finds_it_filled(dumped, empty_database):
    first = await asyncpg.connect(empty_database)
    async with first.transaction():
        await first.execute(ALONE)
        second = asyncio.ensure_future(restore(empty_database, dumped, nobody))
        waits = "SELECT EXISTS (SELECT FROM pg_locks WHERE locktype = 'advisory' AND NOT granted)"
        while not await first.fetchval(waits):
            assert not second.done()
        await first.execute("CREATE TABLE filled ()")
    await first.close()
    with pytest.raises(NotEmpty, match=r"public\.filled"):
        await second
