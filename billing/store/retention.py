"""Retention: what is cleared by age, declared once. Every other table is for ever: see `FOR_EVER`.

Rows go in slices, each a transaction of its own that waits for nobody: what is locked is left for the next round. A rule
finds them by an index in the order of their age. What may not go is passed over, however old: what was not sent, what waits,
and what somebody has to look at.
"""

from collections import Counter
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from billing.store.engine import Engine
from billing.store.snapshot import working

AT_ONCE: Final = 1_000  # rows in one transaction: some milliseconds
SILENT: Final = timedelta(minutes=15)  # a load of a manifest says more often that it goes on


@dataclass(frozen=True, slots=True)
class Rule:
    """Rows of `table` go when the first column of `order` is before a time ($1), and `may_go` (SQL about the row `r`).

    `order` is a unique order of the table in which an index begins. `along`: a table whose rows go with them, and the
    columns that both have in common.
    """

    table: str
    order: tuple[str, ...]
    may_go: str = "true"
    along: tuple[str, tuple[str, ...]] | None = None


# Who asks for an event again, or for all since a time, gets what is still there. What nobody was told, or only in vain, is
# there until it is delivered or its endpoint is deleted. Its deliveries go along, so that none is without its event.
EVENTS_OUT: Final = Rule(
    "outbox",
    ("created_at", "account_id", "position"),
    """r.dispatched AND NOT EXISTS (
        SELECT FROM webhook_delivery d JOIN webhook_endpoint e ON e.endpoint_id = d.endpoint_id
        WHERE d.account_id = r.account_id AND d.event_id = r.event_id
            AND (d.state = 'pending' OR (d.state = 'dead' AND e.deleted_at IS NULL)))""",
    ("webhook_delivery", ("account_id", "event_id")),
)
# One that comes again takes no effect: what it brought about is in the books, under the ids of its objects.
EVENTS_IN: Final = Rule(
    "stripe_event",
    ("received_at", "event_id"),
    "r.state IN ('done', 'ignored') AND r.done_at < $1",
)
SESSIONS: Final = Rule("session", ("expires_at", "digest"))
# Loads that have been silent for long: their process died.
MANIFESTS: Final = Rule("manifest", ("heartbeat_at", "staging_id"), along=("manifest_row", ("staging_id",)))

RULES: Final = (EVENTS_OUT, EVENTS_IN, SESSIONS, MANIFESTS)
FOR_EVER: Final[Mapping[str, frozenset[str]]] = {
    "the books, and what they are proven with": frozenset({
        "account", "account_change", "grant", "charge", "output", "transfer", "debt", "fill", "refund", "refund_output", "returned",
        "correction", "correction_report", "correction_output", "usage_bucket", "usage_day", "recognition", "closing", "topup", "card_refund", "clawback", "dispute", "stripe_transaction",
        "payout_item", "price_book",
    }),
    "what makes an id take effect once": frozenset({"stripe_object", "stripe_customer", "auto_recharge", "expiry_notice"}),
    "who did it, and what it was checked against": frozenset({
        "api_key", "signing_key", "pack", "webhook_endpoint", "reconciliation", "reconciliation_line", "provider_report",
        "provider_usage", "provider_cost",
    }),
    "how far the clock is believed, and who said so": frozenset({"machine", "clock_acceptance"}),
    "gone by themselves": frozenset({"hold"}),
}  # fmt: skip


async def clear(work: Engine, rule: Rule, before: datetime) -> AsyncIterator[Counter[str]]:
    """Deletes what may go and is older than `before`, slice by slice: after each, how many rows of which tables it were.

    Raises DatabaseUnavailable, Overloaded.
    """
    beyond: tuple[Any, ...] | None = ()
    while beyond is not None:
        async with working(work) as connection:
            found = await connection.fetch(_choose(rule, further=bool(beyond)), before, AT_ONCE, *beyond)
            # Once more, of rows that nobody else can lock now: one may have been asked for while they were looked for.
            row = await connection.fetchrow(_delete(rule), before, [place for place, *_ in found])
        assert row is not None
        beyond = tuple(found[-1])[1:] if len(found) == AT_ONCE else None
        yield Counter(dict(row))


def _choose(rule: Rule, further: bool) -> str:
    order = ", ".join(f"r.{column}" for column in rule.order)
    beyond = f"AND ({order}) > ({', '.join(f'${place}' for place, _ in enumerate(rule.order, 3))})" if further else ""
    return f"""
        SELECT r.ctid, {order} FROM {rule.table} r
        WHERE r.{rule.order[0]} < $1 {beyond} AND {rule.may_go}
        ORDER BY {order} LIMIT $2 FOR UPDATE OF r SKIP LOCKED"""


def _delete(rule: Rule) -> str:
    along, counts = "", f"(SELECT count(*) FROM gone) AS {rule.table}"
    if rule.along is not None:
        table, common = rule.along
        matched = " AND ".join(f"a.{column} = gone.{column}" for column in common)
        along = f", along AS (DELETE FROM {table} a USING gone WHERE {matched} RETURNING 1)"
        counts += f", (SELECT count(*) FROM along) AS {table}"
    return f"""
        WITH gone AS (
            DELETE FROM {rule.table} r
            WHERE r.ctid = ANY($2::tid[]) AND r.{rule.order[0]} < $1 AND {rule.may_go}
            RETURNING r.*){along}
        SELECT {counts}"""
