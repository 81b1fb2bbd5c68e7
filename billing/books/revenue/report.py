"""Revenue told: what a month has earned, and how deferred revenue rolled forward through it.

opening + sold − recognised − breakage − refunded − disputed = closing, per currency and to the micro, because every
transfer that touches deferred revenue is in exactly one of these columns of exactly one month.
"""

from collections import Counter
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Final, Literal, NamedTuple

from billing.books.periods.refusals import PeriodNotClosed
from billing.core.commands import HOUSE
from billing.core.document import DOCUMENT
from billing.core.months import Month
from billing.store.accounts import must_exist
from billing.store.clock import time_in
from billing.store.closings import ACCOUNTED_AT, Known, closed_at
from billing.store.connection import Connection
from billing.store.engine import Engine
from billing.store.snapshot import snapshot

# Everything that ever went into deferred revenue, or came out of it, each kind in one column, and its sign there.
_COLUMN_OF: Final[dict[str, tuple[str, int]]] = {
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
# $1 and $2: the month. $3: posted by then. $4: this account.
_DEFERRED: Final = f"""
    SELECT t.asset, t.kind,
        CASE WHEN a.at < $1 THEN 'before' WHEN a.at < $2 THEN 'within' ELSE 'after' END AS counted,
        CASE WHEN t.effective_at < $1 THEN 'before' ELSE 'within' END AS due, sum(t.amount)
    FROM transfer t CROSS JOIN LATERAL (SELECT {ACCOUNTED_AT} AS at) a
    WHERE t.book = 'money' AND t.kind = ANY($5::text[]) AND t.effective_at < $2
        AND ($3::timestamptz IS NULL OR t.posted_at <= $3) AND ($4::text IS NULL OR t.account_id = $4)
    GROUP BY 1, 2, 3, 4"""
_SIGNED: Final = "CASE WHEN t.kind LIKE 'recognise%' THEN t.amount ELSE -t.amount END"
# From account to account, so that a page reads no more than it shows. Late transfers are due before the month.
_GRANTS: Final = f"""
    SELECT a.account_id, r.grant_id, r.asset, r.usage, r.breakage
    FROM (SELECT account_id FROM account WHERE account_id >= $3 ORDER BY account_id) a
    CROSS JOIN LATERAL (
        SELECT t.grant_id, t.asset, coalesce(sum({_SIGNED}) FILTER (WHERE t.kind LIKE '%usage'), 0) AS usage,
            coalesce(sum({_SIGNED}) FILTER (WHERE t.kind LIKE '%breakage'), 0) AS breakage
        FROM transfer t CROSS JOIN LATERAL (SELECT {ACCOUNTED_AT} AS at) c
        WHERE t.account_id = a.account_id AND t.book = 'money' AND t.effective_at < $2
            AND t.kind IN ('recognise_usage', 'reverse_usage', 'recognise_breakage', 'reverse_breakage')
            AND c.at >= $1 AND c.at < $2 AND (t.account_id > $3 OR t.grant_id > $4)
        GROUP BY t.grant_id, t.asset ORDER BY t.grant_id) r
    ORDER BY a.account_id, r.grant_id LIMIT $5"""

UNRECOGNISED: Final = f"account_id <> '{HOUSE}' AND (recognised_at IS NULL OR last_at > recognised_at)"
_COUNT: Final = f"SELECT count(*) FROM account WHERE {UNRECOGNISED} AND ($1::text IS NULL OR account_id = $1)"


class _Deferred(NamedTuple):
    """Micros moved by transfers of `kind`: where they are `counted`, beside the month, and where they were `due`."""

    kind: str
    counted: Literal["before", "within", "after"]
    due: Literal["before", "within"]
    micros: int


@dataclass(frozen=True, slots=True)
class DeferredFlow:
    """Into deferred revenue, and out of it."""

    __pydantic_config__ = DOCUMENT
    sold: int
    """micros that were paid for credits; 0 or more"""
    recognised: int
    """micros that were earned because credits were used; below 0 where more was reversed"""
    breakage: int
    """micros that were earned because credits expired; below 0 where more was reversed"""
    refunded: int
    """micros that went back by card; below 0 where more refunds failed"""
    disputed: int
    """micros that were lost to disputes; below 0 where more verdicts were undone"""

    @classmethod
    def of(cls, moved: Iterable[_Deferred]) -> "DeferredFlow":
        sums: Counter[str] = Counter()
        for one in moved:
            column, sign = _COLUMN_OF[one.kind]
            sums[column] += sign * one.micros
        return cls(**{column: sums[column] for column, _ in _COLUMN_OF.values()})

    @property
    def net(self) -> int:
        return self.sold - self.recognised - self.breakage - self.refunded - self.disputed


@dataclass(frozen=True, slots=True)
class RollForward:
    """opening + sold − recognised − breakage − refunded − disputed = closing."""

    __pydantic_config__ = DOCUMENT
    opening: int
    """micros that were deferred when the month began; below 0 only of a month that is told by when everything was due"""
    sold: int
    """micros that were paid for credits; 0 or more"""
    recognised: int
    """micros that were earned because credits were used; below 0 where more was reversed"""
    breakage: int
    """micros that were earned because credits expired; below 0 where more was reversed"""
    refunded: int
    """micros that went back by card; below 0 where more refunds failed"""
    disputed: int
    """micros that were lost to disputes; below 0 where more verdicts were undone"""
    closing: int
    """micros that were deferred when it ended, as for `opening`"""


@dataclass(frozen=True, slots=True)
class CurrencyRevenue:
    """A month in one currency."""

    __pydantic_config__ = DOCUMENT
    currency: str
    """ISO 4217"""
    revenue_usage_micros: int
    """earned because credits were used; below 0 where more was reversed"""
    revenue_breakage_micros: int
    """earned because credits expired; below 0 where more was reversed"""
    roll_forward: RollForward
    """of deferred revenue, through the month"""
    late: DeferredFlow
    """due in this month, posted after it was closed: counted in a later one"""
    earlier: DeferredFlow
    """counted in this month, though due in one that was closed when it was posted"""


@dataclass(frozen=True, slots=True)
class Revenue:
    """What a month has earned, and how deferred revenue rolled forward through it."""

    __pydantic_config__ = DOCUMENT
    period: str
    """YYYY-MM, in UTC"""
    status: Literal["open", "closed"]
    """whether it is closed now"""
    known: Known | None
    """null: as the books stand; what came after a month was closed counts in the next"""
    known_at: datetime | None
    """only what was posted by then; null: all that is posted by `as_of`"""
    as_of: datetime
    """when this was read, in one snapshot"""
    currencies: list[CurrencyRevenue]
    """those in which anything was ever paid, by name"""
    unrecognised_accounts: int
    """that changed since they were recognised; 0: nothing is missing here"""


@dataclass(frozen=True, slots=True)
class GrantRevenue:
    """A month's revenue from one grant."""

    __pydantic_config__ = DOCUMENT
    account_id: str
    """whose grant it is"""
    grant_id: str
    """what was paid for"""
    currency: str
    """ISO 4217"""
    usage_micros: int
    """earned because its credits were used; below 0 where more was reversed"""
    breakage_micros: int
    """earned because its credits expired; below 0 where more was reversed"""


async def revenue(
    engine: Engine, period: str | None = None, *, known: Known | None = None, account_id: str | None = None
) -> Revenue:
    """What a month has earned, by default the running one, of all accounts or one.

    `known="close"`: only what was posted when the month was closed. `known="now"`: by when it was due, whatever was
    closed by then. Raises Invalid (the future), PeriodNotClosed, AccountNotFound.
    """
    async with snapshot(engine) as connection:
        as_of = await time_in(connection, engine)
        month = Month.containing(as_of) if period is None else Month.begun(period, as_of)
        closed = await closed_at(connection, month)
        if known == "close" and closed is None:
            raise PeriodNotClosed(month.name)
        known_at = closed if known == "close" else None
        await must_exist(connection, account_id)
        found = await connection.fetch(
            _DEFERRED, month.starts_at, month.ends_at, known_at, account_id, list(_COLUMN_OF)
        )
        waiting = await count_unrecognised(connection, account_id)
    moved: dict[str, list[_Deferred]] = {}
    for currency, kind, counted, due, micros in found:
        moved.setdefault(currency, []).append(_Deferred(kind, counted, due, int(micros)))
    return Revenue(
        period=month.name,
        status="open" if closed is None else "closed",
        known=known,
        known_at=known_at,
        as_of=as_of,
        currencies=[_in_currency(currency, moved[currency], by_due=known == "now") for currency in sorted(moved)],
        unrecognised_accounts=waiting,
    )


async def revenue_by_grant(engine: Engine, period: str, *, after: tuple[str, str], limit: int) -> list[GrantRevenue]:
    """What up to `limit` grants have earned in a month as the books stand, in order of (account, grant), beyond `after`.

    Raises Invalid (the future).
    """
    async with snapshot(engine) as connection:
        month = Month.begun(period, await time_in(connection, engine))
        found = await connection.fetch(_GRANTS, month.starts_at, month.ends_at, *after, limit)
    return [GrantRevenue(*row[:3], *map(int, row[3:])) for row in map(tuple, found)]


async def count_unrecognised(connection: Connection, account_id: str | None = None) -> int:
    """Of how many accounts, or of one, something changed since they were recognised."""
    count: int = await connection.fetchval(_COUNT, account_id)
    return count


def _in_currency(currency: str, moved: list[_Deferred], *, by_due: bool) -> CurrencyRevenue:
    placed = [(one.due if by_due else one.counted, one) for one in moved]
    opening = DeferredFlow.of(one for place, one in placed if place == "before").net
    flow = DeferredFlow.of(one for place, one in placed if place == "within")
    return CurrencyRevenue(
        currency=currency,
        revenue_usage_micros=flow.recognised,
        revenue_breakage_micros=flow.breakage,
        roll_forward=RollForward(opening=opening, closing=opening + flow.net, **asdict(flow)),
        late=DeferredFlow.of(one for one in moved if one.due == "within" and one.counted == "after"),
        earlier=DeferredFlow.of(one for place, one in placed if place == "within" and one.due == "before"),
    )
