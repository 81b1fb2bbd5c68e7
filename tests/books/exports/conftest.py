"""Books to export: the healthy ones, with names that nobody should give and days and currencies that they have not.

Nothing changes them: all tests of a worker share them.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from billing.books.exports.file import Written, write_file
from billing.books.exports.question import ExportQuestion
from billing.books.revenue.recognition import recognise
from billing.core.commands import Correct, IssueGrant, OpenAccount, Refund
from billing.core.prices import PriceBooks
from billing.embedded import EmbeddedPostgres
from billing.posting import Posting
from billing.store.engine import Engine, read_engine, work_engine
from tests.books.world import SMALL, asked, delivered

ODD = "-odd:id_1.x"
TEXTS = (
    "=HYPERLINK(\"http://x\",\"y\")", "+1", "-1", "@sum", "\ttab", "\rreturn", "＝full", "'quoted", "a,b\n\"c\"\\d;e", "", "Zoë – ✓", "\x01\x02\x03\x1f",
)  # fmt: skip
Export = Callable[..., Written]


@pytest.fixture(scope="session")
def exported(server: EmbeddedPostgres, healthy_template: str, books: PriceBooks) -> Iterator[str]:
    """The DSN, as the schema's owner."""
    name = "billing_exported"
    asyncio.run(_execute(server.dsn("postgres"), f"CREATE DATABASE {name} TEMPLATE {healthy_template}"))
    asyncio.run(_fill(server.dsn(name), books))
    yield server.dsn(name)
    asyncio.run(_execute(server.dsn("postgres"), f"DROP DATABASE {name} WITH (FORCE)"))


@pytest.fixture
def on_books(exported: str) -> Callable[[Callable[[Engine], Awaitable[Any]]], Any]:
    """Asks something of an engine."""

    def ask(work: Callable[[Engine], Awaitable[Any]]) -> Any:
        async def asking() -> Any:
            engine = read_engine(exported, size=4)
            try:
                return await work(engine)
            finally:
                await engine.dispose()

        return asyncio.run(asking())

    return ask


@pytest.fixture
def export(exported: str, tmp_path: Path) -> Export:
    """Writes an export into a directory of the test's own."""

    def write(report: str, format: str, name: str | None = None, **more: Any) -> Written:
        return asyncio.run(written(exported, tmp_path / (name or f"{report}.{format}"), report, format, **more))

    return write


async def written(dsn: str, path: Path, report: str, format: str, **more: Any) -> Written:
    as_of, progress = more.pop("as_of", None), more.pop("progress", None)
    engine, work = read_engine(dsn, size=4), work_engine(dsn, size=1)
    try:
        return await write_file(
            engine, work, ExportQuestion(report, format, **more), path, as_of=as_of, progress=progress
        )
    finally:
        await engine.dispose()
        await work.dispose()


def shown_at(written: Written) -> datetime:
    """The instant that a file shows."""
    return datetime.fromisoformat(written.totals.as_of)


async def _fill(dsn: str, books: PriceBooks) -> None:
    async with Posting(dsn, lambda: books) as posting:
        await posting.post(OpenAccount(ODD, name="=1+1"))
        for number, text in enumerate(TEXTS):
            paid = 1_234_567 + number
            currency = ("USD", "JPY", "KWD")[number % 3]
            paid_for = IssueGrant(
                ODD, f"-g{number}", "purchase", 10, paid_micros=paid, currency=currency, reference=text
            )
            await posting.post(paid_for)
        await posting.post(asked(ODD, "-r", end_user="=end", metadata={"a": "b"}, n=2, outputs=delivered(SMALL, SMALL)))
        await posting.post(Refund(ODD, "-r", "-refund", "wrong", credits=3))
        await posting.post(asked(ODD, "corrected", outputs=delivered(SMALL)))
        await posting.post(Correct(ODD, "-c", "corrected", delivered((2048, 2048)), "was larger", "finance"))
        engine = read_engine(dsn, size=1)
        await recognise(engine, posting)
        await engine.dispose()
    # On days of their own, some of them in the month before; and on the second, as one instant in a million is.
    await _execute(
        dsn,
        f"""UPDATE transfer SET effective_at = date_trunc('second', effective_at) - seq * interval '3 days',
                posted_at = date_trunc('second', posted_at) - seq * interval '3 days'
            WHERE account_id = '{ODD}' AND book = 'money';
            UPDATE charge SET authorized_at = date_trunc('second', authorized_at), resolved_at = date_trunc('second', resolved_at)
            WHERE account_id = '{ODD}'""",
    )


async def _execute(dsn: str, statement: str) -> None:
    connection = await asyncpg.connect(dsn)
    try:
        await connection.execute(statement)
    finally:
        await connection.close()
