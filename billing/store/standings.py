"""How accounts stand, side by side."""

from dataclasses import dataclass

from sqlalchemy.ext.asyncio import AsyncEngine

from billing.core.wallet import AccountSettings
from billing.store.balances import AccountBalance, figures
from billing.store.clock import time_by
from billing.store.gather import Needs, gather
from billing.store.snapshot import snapshot

_ACCOUNTS = """
    SELECT account_id FROM account
    WHERE account_id > $1 AND account_id >= $2 AND starts_with(account_id, $2){owing}
    ORDER BY account_id LIMIT $3"""


@dataclass(frozen=True, slots=True)
class Standing:
    """An account's figures with its settings and what it owes, in credits."""

    figures: AccountBalance
    settings: AccountSettings
    debt: int


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
        standing.append(Standing(figures(batch, wallet), wallet.settings, wallet.debt))
    return standing
