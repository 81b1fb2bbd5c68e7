"""The journal: every transfer of both books, in the order of account, book and seq."""

from collections.abc import Callable, Sequence
from typing import Final

from billing.books.exports.reports.columns import Column, instant_text
from billing.books.exports.reports.slices import Extent, Origin, literal
from billing.store.closings import ACCOUNTED_AT

# Most transfers are due when they are posted, and a text costs more to make than to use again.
_POSTED: Final = instant_text("t.posted_at")
SOURCE: Final = f"""
    FROM transfer t
    CROSS JOIN LATERAL (SELECT {ACCOUNTED_AT} AS accounted_at, {_POSTED} AS posted OFFSET 0) a
    CROSS JOIN LATERAL (SELECT
        CASE WHEN t.effective_at = t.posted_at THEN a.posted ELSE {instant_text("t.effective_at")} END AS effective,
        CASE WHEN a.accounted_at = t.posted_at THEN a.posted ELSE {instant_text("a.accounted_at")} END AS accounted OFFSET 0) w
    WHERE true"""
KEY: Final = ("t.account_id", "t.book", "t.seq")
COLUMNS: Final = (
    Column("account_id", "identifier", "t.account_id"),
    Column("book", "word", "t.book"),
    Column("seq", "integer", "t.seq"),
    Column("kind", "word", "t.kind"),
    Column("debit", "word", "t.debit"),
    Column("credit", "word", "t.credit"),
    Column("asset", "word", "t.asset"),
    Column("amount", "integer", "t.amount"),
    Column("balance_after", "integer", "t.balance_after", optional=True),
    Column("request_id", "identifier", "t.request_id", optional=True),
    Column("grant_id", "identifier", "t.grant_id", optional=True),
    Column("refund_id", "identifier", "t.refund_id", optional=True),
    Column("external_id", "text", "t.external_id", optional=True),
    Column("period", "word", "left(w.accounted, 7)"),
    Column("accounted_at", "time", "a.accounted_at", written="w.accounted"),
    Column("effective_at", "time", "t.effective_at", written="w.effective"),
    Column("posted_at", "time", "t.posted_at", written="a.posted"),
    Column("digest", "hex", "t.digest", optional=True),
    Column("hash", "hex", "t.hash"),
)


def journal(select: Callable[[Sequence[Column]], str]) -> tuple[Origin, ...]:
    """The journal's only part, as `select` writes its rows."""
    return (Origin("journal", select(COLUMNS), SOURCE, "transfer", ("account_id", "book", "seq"), KEY, within),)


def within(extent: Extent, accounted_at: str = "a.accounted_at") -> str:
    """SQL: the transfer `t` is in the extent, by when it is accounted for."""
    bounds = [f"t.posted_at <= {literal(extent.as_of)}"]
    if extent.account_id is not None:
        bounds.append(f"t.account_id = {literal(extent.account_id)}")
    if extent.start is not None:  # nothing is accounted for after it is posted
        bounds += [f"t.posted_at >= {literal(extent.start)}", f"{accounted_at} >= {literal(extent.start)}"]
    if extent.end is not None:
        bounds.append(f"{accounted_at} < {literal(extent.end)}")
    return " AND ".join(bounds)
