"""What was billed, signed: one line for each output that was settled, refunded or corrected, each at its own time.

A settled output counts as it was settled, for ever. A refund takes credits away from where the output stood when it was made.
A correction takes away what was counted until then (`-1`) and counts what stands since (`1`). So the lines of any time sum to
what was billed in it, whatever comes afterwards: usage, exports, statements and `billing verify` all ask here.

The statements join further tables and are cut by the callers' own keys: so this is text, in parts, and no view.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

_OF_CHARGE: Final = {
    "account_id": "c.account_id",
    "request_id": "c.request_id",
    "model": "c.model",
    "operation": "c.operation",
    "mode": "c.mode",
    "quality": "c.billed_quality",
    "price_version": "c.price_version",
    "api_key_id": "c.api_key_id",
    "end_user": "c.end_user",
    "settled_at": "c.resolved_at",
}
_OF_OUTPUT: Final = {
    "index": "o.index",
    "size_tier": "o.size_tier",
    "status": "o.status",
    "width": "o.width",
    "height": "o.height",
    "flags": "o.flags",
}


@dataclass(frozen=True, slots=True)
class BilledBy:
    """The lines of one kind of event: the SQL of each of their columns, and FROM and WHERE.

    `event_id` is NULL for settlements; `price`, what one image costs, for all others. Transfers are `first_seq` to `last_seq`.
    In all three `c` is the charge; `o`, `r` with `p`, and `k` are its output, refund with its part, and correction.
    """

    event: str
    columns: Mapping[str, str]
    rows: str
    where: str = "true"

    def lines(self, select: str, where: str = "true", *, joined: str = "") -> str:
        """The statement. In `select` and `where` columns stand as `{at}`; `joined` follows FROM."""
        return f"SELECT {select} FROM {self.rows} {joined} WHERE {self.where} AND {where}".format(**self.columns)


SETTLED: Final = BilledBy(
    "settle",
    {
        **_OF_CHARGE,
        **_OF_OUTPUT,
        "event": "'settle'",
        "event_id": "NULL::text",
        "at": "c.resolved_at",
        "requests": "(o.index = 0)::integer",
        "images": "(o.status = 'succeeded')::integer",
        "failed_images": "(o.status = 'failed')::integer",
        "credits": "o.credits",
        "price": "o.credits",
        "first_seq": "c.first_seq",
        "last_seq": "c.last_seq",
    },
    "output o JOIN charge c ON c.account_id = o.account_id AND c.request_id = o.request_id",
    "c.status = 'settled'",
)
# Its output is always there; LEFT, so that who asks for nothing of it does not look it up.
REFUNDED: Final = BilledBy(
    "refund",
    {
        **_OF_CHARGE,
        **_OF_OUTPUT,
        "event": "'refund'",
        "event_id": "r.refund_id",
        "at": "r.created_at",
        "size_tier": "p.size_tier",
        **dict.fromkeys(("requests", "images", "failed_images"), "0"),
        "credits": "-p.credits",
        "price": "NULL::bigint",
        "first_seq": "r.first_seq",
        "last_seq": "r.last_seq",
    },
    """refund r
    JOIN charge c ON c.account_id = r.account_id AND c.request_id = r.request_id
    JOIN refund_output p ON p.account_id = r.account_id AND p.refund_id = r.refund_id
    LEFT JOIN output o ON o.account_id = r.account_id AND o.request_id = r.request_id AND o.index = p.index""",
)
CORRECTED: Final = BilledBy(
    "correction",
    {
        **_OF_CHARGE,
        "event": "'correction'",
        "event_id": "k.correction_id",
        "at": "k.created_at",
        "index": "p.index",
        "size_tier": "line.size_tier",
        "status": "line.status",
        "width": "line.width",  # of before is not kept
        "height": "line.height",
        "requests": "0",
        "images": "line.sign * (line.status = 'succeeded')::integer",
        "failed_images": "line.sign * (line.status = 'failed')::integer",
        "credits": "line.sign * line.credits",
        "price": "NULL::bigint",
        "flags": "'{}'::text[]",
        "first_seq": "k.first_seq",
        "last_seq": "k.last_seq",
    },
    """correction k
    JOIN charge c ON c.account_id = k.account_id AND c.request_id = k.request_id
    JOIN correction_output p ON p.account_id = k.account_id AND p.correction_id = k.correction_id
    CROSS JOIN LATERAL (VALUES
        (-1, p.status_before, NULL::integer, NULL::integer, p.size_tier_before, p.credits_before),
        (1, p.status, p.width, p.height, p.size_tier, p.credits_after)) line(sign, status, width, height, size_tier, credits)""",
)
BILLED: Final = (SETTLED, REFUNDED, CORRECTED)


def billed(select: str, where: str = "true") -> str:
    """All lines, as one statement: see `BilledBy.lines`."""
    return " UNION ALL ".join(by.lines(select, where) for by in BILLED)
