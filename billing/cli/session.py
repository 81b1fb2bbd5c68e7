"""What all commands share: the terminal, the settings, and the database that a command works on."""

import os
import sys
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import Annotated, Any, TypeVar

import typer
import uvloop
from rich.console import Console
from rich.markup import escape

from billing.database import database
from billing.http.key_ring import KeyRing
from billing.settings import Settings
from billing.store.clock import Clock
from billing.store.engine import Engine, read_engine
from billing.store.schema import require_current

T = TypeVar("T")
console = Console(width=None if sys.stdout.isatty() else 120)  # wide enough for tables where nobody looks yet
errors = Console(stderr=True)
AsJson = Annotated[bool, typer.Option("--json", help="for programs")]


@contextmanager
def ledger() -> Iterator[str]:
    """The command's database as it is: only `billing serve` and `billing migrate` make one and change its schema.

    Whoever only looks with a newer program must not lock the running one out. Raises NotMigrated, WrongSchema.
    """
    with database(settings_of(), make=False) as dsn:
        run(lambda: on(read_engine(dsn, size=1), require_current))
        yield dsn


def settings_of(**chosen: Any) -> Settings:
    given = {name: value for name, value in chosen.items() if value is not None}
    for name, value in given.items():
        os.environ[f"BILLING_{name.upper()}"] = str(value)  # workers read the environment
    return Settings.read()


def run(work: Callable[[], Awaitable[T]]) -> T:
    async def awaited() -> T:
        return await work()

    return uvloop.run(awaited())


async def on(engine: Engine, work: Callable[[Engine], Awaitable[T]]) -> T:
    """What `work` does with a pool that ends afterwards."""
    try:
        return await work(engine)
    finally:
        await engine.dispose()


async def clock_of(engine: Engine) -> Clock:
    """The command's, which what it reads by `engine` goes by; what it posts must too."""
    return await Clock.read(engine, settings_of().clock_bound_seconds)


def actor_of(dsn: str, secret: str) -> str:
    """Who the key's holder is, of role finance or admin, by the same ring of keys as over HTTP. Raises ValueError."""
    admin_key = settings_of().admin_key
    key = run(lambda: on(read_engine(dsn, size=1), lambda engine: KeyRing(engine, admin_key).find(secret)))
    if key is None:
        raise ValueError(
            "There is no such key, or it was revoked: --key and BILLING_KEY take one as `bk_…`, or BILLING_ADMIN_KEY's."
        )
    if key.role not in ("admin", "finance"):
        raise ValueError(f"A key of role {key.role} may not do that: use one of role finance or admin.")
    return key.key_id


def fail(sentence: str) -> None:
    errors.print(f"[red]billing:[/red] {escape(sentence)}", highlight=False, soft_wrap=True)
    sys.exit(1)
