"""Top-ups as they are read, with what became of their money; customers and objects of the processor."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import select, tuple_

from billing.core.payments import AutoRecharge, BookedTransaction, CardRefund, Dispute, Topup
from billing.core.refusals import AutoRechargeNotFound, TopupNotFound
from billing.store.accounts import must_exist, reading_account
from billing.store.clock import time_in
from billing.store.engine import Engine
from billing.store.payments import row_of, select_list
from billing.store.snapshot import reading, snapshot, working
from billing.store.tables import (
    AutoRechargeRow,
    StripeTransactionRow,
    TopupRow,
    columns_of,
)

_TOPUP = columns_of(TopupRow, Topup._fields)
_OF_TOPUP = "SELECT {} FROM {} x WHERE x.account_id = $1 AND x.topup_id = $2 ORDER BY x.{}"
_RECHARGE = columns_of(AutoRechargeRow, AutoRecharge._fields)
_TRANSACTION = columns_of(StripeTransactionRow, BookedTransaction._fields)


class TopupStory(NamedTuple):
    """A top-up and what came after its payment, oldest first."""

    topup: Topup
    card_refunds: Sequence[CardRefund] = ()
    disputes: Sequence[Dispute] = ()


async def topup(engine: Engine, account_id: str, topup_id: str) -> TopupStory:
    """Raises AccountNotFound, TopupNotFound."""
    async with snapshot(engine) as connection:
        await must_exist(connection, account_id)
        row = await connection.fetchrow(_OF_TOPUP.format(select_list(Topup), "topup", "topup_id"), account_id, topup_id)
        if row is None:
            raise TopupNotFound(topup_id)
        refunds = _OF_TOPUP.format(select_list(CardRefund), "card_refund", "created_at")
        disputes = _OF_TOPUP.format(select_list(Dispute), "dispute", "opened_at")
        return TopupStory(
            Topup(*row),
            [row_of(CardRefund, one) for one in await connection.fetch(refunds, account_id, topup_id)],
            [row_of(Dispute, one) for one in await connection.fetch(disputes, account_id, topup_id)],
        )


async def topups(
    engine: Engine, account_id: str, *, before: tuple[datetime, str] | None, limit: int
) -> list[TopupStory]:
    """The account's top-ups, newest first, beyond (created_at, topup_id). Raises AccountNotFound."""
    created, key = _TOPUP[-3], _TOPUP[1]
    query = select(*_TOPUP).where(_TOPUP[0] == account_id).order_by(created.desc(), key.desc()).limit(limit)
    if before is not None:
        query = query.where(tuple_(created, key) < before)
    async with reading_account(engine, account_id) as connection:
        return [TopupStory(Topup(*row)) for row in await connection.execute(query)]


async def auto_recharge(engine: Engine, account_id: str) -> AutoRecharge:
    """Raises AccountNotFound, AutoRechargeNotFound."""
    async with reading_account(engine, account_id) as connection:
        row = (await connection.execute(select(*_RECHARGE).where(_RECHARGE[0] == account_id))).first()
    if row is None:
        raise AutoRechargeNotFound()
    return AutoRecharge(*row)


async def claim_recharges(engine: Engine, *, limit: int, lease_seconds: int) -> list[tuple[str, datetime]]:
    """Accounts to look at, and the time; nobody else is given them before the lease is over."""
    async with working(engine) as connection:
        rows = await connection.fetch(
            """UPDATE auto_recharge SET due_at = $3::timestamptz + make_interval(secs => $2)
               WHERE account_id IN (SELECT account_id FROM auto_recharge WHERE due_at <= $3
                                    ORDER BY due_at LIMIT $1 FOR UPDATE SKIP LOCKED)
               RETURNING account_id""",
            limit,
            float(lease_seconds),
            now := await time_in(connection, engine),
        )
    return [(row[0], now) for row in rows]


async def customer_of(engine: Engine, account_id: str) -> str | None:
    async with reading(engine) as connection:
        found = await connection.exec_driver_sql(
            "SELECT customer_id FROM stripe_customer WHERE account_id = $1", (account_id,)
        )
        row = found.first()
    return None if row is None else str(row[0])


async def remember_customer(engine: Engine, account_id: str, customer_id: str) -> str:
    """The account's customer from now on: whoever came first."""
    async with working(engine) as connection:
        await connection.execute(
            "INSERT INTO stripe_customer VALUES ($1, $2, clock_timestamp()) ON CONFLICT (account_id) DO NOTHING",
            account_id,
            customer_id,
        )
        found: str = await connection.fetchval(
            "SELECT customer_id FROM stripe_customer WHERE account_id = $1", account_id
        )
        await connection.execute(
            "INSERT INTO stripe_object VALUES ($1, $2, NULL) ON CONFLICT (object_id) DO NOTHING", found, account_id
        )
    return found


async def replace_customer(engine: Engine, account_id: str, deleted: str, customer_id: str) -> None:
    """Another customer for the account, where `deleted` still is the one that it has."""
    async with working(engine) as connection:
        await connection.execute(
            "UPDATE stripe_customer SET customer_id = $3 WHERE account_id = $1 AND customer_id = $2",
            account_id,
            deleted,
            customer_id,
        )


async def owner_of(engine: Engine, *object_ids: str | None) -> tuple[str, str] | None:
    """(account, top-up) of the first of the processor's objects that is known."""
    known = [object_id for object_id in object_ids if object_id]
    async with reading(engine) as connection:
        rows: Any = await connection.exec_driver_sql(
            "SELECT object_id, account_id, topup_id FROM stripe_object WHERE object_id = ANY($1::text[]) AND topup_id IS NOT NULL",
            (known,),
        )
        found = {row[0]: (row[1], row[2]) for row in rows}
    return next((found[object_id] for object_id in known if object_id in found), None)


async def booked(engine: Engine, transaction_ids: Sequence[str]) -> set[str]:
    """Which of the processor's balance transactions the ledger has answered for."""
    query = select(_TRANSACTION[1]).where(_TRANSACTION[1].in_(transaction_ids))
    async with reading(engine) as connection:
        return {row[0] for row in await connection.execute(query)}


async def booked_on(engine: Engine, transaction_id: str) -> str | None:
    """On which account a balance transaction of the processor is booked, if it is."""
    async with reading(engine) as connection:
        row = (await connection.execute(select(_TRANSACTION[0]).where(_TRANSACTION[1] == transaction_id))).first()
    return None if row is None else str(row[0])


async def keep_payout_items(engine: Engine, payout_id: str, items: Sequence[tuple[Any, ...]]) -> None:
    """(transaction, type, amount, fee, currency) of what the payout consists of."""
    async with working(engine) as connection:
        await connection.executemany(
            "INSERT INTO payout_item VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (payout_id, transaction_id) DO NOTHING",
            [(payout_id, *item) for item in items],
        )
