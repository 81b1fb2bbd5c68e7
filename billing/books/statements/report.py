"""A month's statement, signed, and which months have one: a range of the wallet book, its sums, and its movements.

`posted_at` never falls from one seq to the next within a book, so where a month begins is found by bisecting the seqs
through the primary key. There is no index on `posted_at`: every charge would pay for it.
"""

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final, NamedTuple

from billing.books.statements.document.statement import (
    MovementTotal,
    Signature,
    Statement,
    Subtotal,
    month_after,
    month_before,
    month_of,
    start_of,
)
from billing.books.statements.signing import Signing
from billing.core.document import DOCUMENT
from billing.core.ledger import GENESIS, Transfer
from billing.core.refusals import AccountNotFound, Invalid, NotFound
from billing.store.billed import CORRECTED, REFUNDED, SETTLED
from billing.store.clock import time_by
from billing.store.connection import Connection
from billing.store.engine import Engine
from billing.store.rows import TRANSFER
from billing.store.snapshot import snapshot, working

MOVEMENTS_AT_ONCE: Final = 250  # between two pages everybody else has a turn
_ACCOUNT: Final = "SELECT asset, created_at, wallet_seq, last_at, clock_timestamp() FROM account WHERE account_id = $1"
# Holds no lock that anybody else takes for longer than a batch; the clock is read when it is ours.
_LAST: Final = "SELECT clock_timestamp() FROM (SELECT FROM account WHERE account_id = $1 FOR SHARE) a"
# For each instant the last seq posted before it, 0 where there is none, with its balance and hash. In each round the
# seq in the middle is looked up: below `low` all are earlier, from `high` on none is.
_LAST_BEFORE: Final = """
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
_MOVED: Final = "t.account_id = $1 AND t.book = 'wallet' AND t.seq BETWEEN $2 AND $3"
_TOTALS: Final = f"""
    SELECT t.kind, count(*), sum(CASE t.credit WHEN 'wallet' THEN t.amount ELSE -t.amount END)
    FROM transfer t WHERE {_MOVED} GROUP BY t.kind"""
# A bill may be several movements: the first of them stands for it. A refund or a correction is made when it is posted. What
# a correction adds to a bill, or takes off it, is billed then; its images are counted where they turned out to belong.
_PART: Final = """{model} AS model, {size_tier} AS size_tier, {quality} AS quality, {images} AS images, {failed_images} AS failed_images,
    {event} AS event, {credits} AS credits"""
_MADE: Final = "c.account_id = $1 AND {at} >= $4 AND {at} < $5 AND {first_seq} BETWEEN $2 AND $3"
_SETTLED: Final = SETTLED.lines(
    _PART,
    f"{_MOVED} AND t.kind = 'settle' AND t.seq = c.first_seq",
    joined="JOIN transfer t ON t.account_id = c.account_id AND t.request_id = c.request_id",
)
_SUBTOTALS: Final = f"""
    SELECT model, size_tier, quality, sum(images), sum(failed_images),
        coalesce(sum(credits) FILTER (WHERE event <> 'refund'), 0), coalesce(-sum(credits) FILTER (WHERE event = 'refund'), 0)
    FROM ({_SETTLED} UNION ALL {REFUNDED.lines(_PART, _MADE)} UNION ALL {CORRECTED.lines(_PART, _MADE)}) part
    GROUP BY 1, 2, 3"""
_HASHED: Final = (
    "SET LOCAL enable_sort = off"  # sums of millions of images: their groups are few, and fit in a hash table
)
_PAGE: Final = f"SELECT {TRANSFER} FROM transfer t WHERE {_MOVED} ORDER BY t.seq"


@dataclass(eq=False)
class StatementNotFound(NotFound):
    """`first`: the month in which the account was opened, the first that has a statement."""

    first: str
    code = "statement_not_found"
    title = "No statement of that month"

    @property
    def detail(self) -> str:
        return f"The account was opened later: its first statement is that of {self.first}."


class WalletStanding(NamedTuple):
    """What an account's row says of its wallet, and the time when it was read, as far as the database's clock is believed."""

    asset: str
    created_at: datetime
    last_seq: int
    last_at: datetime
    now: datetime


class ChainPosition(NamedTuple):
    """A place in the wallet's chain: the last seq so far (0: none yet), the balance after it and its hash."""

    seq: int
    balance: int
    hash: bytes


@dataclass(frozen=True, slots=True)
class StatementMonth:
    """A month that has a statement. `complete`: it is over; otherwise the figures are those so far."""

    __pydantic_config__ = DOCUMENT
    month: str
    """YYYY-MM, in UTC"""
    start: datetime
    """when the month begins, inclusive"""
    end: datetime
    """when the month ends, exclusive"""
    complete: bool
    """whether the month is over"""
    opening_balance: int
    """whole credits, as the month began; below 0 for debt"""
    closing_balance: int
    """whole credits, as the month ended, or so far; below 0 for debt"""
    movements: int
    """how many transfers of the wallet were posted in it, 0 or more"""


