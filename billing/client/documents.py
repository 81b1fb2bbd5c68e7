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
Bonus = Literal["own_grant", "dilutes"]
BucketWidth = Literal["15m", "1h", "1d", "1mo"]
UsageGroup = Literal["model", "size_tier", "quality", "operation", "api_key_id", "end_user", "account_id"]
TopupStatus = Literal["pending", "paid", "failed", "expired", "refunded", "disputed"]


class Quote(TypedDict):
    """The price of a request under one price book; `max_credits` is the most it can come to."""

    credits: int
    credits_per_image: int
    n: int
    model: str
    billed_quality: str
    size_tier: str
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
    corrected_credits: int
    refunded_credits: int
    flags: list[str]
    reason: str | None


class Amounts(TypedDict):
    """The wallet right after (or as of) the charge."""

    posted: int
    held: int
    available: int


class Charge(TypedDict):
    """One gateway request for images. In lists its `balance` is None."""

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
    quoted_tier: str
    quoted_credits: int
    held_credits: int
    settled_credits: int
    corrected_credits: int
    refunded_credits: int
    price_version: int
    outputs: list[ChargedOutput]
    flags: list[str]
    api_key_id: str | None
    end_user: str | None
    metadata: dict[str, Any]
    authorized_at: str
    expires_at: str
    resolved_at: str | None
    balance: Amounts | None
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
    external_id: str | None
    effective_at: str
    posted_at: str
    digest: str | None
    hash: str


class UsageResult(TypedDict):
    """What one group came to in a bucket; what was not grouped by is None. Refunds and corrections are signed."""

    object: Literal["usage.images.result"]
    requests: int
    images: int
    failed_images: int
    credits: int
    account_id: str | None
    model: str | None
    size_tier: str | None
    quality: str | None
    operation: str | None
    api_key_id: str | None
    end_user: str | None


class UsageBucket(TypedDict):
    """`start_time` (inclusive) to `end_time` (exclusive) in Unix seconds; `local_start` is what clocks show then."""

    object: Literal["bucket"]
    start_time: int
    end_time: int
    local_start: str
    results: list[UsageResult]


class Money(TypedDict):
    """`micros` are millionths of the currency."""

    micros: int
    currency: str


class Pack(TypedDict):
    """Credits for sale. `bonus` credits are a grant of their own that cost nothing, or make every credit cheaper."""

    pack_id: str
    name: str
    credits: int
    bonus_credits: int
    bonus: Bonus
    price: Money
    expires_in_days: int | None
    published_at: str
    withdrawn_at: str | None
    replayed: bool


class CardRefund(TypedDict):
    """Money that went back to the card, and the credits that went with it."""

    card_refund_id: str
    status: Literal["succeeded", "failed"]
    amount_micros: int
    clawed_credits: int
    created_at: str


class Dispute(TypedDict):
    """A payment that its cardholder disputes: open, won, lost or averted. `clawed_credits` is all that was ever taken."""

    dispute_id: str
    status: Literal["open", "won", "lost", "averted"]
    stripe_status: str | None
    reason: str | None
    amount_micros: int
    withdrawn_micros: int
    reinstated_micros: int
    lost_micros: int
    clawed_credits: int
    opened_at: str
    closed_at: str | None


class Topup(TypedDict):
    """A purchase of a pack. `url` is where it is paid, while it is pending; `grants` are the ids of what it bought.

    `problem`: what the processor reported cannot be, nothing was posted, and somebody has to look.
    """

    account_id: str
    topup_id: str
    via: Literal["checkout", "recharge"]
    status: TopupStatus
    pack_id: str
    credits: int
    bonus_credits: int
    price: Money
    url: str | None
    failure: str | None
    problem: str | None
    refunded_micros: int
    disputed_micros: int
    grants: list[str]
    card_refunds: list[CardRefund]
    disputes: list[Dispute]
    created_at: str
    paid_at: str | None
    replayed: bool


class AutoRecharge(TypedDict):
    """Terms of auto-recharge and how it stands; `topup_id` is the payment in flight."""

    account_id: str
    status: Literal["active", "stopped", "off"]
    threshold: int
    pack_id: str
    monthly_limit: int
    month_credits: int
    payment_method: str | None
    stopped_reason: str | None
    topup_id: str | None
    declines: int
    due_at: str | None
    changed_at: str
    replayed: bool


class StripeEvent(TypedDict):
    """What Stripe told. `dead`: somebody has to look, and `problem` says at what."""

    event_id: str
    type: str
    state: Literal["pending", "done", "ignored", "dead"]
    problem: str | None
    account_id: str | None
    attempts: int
    next_attempt_at: str | None
    created_at: str
    received_at: str
    received_by: str
    done_at: str | None


class WebhookEndpoint(TypedDict):
    """Who is told of `events`. `secret` is shown once: None where the call had been answered before."""

    endpoint_id: str
    url: str
    events: list[str]
    account_id: str | None
    description: str | None
    enabled: bool
    previous_secret_until: str | None
    created_at: str
    deleted_at: str | None
    secret: str | None
    replayed: bool


class BatchResult(TypedDict, total=False):
    """The answer to one operation of a batch: `body` is a charge, or a problem if `status` is 400 or more."""

    status: int
    replayed: bool
    body: dict[str, Any]
