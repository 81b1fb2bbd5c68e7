"""Run: a manifest is read, compared with the ledger, and what was found is kept. Nothing is posted here."""

import asyncio
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from itertools import count

from billing.books.reconciliation import rows as store
from billing.books.reconciliation.cases import Scope, cases, counted
from billing.books.reconciliation.comparison import compare
from billing.books.reconciliation.manifest import Rows, Wanted, check_not_twice, twice
from billing.books.reconciliation.source import Source
from billing.books.reconciliation.staging import Staging, Twice, connected
from billing.books.reconciliation.totals import Totals
from billing.core.content import must_agree
from billing.core.prices import PriceBooks
from billing.core.reconciliation import COMPARED, Line, Reconciliation
from billing.core.refusals import AccountNotFound, IdReused, Invalid
from billing.core.text import identifier
from billing.store.connection import Connection
from billing.store.snapshot import reachable

Progress = Callable[[str, int], None]  # a stage, and bytes read or lines found


@dataclass(frozen=True)
class Asked:
    """What is to be compared. `complete`: the manifest is all that was delivered from `starts_at` until before `ends_at`.

    Only then a charge of that time without any row was not delivered. Raises Invalid.
    """

    reconciliation_id: str
    actor: str
    account_id: str | None = None
    starts_at: datetime | None = None
    ends_at: datetime | None = None
    complete: bool = False

    def __post_init__(self) -> None:
        identifier(self.reconciliation_id, "reconciliation_id")
        if self.account_id is not None:
            identifier(self.account_id, "account_id")
        if (self.starts_at is None) != (self.ends_at is None):
            raise Invalid.of("end", "needs start, and start needs end")
        if self.starts_at is not None and self.ends_at is not None and self.starts_at >= self.ends_at:
            raise Invalid.of("end", "must be later than start")
        if self.complete and self.starts_at is None:
            raise Invalid.of("complete", "needs start and end: the time of which the manifest is everything")

    def digest(self, source: Source) -> bytes:
        """What names the content: the manifest, and what it is compared with."""
        times = [None if moment is None else moment.isoformat() for moment in (self.starts_at, self.ends_at)]
        asked = json.dumps([self.account_id, *times, self.complete])
        return sha256(source.digest() + asked.encode()).digest()


@dataclass(frozen=True)
class Compared:
    """`replayed`: this manifest had been compared under this id before, and nothing was done now."""

    replayed: bool
    reconciliation: Reconciliation


async def reconcile(
    dsn: str, source: Source, asked: Asked, books: PriceBooks, progress: Progress | None = None
) -> Compared:
    """Compares a manifest with the ledger. What cannot be read leaves nothing behind.

    Raises ManifestUnreadable, IdReused, Invalid, AccountNotFound, DatabaseUnavailable.
    """
    tell = progress or _nobody
    with reachable():
        async with connected(dsn) as connection:
            digest = await asyncio.to_thread(asked.digest, source)
            if known := await _known(connection, asked, digest):
                return Compared(True, known)
            await _check(connection, asked)
            staging = Staging(connection)
            await staging.begin()
            try:
                rows = await _load(staging, source, asked, tell)
                return await _compare(connection, staging, source, asked, digest, books, rows, tell)
            except Exception as problem:
                if not connection.is_closed():
                    await staging.end()
                known = await _known(connection, asked, digest) if isinstance(problem, store.AlreadyThere) else None
                if known is None:
                    raise
                return Compared(True, known)


async def _known(connection: Connection, asked: Asked, digest: bytes) -> Reconciliation | None:
    known = await store.known(connection, asked.reconciliation_id)
    if known is not None and known.digest != digest:
        said = {
            "account_id": (known.account_id, asked.account_id),
            "start": (known.starts_at, asked.starts_at),
            "end": (known.ends_at, asked.ends_at),
            "complete": (known.complete, asked.complete),
        }
        must_agree(asked.reconciliation_id, said)
        raise IdReused(asked.reconciliation_id, ["manifest"])  # the only other thing that the digest is of
    return known


async def _check(connection: Connection, asked: Asked) -> None:
    now: datetime = await connection.fetchval("SELECT clock_timestamp()")
    if asked.ends_at is not None and asked.ends_at > now:
        raise Invalid.of("end", "lies in the future: what is still to come cannot be compared")
    if asked.account_id is not None and not await connection.fetchval(
        "SELECT 1 FROM account WHERE account_id = $1", asked.account_id
    ):
        raise AccountNotFound(asked.account_id)


async def _load(staging: Staging, source: Source, asked: Asked, tell: Progress) -> int:
    """Stages all rows; how many there are. They are read by another thread: whoever else is served here goes on."""
    chunks: Iterator[Rows] = source.chunks(Wanted(staging.staging_id, asked.account_id))
    loaded = 0
    while rows := await asyncio.to_thread(_next, chunks):
        try:
            await staging.add(rows)
        except Twice as found:
            raise twice(found.row, found.first) from None
        loaded += len(rows)
        tell("reading", source.bytes_read)
    return loaded


def _next(chunks: Iterator[Rows]) -> Rows | None:
    rows = next(chunks, None)
    if rows is not None:
        check_not_twice(rows)
    return rows


async def _compare(
    connection: Connection,
    staging: Staging,
    source: Source,
    asked: Asked,
    digest: bytes,
    books: PriceBooks,
    rows: int,
    tell: Progress,
) -> Compared:
    time = (asked.starts_at, asked.ends_at) if asked.complete and asked.starts_at and asked.ends_at else None
    scope = Scope(staging.staging_id, asked.complete, asked.starts_at, asked.ends_at, asked.account_id)
    totals = Totals(rows=rows)
    numbers = count(1)
    async with connection.transaction(isolation="repeatable_read"):
        await staging.hold()
        now: datetime = await connection.fetchval("SELECT clock_timestamp()")
        tell("comparing", 0)
        totals.charges, totals.charged_credits = await counted(connection, scope, rows)
        async for some in cases(connection, scope, rows, now):
            lines: list[Line] = []
            for case in some:
                found = compare(case, books, time)
                totals.add(found)
                lines += [
                    line._replace(reconciliation_id=asked.reconciliation_id, line=next(numbers)) for line in found
                ]
            await store.insert_lines(connection, lines)
            tell("comparing", sum(totals.actions.values()))
        head = Reconciliation(
            asked.reconciliation_id,
            digest,
            source.name,
            asked.account_id,
            asked.starts_at,
            asked.ends_at,
            asked.complete,
            COMPARED,
            totals.text(),
            now,
            asked.actor,
        )
        await store.insert(connection, head)
        await staging.end()
    return Compared(False, head)


def _nobody(stage: str, done: int) -> None:
    """Is told of progress where nobody asked."""
