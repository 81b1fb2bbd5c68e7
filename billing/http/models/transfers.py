"""Journal rows over HTTP."""

from datetime import datetime
from typing import Annotated, Any

from pydantic import BeforeValidator

from billing.http.models.common import Shown

Hex = Annotated[str, BeforeValidator(lambda digest: digest.hex() if isinstance(digest, bytes) else digest)]


class TransferShown(Shown):
    """One row of the journal: `amount` from `debit` to `credit`. It never changes."""

    book: str
    """`wallet`: credits; `money`: currencies"""
    seq: int
    """its place in the account's book, from 1, without gaps"""
    kind: str
    """what happened: `grant`, `settle`, `refund`, `expire`, …"""
    debit: str
    """the ledger account that is debited"""
    credit: str
    """the ledger account that is credited"""
    asset: str
    """`CREDIT`, or a currency in ISO 4217"""
    amount: int
    """in the asset's smallest unit: whole credits, or micros of the currency; 0 or more"""
    balance_after: int | None
    """of the wallet, in whole credits; below 0 for debt; null in the book `money`"""
    request_id: str | None
    """of the charge that it belongs to; null: of none"""
    grant_id: str | None
    """the grant that was drawn on or given to; null: debt, or none"""
    refund_id: str | None
    """of the refund or correction that it belongs to; null: of none"""
    external_id: str | None
    """of the processor's object or of what ordered it; null: none"""
    effective_at: datetime
    """when it was due, RFC 3339 in UTC"""
    posted_at: datetime
    """when it was written, RFC 3339 in UTC: later where what fell due was posted late"""
    digest: Hex | None
    """SHA-256 of the settlement that it belongs to, 64 hexadecimal digits; null: it belongs to none"""
    hash: Hex
    """SHA-256 over the hash before and this row, 64 hexadecimal digits: anybody can recompute the chain"""

    @classmethod
    def of(cls, transfer: Any) -> "TransferShown":
        return cls.like(transfer)
