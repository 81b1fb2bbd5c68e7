"""Accounts, their grants and balances, over HTTP."""

import json
from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import Field

from billing.core.announcements import LOW_BALANCES_MAX
from billing.core.grants import Grant
from billing.core.wallet import AccountChange, AccountSettings
from billing.http.models.common import Amount, Body, Credits, Identifier, Labels, Shown, Text, Time
from billing.store.balances import AccountBalance, BalanceSheet

Overage = Literal["bill", "cap"]
HoldPolicy = Literal["quote", "max"]
GRANTS_SHOWN = 100
Status = Literal["open", "frozen", "lapsed", "expired", "revoked", "spent"]


class NewAccount(Body):
    account_id: Identifier
    name: Annotated[Text, Field(max_length=200)] | None = None
    asset: Literal["CREDIT"] = "CREDIT"
    credit_limit: Annotated[Amount, Field(description="credits that may be spent beyond what was granted")] = 0
    overage: Annotated[Overage, Field(description="`cap`: an output never costs more than it was quoted")] = "bill"
    hold: Annotated[HoldPolicy, Field(description="`max`: reserve the most a request can come to")] = "quote"
    metadata: Labels | None = None


class AccountPatch(Body):
    """Only the fields that are sent change."""

    name: Annotated[Text, Field(max_length=200)] | None = None
    status: Literal["active", "suspended"] = "active"
    credit_limit: Amount = 0
    overage: Overage = "bill"
    hold: HoldPolicy = "quote"
    metadata: Labels | None = None
    low_balance: list[Credits] = Field(
        [], max_length=LOW_BALANCES_MAX, description="levels: `balance.low` tells of a fall below each"
    )


class Account(Shown):
    account_id: str
    name: str | None
    asset: str
    status: Literal["active", "suspended"]
    credit_limit: int
    overage: Overage
    hold: HoldPolicy
    metadata: dict[str, Any]
    low_balance: list[int]
    created_at: datetime

    @classmethod
    def of(cls, account_id: str, s: AccountSettings) -> "Account":
        return cls(
            account_id=account_id,
            name=s.name,
            asset=s.asset,
            status=s.status,  # type: ignore[arg-type]
            credit_limit=s.credit_limit,
            overage=s.overage,  # type: ignore[arg-type]
            hold=s.hold,  # type: ignore[arg-type]
            metadata=json.loads(s.metadata or "{}"),
            low_balance=list(s.low_balance or ()),
            created_at=s.created_at,
        )


class AccountChangeShown(Shown):
    """One setting that decides money: who changed it, when, from what to what."""

    changed_at: datetime
    setting: str
    old: str | None
    new: str
    actor: str

    @classmethod
    def of(cls, c: AccountChange) -> "AccountChangeShown":
        return cls(changed_at=c.changed_at, setting=c.setting, old=c.old, new=c.new, actor=c.actor)


class Money(Body):
    micros: Annotated[Amount, Field(description="millionths of the currency's unit: 12.50 USD is 12500000")]
    currency: Annotated[str, Field(pattern=r"^[A-Z]{3}$", max_length=3)]


class NewGrant(Body):
    grant_id: Identifier
    kind: Literal["purchase", "promotion", "plan", "adjustment"]
    credits: Credits
    expires_at: Time | None = None
    priority: (
        Annotated[int, Field(ge=0, le=1000, description="lower burns first; default 10, 20, 30, 50 by kind")] | None
    ) = None
    amount_paid: Money | None = None
    funding: Annotated[Literal["bank"], Field(description="where the money came in")] = "bank"
    reference: Annotated[Text, Field(max_length=255)] | None = None


class GrantShown(Shown):
    """A grant; `granted = remaining + used + expired + revoked + moved`.

    `clawed`: taken back because the money was; of these `revoked` were unspent, the others had been used.
    """

    account_id: str
    grant_id: str
    kind: str
    status: Status
    granted: int
    remaining: int
    used: int
    expired: int
    revoked: int
    moved: int
    clawed: int
    priority: int
    expires_at: datetime | None
    amount_paid: dict[str, Any] | None
    reference: str | None
    origin_grant_id: str | None
    seq: int
    created_at: datetime

    @classmethod
    def of(cls, g: Grant, now: datetime | None = None) -> "GrantShown":
        return cls(
            account_id=g.account_id,
            grant_id=g.grant_id,
            kind=g.kind,
            status=_status(g, now),
            granted=g.granted,
            remaining=g.remaining,
            used=g.used,
            expired=g.expired,
            revoked=g.revoked,
            moved=g.moved,
            clawed=g.clawed,
            priority=g.priority,
            expires_at=g.expires_at,
            amount_paid=None if g.paid_micros is None else {"micros": g.paid_micros, "currency": g.currency},
            reference=g.reference,
            origin_grant_id=g.origin_grant_id,
            seq=g.seq,
            created_at=g.created_at,
        )


class OpenGrant(Shown):
    grant_id: str
    kind: str
    status: Literal["open", "frozen"]
    granted: int
    remaining: int
    expires_at: datetime | None
    priority: int


class NextExpiry(Shown):
    credits: int
    at: datetime


class BalanceShown(Shown):
    """`available = posted - held - frozen - lapsed + credit_limit`, all at one instant, `as_of`."""

    account_id: str
    asset: str
    posted: int
    held: int
    frozen: int
    lapsed: int
    available: int
    credit_limit: int
    debt: int
    grants: list[OpenGrant]
    has_more_grants: bool
    next_expiry: NextExpiry | None
    seq: int
    as_of: datetime

    @classmethod
    def of(cls, sheet: BalanceSheet) -> "BalanceShown":
        return cls(
            **_figures(sheet.figures),
            debt=sheet.debt,
            grants=[
                OpenGrant(
                    grant_id=g.grant_id,
                    kind=g.kind,
                    status="frozen" if g.frozen else "open",
                    granted=g.granted,
                    remaining=g.remaining,
                    expires_at=g.expires_at,
                    priority=g.priority,
                )
                for g in sheet.grants[:GRANTS_SHOWN]
            ],
            has_more_grants=len(sheet.grants) > GRANTS_SHOWN,
            next_expiry=None
            if sheet.next_expiry is None
            else NextExpiry(credits=sheet.next_expiry[0], at=sheet.next_expiry[1]),
            seq=sheet.seq,
        )


class BalanceAt(Shown):
    """The figures as they were at `as_of`, by when things took effect."""

    account_id: str
    asset: str
    posted: int
    held: int
    frozen: int
    lapsed: int
    available: int
    credit_limit: int
    as_of: datetime

    @classmethod
    def of(cls, figures: AccountBalance) -> "BalanceAt":
        return cls(**_figures(figures))


def _figures(f: AccountBalance) -> dict[str, Any]:
    return {
        "account_id": f.account_id,
        "asset": f.asset,
        "posted": f.posted,
        "held": f.held,
        "frozen": f.frozen,
        "lapsed": f.lapsed,
        "available": f.available,
        "credit_limit": f.credit_limit,
        "as_of": f.as_of,
    }


def _status(g: Grant, now: datetime | None) -> Status:
    """`lapsed`: past its expiry, and what is left is kept for holds that were open then."""
    if g.withdrawn:
        return "revoked"
    if not g.open:
        return "expired" if g.expired else "spent"
    if g.frozen:
        return "frozen"
    return "lapsed" if now is not None and g.lapsed_at(now) else "open"
