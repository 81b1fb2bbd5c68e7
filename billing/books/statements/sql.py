"""What statements are made of: a month's range of the wallet book, its sums, and its movements page by page.

`posted_at` never falls from one seq to the next within a book, so where a month begins is found by bisecting the seqs
through the primary key. There is no index on `posted_at`: every charge would pay for it.
"""

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import datetime

import asyncpg
from sqlalchemy.ext.asyncio import AsyncEngine

from billing.core.ledger import GENESIS, Transfer
from billing.core.refusals import AccountNotFound
from billing.store.billed import CORRECTED, REFUNDED, SETTLED
from billing.store.clock import time_by
from billing.store.rows import TRANSFER
from billing.store.snapshot import snapshot, working

_ACCOUNT = "SELECT asset, created_at, wallet_seq, last_at, clock_timestamp() FROM account WHERE account_id = $1"
# Holds no lock that anybody else takes for longer than a batch; the clock is read when it is ours.
_LAST = "SELECT clock_timestamp() FROM (SELECT FROM account WHERE account_id = $1 FOR SHARE) a"
# For each instant the last seq posted before it, 0 where there is none, with its balance and hash. In each round the
# seq in the middle is looked up: below `low` all are earlier, from `high` on none is.
_LAST_BEFORE = """
    WITH RECURSIVE bisected AS (
        SELECT place, instant, 0::bigint AS low, $2::bigint + 1 AS high
        FROM unnest($3::timestamptz[]) WITH ORDINALITY given(instant, place)
        UNION ALL
        SELECT b.place, b.instant, CASE WHEN m.earlier THEN m.seq ELSE b.low END,
            CASE WHEN m.earlier THEN b.high ELSE m.seq END
        FROM bisected b CROSS JOIN LATERAL (
            SELECT (b.low + b.high) / 2 AS seq, (
                SELECT t.posted_at < b.instant FROM transfer t
                WHERE t.account_id = $1 AND t.book = 'wallet' AND t.seq = (b.low + b.high) / 2) AS earlier
            OFFSET 0) m
        WHERE b.high - b.low > 1)
    SELECT b.low, coalesce(t.balance_after, 0), coalesce(t.hash, $4)
    FROM bisected b LEFT JOIN LATERAL (
        SELECT * FROM transfer WHERE account_id = $1 AND book = 'wallet' AND seq = b.low OFFSET 0) t ON true
    WHERE b.high - b.low = 1 ORDER BY b.place"""
_MOVED = "t.account_id = $1 AND t.book = 'wallet' AND t.seq BETWEEN $2 AND $3"
_TOTALS = f"""
    SELECT t.kind, count(*), sum(CASE t.credit WHEN 'wallet' THEN t.amount ELSE -t.amount END)
    FROM transfer t WHERE {_MOVED} GROUP BY t.kind"""
# A bill may be several movements: the first of them stands for it. A refund or a correction is made when it is posted. What
# a correction adds to a bill, or takes off it, is billed then; its images are counted where they turned out to belong.
_PART = """{model} AS model, {size_tier} AS size_tier, {quality} AS quality, {images} AS images, {failed_images} AS failed_images,
    {event} AS event, {credits} AS credits"""
_MADE = "c.account_id = $1 AND {at} >= $4 AND {at} < $5 AND {first_seq} BETWEEN $2 AND $3"
_SETTLED = SETTLED.lines(
    _PART,
    f"{_MOVED} AND t.kind = 'settle' AND t.seq = c.first_seq",
    joined="JOIN transfer t ON t.account_id = c.account_id AND t.request_id = c.request_id",
)
_SUBTOTALS = f"""
    SELECT model, size_tier, quality, sum(images), sum(failed_images),
        coalesce(sum(credits) FILTER (WHERE event <> 'refund'), 0), coalesce(-sum(credits) FILTER (WHERE event = 'refund'), 0)
    FROM ({_SETTLED} UNION ALL {REFUNDED.lines(_PART, _MADE)} UNION ALL {CORRECTED.lines(_PART, _MADE)}) part
    GROUP BY 1, 2, 3"""
_HASHED = "SET LOCAL enable_sort = off"  # sums of millions of images: their groups are few, and fit in a hash table
_PAGE = f"SELECT {TRANSFER} FROM transfer t WHERE {_MOVED} ORDER BY t.seq"


@dataclass(frozen=True, slots=True)
class Life:
    """When an account was opened, and the time when that was looked up, as far as the database's clock is believed."""

    created_at: datetime
    now: datetime


