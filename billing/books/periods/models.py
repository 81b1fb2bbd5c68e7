"""Months of the books over HTTP."""

from datetime import datetime
from typing import Annotated, Literal

from pydantic import Field

from billing.books.periods.report import Period
from billing.core.ledger import Transfer
from billing.http.models.common import Body, Shown, Text
from billing.http.models.transfers import TransferShown


class Closing(Body):
    """Nothing more has to be said."""


class Reopening(Body):
    reason: Annotated[Text, Field(min_length=1, description="why; kept for ever")]


class PeriodShown(Shown):
    """A month in UTC. `closed_at` and what follows are those of its last closing, also after it was reopened."""

    period: str
    status: Literal["open", "closed"]
    closed_at: datetime | None
    closed_by: str | None
    reopened_at: datetime | None
    reopened_by: str | None
    reopen_reason: str | None
    late_transfers: int = Field(description="due in this month, posted while it was closed: they count in a later one")

    @classmethod
    def of(cls, period: Period) -> "PeriodShown":
        of_closing = ("closed_at", "closed_by", "reopened_at", "reopened_by", "reopen_reason")
        return cls(
            period=period.name,
            status="closed" if period.closed else "open",
            late_transfers=period.late_transfers,
            **{name: getattr(period.closing, name, None) for name in of_closing},
        )


class Periods(Shown):
    data: list[PeriodShown]


class LateTransferShown(TransferShown):
    """A row of the journal, with the account that it belongs to."""

    account_id: str

    @classmethod
    def of(cls, t: Transfer) -> "LateTransferShown":
        return cls(account_id=t.account_id, **dict(TransferShown.of(t)))
