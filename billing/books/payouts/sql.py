"""Payouts: what Stripe says that they consist of, beside what is booked of it and the transfers that carry that."""

from datetime import datetime
from typing import Final, NamedTuple

from sqlalchemy.ext.asyncio import AsyncEngine

from billing.core.clearing import POSTED, REPORTED
from billing.core.commands import HOUSE
from billing.core.refusals import PayoutNotFound
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
_PAYOUTS_OWN: Final = f"account_id = '{HOUSE}' AND event IN ('payout', 'payout_failed')"

# Those that are known from their items alone come last: nobody can say when they were.
_KNOWN: Final = f"""
    SELECT p.booked_as AS payout_id, min(p.booked_at) AS booked_at FROM stripe_transaction p WHERE {_PAYOUTS_OWN}
    GROUP BY p.booked_as
    UNION ALL
    SELECT DISTINCT i.payout_id, timestamptz 'epoch' FROM payout_item i
    WHERE NOT EXISTS (SELECT FROM stripe_transaction p WHERE {_PAYOUTS_OWN} AND p.booked_as = i.payout_id)"""
_PAGE: Final = f"""
    SELECT k.payout_id, k.booked_at FROM ({_KNOWN}) k
    WHERE ($1::timestamptz IS NULL OR k.booked_at >= $1) AND ($2::timestamptz IS NULL OR k.booked_at < $2)
      AND ($3::timestamptz IS NULL OR (k.booked_at, k.payout_id) < ($3, $4)) AND ($5::text IS NULL OR k.payout_id = $5)
    ORDER BY k.booked_at DESC, k.payout_id DESC LIMIT $6"""
_MOVED: Final = f"""
    SELECT p.booked_as, p.event, p.currency, sum(p.amount_micros) FROM stripe_transaction p
    WHERE {_PAYOUTS_OWN} AND p.booked_as = ANY($1::text[]) GROUP BY 1, 2, 3"""

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
    SELECT transaction_id, type, amount_micros, fee_micros, currency, account_id, event, booked_as, booked_amount, booked_fee,
        CASE WHEN status = 'booked' THEN 0 WHEN status = 'transfers_missing' THEN amount_off - fee_off
             ELSE coalesce(booked_amount::numeric - booked_fee, 0) - amount_micros + fee_micros END, status
    FROM item WHERE transaction_id > $2 AND (NOT $3::boolean OR status <> 'booked')
    ORDER BY transaction_id LIMIT $4"""


class Payout(NamedTuple):
    """Money to the bank, in micros. `arrived_micros` is below zero where it was taken from there.

    `booked_at` is None where the payout itself is not booked, `items` 0 where nobody says what it consists of: it was
    made by hand. `listed_micros` and `booked_micros`: what its items come to as Stripe lists them and as they are
    booked, the payout itself included; both are 0 where nothing is missing. `returned`: it failed and came back.
    """

    payout_id: str
    currency: str
    booked_at: datetime | None
    arrived_micros: int
    returned: bool
    items: int
    wrong_items: int
    listed_micros: int
    booked_micros: int

    @property
    def complete(self) -> bool:
        return self.booked_at is not None and not (self.wrong_items or self.listed_micros or self.booked_micros)


class PayoutItem(NamedTuple):
    """A balance transaction of a payout, beside what is booked of it; micros.

    `status`: `booked`; `not_booked`, the ledger knows nothing of it; `differs`, it is booked as something else;
    `transfers_missing`, it is booked, but transfers carry another amount. `off_by_micros`: by how much less.
    """

    transaction_id: str
    type: str
    amount_micros: int
    fee_micros: int
    currency: str
    account_id: str | None
    event: str | None
    booked_as: str | None
    booked_amount_micros: int | None
    booked_fee_micros: int | None
    off_by_micros: int
    status: str


async def payouts(
    engine: AsyncEngine,
    *,
    start: datetime | None = None,
    end: datetime | None = None,
    before: tuple[datetime, str] | None = None,
    payout_id: str | None = None,
    limit: int,
) -> list[tuple[Payout, datetime]]:
    """Payouts, newest first, beyond the (time, payout_id) `before`, each with its time in the list."""
    async with snapshot(engine) as connection:
        page = await connection.fetch(_PAGE, start, end, *(before or (None, None)), payout_id, limit)
        ids = [row[0] for row in page]
        sums = {row[0]: row[1:] for row in await connection.fetch(_SUMMED, ids)}
        own = await connection.fetch(_MOVED, ids)
    moved = {(name, event): (currency, int(micros)) for name, event, currency, micros in own}
    found = []
    for name, at in page:
        currency, items, wrong, listed, booked = sums.get(name, (None, 0, 0, 0, 0))
        left = moved.get((name, "payout"))
        back = moved.get((name, "payout_failed"))
        known = left or back
        payout = Payout(
            name, known[0] if known else currency, at if known else None, -left[1] if left else 0, back is not None,
            items, wrong, int(listed), int(booked),
        )  # fmt: skip
        found.append((payout, at))
    return found


async def payout(engine: AsyncEngine, payout_id: str) -> Payout:
    """Raises PayoutNotFound."""
    found = await payouts(engine, payout_id=payout_id, limit=1)
    if not found:
        raise PayoutNotFound(payout_id)
    return found[0][0]


async def payout_items(engine: AsyncEngine, payout_id: str, *, after: str, wrong: bool, limit: int) -> list[PayoutItem]:
    """Items by their transaction, beyond `after`; `wrong`: only those that are not booked as Stripe lists them."""
    async with snapshot(engine) as connection:
        found = await connection.fetch(_LISTED, [payout_id], after, wrong, limit)
    return [PayoutItem._make((*row[:10], int(row[10]), row[11])) for row in found]
