"""What the tests of the API share: the application in process, calls under a role's key, and the tables behind it."""

import asyncio
import itertools
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

import asyncpg
from starlette.testclient import TestClient

from billing.application import application
from billing.core.charges import Reported
from billing.core.commands import Correct
from billing.core.prices import PUBLISHED, PriceBook, PriceBooks
from billing.core.refusals import REPEATS
from billing.posting import Posting
from billing.settings import Settings
from billing.store.keys import new_secret
from billing.store.price_books import publish_first

ADMIN_KEY = "the-key-of-the-tests-admin"
MODEL = "gpt-image-2"
BOUND_SECONDS = 60.0
Answer = Any  # httpx's response, under whichever name Starlette's client took it
_numbers = itertools.count(1)


class Api:
    """Calls the application. `role` is a role's name, None for no key, or a secret itself."""

    def __init__(self, client: TestClient, dsn: str) -> None:
        self.client = client
        self.dsn = dsn
        self.keys: dict[str | None, str | None] = {"admin": ADMIN_KEY, None: None, "unknown": new_secret()}
        for role in ("gateway", "finance"):
            self.keys[role] = self.new_key(role)["key"]

    def call(self, method: str, path: str, body: Any = None, role: str | None = "admin", **more: Any) -> Answer:
        key = self.keys.get(role, role)
        headers = {} if key is None else {"Authorization": f"Bearer {key}"}
        headers |= more.pop("headers", {})
        if body is not None:
            more["json"] = body
        return self.client.request(method, path, headers=headers, **more)

    def get(self, path: str, role: str | None = "admin", **query: Any) -> Answer:
        return self.call("GET", path, role=role, params=query)

    def post(self, path: str, body: Any = None, role: str | None = "admin") -> Answer:
        return self.call("POST", path, body, role)

    def batch(self, *operations: Any, role: str = "gateway") -> list[Any]:
        answer = self.post("/v1/charges/batch", {"operations": list(operations)}, role)
        assert answer.status_code == 200, answer.text
        results = answer.json()["results"]
        assert isinstance(results, list)
        return results

    def new_id(self, noun: str = "id") -> str:
        return f"{noun}-{next(_numbers)}"

    def new_key(self, role: str, account_id: str | None = None, name: str = "a test") -> dict[str, Any]:
        body = {"role": role, "name": name} | ({} if account_id is None else {"account_id": account_id})
        answer = self.post("/v1/keys", body)
        assert answer.status_code == 201, answer.text
        created = answer.json()
        assert isinstance(created, dict)
        return created

    def account(self, credits: int = 0, **settings: Any) -> str:
        """The id of a new account, with a grant of `credits` if there are any."""
        account_id = self.new_id("account")
        answer = self.post("/v1/accounts", {"account_id": account_id, **settings})
        assert answer.status_code == 201, answer.text
        if credits:
            self.grant(account_id, credits)
        return account_id

    def grant(self, account_id: str, credits: int, **more: Any) -> dict[str, Any]:
        body = {"grant_id": self.new_id("grant"), "kind": "purchase", "credits": credits, **more}
        return created(self.post(f"/v1/accounts/{account_id}/grants", body))

    def authorize(self, account_id: str, request_id: str | None = None, **more: Any) -> dict[str, Any]:
        body = {"request_id": request_id or self.new_id("request"), "model": MODEL, **more}
        return created(self.post(f"/v1/accounts/{account_id}/charges", body, "gateway"))

    def settle(self, charge: dict[str, Any], *outputs: dict[str, Any]) -> dict[str, Any]:
        answer = self.post(f"{path_of(charge)}/settle", {"outputs": list(outputs)}, "gateway")
        assert answer.status_code == 200, answer.text
        settled = answer.json()
        assert isinstance(settled, dict)
        return settled

    def correct(self, charge: dict[str, Any], *outputs: dict[str, Any], correction_id: str = "c1") -> Any:
        """What reconciliation posts: no route of its own does."""
        found = tuple(Reported(*(one.get(name) for name in Reported._fields)) for one in outputs)
        command = Correct(charge["account_id"], correction_id, charge["request_id"], found, "reconciled", "finance")

        async def post() -> Any:
            books = PriceBooks([PriceBook.of(1, CLOCK_STARTS_AT, PUBLISHED)])
            async with Posting(self.dsn, lambda: books, lanes=1) as posting:
                return await posting.post(command)

        return asyncio.run(post())

    def balance(self, account_id: str, **query: Any) -> dict[str, Any]:
        answer = self.get(f"/v1/accounts/{account_id}/balance", **query)
        assert answer.status_code == 200, answer.text
        figures = answer.json()
        assert isinstance(figures, dict)
        return figures

    def contents(self) -> dict[str, tuple[int, str]]:
        """How many rows each table has, and a digest of them all."""
        return on(self.dsn, contents)


