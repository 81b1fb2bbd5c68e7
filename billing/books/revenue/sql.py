"""Revenue: what a month has made of what was paid, from the journal's money transfers alone."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Literal, NamedTuple

from sqlalchemy.ext.asyncio import AsyncEngine

from billing.core.months import Month
from billing.core.refusals import AccountNotFound
from billing.store.clock import time_in
from billing.store.closings import ACCOUNTED_AT
from billing.store.snapshot import snapshot

Place = Literal["before", "within", "after"]

# Everything that ever went into deferred revenue, or came out of it, each kind in one column, and its sign there.
COLUMN_OF: Final[dict[str, tuple[str, int]]] = {
    "purchase_bank": ("sold", 1),
    "purchase_stripe_clearing": ("sold", 1),
    "recognise_usage": ("recognised", 1),
    "reverse_usage": ("recognised", -1),
    "recognise_breakage": ("breakage", 1),
    "reverse_breakage": ("breakage", -1),
    "card_refund_deferred": ("refunded", 1),
    "card_refund_deferred_failed": ("refunded", -1),
    "dispute_lost_deferred": ("disputed", 1),
    "dispute_lost_deferred_undone": ("disputed", -1),
}
_SIGNED: Final = "CASE WHEN t.kind LIKE 'recognise%' THEN t.amount ELSE -t.amount END"
_RECOGNITION: Final = "('recognise_usage', 'reverse_usage', 'recognise_breakage', 'reverse_breakage')"

# $1 and $2: the month. $3: posted by then. $4: this account.
_MOVED: Final = f"""
    SELECT t.asset, t.kind,
        CASE WHEN a.at < $1 THEN 'before' WHEN a.at < $2 THEN 'within' ELSE 'after' END AS counted,
        CASE WHEN t.effective_at < $1 THEN 'before' ELSE 'within' END AS due, sum(t.amount)
    FROM transfer t CROSS JOIN LATERAL (SELECT {ACCOUNTED_AT} AS at) a
    WHERE t.book = 'money' AND t.kind = ANY($5::text[]) AND t.effective_at < $2
        AND ($3::timestamptz IS NULL OR t.posted_at <= $3) AND ($4::text IS NULL OR t.account_id = $4)
    GROUP BY 1, 2, 3, 4"""
_COUNT: Final = """
    SELECT count(*) FROM account WHERE account_id <> '_house' AND (recognised_at IS NULL OR last_at > recognised_at)
        AND ($1::text IS NULL OR account_id = $1)"""
# From account to account, so that a page reads no more than it shows. Late transfers are due before the month.
_GRANTS: Final = f"""
    SELECT a.account_id, r.grant_id, r.asset, r.usage, r.breakage
    FROM (SELECT account_id FROM account WHERE account_id >= $3 ORDER BY account_id) a
    CROSS JOIN LATERAL (
        SELECT t.grant_id, t.asset, coalesce(sum({_SIGNED}) FILTER (WHERE t.kind LIKE '%usage'), 0) AS usage,
            coalesce(sum({_SIGNED}) FILTER (WHERE t.kind LIKE '%breakage'), 0) AS breakage
        FROM transfer t CROSS JOIN LATERAL (SELECT {ACCOUNTED_AT} AS at) c
        WHERE t.account_id = a.account_id AND t.book = 'money' AND t.kind IN {_RECOGNITION} AND t.effective_at < $2
            AND c.at >= $1 AND c.at < $2 AND (t.account_id > $3 OR t.grant_id > $4)
        GROUP BY t.grant_id, t.asset ORDER BY t.grant_id) r
    ORDER BY a.account_id, r.grant_id LIMIT $5"""


class Moved(NamedTuple):
    """Micros of `currency` moved by transfers of `kind`: where they are `counted`, beside the month, and were `due`."""

    currency: str
    kind: str
    counted: Place
    due: Place
    micros: int


class GrantRevenue(NamedTuple):
    """Micros of revenue from one grant; below 0 where more was reversed."""

    account_id: str
    grant_id: str
    currency: str
    usage_micros: int
    breakage_micros: int


@dataclass(frozen=True, slots=True)
class Movements:
    """What was due before a month's end, at one instant, and how many accounts changed since they were recognised."""

    moved: Sequence[Moved]
    unrecognised_accounts: int
    as_of: datetime


async def movements(
    engine: AsyncEngine, month: Month, *, known_until: datetime | None = None, account_id: str | None = None
) -> Movements:
    """Of all accounts or one, all that is posted or what was by `known_until`. Raises AccountNotFound."""
    async with snapshot(engine) as connection:
        as_of = await time_in(connection, engine)
        if account_id is not None and not await connection.fetchval(
            "SELECT EXISTS (SELECT FROM account WHERE account_id = $1)", account_id
        ):
            raise AccountNotFound(account_id)
        found = await connection.fetch(_MOVED, month.starts_at, month.ends_at, known_until, account_id, list(COLUMN_OF))
        waiting: int = await connection.fetchval(_COUNT, account_id)
    return Movements([Moved._make((*facts, int(micros))) for *facts, micros in found], waiting, as_of)


async def revenue_by_grant(
    engine: AsyncEngine, month: Month, *, after: tuple[str, str], limit: int
) -> list[GrantRevenue]:
    """Up to `limit` grants with revenue in the month, in order of (account, grant), beyond `after`."""
    async with snapshot(engine) as connection:
        found: Any = await connection.fetch(_GRANTS, month.starts_at, month.ends_at, *after, limit)
    return [GrantRevenue._make((*facts, int(usage), int(breakage))) for *facts, usage, breakage in found]
