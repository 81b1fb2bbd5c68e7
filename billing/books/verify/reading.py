"""One snapshot of the database, about every account or about one, as `checks` asks of it."""

from collections.abc import AsyncIterator, Sequence
from datetime import datetime
from typing import Any, Final

from billing.books.verify.checks import WORDS, Check
from billing.store.billed import billed
from billing.store.connection import Connection

ROWS_AT_ONCE = 2_000  # of a cursor: what is in memory at any time, however long the journal is

TABLES: Final = (
    "account", "account_change", "grant", "charge", "hold", "output", "transfer", "debt", "fill", "refund", "refund_output",
    "returned", "correction", "correction_report", "correction_output", "topup", "card_refund", "clawback", "dispute", "stripe_transaction",
    "payout_item", "usage_bucket", "usage_day", "recognition",
)  # fmt: skip
_LINE: Final = ", ".join(
    f"{{{name}}} AS {name}"
    for name in (
        "account_id", "at", "model", "operation", "size_tier", "quality", "api_key_id", "requests", "images", "failed_images",
        "credits",
    )
)  # fmt: skip
# Rows of an account. A payout's item is of the account in which its transaction is booked, if it is.
_OWN: Final = """(SELECT * FROM "{table}" WHERE account_id = $1)"""
_OWN_ITEMS: Final = """(SELECT * FROM payout_item WHERE transaction_id IN
    (SELECT transaction_id FROM stripe_transaction WHERE account_id = $1))"""


class BooksReading:
    """`connection` is the store's, inside a read-only transaction; `whole` where all accounts are read."""

    def __init__(self, connection: Connection, account_id: str | None, now: datetime) -> None:
        self.connection = connection
        self.whole = account_id is None
        self._arguments = () if account_id is None else (account_id,)
        self._names = WORDS | {
            table: f'"{table}"' if self.whole else _OWN_ITEMS if table == "payout_item" else _OWN.format(table=table)
            for table in TABLES
        }
        self._names["billed"] = f"({billed(_LINE, 'true' if self.whole else 'c.account_id = $1')})"
        self._names["now"] = f"'{now.isoformat()}'::timestamptz"

    async def first_wrong(self, check: Check) -> Any | None:
        """The first row that `check` finds: (account_id, key, problem)."""
        # Materialized, or the planner would hope to find one soon and loop over indexes; mostly there is none.
        return await self.connection.fetchrow(
            f"WITH wrong AS MATERIALIZED ({check.sql.format(**self._names)}\n) "
            "SELECT account_id, key, problem FROM wrong ORDER BY account_id, place, key LIMIT 1",
            *self._arguments,
        )

    async def batches(self, sql: str) -> AsyncIterator[Sequence[Any]]:
        """The answer's rows, ROWS_AT_ONCE of them at a time, from a cursor on the server."""
        cursor = await self.connection.cursor(sql.format(**self._names), *self._arguments)
        while found := await cursor.fetch(ROWS_AT_ONCE):
            yield found

    async def count(self, table: str) -> int:
        counted: int = await self.connection.fetchval(
            f"SELECT count(*) FROM {self._names[table]} counted", *self._arguments
        )
        return counted
