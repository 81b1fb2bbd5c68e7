"""As many connections as the settings come to: our own server has them, another is asked before the service starts."""

import asyncio
from pathlib import Path

import asyncpg
import pytest

from billing.serving.database_room import require_room
from billing.settings import Settings, SettingsError
from tests.faults.journal import Journal
from tests.faults.served import Served, fetch


def test_64_lanes_for_each_of_two_workers(place: Path) -> None:
    """A hundred connections were all that the embedded server had, and whose lane found none was refused for good."""
    with Served(place / "data", BILLING_LANES="64", BILLING_WORKERS="2") as service:
        with Journal(service.url, accounts=64, gateways=16) as journal:
            journal.gets_on(400)
            lanes = fetch(service.dsn, "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'billing lane'")
        assert lanes[0][0] > 60
        assert journal.check(service.dsn).later == 0


def test_a_server_that_has_no_room_is_told_before_anybody_calls(empty_database: str) -> None:
    service = Served(empty_database, BILLING_LANES="200")
    done = service.run("serve")
    assert done.returncode == 1
    assert "BILLING_LANES 200" in done.stderr
    assert "There are 97 (max_connections, less what is reserved): lower those settings, or raise that." in done.stderr
    service.close()


def test_a_logins_own_limit_counts(fresh_database: str) -> None:
    settings = Settings()

    async def limited() -> None:
        owner = await asyncpg.connect(fresh_database)
        name = fresh_database.partition("@/")[2].partition("?")[0]
        try:
            await owner.execute("CREATE ROLE few LOGIN CONNECTION LIMIT 12")
            as_few = fresh_database.replace("billing@", "few@")
            with pytest.raises(SettingsError, match="There are 12 \\(the login few's CONNECTION LIMIT"):
                await require_room(settings, as_few)
            await owner.execute("ALTER ROLE few CONNECTION LIMIT -1")
            await require_room(settings, as_few)
            await owner.execute(f"ALTER DATABASE {name} CONNECTION LIMIT 11")
            with pytest.raises(SettingsError, match="There are 11 "):
                await require_room(settings, as_few)
            await require_room(settings, fresh_database)  # a superuser's connections are not counted
        finally:
            await owner.execute("DROP ROLE IF EXISTS few")
            await owner.close()

    asyncio.run(limited())
