"""The service as the model meets it: the posting path on a real database whose clock stands still until it is set.

PostgreSQL looks for functions along the search path: a schema before `pg_catalog` may have a
`clock_timestamp()` of its own. Nothing of the service changes for it.
"""

import asyncio
from datetime import UTC, datetime, timedelta

import asyncpg

from billing.core.charges import Reported
from billing.core.commands import AmendAccount, Authorize, IssueGrant, OpenAccount, Refund, Settle, Void
from billing.core.prices import PUBLISHED, PriceBook, PriceBooks
from billing.posting import Posting
from billing.store.balances import balance_sheet, figures_at
from billing.store.engine import read_engine

from .audit import audit

START = datetime(2026, 1, 1, tzinfo=UTC)
SECOND_BOOK_AT = START + timedelta(days=2)
SECOND_BOOK = {
    "gpt-image-2": {
        **PUBLISHED["gpt-image-2"],
        "qualities": {"low": "low", "medium": "medium", "high": "max", "auto": "max", "max": "max"},
        "prices": {
            "low": {"1K": 2, "2K": 3, "4K": 5},
            "medium": {"1K": 5, "2K": 18, "4K": 35},
            "max": {"1K": 20, "2K": 70, "4K": 140},
        },
    }
}
BOOKS = PriceBooks(
    [PriceBook.of(1, START - timedelta(days=1), PUBLISHED), PriceBook.of(2, SECOND_BOOK_AT, SECOND_BOOK)]
)

A_CLOCK_TO_SET = (
    "CREATE SCHEMA clock",
    "CREATE TABLE clock.reading (at timestamptz NOT NULL)",
    f"INSERT INTO clock.reading VALUES ('{START.isoformat()}')",
    "CREATE FUNCTION clock.clock_timestamp() RETURNS timestamptz LANGUAGE sql VOLATILE AS 'SELECT at FROM clock.reading'",
    "GRANT USAGE ON SCHEMA clock TO billing_service",
    "GRANT SELECT ON clock.reading TO billing_service",
    "DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET search_path = clock, pg_catalog, public', current_database()); END $$",
)
COMMANDS = {
    "open": OpenAccount,
    "amend": AmendAccount,
    "grant": IssueGrant,
    "authorize": Authorize,
    "settle": Settle,
    "void": Void,
    "refund": Refund,
}


class World:
    """One database, one posting path and the owner's eyes on the tables, on a loop of their own."""

    def __init__(self, dsn):
        self._dsn, self._runner = dsn, asyncio.Runner()

    def __enter__(self):
        self._runner.__enter__()
        self._runner.run(self._start())
        return self

    def __exit__(self, *_):
        self._runner.run(self._stop())
        self._runner.__exit__(None, None, None)

    def set_clock(self, moment):
        self._runner.run(self._owner.execute("UPDATE clock.reading SET at = $1", moment))

    def post_many(self, moves):
        """What came of each (name, account_id, body), in order; refusals are returned."""
        return self._runner.run(self._posting.post_many([command(*move) for move in moves]))

    def audit(self, *account_ids):
        return self._runner.run(audit(self._owner, *account_ids))

    def sheet(self, account_id):
        """What a reader is shown now."""
        return self._runner.run(balance_sheet(self._reads, account_id))

    def figures_at(self, account_id, moment):
        """What a reader is shown of a moment that has passed."""
        return self._runner.run(figures_at(self._reads, account_id, moment))

    async def _start(self):
        connection = await asyncpg.connect(self._dsn)
        for statement in A_CLOCK_TO_SET:
            await connection.execute(statement)
        await connection.close()
        self._owner = await asyncpg.connect(self._dsn)
        await self._owner.execute("SET synchronous_commit = off")  # of the clock alone
        self._reads = read_engine(self._dsn, size=1)
        self._posting = await Posting(self._dsn, lambda: BOOKS, lanes=2).__aenter__()

    async def _stop(self):
        await self._posting.__aexit__()
        await self._reads.dispose()
        await self._owner.close()


def command(name, account_id, body):
    if body.get("outputs") is not None and name in ("authorize", "settle"):
        body = body | {"outputs": tuple(Reported(*one) for one in body["outputs"])}
    if name == "grant" and body["paid_micros"] is not None:
        body = body | {"currency": "USD"}
    return COMMANDS[name](account_id, **body)
