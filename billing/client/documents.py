"""The service's documents as the contract names them.

Amounts are integers of the asset's smallest unit (CREDIT: one credit; USD: micro-dollars); instants are
RFC 3339 strings in UTC. A document may hold more members than are declared here. `replayed` is the one
member that the client adds: true if the service had seen the id before and changed nothing now.
"""

from __future__ import annotations

from typing import Any, Literal, TypedDict

Operation = Literal["generation", "edit"]
Mode = Literal["sync", "async"]
Overage = Literal["bill", "cap"]
HoldRule = Literal["quote", "max"]
GrantKind = Literal["purchase", "promotion", "plan", "adjustment"]
ChargeStatus = Literal["authorized", "settled", "voided", "expired"]


class Quote(TypedDict):
    """The price of a request under one price book; `max_credits` is the most it can come to."""

    credits: int
    credits_per_image: int
    n: int
    model: str
    billed_quality: str
    size_tier: str | None
    price_version: int
    max_credits: int


class ChargedOutput(TypedDict):
    """One output as it was billed."""

    index: int
    status: Literal["succeeded", "failed"]
    width: int | None
    height: int | None
    size_tier: str | None
    credits: int
    refunded_credits: int
    flags: list[str]


class Amounts(TypedDict):
    """The wallet right after (or as of) the charge."""

    posted: int
    held: int
    available: int


class Charge(TypedDict):
    """One gateway request for images."""

    account_id: str
    request_id: str
    status: ChargeStatus
    model: str
    operation: Operation
    mode: Mode
    n: int
    size: str
    quality: str
    billed_quality: str
    quoted_tier: str | None
    quoted_credits: int
    held_credits: int
    settled_credits: int
    refunded_credits: int
    price_version: int
    outputs: list[ChargedOutput]
    flags: list[str]
    api_key_id: str | None
    end_user: str | None
    metadata: dict[str, Any] | None
    authorized_at: str
    expires_at: str | None
    resolved_at: str | None
    balance: Amounts
    replayed: bool


class GrantLine(TypedDict):
    """An open grant as a balance lists it."""

    grant_id: str
    kind: GrantKind
    status: Literal["open", "frozen"]
    granted: int
    remaining: int
    expires_at: str | None
    priority: int


class Balance(TypedDict):
    """What an account has, what is held, and what it can spend now."""

    account_id: str
    asset: str
    posted: int
    held: int
    frozen: int
    lapsed: int
    available: int
    credit_limit: int
    debt: int
    grants: list[GrantLine]
    has_more_grants: bool
    next_expiry: dict[str, Any] | None
    seq: int
    as_of: str


class Transfer(TypedDict):
    """One journal row: `amount` from ledger account `debit` to ledger account `credit`."""

    book: Literal["wallet", "money"]
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
    effective_at: str
    posted_at: str
    hash: str


class BatchResult(TypedDict, total=False):
    """The answer to one operation of a batch: `body` is a charge, or a problem if `status` is 400 or more."""

    status: int
    replayed: bool
    body: dict[str, Any]
