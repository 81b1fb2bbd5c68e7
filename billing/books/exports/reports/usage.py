"""Usage: what was billed for each output, and what refunds and corrections changed of it, each at its own time.

Nothing here ever changes, so that the sums of a month are the same whenever it is exported, and equal what
`GET /v1/usage` counts: settled outputs as they were settled, then refunds and corrections with their sign.
"""

from collections.abc import Callable, Sequence
from typing import Any, Final

from billing.books.exports.reports.columns import Column, Kind
from billing.books.exports.reports.slices import Extent, Origin
from billing.store.billed import CORRECTED, REFUNDED, SETTLED, BilledBy

NAMES: Final = (
    "event", "event_id", "at", "account_id", "request_id", "index", "model", "operation", "mode", "size_tier",
    "quality", "status", "width", "height", "requests", "images", "failed_images", "credits", "price_version",
    "api_key_id", "end_user", "flags",
)  # fmt: skip
_KINDS: Final[dict[str, Kind]] = {
    **dict.fromkeys(("event", "operation", "mode", "size_tier", "quality", "status"), "word"),
    **dict.fromkeys(("event_id", "account_id", "request_id"), "identifier"),
    **dict.fromkeys(("model", "api_key_id", "end_user"), "text"),
    "at": "time",
    "flags": "labels",
}
_OPTIONAL: Final = {"event_id", "size_tier", "width", "height", "api_key_id", "end_user"}


def _columns(by: BilledBy) -> tuple[Column, ...]:
    return tuple(
        Column(name, _KINDS.get(name, "integer"), by.columns[name], optional=name in _OPTIONAL) for name in NAMES
    )


COLUMNS: Final = _columns(SETTLED)  # of the other parts only where they come from differs
_SLICED: Final[tuple[tuple[BilledBy, dict[str, Any]], ...]] = (
    (
        SETTLED,
        {
            "driver": "output",
            "driver_key": ("account_id", "request_id", "index"),
            "key": ("o.account_id", "o.request_id", "o.index"),
            "beside": ("c.account_id", "c.request_id"),
        },
    ),
    (
        REFUNDED,
        {
            "driver": "refund",
            "driver_key": ("account_id", "refund_id"),
            "key": ("r.account_id", "r.refund_id", "p.index"),
        },
    ),
    (
        CORRECTED,
        {
            "driver": "correction",
            "driver_key": ("account_id", "correction_id"),
            "key": ("k.account_id", "k.correction_id", "p.index", "line.sign"),
        },
    ),
)


def usage(select: Callable[[Sequence[Column]], str]) -> tuple[Origin, ...]:
    """Settled outputs, refunds and corrections, as `select` writes their rows."""
    return tuple(
        Origin(
            by.event,
            select(_columns(by)),
            f"FROM {by.rows} WHERE {by.where}",
            within=_within(by.columns["at"], cut["key"][0]),
            **cut,
        )
        for by, cut in _SLICED
    )


def _within(moment: str, account: str) -> Callable[[Extent], str]:
    return lambda extent: extent.holds(moment, account)
