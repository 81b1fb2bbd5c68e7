"""Accounts side by side, and all of them together, over HTTP."""

from datetime import datetime

from billing.http.models.accounts import BalanceAt, Status
from billing.http.models.common import Shown


class StandingShown(BalanceAt):
    """How an account stands, in whole credits. `available = posted - held - frozen - lapsed + credit_limit`."""

    name: str | None
    """what people call it, up to 200 characters; null: nothing"""
    status: Status
    """`suspended`: new authorizations are refused; what is open is settled and voided as ever"""
    debt: int
    """whole credits that bills drew beyond all grants and that nothing has made good, 0 or more"""
    created_at: datetime
    """when it was opened, RFC 3339 in UTC"""


class TotalsShown(Shown):
    """Sums over all accounts, in credits, and counts."""

    accounts: int
    """how many there are"""
    posted: int
    """whole credits: the sum of all wallets; debt counts below 0"""
    held: int
    """whole credits that open holds reserve, 0 or more"""
    frozen: int
    """whole credits left of grants under dispute, 0 or more"""
    debt: int
    """whole credits that bills drew beyond all grants, 0 or more"""
    owing_accounts: int
    """accounts with debt"""
    open_holds: int
    """holds that are not released, also those past their time"""
    due_holds: int
    """holds past their time whose release is not yet posted"""
