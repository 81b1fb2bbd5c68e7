"""What closing and reopening months refuses, and what asks for a closed one."""

from dataclasses import dataclass

from billing.core.refusals import Refusal


@dataclass(eq=False)
class PeriodNotOver(Refusal):
    """`ends_at`: RFC 3339, the first instant at which the month can be closed."""

    period: str
    ends_at: str
    code = "period_not_over"
    title = "The month is not over"
    retry = "later"

    @property
    def detail(self) -> str:
        return f"{self.period} can be closed from {self.ends_at}."


@dataclass(eq=False)
class EarlierPeriodOpen(Refusal):
    earlier: str
    code = "earlier_period_open"
    title = "An earlier month is open"
    retry = "later"

    @property
    def detail(self) -> str:
        return f"Months are closed in order: close {self.earlier} first."


@dataclass(eq=False)
class PeriodNotClosed(Refusal):
    period: str
    code = "period_not_closed"
    title = "The month is not closed"
    retry = "later"

    @property
    def detail(self) -> str:
        return f"{self.period} is open; GET /v1/finance/periods lists what is closed."


@dataclass(eq=False)
class LaterPeriodClosed(Refusal):
    """`later`: the last closed month, the only one that can be reopened."""

    later: str
    code = "later_period_closed"
    title = "A later month is closed"
    retry = "later"

    @property
    def detail(self) -> str:
        return f"Months are reopened from the last one back: reopen {self.later} first."
