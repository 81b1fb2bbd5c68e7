"""Accounts, their grants and balances, over HTTP."""

import json
from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import Field

from billing.core.announcements import LOW_BALANCES_MAX
from billing.core.grants import Grant, GrantStatus
from billing.core.wallet import AccountSettings
from billing.http.models.common import Amount, Body, Credits, Identifier, Labels, Money, MoneyShown, Shown, Text, Time
from billing.store.balances import BalanceSheet, NextExpiry

Status = Literal["active", "suspended"]
Overage = Literal["bill", "cap"]
HoldPolicy = Literal["quote", "max"]


class NewAccount(Body):
    account_id: Identifier
    """yours to choose, and kept for ever: 1-64 of A-Z a-z 0-9 _ . : -"""
    name: Annotated[Text, Field(max_length=200)] | None = None
    """what people call it, up to 200 characters; null: nothing"""
    asset: Literal["CREDIT"] = "CREDIT"
    """what the wallet counts: whole credits"""
    credit_limit: Amount = 0
    """whole credits that may be spent beyond what was granted, 0 or more"""
    overage: Overage = "bill"
    """`bill`: an output costs what its measured size does; `cap`: never more than it was quoted"""
    hold: HoldPolicy = "quote"
    """what a request reserves. `quote`: what it was quoted; `max`: the most it can come to"""
    metadata: Labels | None = None
    """up to 50 labels of yours: text, numbers, booleans or null; null: none"""


class AccountPatch(Body):
    """Only the fields that are sent change."""

    name: Annotated[Text, Field(max_length=200)] | None = None
    """what people call it, up to 200 characters; null: nothing"""
    status: Status = "active"
    """`suspended`: new authorizations are refused; what is open is settled and voided as ever"""
    credit_limit: Amount = 0
    """whole credits that may be spent beyond what was granted, 0 or more"""
    overage: Overage = "bill"
    """`bill`: an output costs what its measured size does; `cap`: never more than it was quoted"""
    hold: HoldPolicy = "quote"
    """what a request reserves. `quote`: what it was quoted; `max`: the most it can come to"""
    metadata: Labels | None = None
    """up to 50 labels of yours, in place of all there were; null: none"""
    low_balance: list[Credits] = Field([], max_length=LOW_BALANCES_MAX)
    """levels in whole credits, at least 1: `balance.low` tells when what is available falls below one; empty: never"""


class Account(Shown):
    account_id: str
    """as it was chosen when the account was opened"""
    name: str | None
    """what people call it, up to 200 characters; null: nothing"""
    asset: str
    """what the wallet counts: `CREDIT`, whole credits"""
    status: Status
    """`suspended`: new authorizations are refused; what is open is settled and voided as ever"""
    credit_limit: int
    """whole credits that may be spent beyond what was granted, 0 or more"""
    overage: Overage
    """`bill`: an output costs what its measured size does; `cap`: never more than it was quoted"""
    hold: HoldPolicy
    """what a request reserves. `quote`: what it was quoted; `max`: the most it can come to"""
    metadata: dict[str, Any]
    """up to 50 labels: text, numbers, booleans or null; empty: none"""
    low_balance: list[int]
    """levels in whole credits, at least 1: `balance.low` tells when what is available falls below one; empty: never"""
    created_at: datetime
    """when it was opened, RFC 3339 in UTC"""

    @classmethod
    def of(cls, account_id: str, settings: AccountSettings) -> "Account":
        return cls.like(
            settings,
            account_id=account_id,
            metadata=json.loads(settings.metadata or "{}"),
            low_balance=settings.low_balance or (),
        )


class Change(Shown):
    """One setting that decides money: who changed it, when, from what to what."""

    changed_at: datetime
    """RFC 3339 in UTC"""
    setting: str
    """`status`, `credit_limit`, `overage` or `hold`"""
    old: str | None
    """what it was, as text; null: the account was opened with it"""
    new: str
    """what it has been since, as text: a credit limit in whole credits"""
    actor: str
    """id of the key that changed it; `environment` for BILLING_ADMIN_KEY's, `command line` for nobody's"""


class NewGrant(Body):
    grant_id: Identifier
    """yours to choose, and kept for ever: 1-64 of A-Z a-z 0-9 _ . : -, but not beginning with `refund:`, `correction:`,
    `pack:` or `recharge:`"""
    kind: Literal["purchase", "promotion", "plan", "adjustment"]
    """what it was given for; decides the default of `priority`"""
    credits: Credits
    """whole credits, at least 1"""
    expires_at: Time | None = None
    """RFC 3339: from then on what is left cannot be spent; null: never"""
    priority: Annotated[int, Field(ge=0, le=1000)] | None = None
    """0 to 1000: lower burns first; null: 10, 20, 30 or 50 for promotion, plan, adjustment or purchase"""
    amount_paid: Money | None = None
    """what was paid for it, which becomes revenue as it is used or expires; null: nothing"""
    funding: Literal["bank"] = "bank"
    """where the money came in"""
    reference: Annotated[Text, Field(max_length=255)] | None = None
    """yours, up to 255 characters: an invoice, say; null: none"""


