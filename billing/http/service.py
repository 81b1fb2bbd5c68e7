"""The service: what one process holds while it runs, from its first connection to its last answer."""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import structlog
from fastapi import Request

from billing.core.prices import PriceBooks
from billing.funding import Funding, Keys, funding
from billing.http.key_ring import KeyRing
from billing.http.look_ups import LookUps
from billing.http.readiness import Readiness, lanes_commit
from billing.outbox import Destinations, Outbox, Sender
from billing.posting import Expiry, ExpiryNotices, Posting, Retention
from billing.posting.chore import repeat_every, running_beside
from billing.posting.collector import tame_collector
from billing.settings import WORK_CONNECTIONS, Settings
from billing.store.clock import Clock
from billing.store.deadlines import Deadlines
from billing.store.engine import Engine, read_engine, work_engine
from billing.store.price_books import price_books
from billing.store.schema import WrongSchema, require_current
from billing.store.sessions import Session, find_sessions
from billing.store.sqlstates import NotMigrated

PRICE_BOOKS_SECONDS = 10.0  # well below the minute that a book is published ahead
CLOCK_SECONDS = 5.0  # so long a word of an operator's may take; every batch looks at the clock by itself
log = structlog.get_logger("billing")


@dataclass(slots=True)
class Service:
    settings: Settings
    dsn: str
    engine: Engine
    long_reads: Engine
    posting: Posting
    keys: KeyRing
    sessions: LookUps[Session]
    readiness: Readiness
    books: PriceBooks
    work: Engine
    funding: Funding
    destinations: Destinations
    retention: Retention
    clock: Clock

    def hurry(self) -> None:
        """The end is asked for, and requests are under way: who waits for a database that is silent is answered."""
        self.posting.hurry()
        for pool in (self.engine, self.long_reads, self.work):
            pool.hurry()

    async def refresh_books(self) -> None:
        self.books = await price_books(self.engine)


async def service_of(request: Request) -> Service:
    """The process's service. A coroutine, because FastAPI hands plain functions to a thread."""
    service: Service = request.app.state.service
    return service


Chores = Callable[[Service], Iterable[Coroutine[Any, Any, None]]]


@asynccontextmanager
async def running(settings: Settings, dsn: str, chores: Chores) -> AsyncIterator[Service]:
    """A service on the database at `dsn`, which is migrated. Leaving it finishes what is in flight, `chores` too."""
    # Sums over months may take seconds. Half of the sessions never wait for them: keys are read there, and balances.
    long = max(1, settings.read_connections // 2)
    deadlines = Deadlines(settings.database_seconds)
    engine = read_engine(dsn, size=max(1, settings.read_connections - long), deadlines=deadlines, patient=False)
    long_reads = read_engine(dsn, size=long, deadlines=deadlines)
    work = work_engine(dsn, size=WORK_CONNECTIONS, deadlines=deadlines)
    books = await price_books(engine)
    service: Service
    keys = KeyRing(engine, settings.admin_key)
    sessions: LookUps[Session] = LookUps(lambda digests: find_sessions(engine, digests))
    clock = await Clock.read(engine, settings.clock_bound_seconds)
    clock.keep(long_reads, work)
    posting = Posting(
        dsn,
        lambda: service.books,
        lanes=settings.lanes,
        batch=settings.batch,
        queue=settings.queue,
        deadlines=deadlines,
        now=clock.now,
    )
    retention = Retention(
        engine, work, webhook_event_days=settings.webhook_event_days, stripe_event_days=settings.stripe_event_days
    )
    destinations = Destinations(allow_private=settings.webhook_allow_private)
    async with funding(Keys.of(settings), posting, engine, work) as payments, posting:
        service = Service(
            settings, dsn, engine, long_reads, posting, keys, sessions,
            Readiness(lanes_commit(posting)), books, work, payments, destinations,
            retention, clock,
        )  # fmt: skip
        running_chores = (
            _refresh(service),
            repeat_every("clock", lambda: clock.beat(engine, work), CLOCK_SECONDS, log),
            Expiry(engine, posting, interval_seconds=settings.expiry_seconds).run(),
            ExpiryNotices(engine, posting, days=settings.grant_expiring_days).run(),
            *payments.chores(),
            Outbox(work, Sender(destinations)).run(),
            retention.run(),
            *chores(service),
        )
        async with running_beside(*running_chores):
            tame_collector()
            yield service
    await asyncio.gather(*(pool.dispose() for pool in (work, long_reads, engine)))


async def _refresh(service: Service) -> None:
    while True:
        await asyncio.sleep(PRICE_BOOKS_SECONDS)
        try:
            await require_current(service.engine)
            await service.refresh_books()
        except (NotMigrated, WrongSchema) as wrong:
            log.error("nothing is posted", reason=str(wrong))
        except Exception as error:
            log.warning("price books not refreshed", reason=str(error))
