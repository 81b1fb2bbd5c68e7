"""The trial balance: every ledger account's debits and credits, as they were and as they were known."""

from collections.abc import Sequence
from datetime import datetime
from typing import Final, NamedTuple

import asyncpg
from sqlalchemy.ext.asyncio import AsyncEngine

from billing.core.refusals import AccountNotFound
from billing.store.clock import time_in
from billing.store.snapshot import snapshot

# Sums are numeric: those of many accounts may leave 64 bits. The journal is read once; what it came to is turned over.
_BALANCES: Final = """
    WITH moved AS MATERIALIZED (
        SELECT t.book, t.asset, t.debit, t.credit, sum(t.amount) AS amount FROM transfer t
        WHERE ($1::timestamptz IS NULL OR t.effective_at < $1) AND ($2::timestamptz IS NULL OR t.posted_at <= $2)
          AND ($3::text IS NULL OR t.account_id = $3)
        GROUP BY t.book, t.asset, t.debit, t.credit)
    SELECT book, ledger_account, asset, sum(debits), sum(credits) FROM (
        SELECT book, debit AS ledger_account, asset, amount AS debits, 0 AS credits FROM moved
        UNION ALL SELECT book, credit, asset, 0, amount FROM moved) each
    GROUP BY book, ledger_account, asset ORDER BY book DESC, asset, ledger_account"""


class Cut(NamedTuple):
    """Which transfers count: due before `before`, and posted at `known_until` or earlier; of one account or all."""

    before: datetime | None = None
    known_until: datetime | None = None
    account_id: str | None = None


class LedgerBalance(NamedTuple):
    """One ledger account in one asset, in its smallest units; the sums know no limit. Balance: debits less credits."""

    book: str
    ledger_account: str
    asset: str
    debits: int
    credits: int

    @property
    def balance(self) -> int:
        return self.debits - self.credits


async def ledger_balances(engine: AsyncEngine, cut: Cut) -> tuple[list[LedgerBalance], datetime]:
    """The ledger accounts that ever moved, and the instant of the answer. Raises AccountNotFound."""
    async with snapshot(engine) as connection:
        now = await time_in(connection, engine)
        if cut.account_id is not None and not await connection.fetchval(
            "SELECT EXISTS (SELECT FROM account WHERE account_id = $1)", cut.account_id
        ):
            raise AccountNotFound(cut.account_id)
        return await balances_within(connection, cut), now


async def balances_within(connection: asyncpg.Connection, cut: Cut) -> list[LedgerBalance]:
    """The same, inside a transaction that is open."""
    found: Sequence[asyncpg.Record] = await connection.fetch(_BALANCES, *cut)
    return [LedgerBalance(book, name, asset, int(debits), int(credits)) for book, name, asset, debits, credits in found]