class GrantShown(Shown):
    """A grant, in whole credits; `granted = remaining + used + expired + revoked + moved`."""

    account_id: str
    """whose it is"""
    grant_id: str
    """as it was chosen; `pack:…` and `recharge:…` came with a top-up, `refund:…` and `correction:…` with a return"""
    kind: str
    """`purchase`, `promotion`, `plan` or `adjustment`"""
    status: GrantStatus
    """`open`: can be spent; `frozen`: under dispute; `lapsed`: past its expiry, what is left is kept for holds that were
    open then; `expired`, `spent`: nothing is left; `revoked`: all its money went back"""
    granted: int
    """whole credits when it was given, at least 1"""
    remaining: int
    """whole credits that are left, 0 to `granted`"""
    used: int
    """whole credits that bills have drawn, less what was returned to it; 0 or more"""
    expired: int
    """whole credits that were left when it expired, 0 or more"""
    revoked: int
    """whole credits that were unspent when their money went back, 0 or more"""
    moved: int
    """whole credits that were refunded after it had ended, and went to a new grant; 0 or more"""
    clawed: int
    """whole credits that were taken back because their money was: `revoked` of them unspent, the others had been used"""
    priority: int
    """0 to 1000: lower burns first, then what expires first, then the oldest"""
    expires_at: datetime | None
    """RFC 3339 in UTC: from then on what is left cannot be spent; null: never"""
    amount_paid: MoneyShown | None
    """what was paid for it; null: nothing is known to have been"""
    reference: str | None
    """an invoice or a payment, up to 255 characters; null: none"""
    origin_grant_id: str | None
    """the grant whose credits it carries on, after a refund; null: it is the first"""
    seq: int
    """of the wallet transfer that brought it, from 1: the order of this list"""
    created_at: datetime
    """RFC 3339 in UTC"""

    @classmethod
    def of(cls, grant: Grant, now: datetime | None = None) -> "GrantShown":
        paid = None if grant.paid_micros is None else {"micros": grant.paid_micros, "currency": grant.currency}
        return cls.like(grant, status=grant.status(now), amount_paid=paid)


class OpenGrant(Shown):
    """A grant that has something left, in whole credits."""

    grant_id: str
    """see the account's grants"""
    kind: str
    """`purchase`, `promotion`, `plan` or `adjustment`"""
    status: Literal["open", "frozen"]
    """`frozen`: under dispute, and not spendable until its verdict"""
    granted: int
    """whole credits when it was given, at least 1"""
    remaining: int
    """whole credits that are left, at least 1"""
    expires_at: datetime | None
    """RFC 3339 in UTC: from then on what is left cannot be spent; null: never"""
    priority: int
    """0 to 1000: lower burns first, then what expires first, then the oldest"""


class BalanceAt(Shown):
    """The figures as they were at `as_of`, by when things took effect, in whole credits.

    `available = posted - held - frozen - lapsed + credit_limit`.
    """

    account_id: str
    """whose they are"""
    asset: str
    """what is counted: `CREDIT`, whole credits"""
    posted: int
    """whole credits: the sum of all transfers of the wallet; below 0 for debt"""
    held: int
    """whole credits that open holds reserve, 0 or more"""
    frozen: int
    """whole credits left of grants under dispute, 0 or more; 0 for the past"""
    lapsed: int
    """whole credits that are past their expiry and not yet posted as expired, 0 or more"""
    available: int
    """whole credits that a new request may come to; below 0 nothing may be asked for"""
    credit_limit: int
    """whole credits that may be spent beyond what was granted, 0 or more"""
    as_of: datetime
    """the instant of all these figures, RFC 3339 in UTC"""


class BalanceShown(BalanceAt):
    """What an account has, in whole credits: `available = posted - held - frozen - lapsed + credit_limit`, all at one
    instant, `as_of`."""

    debt: int
    """whole credits that bills drew beyond all grants and that nothing has made good, 0 or more"""
    grants: list[OpenGrant]
    """those that have something left, in the order that they burn in; at most 100"""
    has_more_grants: bool
    """whether there are more than these: see the account's grants"""
    next_expiry: NextExpiry | None
    """null where nothing that is left expires"""
    seq: int
    """of the wallet's last transfer; 0 for none"""

    @classmethod
    def of(cls, sheet: BalanceSheet) -> "BalanceShown":
        grants = [OpenGrant.like(grant, status="frozen" if grant.frozen else "open") for grant in sheet.grants]
        return cls.like(sheet, grants=grants)
