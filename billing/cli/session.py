"""What all commands share: the terminal, the settings, and the database that a command works on."""

import os
import sys
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import Annotated, Any, TypeVar

import typer
import uvloop
from rich.console import Console

from billing.database import database
from billing.settings import Settings
from billing.store.engine import Engine
from billing.store.schema import migrate

T = TypeVar("T")
console = Console(width=None if sys.stdout.isatty() else 120)  # wide enough for tables where nobody looks yet
errors = Console(stderr=True)
AsJson = Annotated[bool, typer.Option("--json", help="for programs")]


@contextmanager
def ledger() -> Iterator[str]:
    """The command's database, brought up to date."""
    with database(settings_of()) as dsn:
        run(lambda: migrate(dsn))
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


def fail(sentence: str) -> None:
    errors.print(f"[red]billing:[/red] {sentence}", highlight=False, soft_wrap=True)
    sys.exit(1)
