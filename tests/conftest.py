"""What tests share: a PostgreSQL for each worker, databases copied from a template, prices, an event loop.

    async def test_something(posting, account):      # async tests run on the loop of `run`
        await posting.post(IssueGrant(account, "g1", "purchase", 100))

With BILLING_TEST_POSTGRES=/usr/lib/postgresql/15/bin the server is the one that is installed there, and the schema's
owner an ordinary login for which an administrator prepared the service's role.

`database` is the worker's own and keeps what tests leave in it, so tests take fresh account ids from it
(`account`, `new_account_id`). What needs tables of its own asks for `fresh_database`.
"""

import asyncio
import importlib.util
import inspect
import itertools
import os
import shutil
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import asyncpg
import pytest
import structlog
from hypothesis import settings

from billing.core.commands import OpenAccount
from billing.core.prices import PUBLISHED, PriceBook, PriceBooks
from billing.embedded import EmbeddedPostgres
from billing.posting import Posting
from billing.store.schema import migrate
from tests.installed_postgres import InstalledPostgres
from tests.leftovers import new_directory, watch

TEMPLATE = "billing_template"
_numbers = itertools.count(1)
watch()

# Who runs the tests may take payments from the same shell: no service of a test's reaches that account.
for _name in [name for name in os.environ if name.startswith("STRIPE_")]:
    del os.environ[_name]

# Plain lines: the default draws every frame's variables, which takes longer than the test.
structlog.configure(
    processors=[
        structlog.processors.add_log_level,
        structlog.processors.format_exc_info,
        structlog.processors.KeyValueRenderer(),
    ]
)

# How long an example takes says nothing of the code: a busy machine must not fail it. In CI, Hypothesis has its own profile.
settings.register_profile("unhurried", settings(), deadline=None)
settings.load_profile("unhurried")

Server = EmbeddedPostgres | InstalledPostgres
Run = Callable[[Awaitable[Any]], Any]


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> bool | None:
    """Runs an `async def` test on the loop that its fixtures used (`run`), or else on one of its own."""
    if not inspect.iscoroutinefunction(pyfuncitem.obj):
        return None
    arguments = {name: pyfuncitem.funcargs[name] for name in pyfuncitem._fixtureinfo.argnames}
    if run := pyfuncitem.funcargs.get("run"):
        run(pyfuncitem.obj(**arguments))
    else:
        with asyncio.Runner() as runner:
            runner.run(pyfuncitem.obj(**arguments))
    return True


@pytest.fixture
def place() -> Iterator[Path]:
    """A directory that the server's own user may enter: pytest's are closed to it."""
    place = new_directory()
    yield place
    shutil.rmtree(place)


@pytest.fixture(scope="session")
def server() -> Iterator[Server]:
    """A PostgreSQL of this worker's own, the embedded one with fsync on as everywhere."""
    directory = new_directory()
    settings = {"shared_buffers": "128MB", "min_wal_size": "80MB", "max_wal_size": "1GB"}
    installed = os.environ.get("BILLING_TEST_POSTGRES")
    try:
        with (
            InstalledPostgres(Path(installed), directory)
            if installed
            else EmbeddedPostgres(directory / "data", settings=settings)
        ) as server:
            yield server
    finally:
        shutil.rmtree(directory)


@pytest.fixture(scope="session")
def template(server: Server) -> str:
    """The name of a database that the migrations made and nobody uses but to copy it."""
    make_database(server, TEMPLATE)
    asyncio.run(migrate(server.dsn(TEMPLATE)))
    return TEMPLATE


@pytest.fixture(scope="session")
def database(server: Server, template: str) -> Iterator[str]:
    """The DSN, as the schema's owner, of the database that this worker's tests share."""
    with copied(server, template) as dsn:
        yield dsn


@pytest.fixture
def fresh_database(server: Server, template: str) -> Iterator[str]:
    """The DSN, as the schema's owner, of a database for one test."""
    with copied(server, template) as dsn:
        yield dsn


@pytest.fixture
def empty_database(server: Server) -> Iterator[str]:
    """The DSN of a database that no migration has seen."""
    with copied(server, "template1") as dsn:
        yield dsn


@pytest.fixture(scope="session")
def books() -> PriceBooks:
    """The published prices, in force since long ago."""
    return PriceBooks([PriceBook.of(1, datetime(2020, 1, 1, tzinfo=UTC), PUBLISHED)])


@pytest.fixture
def run() -> Iterator[Run]:
    """Runs an awaitable to its end, each on the same event loop."""
    with asyncio.Runner() as runner:

        async def awaited(awaitable: Awaitable[Any]) -> Any:
            return await awaitable

        yield lambda awaitable: runner.run(awaited(awaitable))


@pytest.fixture
def posting(database: str, books: PriceBooks, run: Run) -> Iterator[Posting]:
    """The posting path, open on the worker's database."""
    posting = Posting(database, lambda: books, lanes=2)
    run(posting.__aenter__())
    yield posting
    run(posting.__aexit__())


@pytest.fixture
def owner(database: str, run: Run) -> Iterator[asyncpg.Connection]:
    """A session of the schema's owner on the worker's database: it may do everything."""
    connection = run(asyncpg.connect(database))
    yield connection
    run(connection.close())


@pytest.fixture
def audit(owner: asyncpg.Connection) -> Callable[..., Awaitable[Any]]:
    """Checks every invariant of the accounts named and returns their rows: see `tests/model/audit.py`."""
    return lambda *account_ids: audit_with(owner, *account_ids)


@pytest.fixture
def new_account_id() -> Callable[[], str]:
    """Account ids that nobody has used before."""
    return lambda: f"acc-{next(_numbers)}"


@pytest.fixture
def account(posting: Posting, run: Run, new_account_id: Callable[[], str]) -> str:
    """The id of a new account with nothing in it."""
    account_id = new_account_id()
    run(posting.post(OpenAccount(account_id)))
    return account_id


def _load_audit() -> Callable[..., Awaitable[Any]]:
    spec = importlib.util.spec_from_file_location("audit", Path(__file__).parent / "model" / "audit.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.audit


audit_with = _load_audit()


async def execute(dsn: str, *statements: str) -> None:
    connection = await asyncpg.connect(dsn)
    try:
        for statement in statements:
            await connection.execute(statement)
    finally:
        await connection.close()


def administrator(server: Server, database: str = "postgres") -> str:
    """The DSN of who may do everything on the server: of the embedded one that is the schema's owner as well."""
    return server.administrator_dsn(database) if isinstance(server, InstalledPostgres) else server.dsn(database)


def make_database(server: Server, name: str, template: str = "template1") -> None:
    """A database of the schema's owner."""
    owner = urlsplit(server.dsn(name)).username
    asyncio.run(execute(administrator(server), f"CREATE DATABASE {name} TEMPLATE {template} OWNER {owner}"))


@contextmanager
def copied(server: Server, template: str, name: str | None = None) -> Iterator[str]:
    name = name or f"billing_{next(_numbers)}"
    make_database(server, name, template)
    yield server.dsn(name)
    asyncio.run(execute(administrator(server), f"DROP DATABASE {name} WITH (FORCE)"))
