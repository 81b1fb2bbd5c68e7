"""Books to verify: a healthy database, made once, and a copy of it for each test that spoils it."""

import asyncio
import itertools
from collections.abc import Callable, Iterator

import asyncpg
import pytest

from billing.core.prices import PriceBooks
from billing.embedded import EmbeddedPostgres

from .world import fill

_numbers = itertools.count(1)


@pytest.fixture(scope="session")
def healthy_template(server: EmbeddedPostgres, template: str, books: PriceBooks) -> str:
    name = "billing_healthy"
    asyncio.run(_execute(server, f"CREATE DATABASE {name} TEMPLATE {template}"))
    asyncio.run(fill(server.dsn(name), books))
    return name


@pytest.fixture
def healthy(server: EmbeddedPostgres, healthy_template: str) -> Iterator[str]:
    """The DSN, as the schema's owner, of a database in which everything has happened and all is well."""
    name = f"billing_books_{next(_numbers)}"
    asyncio.run(_execute(server, f"CREATE DATABASE {name} TEMPLATE {healthy_template}"))
    yield server.dsn(name)
    asyncio.run(_execute(server, f"DROP DATABASE {name} WITH (FORCE)"))


@pytest.fixture
def spoil(healthy: str) -> Callable[..., None]:
    """Runs statements as the schema's owner, whom no privilege and no constraint stops."""

    async def execute(*statements: str) -> None:
        connection = await asyncpg.connect(healthy)
        try:
            for table, constraint in await connection.fetch(
                "SELECT conrelid::regclass::text, conname FROM pg_constraint WHERE contype = 'c' AND conrelid <> 0"
            ):
                await connection.execute(f"ALTER TABLE {table} DROP CONSTRAINT {constraint}")
            for statement in statements:
                assert await connection.execute(statement) not in ("UPDATE 0", "DELETE 0"), statement
        finally:
            await connection.close()

    return lambda *statements: asyncio.run(execute(*statements))


async def _execute(server: EmbeddedPostgres, statement: str) -> None:
    connection = await asyncpg.connect(server.dsn("postgres"))
    try:
        await connection.execute(statement)
    finally:
        await connection.close()
