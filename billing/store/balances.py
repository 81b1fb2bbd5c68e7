"""Balances: what an account has, what of it is spoken for and what is left; now, or as it was."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

import asyncpg
from sqlalchemy.ext.asyncio import AsyncEngine

from billing.core.commands import HOLD_SECONDS_MAX
from billing.core.document import DOCUMENT
from billing.core.grants import Grant
from billing.core.needs import Needs
from billing.core.refusals import AccountNotFound, Invalid
from billing.core.wallet import Wallet
from billing.store.clock import time_by
from billing.store.gather import Gathered, gather
from billing.store.snapshot import snapshot

_GRANTS_MAX: Final = 100


@dataclass(frozen=True, slots=True)
class AccountBalance:
    """Credits: `available = posted - held - frozen - lapsed + credit_limit`."""

    account_id: str
    asset: str
    posted: int
    held: int
    frozen: int
    lapsed: int
    credit_limit: int
    as_of: datetime

    @property
    def available(self) -> int:
        return self.posted - self.held - self.frozen - self.lapsed + self.credit_limit


@dataclass(frozen=True, slots=True)
class NextExpiry:
    """What expires next."""

    __pydantic_config__ = DOCUMENT
    credits: int
    """whole credits that are left of all that expires at this instant, at least 1"""
    at: datetime
    """RFC 3339 in UTC, after `as_of`"""


@dataclass(frozen=True, slots=True)
class BalanceSheet(AccountBalance):
    """An account now. `grants` are the open ones in burn order, the first hundred; `seq` is of the last transfer."""

    debt: int
    grants: Sequence[Grant]
    has_more_grants: bool
    next_expiry: NextExpiry | None
    seq: int


async def balance_sheet(engine: AsyncEngine, account_id: str) -> BalanceSheet:
    """Raises AccountNotFound."""
    async with snapshot(engine) as connection:
        batch = await gather(
            connection, Needs(accounts={account_id}, open_grants={account_id}), lock=False, now=time_by(engine)
        )
    wallet = known(batch, account_id)
    now = batch.now(wallet)
    grants = [grant for grant in wallet.burn_order if grant.open]
    coming = [(g.expires_at, g.remaining) for g in grants if g.expires_at and g.expires_at > now and not g.frozen]
    first = min((moment for moment, _ in coming), default=None)
    expiring = sum(credits for moment, credits in coming if moment == first)
    return BalanceSheet(
        **figures(batch, wallet),
        debt=wallet.debt,
        grants=grants[:_GRANTS_MAX],
        has_more_grants=len(grants) > _GRANTS_MAX,
        next_expiry=None if first is None else NextExpiry(expiring, first),
        seq=wallet.wallet_seq - len(wallet.effects.transfers),
    )


def known(batch: Gathered, account_id: str) -> Wallet:
    """The account's wallet as it was read. Raises AccountNotFound."""
    if account_id not in batch.wallets:
        raise AccountNotFound(account_id)
    return batch.wallets[account_id]


def figures(batch: Gathered, wallet: Wallet) -> dict[str, Any]:
    """The AccountBalance of a read wallet, by name. Gathering let lapse, in memory, what is due: none of it is posted yet."""
    assert wallet.settings is not None
    lapsed = sum(transfer.amount for transfer in wallet.effects.transfers)
    return {
        "account_id": wallet.account_id,
        "asset": wallet.settings.asset,
        "posted": wallet.posted + lapsed,
        "held": wallet.held,
        "frozen": wallet.frozen,
        "lapsed": lapsed,
        "credit_limit": wallet.settings.credit_limit,
        "as_of": batch.now(wallet),
    }


_POSTED_AT = """
    SELECT coalesce(sum(CASE credit WHEN 'wallet' THEN amount ELSE -amount END), 0)::bigint
    FROM transfer WHERE account_id = $1 AND book = 'wallet' AND effective_at <= $2"""
# No hold lasts longer than a day. One that is due and not yet posted as expired ended when it was due.
_HELD_AT = """
    SELECT coalesce(sum(held_credits), 0)::bigint FROM charge
    WHERE account_id = $1 AND authorized_at <= $2 AND authorized_at > $3
      AND coalesce(released_at, expires_at) > $2"""
_LIMIT_AT = """
    SELECT new FROM account_change WHERE account_id = $1 AND setting = 'credit_limit' AND changed_at <= $2
    ORDER BY changed_at DESC, position DESC LIMIT 1"""


async def figures_at(engine: AsyncEngine, account_id: str, at: datetime) -> AccountBalance:
    """The figures as they were at `at`, by when things took effect. Raises AccountNotFound, Invalid (the future)."""
    async with snapshot(engine) as connection:
        batch = await gather(
            connection, Needs(accounts={account_id}, open_grants={account_id}), lock=False, now=time_by(engine)
        )
        wallet = known(batch, account_id)
        if at > batch.clock:
            raise Invalid.of("at", "lies in the future")
        posted = await connection.fetchval(_POSTED_AT, account_id, at)
        held = await connection.fetchval(_HELD_AT, account_id, at, at - timedelta(seconds=HOLD_SECONDS_MAX))
        limit = await _limit_at(connection, account_id, at)
    lapsed = sum(transfer.amount for transfer in wallet.effects.transfers if transfer.effective_at <= at)
    assert wallet.settings is not None
    return AccountBalance(account_id, wallet.settings.asset, posted, held, 0, lapsed, limit, at)


async def _limit_at(connection: asyncpg.Connection, account_id: str, at: datetime) -> int:
    return int(await connection.fetchval(_LIMIT_AT, account_id, at) or 0)
