"""Accounts on which something is due: holds past their time, grants past their expiry."""

from sqlalchemy.ext.asyncio import AsyncEngine

from billing.store.snapshot import reading

_DUE = """
    SELECT account_id FROM hold WHERE expires_at <= clock_timestamp() AND account_id > $1
    UNION
    SELECT account_id FROM "grant"
    WHERE open AND NOT frozen AND expires_at <= clock_timestamp() AND account_id > $1
    ORDER BY account_id LIMIT $2"""


async def due_accounts(engine: AsyncEngine, *, after: str, limit: int) -> list[str]:
    """Up to `limit` of them in order, beyond `after`. Those with a lapsed grant that is kept for open holds stay due."""
    async with reading(engine) as connection:
        return [row[0] for row in await connection.exec_driver_sql(_DUE, (after, limit))]
