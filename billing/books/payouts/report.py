"""Payouts: what Stripe says that they consist of, beside what is booked of it and the transfers that carry that."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final, Literal

from billing.core.clearing import POSTED, REPORTED
from billing.core.commands import HOUSE
from billing.core.document import DOCUMENT
from billing.core.months import Month
from billing.core.refusals import NotFound
from billing.store.connection import Connection
from billing.store.engine import Engine
from billing.store.snapshot import snapshot

# event → the kinds of transfers that carry its amount. A fee has none: it is carried by its own.
CARRIED: Final = ", ".join(
    f"('{event}', '{kind}')"
    for event, kinds in {**POSTED, **REPORTED, "payout": ("payout",), "payout_failed": ("payout_failed",)}.items()
    for kind in kinds
)
# A payout's is carried as its sign says: where the balance was below zero, it takes from the bank.
CARRIED_AS: Final = """CASE WHEN {0}.event NOT IN ('payout', 'payout_failed') THEN {0}.event
                             WHEN {0}.amount_micros < 0 THEN 'payout' ELSE 'payout_failed' END"""
# The processor owes us what is debited, and less by what is credited. Numeric: sums of wrong rows leave 64 bits.
INTO_CLEARING: Final = (
    "CASE 'stripe_clearing' WHEN t.debit THEN t.amount WHEN t.credit THEN -t.amount::numeric ELSE 0 END"
)
_PAYOUTS_OWN: Final = f"p.account_id = '{HOUSE}' AND p.event IN ('payout', 'payout_failed')"
# Those that are known from their items alone come last: nobody can say when they were.
_NOBODY_KNOWS_WHEN: Final = datetime(1970, 1, 1, tzinfo=UTC)
_PAGE: Final = f"""
    SELECT k.* FROM (
        SELECT p.booked_as AS payout_id, min(p.booked_at) AS at, min(p.currency), bool_or(p.event = 'payout_failed'),
            coalesce(-sum(p.amount_micros) FILTER (WHERE p.event = 'payout'), 0)
        FROM stripe_transaction p WHERE {_PAYOUTS_OWN} GROUP BY p.booked_as
        UNION ALL
        SELECT DISTINCT i.payout_id, timestamptz 'epoch', NULL, false, 0 FROM payout_item i
        WHERE NOT EXISTS (SELECT FROM stripe_transaction p WHERE {_PAYOUTS_OWN} AND p.booked_as = i.payout_id)) k
    WHERE ($1::timestamptz IS NULL OR k.at >= $1) AND ($2::timestamptz IS NULL OR k.at < $2)
      AND ($3::timestamptz IS NULL OR (k.at, k.payout_id) < ($3, $4)) AND ($5::text IS NULL OR k.payout_id = $5)
    ORDER BY k.at DESC, k.payout_id DESC LIMIT $6"""

# Items as Stripe lists them. Transactions of one event that are carried by the same transfers are reckoned together.
_ITEMS: Final = f"""
    WITH i AS MATERIALIZED (
        SELECT * FROM payout_item WHERE payout_id = ANY($1::text[])),
    s AS MATERIALIZED (
        SELECT s.* FROM i JOIN stripe_transaction s ON s.transaction_id = i.transaction_id),
    g AS (
        SELECT x.account_id, {CARRIED_AS.format("x")} AS event, x.booked_as, x.currency, sum(x.amount_micros) AS amount
        FROM stripe_transaction x WHERE (x.account_id, x.booked_as) IN (SELECT account_id, booked_as FROM s)
        GROUP BY 1, 2, 3, 4),
    c AS (
        SELECT k.account_id, c.event, k.booked_as, t.asset AS currency, sum({INTO_CLEARING}) AS amount
        FROM (SELECT DISTINCT account_id, booked_as FROM s) k
        JOIN transfer t ON t.account_id = k.account_id AND t.external_id = k.booked_as AND t.book = 'money'
        JOIN (VALUES {CARRIED}) c(event, kind) ON c.kind = t.kind GROUP BY 1, 2, 3, 4),
    f AS (
        SELECT s.account_id, s.transaction_id, -sum({INTO_CLEARING}) AS fee
        FROM s JOIN transfer t ON t.account_id = s.account_id AND t.external_id = s.transaction_id AND t.book = 'money'
        WHERE t.kind IN ('fee', 'fee_returned') AND t.asset = s.currency GROUP BY 1, 2),
    item AS (
        SELECT i.payout_id, i.transaction_id, i.type, i.amount_micros, i.fee_micros, i.currency,
            s.account_id, s.event, s.booked_as, s.amount_micros AS booked_amount, s.fee_micros AS booked_fee,
            coalesce(c.amount, 0) - coalesce(g.amount, 0) AS amount_off, coalesce(f.fee, 0) - s.fee_micros AS fee_off,
            CASE WHEN s.transaction_id IS NULL THEN 'not_booked'
                 WHEN s.currency <> i.currency
                     OR s.amount_micros::numeric - s.fee_micros <> i.amount_micros::numeric - i.fee_micros THEN 'differs'
                 WHEN coalesce(c.amount, 0) <> g.amount OR coalesce(f.fee, 0) <> s.fee_micros THEN 'transfers_missing'
                 ELSE 'booked' END AS status
        FROM i LEFT JOIN s ON s.transaction_id = i.transaction_id
        LEFT JOIN g ON g.account_id = s.account_id AND g.event = {CARRIED_AS.format("s")} AND g.booked_as = s.booked_as
            AND g.currency = s.currency
        LEFT JOIN c ON c.account_id = s.account_id AND c.event = g.event AND c.booked_as = s.booked_as
            AND c.currency = s.currency
        LEFT JOIN f ON f.account_id = s.account_id AND f.transaction_id = s.transaction_id)"""
_SUMMED: Final = f"""{_ITEMS}
    SELECT payout_id, max(currency), count(*), count(*) FILTER (WHERE status <> 'booked'),
        sum(amount_micros::numeric - fee_micros), coalesce(sum(booked_amount::numeric - booked_fee), 0)
    FROM item GROUP BY payout_id"""
_LISTED: Final = f"""{_ITEMS}
    SELECT transaction_id, type, amount_micros, fee_micros, currency, status, account_id, event, booked_as,
        booked_amount AS booked_amount_micros, booked_fee AS booked_fee_micros,
        CASE WHEN status = 'booked' THEN 0 WHEN status = 'transfers_missing' THEN amount_off - fee_off
             ELSE coalesce(booked_amount::numeric - booked_fee, 0) - amount_micros + fee_micros END AS off_by_micros
    FROM item WHERE transaction_id > $2 AND (NOT $3::boolean OR status <> 'booked')
    ORDER BY transaction_id LIMIT $4"""


@dataclass(eq=False)
class PayoutNotFound(NotFound):
    payout_id: str
    code = "payout_not_found"
    title = "No such payout is booked"


@dataclass(frozen=True, slots=True)
class Payout:
    """Money to the bank, and whether all that it consists of is booked."""

    __pydantic_config__ = DOCUMENT
    payout_id: str
    """Stripe's"""
    currency: str
    """ISO 4217"""
    status: Literal["complete", "incomplete", "by_hand"]
    """`by_hand`: nobody says what it consists of; it is an item of the next payout that Stripe makes"""
    returned: bool
    """it failed, and came back"""
    booked_at: datetime | None
    """null: the payout itself is not booked"""
    arrived_micros: int
    """at the bank; below 0 where it was taken from there"""
    items: int
    """balance transactions that it consists of, itself included; 0 where nobody says which"""
    wrong_items: int
    """items that are not booked as Stripe lists them; 0 or more"""
    listed_micros: int
    """its items as Stripe lists them, the payout included: 0"""
    booked_micros: int
    """its items as they are booked: 0, or what is missing makes the difference"""

    @property
    def listed_at(self) -> datetime:
        return self.booked_at or _NOBODY_KNOWS_WHEN


