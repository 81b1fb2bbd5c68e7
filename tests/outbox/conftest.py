"""A database of the test's own, a receiver, and a desk at which events are announced and workers hired."""

import itertools
import json
from collections.abc import Awaitable, Callable, Iterator
from datetime import datetime, timedelta
from typing import Any

import asyncpg
import pytest

from billing.core.announcements import BY_DEFAULT, Announcement
from billing.core.commands import OpenAccount
from billing.core.prices import PriceBooks
from billing.outbox import Destinations, Outbox, Sender, new_secret
from billing.posting import Posting
from billing.store.engine import Engine, work_engine
from billing.store.webhooks import NewEndpoint, create

from .receiver import Receiver

_numbers = itertools.count(1)
PRIVATE = Destinations(allow_private=True)


class Desk:
    """What a test does around the worker. `owner` is a session that may do everything."""

    def __init__(self, dsn: str, owner: asyncpg.Connection, posting: Posting) -> None:
        self.dsn = dsn
        self.owner = owner
        self.posting = posting
        self.work = work_engine(dsn)
        self._engines: list[Engine] = [self.work]
        self._senders: list[Sender] = []

    async def endpoint(self, url: str, *events: str, account_id: str | None = None) -> tuple[str, str]:
        """A new endpoint's id and its secret."""
        if account_id is not None:
            await self.open(account_id)
        secret = new_secret()
        wanted = NewEndpoint(f"we-{next(_numbers)}", url, events or BY_DEFAULT, account_id)
        made, new = await create(self.work, wanted, secret)
        assert new
        return made.endpoint_id, secret

    async def open(self, account_id: str) -> None:
        await self.posting.post(OpenAccount(account_id))

    async def announce(
        self, kind: str = "topup.paid", account_id: str = "acme", *, at: datetime | None = None, **data: Any
    ) -> str:
        """Writes an announcement as posting does; its id."""
        moment = at or await self.owner.fetchval("SELECT clock_timestamp()")
        told = Announcement.of(account_id, moment, next(_numbers), kind, data)
        await self.owner.execute("INSERT INTO outbox VALUES ($1, $2, $3, $4, $5, $6, $7)", *told)
        return told.event_id

    def worker(self, destinations: Destinations = PRIVATE, **sending: Any) -> Outbox:
        """A worker with sessions of its own."""
        self._engines.append(engine := work_engine(self.dsn))
        self._senders.append(sender := Sender(destinations, **sending))
        return Outbox(engine, sender, interval_seconds=0.01)

    async def delivery(self, event_id: str, endpoint_id: str | None = None) -> asyncpg.Record:
        """The one delivery of an event, to `endpoint_id` if that is given."""
        rows = await self.owner.fetch(
            "SELECT * FROM webhook_delivery WHERE event_id = $1 AND ($2::text IS NULL OR endpoint_id = $2)",
            event_id,
            endpoint_id,
        )
        assert len(rows) == 1, [dict(row) for row in rows]
        return rows[0]

    async def state(self, event_id: str, endpoint_id: str | None = None) -> str:
        state: str = (await self.delivery(event_id, endpoint_id))["state"]
        return state

    async def pass_time(self, by: timedelta) -> None:
        """Everything that waits is due sooner by so much."""
        await self.owner.execute("UPDATE webhook_delivery SET next_attempt_at = next_attempt_at - $1::interval", by)

    async def outbox_row(self, event_id: str) -> asyncpg.Record:
        row = await self.owner.fetchrow("SELECT * FROM outbox WHERE event_id = $1", event_id)
        assert row is not None
        return row

    async def close(self) -> None:
        await self.posting.__aexit__(None, None, None)
        for sender in self._senders:
            await sender.close()
        for engine in self._engines:
            await engine.dispose()
        await self.owner.close()


@pytest.fixture
def desk(fresh_database: str, books: PriceBooks, run: Callable[[Awaitable[Any]], Any]) -> Iterator[Desk]:
    async def opened() -> Desk:
        posting = Posting(fresh_database, lambda: books, lanes=1)
        await posting.__aenter__()
        return Desk(fresh_database, await asyncpg.connect(fresh_database), posting)

    desk = run(opened())
    yield desk
    run(desk.close())


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver() as receiver:
        yield receiver


def document(heard: Any) -> Any:
    return json.loads(heard.body)
