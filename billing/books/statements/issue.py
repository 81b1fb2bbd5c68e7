"""Issuing: a month's statement, signed, and which months have one."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import datetime

from billing.books.statements import sql as store
from billing.books.statements.signing import Signing
from billing.books.statements.statement import (
    Signature,
    Statement,
    Subtotal,
    Total,
    month_after,
    month_before,
    month_of,
    start_of,
)
from billing.core.ledger import Transfer
from billing.core.refusals import Invalid, StatementNotFound
from billing.store.engine import Engine

MOVEMENTS_AT_ONCE = 250  # between two pages everybody else has a turn


@dataclass(frozen=True, slots=True)
class Issued:
    """A signed header; its movements are read as they are written."""

    statement: Statement
    signature: Signature
    engine: Engine

    def movements(self, at_once: int = MOVEMENTS_AT_ONCE) -> AsyncIterator[list[Transfer]]:
        """The movements in the order of their seq, page by page, in constant memory."""
        s = self.statement
        return store.movements(self.engine, s.account_id, s.first_seq, s.last_seq, at_once=at_once)


@dataclass(frozen=True, slots=True)
class Month:
    """A month that has a statement, from `start` up to `end`; `complete` when it is over. Balances in credits."""

    month: str
    start: datetime
    end: datetime
    complete: bool
    opening_balance: int
    closing_balance: int
    movements: int


async def issue(engine: Engine, work: Engine, signing: Signing, account_id: str, month: str) -> Issued:
    """The statement of `month`, which is `YYYY-MM`.

    Raises AccountNotFound; Invalid for a month to come; StatementNotFound for one before the account was opened.
    """
    life = await store.life(engine, account_id)
    first = month_of(life.created_at)
    if month > month_of(life.now):
        raise Invalid.of("month", f"has not begun; the latest statement is that of {month_of(life.now)}")
    if month < first:
        raise StatementNotFound(first)
    start, end = start_of(month), start_of(month_after(month))
    key = await signing.key()
    complete = await store.closed(engine, work, account_id, end)
    figures = await store.figures(engine, account_id, start, end)
    opening, closing = figures.opening, figures.closing
    statement = Statement(
        account_id,
        month,
        start,
        end,
        complete,
        figures.now,
        figures.asset,
        opening.balance,
        closing.balance,
        opening.seq + 1,
        closing.seq,
        closing.seq - opening.seq,
        opening.hash,
        closing.hash,
        tuple(Total(*total) for total in figures.totals),
        tuple(Subtotal(*of, of[-2] - of[-1]) for of in figures.subtotals),
    )
    return Issued(statement, key.sign(statement), engine)


async def months(engine: Engine, account_id: str, *, before: str | None, limit: int) -> list[Month]:
    """The months that have a statement, newest first, beyond `before`. Raises AccountNotFound."""
    life = await store.life(engine, account_id)
    first, month = month_of(life.created_at), month_of(life.now)
    if before is not None:
        month = min(month, month_before(before))
    found: list[str] = []
    while month >= first and len(found) < limit:
        found.append(month)
        month = month_before(month)
    if not found:
        return []
    edges = [start_of(month_after(found[0])), *(start_of(month) for month in found)]
    positions = await store.positions(engine, account_id, edges)
    return [
        Month(month, start, end, end <= life.now, opening.balance, closing.balance, closing.seq - opening.seq)
        for month, end, start, closing, opening in zip(found, edges, edges[1:], positions, positions[1:], strict=False)
    ]