@dataclass(frozen=True, slots=True)
class PayoutItem:
    """A balance transaction of a payout: as Stripe lists it, and as it is booked."""

    __pydantic_config__ = DOCUMENT
    transaction_id: str
    """Stripe's"""
    type: str
    """as Stripe calls it"""
    amount_micros: int
    """as Stripe lists it; below 0 where it was taken from us"""
    fee_micros: int
    """of the amount, as Stripe lists it; below 0 where a fee was returned"""
    currency: str
    """ISO 4217"""
    status: Literal["booked", "not_booked", "differs", "transfers_missing"]
    """`not_booked`: the ledger knows nothing of it; `differs`: it is booked as something else; `transfers_missing`: it is
    booked, but transfers carry another amount"""
    off_by_micros: int
    """what is booked less what Stripe lists; 0 where it is `booked`"""
    account_id: str | None
    """whose it is; null: it is not booked"""
    event: str | None
    """what it is booked as: `payment`, `refund`, `payout` …; null: it is not booked"""
    booked_as: str | None
    """Stripe's id of that payment, refund or payout; null: it is not booked"""
    booked_amount_micros: int | None
    """of the amount, as it is booked; below 0 for what went out; null: it is not booked"""
    booked_fee_micros: int | None
    """of the fee, as it is booked; null: it is not booked"""


