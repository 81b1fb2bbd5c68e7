"""Price books in the database: read by every process, published by an admin, never changed."""

import json
from datetime import datetime, timedelta

import asyncpg

from billing.core.prices import EFFECTIVE_AHEAD_SECONDS, PUBLISHED, PriceBook, PriceBooks
from billing.core.refusals import Invalid
from billing.store.clock import time_in
from billing.store.connection import Connection, connected
from billing.store.engine import Engine
from billing.store.snapshot import snapshot, working

FIRST_VERSION_FROM = datetime.fromisoformat("2025-01-01T00:00:00+00:00")
_ALL = "SELECT version, effective_from, models FROM price_book"


async def price_books(engine: Engine) -> PriceBooks:
    """All published books."""
    async with snapshot(engine) as connection:
        return await books_within(connection)


async def books_within(connection: Connection) -> PriceBooks:
    """Likewise, inside a transaction that is open."""
    found = await connection.fetch(_ALL)
    return PriceBooks(PriceBook.of(version, start, json.loads(models)) for version, start, models in found)


async def publish(
    work: Engine, effective_from: datetime, models: dict[str, object], actor: str
) -> tuple[PriceBook, bool]:
    """Publishes a book as the next version; whether it is new. The same book for the same instant again: that one.

    Raises Invalid: the prices are not well-formed, or `effective_from` is not at least a minute ahead.
    """
    wanted = PriceBook.of(0, effective_from, models)
    while True:
        async with working(work) as connection:
            try:
                return await _publish(connection, await time_in(connection, work), wanted, actor)
            except asyncpg.UniqueViolationError:
                continue  # another publisher took this version; the next one is free or taken in turn


async def publish_first(dsn: str) -> None:
    """The published prices as version 1, where there is no book yet."""
    async with connected(dsn) as connection:
        await connection.execute(
            """INSERT INTO price_book VALUES (1, $1, $2, clock_timestamp(), 'billing')
               ON CONFLICT (version) DO NOTHING""",
            FIRST_VERSION_FROM,
            _json(PriceBook.of(1, FIRST_VERSION_FROM, PUBLISHED)),
        )


async def _publish(connection: Connection, now: datetime, wanted: PriceBook, actor: str) -> tuple[PriceBook, bool]:
    models = _json(wanted)
    for version, start, known in await connection.fetch(_ALL):
        if start == wanted.effective_from and known == models:
            return PriceBook.of(version, start, json.loads(known)), False
    if wanted.effective_from < now + timedelta(seconds=EFFECTIVE_AHEAD_SECONDS):
        raise Invalid.of("effective_from", f"must lie at least {EFFECTIVE_AHEAD_SECONDS} s ahead")
    version = await connection.fetchval(
        """INSERT INTO price_book SELECT coalesce(max(version), 0) + 1, $1, $2, $3, $4 FROM price_book RETURNING version""",
        wanted.effective_from,
        models,
        now,
        actor,
    )
    return PriceBook(version, wanted.effective_from, wanted.models), True


def _json(book: PriceBook) -> str:
    return json.dumps(book.documents, sort_keys=True)
