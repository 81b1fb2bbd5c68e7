"""Accounts as they are read: one, many, and who changed what."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime

from sqlalchemy import select, tuple_
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from billing.core.effects import AccountChange
from billing.core.refusals import AccountNotFound
from billing.core.wallet import AccountSettings
from billing.store.connection import Connection
from billing.store.snapshot import reading
from billing.store.tables import AccountChangeRow, AccountRow, columns_of

_SETTINGS = columns_of(AccountRow, ("account_id", *AccountSettings._fields))
_EXISTS = "SELECT EXISTS (SELECT FROM account WHERE account_id = $1)"


async def account(engine: AsyncEngine, account_id: str) -> AccountSettings:
    """Raises AccountNotFound."""
    async with reading(engine) as connection:
        row = (await connection.execute(select(*_SETTINGS).where(_SETTINGS[0] == account_id))).first()
    if row is None:
        raise AccountNotFound(account_id)
    return AccountSettings(*row[1:])


async def must_exist(connection: Connection, account_id: str | None) -> None:
    """Inside a question's own snapshot; None is every account. Raises AccountNotFound."""
    if account_id is not None and not await connection.fetchval(_EXISTS, account_id):
        raise AccountNotFound(account_id)


@asynccontextmanager
async def reading_account(engine: AsyncEngine, account_id: str) -> AsyncIterator[AsyncConnection]:
    """`reading`, where the account is there. Raises AccountNotFound."""
    async with reading(engine) as connection:
        if not (await connection.exec_driver_sql(_EXISTS, (account_id,))).scalar_one():
            raise AccountNotFound(account_id)
        yield connection


async def accounts(engine: AsyncEngine, *, after: str | None, limit: int) -> list[tuple[str, AccountSettings]]:
    """Accounts in the order of their ids, beyond `after`."""
    query = select(*_SETTINGS).order_by(_SETTINGS[0]).limit(limit)
    if after is not None:
        query = query.where(_SETTINGS[0] > after)
    async with reading(engine) as connection:
        return [(row[0], AccountSettings(*row[1:])) for row in await connection.execute(query)]


async def changes(
    engine: AsyncEngine, account_id: str, *, after: tuple[datetime, int] | None, limit: int
) -> list[AccountChange]:
    """Changes of settings that decide money, oldest first, beyond (changed_at, position). Raises AccountNotFound."""
    columns = columns_of(AccountChangeRow, AccountChange._fields)
    query = select(*columns).where(columns[0] == account_id).order_by(columns[1], columns[2]).limit(limit)
    if after is not None:
        query = query.where(tuple_(columns[1], columns[2]) > after)
    async with reading_account(engine, account_id) as connection:
        return [AccountChange(*row) for row in await connection.execute(query)]
