"""Revenue and recognition over HTTP."""

from datetime import datetime
from typing import Literal

from pydantic import Field

from billing.books.revenue.recognition import Recognised, RecognisedAmount
from billing.books.revenue.report import Flow, Revenue, RollForward
from billing.books.revenue.sql import GrantRevenue
from billing.http.models.common import Shown


class RecognisedAmountShown(Shown):
    """Micros of the currency; below 0 where more was reversed."""

    currency: str
    usage_micros: int
    breakage_micros: int

    @classmethod
    def of(cls, amount: RecognisedAmount) -> "RecognisedAmountShown":
        return cls.like(amount)


class RecognisedShown(Shown):
    """What a run posted. Everything that happened until `as_of` is recognised."""

    accounts: int = Field(description="that changed since they were recognised")
    transfers: int
    amounts: list[RecognisedAmountShown]
    as_of: datetime

    @classmethod
    def of(cls, run: Recognised) -> "RecognisedShown":
        return cls.like(run, amounts=[RecognisedAmountShown.of(amount) for amount in run.amounts])


class FlowShown(Shown):
    """Micros into deferred revenue, and out of it; below 0 where more came back."""

    sold: int
    recognised: int
    breakage: int
    refunded: int
    disputed: int

    @classmethod
    def of(cls, flow: Flow) -> "FlowShown":
        return cls.like(flow)


class RollForwardShown(Shown):
    """opening + sold − recognised − breakage − refunded − disputed = closing, in micros."""

    opening: int
    sold: int
    recognised: int
    breakage: int
    refunded: int
    disputed: int
    closing: int


class CurrencyRevenue(Shown):
    """Micros of the currency."""

    currency: str
    revenue_usage_micros: int
    revenue_breakage_micros: int
    roll_forward: RollForwardShown
    late: FlowShown = Field(description="due in this month, posted after it was closed: counted in a later one")
    earlier: FlowShown = Field(
        description="counted in this month, though due in one that was closed when it was posted"
    )

    @classmethod
    def of(cls, found: RollForward) -> "CurrencyRevenue":
        return cls(
            currency=found.currency,
            revenue_usage_micros=found.flow.recognised,
            revenue_breakage_micros=found.flow.breakage,
            roll_forward=RollForwardShown.like(found.flow, opening=found.opening, closing=found.closing),
            late=FlowShown.of(found.late),
            earlier=FlowShown.of(found.earlier),
        )


class RevenueShown(Shown):
    """What a month has earned, and how deferred revenue rolled forward through it."""

    period: str
    status: Literal["open", "closed"]
    known: Literal["close", "now"] | None = Field(description="null: as the books stand")
    known_at: datetime | None = Field(description="only what was posted by then; null: all that is posted by now")
    as_of: datetime
    currencies: list[CurrencyRevenue]
    unrecognised_accounts: int = Field(description="that changed since they were recognised")

    @classmethod
    def of(cls, found: Revenue) -> "RevenueShown":
        currencies = [CurrencyRevenue.of(one) for one in found.currencies]
        return cls.like(found, status="closed" if found.closed else "open", currencies=currencies)


class GrantRevenueShown(Shown):
    """Micros of revenue from one grant; below 0 where more was reversed."""

    account_id: str
    grant_id: str
    currency: str
    usage_micros: int
    breakage_micros: int

    @classmethod
    def of(cls, found: GrantRevenue) -> "GrantRevenueShown":
        return cls.like(found)
