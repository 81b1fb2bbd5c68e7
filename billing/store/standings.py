"""How accounts stand, side by side."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncEngine

from billing.core.needs import Needs
from billing.store.balances import AccountBalance, figures
from billing.store.clock import time_by
from billing.store.gather import gather
from billing.store.snapshot import snapshot

_ACCOUNTS = """
    SELECT account_id FROM account
    WHERE account_id > $1 AND account_id >= $2 AND starts_with(account_id, $2){owing}
    ORDER BY account_id LIMIT $3"""


@dataclass(frozen=True, slots=True)
class Standing(AccountBalance):
    """An account's figures, what it owes in credits, and which account it is."""

    debt: int
    name: str | None
    status: str
    created_at: datetime


async def standings(
    engine: AsyncEngine, *, prefix: str = "", owing: bool = False, after: str | None, limit: int
) -> list[Standing]:
    """Accounts in the order of their ids, beyond `after`: those that begin with `prefix`, or with `owing` those in debt."""
    query = _ACCOUNTS.format(owing=" AND debt > 0" if owing else "")
    async with snapshot(engine) as connection:
        found = [row[0] for row in await connection.fetch(query, after or "", prefix, limit)]
        batch = await gather(connection, Needs(accounts=set(found)), lock=False, now=time_by(engine))
    standing = []
    for account_id in found:
        wallet = batch.wallets[account_id]
        assert wallet.settings is not None
        settings = wallet.settings
        standing.append(
            Standing(
                **figures(batch, wallet),
                debt=wallet.debt,
                name=settings.name,
                status=settings.status,
                created_at=settings.created_at,
            )
        )
    return standing
