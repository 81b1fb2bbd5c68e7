"""A dump that the last program of revision 0013 wrote, when refunds and corrections were JSON text: it says the same today.

`revision_0013/` has the dump of a world like that of `tests/books`, and what that program said of it: the canonical bytes of
statements, as they are signed, and the exports of usage and costs.
"""

import json
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import asyncpg
import pytest

from billing.books.dump.archive import restore
from billing.books.exports.pieces import pieces
from billing.books.exports.question import ExportQuestion
from billing.books.statements.report import drawn_up
from billing.books.verify import verify
from billing.store.engine import read_engine
from billing.store.schema import is_current

SAID = Path(__file__).with_name("revision_0013")
START, END = datetime(2026, 11, 1, tzinfo=UTC), datetime(2026, 12, 1, tzinfo=UTC)


@pytest.fixture
def restored(empty_database, run):
    run(restore(empty_database, SAID / "dump.zip", lambda table, rows, of: None))
    return empty_database


@pytest.fixture
def reads(restored, run):
    engine = read_engine(restored, size=2)
    yield engine
    run(engine.dispose())


async def test_it_is_migrated(reads):
    assert await is_current(reads)


async def test_its_books_are_in_order(restored):
    report = await verify(restored)
    assert report.ok, report
    assert (report.accounts, report.charges, report.transfers) == (8, 25, 156)


async def test_its_statements_are_the_same_to_the_byte(reads):
    for account_id, said in json.loads((SAID / "statements.json").read_text()).items():
        statement = await drawn_up(reads, account_id, "2026-11", complete=True)
        statement = replace(statement, issued_at=START)
        assert statement.canonical_bytes.decode() == said, account_id


@pytest.mark.parametrize("report", ["usage", "costs"])
async def test_its_exports_are_the_same_to_the_byte(reads, report):
    written = [piece.content async for piece in pieces(reads, ExportQuestion(report, "csv"), END)]
    assert b"".join(written) == (SAID / f"{report}.csv").read_bytes()


async def test_what_refunds_and_corrections_were_made_of_is_rows(restored):
    connection = await asyncpg.connect(restored)
    parts = "SELECT refund_id, index, credits, size_tier FROM refund_output WHERE account_id = 'mended' ORDER BY 1, 2"
    assert [tuple(row) for row in await connection.fetch(parts)] == [
        ("r-corrected", 2, 4, "1K"),  # it had failed when it was settled, and was found to be there
        ("r-mixed", 1, 17, "2K"),
    ]
    returned = """
        SELECT drawn_from, x.credits, returned_to FROM returned x JOIN correction k USING (account_id)
        WHERE k.correction_id = 'k-down' AND x.seq BETWEEN k.first_seq AND k.last_seq ORDER BY x.seq"""
    assert [tuple(row) for row in await connection.fetch(returned)] == [
        (None, 13, None),
        ("long", 1, None),
        ("long", 39, "long"),
        ("short", 14, "correction:k-down:1"),
    ]
    await connection.close()
