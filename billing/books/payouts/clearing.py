"""Clearing, explained: what the processor still keeps for us, transaction by transaction."""

from datetime import datetime
from typing import Any, Final, NamedTuple

from sqlalchemy.ext.asyncio import AsyncEngine

from billing.books.payouts.sql import CARRIED, CARRIED_AS, INTO_CLEARING
from billing.core.commands import HOUSE
from billing.store.snapshot import snapshot

# $1: everything before this instant, or everything.
_BOOKED: Final = "($1::timestamptz IS NULL OR s.booked_at < $1)"
_BALANCE: Final = f"""
    SELECT t.asset, sum({INTO_CLEARING}) FROM transfer t
    WHERE t.book = 'money' AND 'stripe_clearing' IN (t.debit, t.credit) AND ($1::timestamptz IS NULL OR t.effective_at < $1)
    GROUP BY 1"""
# Part of a payout that had been made by then. One that is not booked itself was made nobody knows when.
_PAID_OUT: Final = f"""
    paid AS MATERIALIZED (
        SELECT i.payout_id, i.transaction_id, i.amount_micros, i.fee_micros, i.currency
        FROM payout_item i LEFT JOIN (
            SELECT p.booked_as, min(p.booked_at) AS booked_at FROM stripe_transaction p
            WHERE p.account_id = '{HOUSE}' AND p.event IN ('payout', 'payout_failed') GROUP BY 1) p
            ON p.booked_as = i.payout_id
        WHERE $1::timestamptz IS NULL OR p.booked_at IS NULL OR p.booked_at < $1)"""
_WAITING: Final = f"""
    WITH {_PAID_OUT},
    waiting AS (
        SELECT s.* FROM stripe_transaction s
        WHERE {_BOOKED} AND NOT EXISTS (SELECT FROM paid WHERE paid.transaction_id = s.transaction_id))
    SELECT currency, transaction_id, account_id, event, booked_as, amount_micros::numeric - fee_micros AS net, booked_at,
        count(*) OVER each, sum(amount_micros::numeric - fee_micros) OVER each,
        row_number() OVER (PARTITION BY currency ORDER BY booked_at, transaction_id) AS place
    FROM waiting WINDOW each AS (PARTITION BY currency)"""
_INCOMPLETE: Final = f"""
    WITH {_PAID_OUT}
    SELECT p.currency, p.payout_id, count(*) FILTER (WHERE s.transaction_id IS NULL),
        coalesce(sum(s.amount_micros::numeric - s.fee_micros), 0) AS off,
        (array_agg(p.transaction_id ORDER BY p.transaction_id) FILTER (WHERE s.transaction_id IS NULL))[1:$2]
    FROM paid p LEFT JOIN stripe_transaction s
        ON s.transaction_id = p.transaction_id AND s.currency = p.currency AND {_BOOKED}
    GROUP BY p.currency, p.payout_id
    HAVING coalesce(sum(s.amount_micros::numeric - s.fee_micros), 0) <> 0 OR count(*) > count(s.transaction_id)
    ORDER BY p.currency, p.payout_id"""
# Reported to us, and to be settled by Stripe: it has named no balance transaction yet.
_UNSETTLED: Final = f"""
    WITH carried AS (
        SELECT DISTINCT s.account_id, {CARRIED_AS.format("s")} AS event, s.booked_as, s.currency FROM stripe_transaction s
        WHERE {_BOOKED}),
    unsettled AS (
        SELECT t.*, {INTO_CLEARING} AS micros FROM transfer t JOIN (VALUES {CARRIED}) c(event, kind) ON c.kind = t.kind
        LEFT JOIN carried s
            ON s.account_id = t.account_id AND s.event = c.event AND s.booked_as = t.external_id AND s.currency = t.asset
        WHERE t.book = 'money' AND s.account_id IS NULL AND ($1::timestamptz IS NULL OR t.effective_at < $1))
    SELECT asset, account_id, seq, kind, external_id, micros, effective_at, count(*) OVER each, sum(micros) OVER each,
        row_number() OVER (PARTITION BY asset ORDER BY effective_at, account_id, seq) AS place
    FROM unsettled WINDOW each AS (PARTITION BY asset)"""
_FIRST: Final = "SELECT * FROM ({}) listed WHERE place <= $2 ORDER BY 1, place"


class Waiting(NamedTuple):
    """A balance transaction that was booked and is in no payout yet; its net in micros."""

    transaction_id: str
    account_id: str
    event: str
    booked_as: str
    net_micros: int
    booked_at: datetime


class Unsettled(NamedTuple):
    """A transfer that no balance transaction carries yet; what it puts into clearing, in micros."""

    account_id: str
    seq: int
    kind: str
    external_id: str | None
    micros: int
    effective_at: datetime


class Incomplete(NamedTuple):
    """A payout whose booked part is not zero, by so many micros, or of which items are not booked; the first of them."""

    payout_id: str
    off_by_micros: int
    missing_items: int
    missing: list[str]


class Clearing(NamedTuple):
    """Clearing in one currency, in micros: what it comes to, and what that consists of. Lists begin with the oldest."""

    currency: str
    balance_micros: int
    waiting_count: int
    waiting_micros: int
    waiting: list[Waiting]
    unsettled_count: int
    unsettled_micros: int
    unsettled: list[Unsettled]
    incomplete: list[Incomplete]

    @property
    def unexplained_micros(self) -> int:
        """0, or what is booked and what carries it differ: `billing verify` names the row."""
        off = sum(payout.off_by_micros for payout in self.incomplete)
        return self.balance_micros - self.waiting_micros - self.unsettled_micros - off


async def clearing(engine: AsyncEngine, *, before: datetime | None, limit: int) -> list[Clearing]:
    """By currency, now or as it was before an instant; at most `limit` of each list."""
    async with snapshot(engine) as connection:
        balances = {asset: int(micros) for asset, micros in await connection.fetch(_BALANCE, before)}
        waiting = await connection.fetch(_FIRST.format(_WAITING), before, limit)
        unsettled = await connection.fetch(_FIRST.format(_UNSETTLED), before, limit)
        incomplete = await connection.fetch(_INCOMPLETE, before, limit)
    currencies = sorted({*balances, *(row[0] for rows in (waiting, unsettled, incomplete) for row in rows)})
    return [
        Clearing(
            currency,
            balances.get(currency, 0),
            *_summed(waiting, currency),
            [Waiting._make((*row[1:5], int(row[5]), row[6])) for row in waiting if row[0] == currency],
            *_summed(unsettled, currency),
            [Unsettled._make((*row[1:5], int(row[5]), row[6])) for row in unsettled if row[0] == currency],
            [Incomplete(row[1], int(row[3]), row[2], row[4] or []) for row in incomplete if row[0] == currency],
        )
        for currency in currencies
    ]


def _summed(rows: list[Any], currency: str) -> tuple[int, int]:
    return next(((row[7], int(row[8])) for row in rows if row[0] == currency), (0, 0))
