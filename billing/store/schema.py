"""The schema's version: bringing a database up to date, and knowing whether it is."""

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import Connection
from sqlalchemy.ext.asyncio import AsyncEngine

from billing.store.engine import owner_engine
from billing.store.price_books import publish_first

MIGRATIONS = Path(__file__).parents[2] / "migrations"


async def migrate(dsn: str) -> None:
    """Brings the database at `dsn` to the newest revision, with the published prices if it has none.

    Safe to run from several processes at once.
    """
    engine = owner_engine(dsn)
    try:
        async with engine.begin() as connection:
            await connection.run_sync(_upgrade)
    finally:
        await engine.dispose()
    await publish_first(dsn)


async def is_current(engine: AsyncEngine) -> bool:
    """Whether the database has every migration that this code knows."""
    newest = ScriptDirectory.from_config(_config()).get_current_head()
    async with engine.connect() as connection:
        rows = await connection.exec_driver_sql("SELECT version_num FROM alembic_version")
        return [row[0] for row in rows] == [newest]


def _upgrade(connection: Connection) -> None:
    config = _config()
    config.attributes["connection"] = connection
    command.upgrade(config, "head")


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    return config
