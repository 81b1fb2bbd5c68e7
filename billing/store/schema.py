"""The schema's revision: bringing a database up to date, and knowing whether it is."""

from functools import cache
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

from billing.store.connection import not_allowed
from billing.store.engine import Engine, owner_engine
from billing.store.preparation import require_prepared
from billing.store.price_books import publish_first
from billing.store.privileges import grant_what_is_missing
from billing.store.sqlstates import NotMigrated

MIGRATIONS = Path(__file__).parents[2] / "migrations"
# Until the transaction ends nobody else makes or fills a database: he waits here, and then finds what there is.
ALONE = "SELECT pg_advisory_xact_lock(hashtext('billing migrations'))"


class WrongSchema(Exception):
    """The database is at another revision than this program works with: `newer` than all it knows, or behind it."""

    def __init__(self, found: str, wanted: str, *, newer: bool) -> None:
        super().__init__(found, wanted)
        self.found, self.wanted, self.newer = found, wanted, newer

    def __str__(self) -> str:
        if self.newer:
            return (
                f"The database is at revision {self.found}, which this program (revision {self.wanted}) does not know: "
                "use the newer program that brought it there. Nothing was changed."
            )
        return (
            f"The database is at revision {self.found}, and this program needs {self.wanted}: run `billing migrate` "
            "(or start `billing serve`) with this program, or use the program that serves it. Nothing was changed."
        )


async def migrate(dsn: str) -> None:
    """Brings the database at `dsn` to the newest revision, with the published prices if it has none.

    Safe to run from several processes at once. Raises WrongSchema for one that a newer program brought further, and
    NotPrepared where the login may not.
    """
    engine = owner_engine(dsn)
    try:
        try:
            async with engine.session() as (connection, _), connection.begin():
                await connection.run_sync(upgrade)
        except DBAPIError as error:
            if not_allowed(error):  # what was looked for beforehand was all there: look at everything
                async with engine.session() as (connection, _):
                    await connection.run_sync(require_prepared, changes=True)
            raise
    finally:
        await engine.dispose()
    await publish_first(dsn)


async def require_current(engine: Engine) -> None:
    """Raises NotMigrated and WrongSchema unless the database has every migration that this code knows, and no other."""
    async with engine.session() as (connection, _):
        await connection.run_sync(_compare)


async def is_current(engine: Engine) -> bool:
    """Whether the database has every migration that this code knows, and no other."""
    try:
        await require_current(engine)
    except (NotMigrated, WrongSchema):
        return False
    return True


@cache
def revisions() -> tuple[str, ...]:
    """All that this code knows, newest first. The files are read once."""
    return tuple(script.revision for script in ScriptDirectory.from_config(_config()).walk_revisions())


def require_known(found: str | None) -> None:
    """Raises NotMigrated and WrongSchema unless the revision that was `found` in the database is this code's own."""
    if found is None:
        raise NotMigrated()
    if found != revisions()[0]:
        raise WrongSchema(found, revisions()[0], newer=found not in revisions())


def _compare(connection: Connection) -> None:
    require_known(MigrationContext.configure(connection).get_current_revision())


def upgrade(connection: Connection, revision: str = "head") -> None:
    """As `migrate`, in the owner's transaction; to a `revision` of before only where there is no ledger yet."""
    behind = True
    try:
        _compare(connection)
        behind = False
    except NotMigrated:
        pass
    except WrongSchema as wrong:
        if wrong.newer:
            raise
    require_prepared(connection, changes=behind)
    config = _config()
    config.attributes["connection"] = connection
    command.upgrade(config, revision)
    if revision == "head" and not grant_what_is_missing(connection):
        require_prepared(connection, changes=True)


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    return config
