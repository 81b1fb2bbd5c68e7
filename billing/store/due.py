"""What is due: holds past their time, grants past their expiry, and grants whose expiry is to be announced."""

from datetime import datetime
from typing import Any

from sqlalchemy.ext.asyncio import AsyncEngine

from billing.store.snapshot import reading

_DUE = """
    SELECT account_id FROM hold WHERE expires_at <= $3 AND account_id > $1
    UNION
    SELECT account_id FROM "grant"
    WHERE open AND NOT frozen AND expires_at <= $3 AND account_id > $1
    ORDER BY account_id LIMIT $2"""


_EXPIRING = """
    SELECT g.account_id, g.grant_id FROM "grant" g
    WHERE g.open AND NOT g.frozen AND g.expires_at > $5
        AND g.expires_at <= $5 + make_interval(days => $1) AND (g.account_id, g.grant_id) > ($2, $3)
        AND NOT EXISTS (SELECT FROM expiry_notice n WHERE n.account_id = g.account_id AND n.grant_id = g.grant_id)
    ORDER BY g.account_id, g.grant_id LIMIT $4"""


async def due_accounts(engine: AsyncEngine, now: datetime, *, after: str, limit: int) -> list[str]:
    """Up to `limit` of them in order, beyond `after`. Those with a lapsed grant that is kept for open holds stay due."""
    async with reading(engine) as connection:
        return [row[0] for row in await connection.exec_driver_sql(_DUE, (after, limit, now))]


async def expiring_grants(
    engine: AsyncEngine, now: datetime, *, days: int, after: tuple[str, str], limit: int
) -> list[tuple[str, str]]:
    """Up to `limit` (account, grant) in order, beyond `after`, that expire within `days` and were not announced."""
    async with reading(engine) as connection:
        rows: Any = await connection.exec_driver_sql(_EXPIRING, (days, *after, limit, now))
        return [(str(row[0]), str(row[1])) for row in rows]