@dataclass(frozen=True, slots=True, kw_only=True)
class PayoutItems(Payout):
    """A payout with one page of its items."""

    data: list[PayoutItem]
    """by their transactions' ids"""
    has_more: bool
    """whether there are more than these"""
    next_cursor: str | None
    """what the next page is asked for with; null: there is none"""


async def payouts(
    engine: Engine, *, period: str | None = None, before: tuple[datetime, str] | None = None, limit: int
) -> list[Payout]:
    """Payouts of a month or ever, newest first, beyond the (listed_at, payout_id) `before`. Raises Invalid."""
    async with snapshot(engine) as connection:
        return await payouts_within(connection, period=period, before=before, limit=limit)


async def payout(
    engine: Engine, payout_id: str, *, after: str | None, wrong: bool, limit: int
) -> tuple[Payout, list[PayoutItem]]:
    """A payout, and its items beyond `after`; `wrong`: only those that are not `booked`. Raises PayoutNotFound."""
    async with snapshot(engine) as connection:
        found = await payouts_within(connection, payout_id=payout_id, limit=1)
        if not found:
            raise PayoutNotFound(payout_id)
        return found[0], await items_within(connection, payout_id, after=after, wrong=wrong, limit=limit)


async def payouts_within(
    connection: Connection,
    *,
    period: str | None = None,
    before: tuple[datetime, str] | None = None,
    payout_id: str | None = None,
    limit: int,
) -> list[Payout]:
    month = None if period is None else Month.of(period)
    span = (None, None) if month is None else (month.starts_at, month.ends_at)
    page = await connection.fetch(_PAGE, *span, *(before or (None, None)), payout_id, limit)
    sums = {row[0]: row[1:] for row in await connection.fetch(_SUMMED, [row[0] for row in page])}
    found = []
    for name, at, currency, returned, arrived in page:
        listed_in, items, wrong, listed, booked = sums.get(name, (None, 0, 0, 0, 0))
        known_at = None if at == _NOBODY_KNOWS_WHEN else at
        complete = known_at is not None and not (wrong or listed or booked)
        found.append(
            Payout(
                payout_id=name,
                currency=currency or listed_in,
                status="incomplete" if not complete else "complete" if items else "by_hand",
                returned=returned,
                booked_at=known_at,
                arrived_micros=int(arrived),
                items=items,
                wrong_items=wrong,
                listed_micros=int(listed),
                booked_micros=int(booked),
            )
        )
    return found


async def items_within(
    connection: Connection, payout_id: str, *, after: str | None = None, wrong: bool, limit: int
) -> list[PayoutItem]:
    found = await connection.fetch(_LISTED, [payout_id], after or "", wrong, limit)
    return [PayoutItem(**{**row, "off_by_micros": int(row["off_by_micros"])}) for row in found]
