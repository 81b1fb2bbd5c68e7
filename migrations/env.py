"""Runs the migrations over one connection, handed in by `billing.store.schema` or made from DATABASE_URL."""

import asyncio
import os

from alembic import context
from sqlalchemy import Connection, text

from billing.store.engine import owner_engine
from billing.store.schema import ALONE
from billing.store.tables import metadata


def run(connection: Connection) -> None:
    context.configure(connection=connection, target_metadata=metadata)
    with context.begin_transaction():
        connection.execute(text(ALONE))
        context.run_migrations()


async def connect_and_run() -> None:
    engine = owner_engine(os.environ["DATABASE_URL"])
    try:
        async with engine.connect() as connection:
            await connection.run_sync(run)
            await connection.commit()
    finally:
        await engine.dispose()


if (connection := context.config.attributes.get("connection")) is not None:
    run(connection)
else:
    asyncio.run(connect_and_run())
