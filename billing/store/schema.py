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


# They were put together in 0013. What is at one of them goes there first, with a program that still has them.
FORMER = frozenset(f"{number:04}" for number in range(1, 13))


class WrongSchema(Exception):
    """The database is at another revision than this program works with: behind it, or at one it does not have (`unknown`)."""

    def __init__(self, found: str, wanted: str, *, unknown: bool) -> None:
        super().__init__(found, wanted)
        self.found, self.wanted, self.unknown = found, wanted, unknown

    def __str__(self) -> str:
        if self.unknown:
            return (
                f"The database is at revision {self.found}, which this program (revision {self.wanted}) does not know: "
                f"{way_on(self.found)}. Nothing was changed."
            )
        return (
            f"The database is at revision {self.found}, and this program needs {self.wanted}: run `billing migrate` "
            "(or start `billing serve`) with this program, or use the program that serves it. Nothing was changed."
        )


def way_on(unknown: str) -> str:
    """What to do with a database or a dump at a revision that this program does not have."""
    if unknown in FORMER:
        return "migrate it to 0013 with the program that has revisions 0001 to 0013, and go on from there with this one"
    return "use the newer program that brought it there"


async def migrate(dsn: str) -> None:
    """Brings the database at `dsn` to the newest revision, with the published prices if it has none.

    Safe to run from several processes at once. Raises WrongSchema for one at a revision that is not known here, and
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
        raise WrongSchema(found, revisions()[0], unknown=found not in revisions())


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
        if wrong.unknown:
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
