"""Usage: what was billed for each output, and what refunds and corrections changed of it, each at its own time.

Nothing here ever changes, so that the sums of a month are the same whenever it is exported, and equal what
`GET /v1/usage` counts: settled outputs as they were settled, then refunds and corrections with their sign.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Final

from billing.books.exports.reports.columns import Column
from billing.books.exports.reports.slices import Extent, Origin
from billing.store.corrections import LINES, tier_when_refunded

NAMES: Final = (
    "event", "event_id", "at", "account_id", "request_id", "index", "model", "operation", "mode", "size_tier",
    "quality", "status", "width", "height", "requests", "images", "failed_images", "credits", "price_version",
    "api_key_id", "end_user", "flags",
)  # fmt: skip
_CHARGED: Final = {
    "account_id": Column("account_id", "identifier", "c.account_id"),
    "request_id": Column("request_id", "identifier", "c.request_id"),
    "model": Column("model", "text", "c.model"),
    "operation": Column("operation", "word", "c.operation"),
    "mode": Column("mode", "word", "c.mode"),
    "quality": Column("quality", "word", "c.billed_quality"),
    "price_version": Column("price_version", "integer", "c.price_version"),
    "api_key_id": Column("api_key_id", "text", "c.api_key_id", optional=True),
    "end_user": Column("end_user", "text", "c.end_user", optional=True),
}
_SETTLED: Final = {
    **_CHARGED,
    "event": Column("event", "word", "'settle'"),
    "event_id": Column("event_id", "identifier", "NULL::text", optional=True),
    "at": Column("at", "time", "c.resolved_at"),
    "index": Column("index", "integer", "o.index"),
    "size_tier": Column("size_tier", "word", "o.size_tier", optional=True),
    "status": Column("status", "word", "o.status"),
    "width": Column("width", "integer", "o.width", optional=True),
    "height": Column("height", "integer", "o.height", optional=True),
    "requests": Column("requests", "integer", "(o.index = 0)::integer"),
    "images": Column("images", "integer", "(o.status = 'succeeded')::integer"),
    "failed_images": Column("failed_images", "integer", "(o.status = 'failed')::integer"),
    "credits": Column("credits", "integer", "o.credits"),
    "flags": Column("flags", "labels", "o.flags"),
}
_REFUNDED: Final = {
    **_SETTLED,
    "event": Column("event", "word", "'refund'"),
    "event_id": Column("event_id", "identifier", "r.refund_id", optional=True),
    "at": Column("at", "time", "r.created_at"),
    "size_tier": Column("size_tier", "word", tier_when_refunded(), optional=True),
    **{name: Column(name, "integer", "0") for name in ("requests", "images", "failed_images")},
    "credits": Column("credits", "integer", "-(part ->> 1)::bigint"),
}
# What was counted is taken away (no size: that of before is not kept), and what stands since is counted.
_CORRECTED: Final = {
    **_SETTLED,
    "event": Column("event", "word", "'correction'"),
    "event_id": Column("event_id", "identifier", "k.correction_id", optional=True),
    "at": Column("at", "time", "k.created_at"),
    "index": Column("index", "integer", "(part ->> 0)::integer"),
    "size_tier": Column("size_tier", "word", "line.size_tier", optional=True),
    "status": Column("status", "word", "line.status"),
    "width": Column("width", "integer", "CASE line.sign WHEN 1 THEN (part ->> 2)::integer END", optional=True),
    "height": Column("height", "integer", "CASE line.sign WHEN 1 THEN (part ->> 3)::integer END", optional=True),
    "requests": Column("requests", "integer", "0"),
    "images": Column("images", "integer", "line.sign * (line.status = 'succeeded')::integer"),
    "failed_images": Column("failed_images", "integer", "line.sign * (line.status = 'failed')::integer"),
    "credits": Column("credits", "integer", "line.sign * line.credits"),
    "flags": Column("flags", "labels", "'{}'::text[]"),
}
COLUMNS: Final = tuple(_SETTLED[name] for name in NAMES)  # of the other origins only where they come from differs

_SETTLED_ROWS: Final = """
    FROM output o JOIN charge c ON c.account_id = o.account_id AND c.request_id = o.request_id
    WHERE c.status = 'settled'"""
_REFUNDED_ROWS: Final = """
    FROM refund r
    JOIN charge c ON c.account_id = r.account_id AND c.request_id = r.request_id
    CROSS JOIN LATERAL jsonb_array_elements(r.outputs::jsonb) part
    JOIN output o ON o.account_id = r.account_id AND o.request_id = r.request_id AND o.index = (part ->> 0)::integer
    WHERE true"""
_CORRECTED_ROWS: Final = f"""
    FROM correction k
    JOIN charge c ON c.account_id = k.account_id AND c.request_id = k.request_id {LINES}
    WHERE true"""


def usage(select: Callable[[Sequence[Column]], str]) -> tuple[Origin, ...]:
    """Settled outputs, refunds and corrections, as `select` writes their rows."""
    return (
        Origin(
            "settle", _selected(select, _SETTLED), _SETTLED_ROWS, "output", ("account_id", "request_id", "index"),
            ("o.account_id", "o.request_id", "o.index"), _within("c.resolved_at", "o.account_id"),
            beside=("c.account_id", "c.request_id"),
        ),
        Origin(
            "refund", _selected(select, _REFUNDED), _REFUNDED_ROWS, "refund", ("account_id", "refund_id"),
            ("r.account_id", "r.refund_id", "(part ->> 0)::integer"), _within("r.created_at", "r.account_id"),
        ),
        Origin(
            "correction", _selected(select, _CORRECTED), _CORRECTED_ROWS, "correction", ("account_id", "correction_id"),
            ("k.account_id", "k.correction_id", "(part ->> 0)::integer", "line.sign"),
            _within("k.created_at", "k.account_id"),
        ),
    )  # fmt: skip


def _selected(select: Callable[[Sequence[Column]], str], columns: Mapping[str, Column]) -> str:
    return select([columns[name] for name in NAMES])


def _within(moment: str, account: str) -> Callable[[Extent], str]:
    return lambda extent: extent.holds(moment, account)
