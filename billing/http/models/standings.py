"""Accounts side by side, and all of them together, over HTTP."""

from datetime import datetime
from typing import Literal

from pydantic import Field

from billing.http.models.common import Shown
from billing.store.standings import Standing
from billing.store.totals import LedgerTotals


class StandingShown(Shown):
    """How an account stands: credits. `available = posted - held - frozen - lapsed + credit_limit`."""

    account_id: str
    name: str | None
    asset: str
    status: Literal["active", "suspended"]
    posted: int
    held: int
    frozen: int
    lapsed: int
    available: int
    credit_limit: int
    debt: int
    created_at: datetime
    as_of: datetime

    @classmethod
    def of(cls, s: Standing) -> "StandingShown":
        f = s.figures
        return cls.like(
            f,
            name=s.settings.name,
            status=s.settings.status,
            debt=s.debt,
            created_at=s.settings.created_at,
        )


class TotalsShown(Shown):
    """Sums over all accounts, in credits, and counts."""

    accounts: int
    posted: int
    held: int
    frozen: int
    debt: int
    owing_accounts: int = Field(description="accounts with debt")
    open_holds: int
    due_holds: int = Field(description="holds past their time whose release is not yet posted")

    @classmethod
    def of(cls, totals: LedgerTotals) -> "TotalsShown":
        return cls.like(totals)
