"""The service's role may add to the journal and read it. Nothing that was written there can be changed by it."""

import asyncpg
import pytest

from billing.core.commands import Authorize, IssueGrant
from billing.store.connection import SERVICE_ROLE, connect, plain_dsn
from billing.store.privileges import granted
from billing.store.schema import migrate

JOURNAL = ("transfer", "account_change", "refund", "refund_output", "returned", "correction", "correction_output")


@pytest.fixture
def service(database, run):
    """A session as the posting path opens it."""
    connection = run(connect(database))
    yield connection
    run(connection.close())


@pytest.mark.parametrize("table", JOURNAL)
@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE {} SET account_id = account_id",
        "DELETE FROM {}",
        "TRUNCATE {}",
        "ALTER TABLE {} ADD COLUMN more text",
        "DROP TABLE {}",
        "CREATE TRIGGER t BEFORE UPDATE ON {} EXECUTE FUNCTION suppress_redundant_updates_trigger()",
        "SELECT 1 FROM {} FOR UPDATE",
    ],
)
async def test_the_journal_cannot_be_changed(service, table, statement):
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await service.execute(statement.format(table))


@pytest.mark.parametrize("table", ["account", "charge", "output", "grant", "debt", "fill", "refund", "price_book"])
@pytest.mark.parametrize("statement", ['DELETE FROM "{}"', 'TRUNCATE "{}"', 'DROP TABLE "{}"'])
async def test_nothing_that_was_acknowledged_can_be_deleted(service, table, statement):
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await service.execute(statement.format(table))


async def test_a_published_price_book_cannot_be_changed(service):
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await service.execute("UPDATE price_book SET models = '{}'")


async def test_the_role_owns_nothing_and_is_nobodys_master(owner):
    row = await owner.fetchrow("SELECT * FROM pg_roles WHERE rolname = $1", SERVICE_ROLE)
    assert not any(row[name] for name in ("rolsuper", "rolcreaterole", "rolcreatedb", "rolcanlogin", "rolbypassrls"))
    assert await owner.fetchval("SELECT count(*) FROM pg_class WHERE relowner = $1", row["oid"]) == 0


async def test_it_may_do_what_is_declared_and_nothing_else(owner):
    of_tables = """
        SELECT c.relname, p.privilege_type, NULL FROM pg_class c, aclexplode(c.relacl) p
        WHERE c.relnamespace = 'public'::regnamespace AND p.grantee = 'billing_service'::regrole"""
    of_columns = """
        SELECT c.relname, p.privilege_type, a.attname FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid, aclexplode(a.attacl) p
        WHERE c.relnamespace = 'public'::regnamespace AND p.grantee = 'billing_service'::regrole"""
    there = {tuple(row) for row in await owner.fetch(f"{of_tables} UNION ALL {of_columns}")}
    assert there == set(granted())


async def test_migrating_gives_back_what_a_restore_has_lost(fresh_database):
    owner = await asyncpg.connect(fresh_database)
    await owner.execute("REVOKE ALL ON ALL TABLES IN SCHEMA public FROM billing_service")
    await owner.execute("REVOKE ALL ON SCHEMA public FROM billing_service, PUBLIC")
    await migrate(fresh_database)
    await test_it_may_do_what_is_declared_and_nothing_else(owner)
    await owner.close()
    session = await connect(fresh_database)
    assert await session.fetchval("SELECT count(*) FROM transfer") == 0
    await session.close()


async def test_a_session_of_the_service_works_under_that_role(service):
    assert await service.fetchval("SELECT current_user") == SERVICE_ROLE


async def test_a_lane_can_still_write(posting, account, audit):
    await posting.post(IssueGrant(account, "g", "purchase", 20))
    await posting.post(Authorize(account, "r", "gpt-image-2"))
    assert (await audit(account))[account].account["held"] == 14


def test_other_spellings_of_the_dsn_mean_the_same():
    assert plain_dsn("postgres://u@h/d?x=1") == "postgresql://u@h/d?x=1"
    assert plain_dsn("postgresql+asyncpg://u@h/d") == "postgresql://u@h/d"
    assert plain_dsn("postgresql+asyncpg:///d?host=/tmp") == "postgresql:///d?host=/tmp"
    with pytest.raises(ValueError, match="postgresql://"):
        plain_dsn("mysql://u@h/d")
