"""Migrations: from nothing, again, and two at once."""

import asyncio
import sys

import asyncpg
import pytest

from billing.store.connection import SERVICE_ROLE
from billing.store.engine import read_engine
from billing.store.preparation import NotPrepared
from billing.store.schema import WrongSchema, is_current, migrate, revisions
from tests.conftest import administrator
from tests.store.schema import WRITTEN_DOWN, described

TABLES = """
    SELECT table_name FROM information_schema.tables WHERE table_schema = 'public' AND table_type = 'BASE TABLE'"""
ONE_MIGRATION = "import asyncio, sys; from billing.store.schema import migrate; asyncio.run(migrate(sys.argv[1]))"


@pytest.fixture
def connect(run):
    """Sessions of the owner, closed after the test."""
    opened = []

    async def connect(dsn):
        opened.append(connection := await asyncpg.connect(dsn))
        return connection

    yield connect
    for connection in opened:
        run(connection.close())


async def current(dsn):
    engine = read_engine(dsn, size=1)
    try:
        return await is_current(engine)
    finally:
        await engine.dispose()


async def test_from_nothing(empty_database, connect):
    owner = await connect(empty_database)
    assert await owner.fetch(TABLES) == []
    await migrate(empty_database)
    there = {row[0] for row in await owner.fetch(TABLES)}
    assert there >= {"account", "charge", "output", "transfer", "grant", "hold", "debt", "fill", "refund"}
    assert await current(empty_database)


async def test_twice_changes_nothing(empty_database, connect):
    await migrate(empty_database)
    owner = await connect(empty_database)
    query = "SELECT attrelid, attname, attnum FROM pg_attribute WHERE attrelid >= 16384 ORDER BY 1, 3"
    before = await owner.fetch(query)
    await migrate(empty_database)
    assert await owner.fetch(query) == before
    assert await current(empty_database)


async def test_two_processes_at_once_take_turns(empty_database):
    processes = [
        await asyncio.create_subprocess_exec(sys.executable, "-c", ONE_MIGRATION, empty_database) for _ in range(2)
    ]
    assert [await process.wait() for process in processes] == [0, 0]
    assert await current(empty_database)


async def test_a_database_behind_is_told_apart(fresh_database, connect):
    assert await current(fresh_database)
    owner = await connect(fresh_database)
    await owner.execute("UPDATE alembic_version SET version_num = '0000'")
    assert not await current(fresh_database)


@pytest.mark.parametrize("revision", ["0001", "0012"])
async def test_a_database_from_before_the_revisions_were_put_together_is_told_the_way(
    fresh_database, connect, revision
):
    owner = await connect(fresh_database)
    await owner.execute(f"UPDATE alembic_version SET version_num = '{revision}'")
    with pytest.raises(WrongSchema, match=f"at revision {revision}, .*: migrate it to 0013 with the program that has"):
        await migrate(fresh_database)
    assert await owner.fetchval("SELECT version_num FROM alembic_version") == revision


async def test_the_schema_is_the_one_that_is_written_down(fresh_database, connect):
    """The first thirteen revisions, one by one, came to the same. `python -m tests.store.schema` writes it anew."""
    assert await described(await connect(fresh_database)) == WRITTEN_DOWN.read_text()


async def test_a_second_database_on_the_server_shares_the_role(empty_database, connect, server, template):
    """Roles belong to the server: the migration finds the service's role there and grants it this schema."""
    await migrate(empty_database)
    owner = await connect(empty_database)
    assert await owner.fetchval("SELECT has_table_privilege($1, 'transfer', 'INSERT')", SERVICE_ROLE)


@pytest.fixture
def administer(server, connect, run):
    """Statements of who may do everything, in a database."""

    async def administer(*statements, database="postgres"):
        connection = await connect(administrator(server, database))
        for statement in statements:
            await connection.execute(statement)

    return lambda *statements, **where: run(administer(*statements, **where))


