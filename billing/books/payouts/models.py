"""Payouts and clearing over HTTP."""

from datetime import datetime
from typing import Literal

from pydantic import Field

from billing.books.payouts.clearing import Clearing, Incomplete, Unsettled, Waiting
from billing.books.payouts.report import ClearingReport
from billing.books.payouts.sql import Payout, PayoutItem
from billing.http.models.common import Shown


class PayoutShown(Shown):
    """Money to the bank, in micros, and whether all that it consists of is booked."""

    payout_id: str
    currency: str
    status: Literal["complete", "incomplete", "by_hand"] = Field(
        description="by_hand: nobody says what it consists of; it is an item of the next payout that Stripe makes"
    )
    returned: bool = Field(description="it failed, and came back")
    booked_at: datetime | None = Field(description="null: the payout itself is not booked")
    arrived_micros: int
    items: int
    wrong_items: int = Field(description="items that are not booked as Stripe lists them")
    listed_micros: int = Field(description="its items as Stripe lists them, the payout included: 0")
    booked_micros: int = Field(description="its items as they are booked: 0, or what is missing makes the difference")

    @classmethod
    def of(cls, payout: Payout) -> "PayoutShown":
        status = "incomplete" if not payout.complete else "complete" if payout.items else "by_hand"
        return cls.like(payout, status=status)


class PayoutItemShown(Shown):
    """A balance transaction of a payout: as Stripe lists it, and as it is booked. Micros."""

    transaction_id: str
    type: str
    amount_micros: int
    fee_micros: int
    currency: str
    status: Literal["booked", "not_booked", "differs", "transfers_missing"]
    off_by_micros: int = Field(description="what is booked less what Stripe lists")
    account_id: str | None
    event: str | None
    booked_as: str | None
    booked_amount_micros: int | None
    booked_fee_micros: int | None

    @classmethod
    def of(cls, item: PayoutItem) -> "PayoutItemShown":
        return cls.like(item)


class PayoutItems(PayoutShown):
    """A payout with one page of its items."""

    data: list[PayoutItemShown]
    has_more: bool
    next_cursor: str | None


class WaitingShown(Shown):
    transaction_id: str
    account_id: str
    event: str
    booked_as: str
    net_micros: int
    booked_at: datetime

    @classmethod
    def of(cls, waiting: Waiting) -> "WaitingShown":
        return cls.like(waiting)


class UnsettledShown(Shown):
    account_id: str
    seq: int
    kind: str
    external_id: str | None
    micros: int
    effective_at: datetime

    @classmethod
    def of(cls, unsettled: Unsettled) -> "UnsettledShown":
        return cls.like(unsettled)


class IncompleteShown(Shown):
    payout_id: str
    off_by_micros: int
    missing_items: int
    missing: list[str] = Field(description="balance transactions of which the ledger knows nothing; the first of them")

    @classmethod
    def of(cls, incomplete: Incomplete) -> "IncompleteShown":
        return cls.like(incomplete)


class ClearingShown(Shown):
    """`balance = not_paid_out + not_settled + Σ incomplete_payouts.off_by + unexplained`, in micros of the currency."""

    currency: str
    balance_micros: int
    not_paid_out_micros: int
    not_paid_out_count: int
    not_paid_out: list[WaitingShown] = Field(description="booked, in no payout yet; the oldest of them")
    not_settled_micros: int
    not_settled_count: int
    not_settled: list[UnsettledShown] = Field(
        description="reported to us, but Stripe has named no balance transaction for it yet; the oldest of them"
    )
    incomplete_payouts: list[IncompleteShown]
    unexplained_micros: int = Field(description="0, or `billing verify` names the row")

    @classmethod
    def of(cls, c: Clearing) -> "ClearingShown":
        return cls(
            currency=c.currency,
            balance_micros=c.balance_micros,
            not_paid_out_micros=c.waiting_micros,
            not_paid_out_count=c.waiting_count,
            not_paid_out=[WaitingShown.of(one) for one in c.waiting],
            not_settled_micros=c.unsettled_micros,
            not_settled_count=c.unsettled_count,
            not_settled=[UnsettledShown.of(one) for one in c.unsettled],
            incomplete_payouts=[IncompleteShown.of(one) for one in c.incomplete],
            unexplained_micros=c.unexplained_micros,
        )


class ClearingReportShown(Shown):
    """What Stripe keeps for us, by currency. `ok`: what was paid out nets to zero, and the rest is accounted for."""

    period: str | None
    as_of: datetime
    ok: bool
    currencies: list[ClearingShown]

    @classmethod
    def of(cls, report: ClearingReport) -> "ClearingReportShown":
        return cls.like(report, currencies=[ClearingShown.of(one) for one in report.currencies])
