"""The journal and the grants as they are read."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncEngine

from billing.core.grants import Grant
from billing.core.ledger import Transfer
from billing.core.needs import Needs
from billing.store.accounts import reading_account
from billing.store.balances import known
from billing.store.clock import time_by
from billing.store.gather import gather
from billing.store.rows import GRANT
from billing.store.snapshot import snapshot
from billing.store.tables import TransferRow, columns_of


@dataclass(frozen=True, slots=True)
class TransferFilter:
    """Which transfers to list. Times bound `effective_at`: `start` inclusive, `end` exclusive."""

    book: str = "wallet"
    kind: str | None = None
    start: datetime | None = None
    end: datetime | None = None


async def transfers(
    engine: AsyncEngine,
    account_id: str,
    where: TransferFilter,
    *,
    newest_first: bool = False,
    beyond: int | None,
    limit: int,
) -> list[Transfer]:
    """Transfers of one book in the order of their seq, or the other way round, beyond one. Raises AccountNotFound."""
    columns = columns_of(TransferRow, Transfer._fields)
    named = dict(zip(Transfer._fields, columns, strict=True))
    seq = named["seq"]
    query = select(*columns).where(named["account_id"] == account_id, named["book"] == where.book)
    if beyond is not None:
        query = query.where(seq < beyond if newest_first else seq > beyond)
    if where.kind is not None:
        query = query.where(named["kind"] == where.kind)
    if where.start is not None:
        query = query.where(named["effective_at"] >= where.start)
    if where.end is not None:
        query = query.where(named["effective_at"] < where.end)
    async with reading_account(engine, account_id) as connection:
        return [
            Transfer(*row)
            for row in await connection.execute(query.order_by(seq.desc() if newest_first else seq).limit(limit))
        ]


_GRANTS = f"""
    SELECT {GRANT} FROM "grant" g WHERE g.account_id = $1 AND g.seq > $2 ORDER BY g.seq LIMIT $3"""


async def grants(engine: AsyncEngine, account_id: str, *, after: int, limit: int) -> tuple[list[Grant], datetime]:
    """All grants of an account, also spent ones, oldest first, beyond the seq `after`; and the instant of the answer.

    What has lapsed has lapsed, whether or not a job has said so. Raises AccountNotFound.
    """
    async with snapshot(engine) as connection:
        batch = await gather(
            connection, Needs(accounts={account_id}, open_grants={account_id}), lock=False, now=time_by(engine)
        )
        wallet = known(batch, account_id)
        found = [Grant(*row) for row in await connection.fetch(_GRANTS, account_id, after, limit)]
    return [wallet.grants.get(grant.grant_id, grant) for grant in found], batch.now(wallet)