async def contents(connection: asyncpg.Connection) -> dict[str, tuple[int, str]]:
    """What is stored, but for the machine's clock, which is noted every few seconds."""
    tables = await connection.fetch(
        "SELECT table_name::text FROM information_schema.tables WHERE table_schema = 'public' AND table_name <> 'machine' ORDER BY 1"
    )
    each = [
        f"SELECT '{name}', count(*), md5(coalesce(string_agg(t::text, '|' ORDER BY t::text), '')) FROM public.\"{name}\" t"
        for (name,) in tables
    ]
    return {name: (rows, text) for name, rows, text in await connection.fetch(" UNION ALL ".join(each))}


@contextmanager
def serving(dsn: str, **settings: Any) -> Iterator[Api]:
    asyncio.run(publish_first(dsn))
    # What a day that was missed has to post would come in the middle of a test: those about it ask for it.
    # Their databases' clocks are set as they like: it would be believed at once, or never.
    chosen = {"admin_key": ADMIN_KEY, "recognition": "off", "clock_bound_seconds": 10**9} | settings
    app = application(Settings(**chosen), dsn)
    with TestClient(app, raise_server_exceptions=False) as client:
        yield Api(client, dsn)


def path_of(charge: dict[str, Any]) -> str:
    return f"/v1/accounts/{charge['account_id']}/charges/{charge['request_id']}"


def image(index: int = 0, width: int = 1024, height: int = 1024) -> dict[str, Any]:
    return {"index": index, "status": "succeeded", "width": width, "height": height}


def created(answer: Answer) -> dict[str, Any]:
    assert answer.status_code == 201, answer.text
    assert "idempotent-replayed" not in answer.headers
    body = answer.json()
    assert isinstance(body, dict)
    return body


def replayed(answer: Answer) -> dict[str, Any]:
    assert answer.status_code == 200, answer.text
    assert answer.headers["idempotent-replayed"] == "true"
    body = answer.json()
    assert isinstance(body, dict)
    return body


def problem(answer: Answer, status: int, code: str) -> dict[str, Any]:
    """The problem document of a refusal, checked against the contract's form."""
    assert (answer.status_code, answer.headers["content-type"]) == (status, "application/problem+json"), answer.text
    document = answer.json()
    check_problem(document, status, code)
    if status == 503:
        assert int(answer.headers["retry-after"]) >= 1
    if status == 401:
        assert answer.headers["www-authenticate"].startswith("Bearer")
    assert isinstance(document, dict)
    return document


def check_problem(document: Any, status: int, code: str) -> None:
    assert {"type", "title", "status", "detail", "code", "retry"} <= set(document)
    assert document["retry"] in REPEATS
    assert (document["status"], document["code"]) == (status, code), document
    assert code in document["type"]
    assert all(document[name] and isinstance(document[name], str) for name in ("type", "title", "detail"))


def time_of(text: str) -> datetime:
    assert text.endswith("Z")
    return datetime.fromisoformat(text)


def on(dsn: str, work: Callable[[asyncpg.Connection], Awaitable[Any]]) -> Any:
    """What `work` returns, on a session of the schema's owner."""

    async def connected() -> Any:
        connection = await asyncpg.connect(dsn)
        try:
            return await work(connection)
        finally:
            await connection.close()

    return asyncio.run(connected())


def ask(dsn: str, statement: str, *arguments: Any) -> Any:
    """The first value of a statement's first row."""
    return on(dsn, lambda connection: connection.fetchval(statement, *arguments))


def until(condition: Callable[[], Any], what: str) -> Any:
    """The first true value of `condition`, which is asked again and again, within a bound."""
    deadline = time.monotonic() + BOUND_SECONDS
    while not (value := condition()):
        assert time.monotonic() < deadline, f"never came true: {what}"
        time.sleep(0.02)
    return value


CLOCK_STARTS_AT = datetime(2026, 1, 1, tzinfo=UTC)
A_CLOCK_TO_SET = (
    "CREATE SCHEMA clock",
    "CREATE TABLE clock.reading (at timestamptz NOT NULL)",
    f"INSERT INTO clock.reading VALUES ('{CLOCK_STARTS_AT.isoformat()}')",
    "CREATE FUNCTION clock.clock_timestamp() RETURNS timestamptz LANGUAGE sql VOLATILE AS 'SELECT at FROM clock.reading'",
    "GRANT USAGE ON SCHEMA clock TO billing_service",
    "GRANT SELECT ON clock.reading TO billing_service",
    "DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET search_path = clock, pg_catalog, public', current_database()); END $$",
)


def with_a_clock(dsn: str) -> None:
    """Gives the database a clock that stands still until `set_clock`: PostgreSQL looks in this schema first."""

    async def build(connection: asyncpg.Connection) -> None:
        for statement in A_CLOCK_TO_SET:
            await connection.execute(statement)

    on(dsn, build)


def set_clock(api: Api, moment: datetime) -> None:
    ask(api.dsn, "UPDATE clock.reading SET at = $1", moment)
