"""Journal rows over HTTP."""

from datetime import datetime

from billing.core.ledger import Transfer
from billing.http.models.common import Shown


class TransferShown(Shown):
    """One row of the journal: `amount` from `debit` to `credit`. `hash` chains it to the row before."""

    book: str
    seq: int
    kind: str
    debit: str
    credit: str
    asset: str
    amount: int
    balance_after: int | None
    request_id: str | None
    grant_id: str | None
    refund_id: str | None
    external_id: str | None
    effective_at: datetime
    posted_at: datetime
    digest: str | None
    hash: str

    @classmethod
    def of(cls, t: Transfer) -> "TransferShown":
        return cls(
            book=t.book,
            seq=t.seq,
            kind=t.kind,
            debit=t.debit,
            credit=t.credit,
            asset=t.asset,
            amount=t.amount,
            balance_after=t.balance_after,
            request_id=t.request_id,
            grant_id=t.grant_id,
            refund_id=t.refund_id,
            external_id=t.external_id,
            effective_at=t.effective_at,
            posted_at=t.posted_at,
            digest=None if t.digest is None else t.digest.hex(),
            hash=t.hash.hex(),
        )