@dataclass(frozen=True, slots=True)
class Issued:
    """A signed header; its movements are read as they are written."""

    statement: Statement
    signature: Signature
    engine: Engine

    async def movements(self, at_once: int = MOVEMENTS_AT_ONCE) -> AsyncIterator[list[Transfer]]:
        """The movements in the order of their seq, page by page, in constant memory.

        The journal never changes, so each page is right by itself: nobody who reads slowly keeps a session or a snapshot.
        """
        s = self.statement
        for seq in range(s.first_seq, s.last_seq + 1, at_once):
            # Whoever hangs up is cancelled again and again: a read in its midst would lose its session to that.
            page = _page(self.engine, s.account_id, seq, min(seq + at_once - 1, s.last_seq))
            yield await asyncio.shield(asyncio.ensure_future(page))


async def months(engine: Engine, account_id: str, *, before: str | None, limit: int) -> list[StatementMonth]:
    """The months that have a statement, newest first, beyond `before`. Raises AccountNotFound."""
    async with snapshot(engine) as connection:
        wallet = await _standing(connection, engine, account_id)
        first, month = month_of(wallet.created_at), month_of(wallet.now)
        if before is not None:
            month = min(month, month_before(before))
        found: list[str] = []
        while month >= first and len(found) < limit:
            found.append(month)
            month = month_before(month)
        if not found:
            return []
        edges = [start_of(month_after(found[0])), *map(start_of, found)]
        places = await positions(connection, account_id, wallet.last_seq, edges)
    return [
        StatementMonth(
            month, start, end, end <= wallet.now, opening.balance, closing.balance, closing.seq - opening.seq
        )
        for month, end, start, closing, opening in zip(found, edges, edges[1:], places, places[1:], strict=False)
    ]


async def issue(engine: Engine, work: Engine, signing: Signing, account_id: str, month: str) -> Issued:
    """The statement of `month`, which is `YYYY-MM`.

    Raises AccountNotFound; Invalid for a month to come; StatementNotFound for one before the account was opened.
    """
    async with snapshot(engine) as connection:
        wallet = await _standing(connection, engine, account_id)
    first, last = month_of(wallet.created_at), month_of(wallet.now)
    if month > last:
        raise Invalid.of("month", f"has not begun; the latest statement is that of {last}")
    if month < first:
        raise StatementNotFound(first)
    key = await signing.key()
    complete = await _complete(work, account_id, wallet, start_of(month_after(month)))
    statement = await drawn_up(engine, account_id, month, complete=complete)
    return Issued(statement, key.sign(statement), engine)


async def drawn_up(engine: Engine, account_id: str, month: str, *, complete: bool) -> Statement:
    """What was posted in the month, in one snapshot. Raises AccountNotFound."""
    start, end = start_of(month), start_of(month_after(month))
    async with snapshot(engine) as connection:
        wallet = await _standing(connection, engine, account_id)
        opening, closing = await positions(connection, account_id, wallet.last_seq, (start, end))
        moved = account_id, opening.seq + 1, closing.seq
        await connection.execute(_HASHED)
        kinds = await connection.fetch(_TOTALS, *moved)
        sums = await connection.fetch(_SUBTOTALS, *moved, start, end)
    return Statement(
        account_id=account_id,
        month=month,
        start=start,
        end=end,
        complete=complete,
        issued_at=wallet.now,
        asset=wallet.asset,
        opening_balance=opening.balance,
        closing_balance=closing.balance,
        first_seq=opening.seq + 1,
        last_seq=closing.seq,
        count=closing.seq - opening.seq,
        hash_before=opening.hash,
        hash_after=closing.hash,
        # Sums of 64-bit integers are of any size, and exact.
        totals=tuple(MovementTotal(kind, count, int(change)) for kind, count, change in sorted(map(tuple, kinds))),
        subtotals=tuple(sorted((_subtotal(*of) for of in sums), key=_by_name)),
    )


async def _complete(work: Engine, account_id: str, wallet: WalletStanding, end: datetime) -> bool:
    """Whether nothing can be posted before `end` any more, and every snapshot from now on shows all that was.

    A batch that read its clock before `end` may commit after it: having waited for the account's lock, we know that
    none is left.
    """
    if wallet.now < end or wallet.last_at >= end:
        return wallet.last_at >= end
    async with working(work) as connection:
        now: datetime = await connection.fetchval(_LAST, account_id)
    return time_by(work)(now) >= end


async def positions(
    connection: Connection, account_id: str, last_seq: int, instants: Sequence[datetime]
) -> list[ChainPosition]:
    """Where the wallet's chain stood just before each instant."""
    found = await connection.fetch(_LAST_BEFORE, account_id, last_seq, list(instants), GENESIS)
    return [ChainPosition(*row) for row in found]


async def _standing(connection: Connection, engine: Engine, account_id: str) -> WalletStanding:
    """Raises AccountNotFound."""
    row = await connection.fetchrow(_ACCOUNT, account_id)
    if row is None:
        raise AccountNotFound(account_id)
    *known, now = row
    return WalletStanding._make([*known, time_by(engine)(now)])


async def _page(engine: Engine, account_id: str, first_seq: int, last_seq: int) -> list[Transfer]:
    async with snapshot(engine) as connection:
        return [Transfer(*row) for row in await connection.fetch(_PAGE, account_id, first_seq, last_seq)]


def _subtotal(model: str, size_tier: str | None, quality: str, *figures: int) -> Subtotal:
    images, failed_images, settled, refunded = map(int, figures)
    return Subtotal(model, size_tier, quality, images, failed_images, settled, refunded, settled - refunded)


def _by_name(one: Subtotal) -> tuple[str, bool, str, str]:
    return one.model, one.size_tier is None, one.size_tier or "", one.quality
