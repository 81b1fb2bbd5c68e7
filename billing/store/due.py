"""Accounts on which something is due: holds past their time, grants past their expiry."""

from sqlalchemy.ext.asyncio import AsyncEngine

_DUE = """
    (SELECT account_id FROM hold WHERE expires_at <= clock_timestamp() LIMIT $1)
    UNION
    (SELECT account_id FROM "grant" WHERE open AND NOT frozen AND expires_at <= clock_timestamp() LIMIT $1)"""


async def due_accounts(engine: AsyncEngine, limit: int) -> list[str]:
    """Up to twice `limit` accounts. Those whose lapsed grant is kept for open holds are among them each time."""
    async with engine.connect() as connection:
        return [row[0] for row in await connection.exec_driver_sql(_DUE, (limit,))]
