"""Trial balances over HTTP."""

from datetime import datetime
from typing import Literal

from pydantic import Field

from billing.books.trial_balance.report import Total, TrialBalance
from billing.books.trial_balance.sql import LedgerBalance
from billing.http.models.common import Shown


class LedgerBalanceShown(Shown):
    """One ledger account in one asset, in its smallest unit. Sums over all accounts may leave 64 bits."""

    book: Literal["wallet", "money"]
    ledger_account: str
    asset: str
    debits: int
    credits: int
    balance: int = Field(description="debits less credits")

    @classmethod
    def of(cls, row: LedgerBalance) -> "LedgerBalanceShown":
        return cls.like(row)


class TotalShown(Shown):
    """All ledger accounts of an asset: debits equal credits, or there is no answer."""

    asset: str
    debits: int
    credits: int

    @classmethod
    def of(cls, total: Total) -> "TotalShown":
        return cls.like(total)


class TrialBalanceShown(Shown):
    """Every ledger account that ever moved, after all that was due by `at` or before the end of `period`."""

    at: datetime | None = Field(description="null where a period is shown")
    period: str | None
    known: Literal["close", "now"]
    known_at: datetime | None = Field(description="only what was posted by then; null: all that is posted by now")
    as_of: datetime
    rows: list[LedgerBalanceShown]
    totals: list[TotalShown]

    @classmethod
    def of(cls, balance: TrialBalance) -> "TrialBalanceShown":
        rows = [LedgerBalanceShown.of(row) for row in balance.rows]
        return cls.like(balance, rows=rows, totals=[TotalShown.of(total) for total in balance.totals])