@dataclass(frozen=True, slots=True)
class Position:
    """A place in the wallet's chain: the last seq so far (0: none yet), the balance after it and its hash."""

    seq: int
    balance: int
    hash: bytes


@dataclass(frozen=True, slots=True)
class Figures:
    """A month of a wallet: between which positions, what by kind of movement, and what by kind of image.

    `totals`: (kind, movements, signed change). `subtotals`: (model, size_tier, quality, images, failed images,
    credits settled and corrected, credits refunded), by name and failed ones last.
    """

    asset: str
    now: datetime
    opening: Position
    closing: Position
    totals: list[tuple[str, int, int]]
    subtotals: list[tuple[str, str | None, str, int, int, int, int]]


async def life(engine: AsyncEngine, account_id: str) -> Life:
    """Raises AccountNotFound."""
    async with snapshot(engine) as connection:
        _, created_at, _, _, now = await _account(connection, account_id)
    return Life(created_at, time_by(engine)(now))


async def closed(engine: AsyncEngine, work: AsyncEngine, account_id: str, end: datetime) -> bool:
    """Whether nothing can be posted before `end` any more, and every snapshot from now on shows all that was.

    A batch that read its clock before `end` may commit after it: having waited for the account's lock, we know that
    none is left. Raises AccountNotFound.
    """
    last_at: datetime
    now: datetime
    async with snapshot(engine) as connection:
        _, _, _, last_at, now = await _account(connection, account_id)
    if time_by(engine)(now) < end or last_at >= end:
        return last_at >= end
    async with working(work) as connection:
        now = await connection.fetchval(_LAST, account_id)
    return time_by(work)(now) >= end


async def figures(engine: AsyncEngine, account_id: str, start: datetime, end: datetime) -> Figures:
    """What was posted from `start` up to `end`, in one snapshot. Raises AccountNotFound."""
    async with snapshot(engine) as connection:
        asset, _, last_seq, _, now = await _account(connection, account_id)
        opening, closing = await _positions(connection, account_id, last_seq, (start, end))
        moved = account_id, opening.seq + 1, closing.seq
        await connection.execute(_HASHED)
        kinds = await connection.fetch(_TOTALS, *moved)
        sums = await connection.fetch(_SUBTOTALS, *moved, start, end)
    # Sums of 64-bit integers are of any size, and exact.
    totals = sorted((kind, count, int(change)) for kind, count, change in kinds)
    subtotals = sorted(((*of[:3], *(int(amount) for amount in of[3:])) for of in sums), key=_by_name)
    return Figures(asset, time_by(engine)(now), opening, closing, totals, subtotals)


async def positions(engine: AsyncEngine, account_id: str, instants: Sequence[datetime]) -> list[Position]:
    """Where the wallet's chain stood just before each instant. Raises AccountNotFound."""
    async with snapshot(engine) as connection:
        _, _, last_seq, _, _ = await _account(connection, account_id)
        return await _positions(connection, account_id, last_seq, instants)


async def movements(
    engine: AsyncEngine, account_id: str, first_seq: int, last_seq: int, *, at_once: int
) -> AsyncIterator[list[Transfer]]:
    """The wallet's transfers `first_seq` to `last_seq`, `at_once` at a time.

    The journal never changes, so each page is right by itself: nobody who reads slowly keeps a session or a snapshot.
    """
    for seq in range(first_seq, last_seq + 1, at_once):
        # Whoever hangs up is cancelled again and again: a read in its midst would lose its session to that.
        reading = asyncio.ensure_future(_page(engine, account_id, seq, min(seq + at_once - 1, last_seq)))
        yield await asyncio.shield(reading)


async def _page(engine: AsyncEngine, account_id: str, first_seq: int, last_seq: int) -> list[Transfer]:
    async with snapshot(engine) as connection:
        return [Transfer(*row) for row in await connection.fetch(_PAGE, account_id, first_seq, last_seq)]


def _by_name(subtotal: tuple[str, str | None, str, int, int, int, int]) -> tuple[str, bool, str, str]:
    model, size_tier, quality, *_ = subtotal
    return model, size_tier is None, size_tier or "", quality


async def _account(connection: asyncpg.Connection, account_id: str) -> asyncpg.Record:
    row = await connection.fetchrow(_ACCOUNT, account_id)
    if row is None:
        raise AccountNotFound(account_id)
    return row


async def _positions(
    connection: asyncpg.Connection, account_id: str, last_seq: int, instants: Sequence[datetime]
) -> list[Position]:
    found = await connection.fetch(_LAST_BEFORE, account_id, last_seq, list(instants), GENESIS)
    return [Position(*row) for row in found]