@pytest.fixture
def tenant(server, template, administer):
    """The DSN, as an ordinary login, of a database of its own that nobody has prepared for it. The role is there."""
    administer("CREATE ROLE tenant LOGIN", "CREATE DATABASE tenancy")
    yield server.dsn("tenancy", user="tenant")
    administer("DROP DATABASE tenancy WITH (FORCE)", "DROP ROLE tenant")


OWNED = "ALTER DATABASE tenancy OWNER TO tenant"
GRANTED = f"GRANT {SERVICE_ROLE} TO tenant"
NOT_INHERITING = "ALTER ROLE tenant NOINHERIT"


@pytest.mark.parametrize(
    "prepared",
    [
        pytest.param((OWNED, GRANTED), id="its owner"),
        pytest.param((GRANTED, NOT_INHERITING, "GRANT CREATE ON SCHEMA public TO tenant"), id="no owner"),
        pytest.param((OWNED, "ALTER ROLE tenant CREATEROLE", f"{GRANTED} WITH ADMIN OPTION"), id="it grants the role"),
    ],
)
def test_an_ordinary_login_for_which_the_role_was_prepared_may_migrate_and_serve(tenant, prepared, administer, run):
    """It is no superuser and may create no roles: `permission denied to create role` was all that it heard."""
    for statement in prepared:
        administer(statement, database="tenancy")
    run(migrate(tenant))
    assert run(current(tenant))


@pytest.mark.parametrize("prepared", [(), (OWNED, NOT_INHERITING)], ids=["nothing", "a database"])
def test_what_a_login_may_not_yet_is_said_with_the_statements_that_let_it(tenant, prepared, administer, run):
    for statement in prepared:
        administer(statement, database="tenancy")
    with pytest.raises(NotPrepared, match="An administrator of the server lets it") as refused:
        run(migrate(tenant))
    administer(*refused.value.statements, database="tenancy")
    run(migrate(tenant))
    assert run(current(tenant))


def test_the_role_itself_may_be_missing(tenant, administer, run):
    administer(f"ALTER ROLE {SERVICE_ROLE} RENAME TO set_aside")
    try:
        administer(OWNED)
        with pytest.raises(NotPrepared, match=f"CREATE ROLE {SERVICE_ROLE} NOLOGIN; GRANT") as refused:
            run(migrate(tenant))
        administer(*refused.value.statements)
        run(migrate(tenant))
        assert run(current(tenant))
        administer(f"DROP OWNED BY {SERVICE_ROLE}", database="tenancy")
        administer(f"DROP ROLE {SERVICE_ROLE}")
    finally:
        administer(f"ALTER ROLE set_aside RENAME TO {SERVICE_ROLE}")


def test_tables_of_somebody_else_are_named_before_anything_is_changed(tenant, administer, run):
    """Restored by an administrator, say: the next migration would stop in its middle."""
    administer(OWNED, GRANTED, "GRANT CREATE ON SCHEMA public TO tenant", database="tenancy")
    run(migrate(tenant))
    behind = f"UPDATE alembic_version SET version_num = '{revisions()[1]}'"
    administer(
        "ALTER TABLE transfer OWNER TO CURRENT_USER",
        "ALTER TYPE grant_parts OWNER TO CURRENT_USER",
        behind,
        database="tenancy",
    )
    with pytest.raises(NotPrepared) as refused:
        run(migrate(tenant))
    assert refused.value.statements == [
        "ALTER TABLE transfer OWNER TO tenant;",
        "ALTER TYPE grant_parts OWNER TO tenant;",
    ]


def test_privileges_that_only_the_owner_can_mend_are_his_to_grant(tenant, administer, run):
    """A restore that lost them: who may serve a database that is up to date need not own it, but may not grant either."""
    administer(OWNED, GRANTED)
    run(migrate(tenant))
    administer("ALTER TABLE transfer OWNER TO CURRENT_USER", database="tenancy")
    run(migrate(tenant))
    administer(f"REVOKE INSERT ON transfer FROM {SERVICE_ROLE}", database="tenancy")
    with pytest.raises(NotPrepared, match="ALTER TABLE transfer OWNER TO tenant;"):
        run(migrate(tenant))
