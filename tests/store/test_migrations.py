"""Migrations: from nothing, again, and two at once."""

import asyncio
import sys

import asyncpg
import pytest
from alembic.script import ScriptDirectory

from billing.store.engine import SERVICE_ROLE, read_engine
from billing.store.schema import MIGRATIONS, is_current, migrate

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


async def test_what_older_rules_refused_about_money_that_went_back_is_dealt_with_again(fresh_database, connect):
    """They took a payment to be returned once: whoever was refunded and charged back had a refund that stayed dead."""
    owner = await connect(fresh_database)
    script = ScriptDirectory(MIGRATIONS).get_revision("0012").module
    for statement in script.BACK:
        await owner.execute(statement)
    told = [("refund.created", "re", "dead"), ("charge.dispute.created", "du", "dead"), ("charge.dispute.closed", "du", "dead"),
            ("payout.paid", "po", "dead"), ("payment_intent.succeeded", "pi", "dead"), ("charge.dispute.created", "dp", "done"),
            ("charge.dispute.closed", "dp", "done"), ("refund.updated", "re", "done")]  # fmt: skip
    for second, (kind, thing, state) in enumerate(told):
        await owner.execute(
            """INSERT INTO stripe_event (event_id, type, created_at, payload, received_by, received_at, done_at, state, attempts)
               VALUES ('evt_' || $1::int, $2, to_timestamp($1::int), json_build_object('data', json_build_object('object',
                   json_build_object('id', $3::text)))::text, 'sync', now(), now(), $4, 1)""",
            second, kind, thing, state,
        )  # fmt: skip
    for statement in script.STATEMENTS:
        await owner.execute(statement)
    states = [state for (state,) in await owner.fetch("SELECT state FROM stripe_event ORDER BY created_at")]
    assert states == [*["pending"] * 4, "dead", "done", "pending", "done"]


async def test_a_second_database_on_the_server_shares_the_role(empty_database, connect, server, template):
    """Roles belong to the server: the migration finds the service's role there and grants it this schema."""
    await migrate(empty_database)
    owner = await connect(empty_database)
    assert await owner.fetchval("SELECT has_table_privilege($1, 'transfer', 'INSERT')", SERVICE_ROLE)


async def test_an_owner_who_is_no_superuser_may_migrate_and_serve(empty_database, connect, server):
    """One DATABASE_URL of an ordinary role that owns its database is enough."""
    owner = await connect(empty_database)
    name = await owner.fetchval("SELECT current_database()")
    await owner.execute("DROP ROLE IF EXISTS tenant")
    await owner.execute("CREATE ROLE tenant LOGIN CREATEROLE")
    await owner.execute(f"GRANT {SERVICE_ROLE} TO tenant WITH ADMIN OPTION")
    await owner.execute(f"ALTER DATABASE {name} OWNER TO tenant")
    await owner.execute("ALTER SCHEMA public OWNER TO tenant")
    dsn = server.dsn(name, user="tenant")
    await migrate(dsn)
    assert await current(dsn)
    await owner.execute(f"REASSIGN OWNED BY tenant TO {await owner.fetchval('SELECT current_user')}")
    await owner.execute("DROP OWNED BY tenant")
    await owner.execute("DROP ROLE tenant")
