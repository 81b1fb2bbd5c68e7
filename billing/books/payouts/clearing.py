"""Clearing, explained: what the processor still keeps for us, transaction by transaction."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from billing.books.payouts.report import CARRIED, CARRIED_AS, INTO_CLEARING
from billing.core.commands import HOUSE
from billing.core.document import DOCUMENT
from billing.core.months import Month
from billing.store.clock import time_in
from billing.store.connection import Connection
from billing.store.engine import Engine
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


@dataclass(frozen=True, slots=True)
class NotPaidOut:
    """A balance transaction that was booked and is in no payout yet."""

    __pydantic_config__ = DOCUMENT
    transaction_id: str
    """Stripe's"""
    account_id: str
    """whose it is; `_house`: nobody's"""
    event: str
    """what it is booked as: `payment`, `refund`, `payout` …"""
    booked_as: str
    """Stripe's id of that payment, refund or payout"""
    net_micros: int
    """its amount less its fee; below 0 where it was taken from us"""
    booked_at: datetime
    """when the ledger learned of it"""


@dataclass(frozen=True, slots=True)
class NotSettled:
    """A transfer that no balance transaction carries yet."""

    __pydantic_config__ = DOCUMENT
    account_id: str
    """whose it is"""
    seq: int
    """its place in the account's money book, from 1"""
    kind: str
    """of transfer"""
    external_id: str | None
    """Stripe's id of what it tells of; null: it has none"""
    micros: int
    """what it puts into clearing; below 0 where it takes from there"""
    effective_at: datetime
    """when it was due"""


@dataclass(frozen=True, slots=True)
class IncompletePayout:
    """A payout of which not all is booked, or what is booked does not come to zero."""

    __pydantic_config__ = DOCUMENT
    payout_id: str
    """Stripe's"""
    off_by_micros: int
    """what its booked part comes to; 0 where all of it should"""
    missing_items: int
    """that are not booked; 0 or more"""
    missing: list[str]
    """balance transactions of which the ledger knows nothing; the first of them"""


@dataclass(frozen=True, slots=True)
class CurrencyClearing:
    """`balance = not_paid_out + not_settled + Σ incomplete_payouts.off_by + unexplained`, in one currency."""

    __pydantic_config__ = DOCUMENT
    currency: str
    """ISO 4217"""
    balance_micros: int
    """what clearing comes to; below 0 where we owe it"""
    not_paid_out_micros: int
    """all that is booked and in no payout yet; below 0 where that was taken from us"""
    not_paid_out_count: int
    """how many these are; 0 or more"""
    not_paid_out: list[NotPaidOut]
    """the oldest of them"""
    not_settled_micros: int
    """all that was reported to us, but Stripe has named no balance transaction for it yet"""
    not_settled_count: int
    """how many these are; 0 or more"""
    not_settled: list[NotSettled]
    """the oldest of them"""
    incomplete_payouts: list[IncompletePayout]
    """by their ids"""
    unexplained_micros: int
    """0, or what is booked and what carries it differ: `billing verify` names the row"""


@dataclass(frozen=True, slots=True)
class Clearing:
    """What Stripe keeps for us, by currency, now or at the end of a month."""

    __pydantic_config__ = DOCUMENT
    period: str | None
    """YYYY-MM: at its end; null: now"""
    as_of: datetime
    """when this was read, in one snapshot"""
    ok: bool
    """what was paid out nets to zero, and the rest is accounted for"""
    currencies: list[CurrencyClearing]
    """by name"""


async def clearing(engine: Engine, *, period: str | None = None, limit: int) -> Clearing:
    """Clearing now or at the end of a month; at most `limit` of each list. Raises Invalid (the future)."""
    async with snapshot(engine) as connection:
        return await clearing_within(connection, await time_in(connection, engine), period=period, limit=limit)


async def clearing_within(connection: Connection, as_of: datetime, *, period: str | None, limit: int) -> Clearing:
    before = None if period is None else Month.begun(period, as_of).ends_at
    balances = {asset: int(micros) for asset, micros in await connection.fetch(_BALANCE, before)}
    waiting = await connection.fetch(_FIRST.format(_WAITING), before, limit)
    unsettled = await connection.fetch(_FIRST.format(_UNSETTLED), before, limit)
    incomplete = await connection.fetch(_INCOMPLETE, before, limit)
    names = sorted({*balances, *(row[0] for rows in (waiting, unsettled, incomplete) for row in rows)})
    currencies = [
        _in_currency(
            name,
            balances.get(name, 0),
            *([row for row in rows if row[0] == name] for rows in (waiting, unsettled, incomplete)),
        )
        for name in names
    ]
    ok = not any(one.incomplete_payouts or one.unexplained_micros for one in currencies)
    return Clearing(period, as_of, ok, currencies)


def _in_currency(
    currency: str, balance: int, waiting: list[Any], unsettled: list[Any], incomplete: list[Any]
) -> CurrencyClearing:
    waiting_count, waiting_micros = _summed(waiting)
    unsettled_count, unsettled_micros = _summed(unsettled)
    payouts = [IncompletePayout(row[1], int(row[3]), row[2], row[4] or []) for row in incomplete]
    off = sum(payout.off_by_micros for payout in payouts)
    return CurrencyClearing(
        currency=currency,
        balance_micros=balance,
        not_paid_out_micros=waiting_micros,
        not_paid_out_count=waiting_count,
        not_paid_out=[
            NotPaidOut(transaction_id, account_id, event, booked_as, int(net), booked_at)
            for _, transaction_id, account_id, event, booked_as, net, booked_at, *_ in waiting
        ],
        not_settled_micros=unsettled_micros,
        not_settled_count=unsettled_count,
        not_settled=[
            NotSettled(account_id, seq, kind, external_id, int(micros), effective_at)
            for _, account_id, seq, kind, external_id, micros, effective_at, *_ in unsettled
        ],
        incomplete_payouts=payouts,
        unexplained_micros=balance - waiting_micros - unsettled_micros - off,
    )


def _summed(rows: list[Any]) -> tuple[int, int]:
    """How many there are in all, and what they come to: each row says it."""
    return (rows[0][7], int(rows[0][8])) if rows else (0, 0)
