"""The one door of all commands: how they read, how they write and in whose name, and how they show it.

`read` asks one question and `write` does one thing. Neither makes a database nor changes its schema: whoever only looks
with a newer program must not lock the running one out. Who asks is found by the same ring of keys as over HTTP.
"""

import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, replace
from typing import Annotated, Any, TypeVar

import typer
import uvloop
from pydantic_core import to_json
from rich.console import Console
from rich.markup import escape

from billing.core.prices import PriceBooks
from billing.database import database
from billing.http.key_ring import KeyRing
from billing.posting import Posting
from billing.settings import Settings
from billing.store.clock import Clock
from billing.store.engine import Engine, read_engine, work_engine
from billing.store.schema import require_current

T = TypeVar("T")
console = Console(width=None if sys.stdout.isatty() else 120)  # wide enough for tables where nobody looks yet
errors = Console(stderr=True)
AsJson = Annotated[bool, typer.Option("--json", help="for programs")]
Secret = Annotated[
    str | None,
    typer.Option("--key", envvar="BILLING_KEY", help="who asks: any key that HTTP takes, BILLING_ADMIN_KEY's too"),
]
COMMAND_LINE = "command line"  # who writes where nobody says so
ADMIN, FINANCE = "admin", "finance"


@dataclass(frozen=True, slots=True)
class Desk:
    """What a command that writes works with: `engine` reads and `work` writes by `clock`, in the name of `actor`."""

    dsn: str
    settings: Settings
    engine: Engine
    work: Engine
    clock: Clock
    actor: str

    @asynccontextmanager
    async def posting(self, books: PriceBooks | None = None) -> AsyncIterator[Posting]:
        """The path of every charge. Without `books` nothing can be priced: what is settled has its price."""
        priced = books or PriceBooks([])
        async with Posting(self.dsn, lambda: priced, lanes=self.settings.lanes, now=self.clock.now) as posting:
            yield posting


def read(question: Callable[[Engine], Awaitable[T]]) -> T:
    """What `question` answers, on sessions that only read. Raises NotMigrated, WrongSchema."""
    settings = Settings.read()

    async def asked(dsn: str) -> T:
        async with _reading(dsn, settings, 2) as (engine, _):
            return await question(engine)

    with database(settings, make=False) as dsn:
        return run(lambda: asked(dsn))


def write(
    effect: Callable[[Desk], Awaitable[T]],
    key: str | None = None,
    *,
    roles: tuple[str, ...] = (ADMIN, FINANCE),
    named: str | None = None,
    sessions: int = 2,
) -> T:
    """What `effect` comes to, in the name of the holder of `key`.

    Where `named` says why somebody must be named, nobody may write without a key; elsewhere whoever has the database is
    "command line". `sessions` read at once. Raises ValueError (no such key, or one of another role), NotMigrated, WrongSchema.
    """
    if key is None and named is not None:
        raise ValueError(f"{named}: give your key with --key or BILLING_KEY. `billing keys create` makes one.")
    settings = Settings.read()

    async def done(dsn: str) -> T:
        async with _reading(dsn, settings, sessions) as (engine, clock):
            actor = COMMAND_LINE if key is None else await _holder(engine, settings, key, roles)
            work = work_engine(dsn, size=2)
            clock.keep(work)
            try:
                return await effect(Desk(dsn, settings, engine, work, clock, actor))
            finally:
                await work.dispose()

    with database(settings, make=False) as dsn:
        return run(lambda: done(dsn))


@contextmanager
def ledger() -> Iterator[str]:
    """The database of a command that opens its own sessions. Raises NotMigrated, WrongSchema."""
    settings = Settings.read()
    with database(settings, make=False) as dsn:
        run(lambda: _current(dsn, settings))
        yield dsn


def settings_of(**chosen: Any) -> Settings:
    """The environment's settings, but for those that are chosen: by their names, None where they are not."""
    return replace(Settings.read(), **{name: value for name, value in chosen.items() if value is not None})


def run(work: Callable[[], Awaitable[T]]) -> T:
    async def awaited() -> T:
        return await work()

    return uvloop.run(awaited())


def shown_as_json(answer: Any, as_json: bool) -> bool:
    """Whether it was: the answer as the API shows it, on standard output."""
    if as_json:
        print(to_json(answer, indent=2).decode())
    return as_json


def shown_as_list(answers: Iterable[Any], as_json: bool) -> bool:
    """Whether they were: all of a list, as `data` of one document, which the API shows page by page."""
    return shown_as_json({"data": list(answers)}, as_json)


def fail(sentence: str) -> None:
    errors.print(f"[red]billing:[/red] {escape(sentence)}", highlight=False, soft_wrap=True)
    sys.exit(1)


@asynccontextmanager
async def _reading(dsn: str, settings: Settings, sessions: int) -> AsyncIterator[tuple[Engine, Clock]]:
    """A pool that reads a database of ours, at our revision, and the clock that it goes by."""
    engine = read_engine(dsn, size=sessions)
    try:
        await require_current(engine)
        yield engine, await Clock.read(engine, settings.clock_bound_seconds)
    finally:
        await engine.dispose()


async def _current(dsn: str, settings: Settings) -> None:
    async with _reading(dsn, settings, 1):
        pass


async def _holder(engine: Engine, settings: Settings, secret: str, roles: tuple[str, ...]) -> str:
    key = await KeyRing(engine, settings.admin_key).find(secret)
    if key is None:
        raise ValueError(
            "There is no such key, or it was revoked: --key and BILLING_KEY take one as `bk_…`, or BILLING_ADMIN_KEY's."
        )
    if key.role not in roles:
        raise ValueError(f"A key of role {key.role} may not do that: use one of role {' or '.join(roles[::-1])}.")
    return key.key_id
