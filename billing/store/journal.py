"""The journal and the grants as they are read."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncEngine

from billing.core.grants import Grant
from billing.core.ledger import Transfer
from billing.store.accounts import account
from billing.store.rows import GRANT_COLUMNS
from billing.store.snapshot import reading
from billing.store.tables import GrantRow, TransferRow, columns_of


@dataclass(frozen=True, slots=True)
class TransferFilter:
    """Which transfers to list. Times bound `effective_at`: `start` inclusive, `end` exclusive."""

    book: str = "wallet"
    kind: str | None = None
    start: datetime | None = None
    end: datetime | None = None


async def transfers(
    engine: AsyncEngine, account_id: str, where: TransferFilter, *, after: int, limit: int
) -> list[Transfer]:
    """Transfers of one book in the order of their seq, beyond `after`. Raises AccountNotFound."""
    await account(engine, account_id)
    columns = columns_of(TransferRow, Transfer._fields)
    named = dict(zip(Transfer._fields, columns, strict=True))
    query = select(*columns).where(named["account_id"] == account_id, named["book"] == where.book, named["seq"] > after)
    if where.kind is not None:
        query = query.where(named["kind"] == where.kind)
    if where.start is not None:
        query = query.where(named["effective_at"] >= where.start)
    if where.end is not None:
        query = query.where(named["effective_at"] < where.end)
    async with reading(engine) as connection:
        return [Transfer(*row) for row in await connection.execute(query.order_by(named["seq"]).limit(limit))]


async def grants(engine: AsyncEngine, account_id: str, *, after: int, limit: int) -> list[Grant]:
    """All grants of an account, also spent ones, oldest first, beyond the seq `after`. Raises AccountNotFound."""
    await account(engine, account_id)
    columns = columns_of(GrantRow, GRANT_COLUMNS)
    seq = columns[GRANT_COLUMNS.index("seq")]
    query = select(*columns).where(columns[0] == account_id, seq > after).order_by(seq).limit(limit)
    async with reading(engine) as connection:
        return [Grant(*row) for row in await connection.execute(query)]
