"""Commands: what callers ask the ledger to do. An invalid command does not exist: constructors raise Invalid.

Every command names its account, and every write its own effect by an id that the caller chose, so that
it may be repeated: same id and content, same effect.
"""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Generic, TypeVar

from billing.core.amounts import CREDIT, amount
from billing.core.announcements import LOW_BALANCES_MAX
from billing.core.answers import (
    AccountAnswer,
    Answer,
    ChargeAnswer,
    CorrectionAnswer,
    GrantAnswer,
    LapseAnswer,
    RecogniseAnswer,
    RefundAnswer,
)
from billing.core.charges import Reported
from billing.core.grants import DEFAULT_PRIORITY, KINDS
from billing.core.refusals import Invalid
from billing.core.sizes import MAX_EDGE
from billing.core.text import (
    RESERVED_GRANT_PREFIXES,
    Metadata,
    currency,
    free_text,
    identifier,
    metadata_json,
)

HOLD_SECONDS_MIN, HOLD_SECONDS_MAX, HOLD_SECONDS_DEFAULT = 30, 86_400, 900
N_MAX = 10
OUTPUTS_MAX = 1_000
HOUSE = "_house"
OPERATIONS, MODES = ("generation", "edit"), ("sync", "async")
OVERAGES, HOLDS, STATUSES = ("bill", "cap"), ("quote", "max"), ("active", "suspended")
OUTPUT_STATUSES = ("succeeded", "failed")
FUNDINGS = ("bank", "stripe_clearing")
UNCHANGED: Any = object()
A = TypeVar("A", bound=Answer, covariant=True)


@dataclass(slots=True)
class Command(Generic[A]):
    """What is asked of one account, and answered with an `A`."""

    account_id: str


@dataclass(slots=True)
class OpenAccount(Command[AccountAnswer]):
    """A new account. `credit_limit` in credits; `actor` is who asks, for the record of changes."""

    name: str | None = None
    asset: str = CREDIT
    credit_limit: int = 0
    overage: str = "bill"
    hold: str = "quote"
    metadata: Metadata | None = None
    actor: str = ""
    metadata_json: str | None = field(init=False, default=None)

    def __post_init__(self) -> None:
        identifier(self.account_id, "account_id")
        if self.account_id == HOUSE:
            raise Invalid.of("account_id", f"`{HOUSE}` is reserved")
        if self.name is not None:
            free_text(self.name, "name", longest=200)
        _one_of(self.asset, "asset", (CREDIT,))
        amount(self.credit_limit, "credit_limit")
        _one_of(self.overage, "overage", OVERAGES)
        _one_of(self.hold, "hold", HOLDS)
        self.metadata_json = metadata_json(self.metadata)


@dataclass(slots=True)
class AmendAccount(Command[AccountAnswer]):
    """New settings of an account; what is UNCHANGED stays. Each change is recorded with its `actor`."""

    name: Any = UNCHANGED
    status: Any = UNCHANGED
    credit_limit: Any = UNCHANGED
    overage: Any = UNCHANGED
    hold: Any = UNCHANGED
    metadata: Any = UNCHANGED
    low_balance: Any = UNCHANGED
    actor: str = ""

    def __post_init__(self) -> None:
        identifier(self.account_id, "account_id")
        if self.name is not UNCHANGED and self.name is not None:
            free_text(self.name, "name", longest=200)
        if self.credit_limit is not UNCHANGED:
            amount(self.credit_limit, "credit_limit")
        for value, name, allowed in (
            (self.status, "status", STATUSES),
            (self.overage, "overage", OVERAGES),
            (self.hold, "hold", HOLDS),
        ):
            if value is not UNCHANGED:
                _one_of(value, name, allowed)
        if self.metadata is not UNCHANGED:
            self.metadata = metadata_json(self.metadata)
        if self.low_balance is not UNCHANGED:
            self.low_balance = _low_balance(self.low_balance)


@dataclass(slots=True)
class IssueGrant(Command[GrantAnswer]):
    """Credits for an account. `paid_micros` of `currency` is the cost basis, paid into `funding`."""

    grant_id: str
    kind: str
    credits: int
    expires_at: datetime | None = None
    priority: int | None = None
    paid_micros: int | None = None
    currency: str | None = None
    funding: str = "bank"
    reference: str | None = None

    def __post_init__(self) -> None:
        identifier(self.account_id, "account_id")
        identifier(self.grant_id, "grant_id")
        _one_of(self.kind, "kind", KINDS)
        if self.grant_id.startswith(RESERVED_GRANT_PREFIXES):
            raise Invalid.of("grant_id", f"must not begin with {', '.join(RESERVED_GRANT_PREFIXES)}")
        amount(self.credits, "credits", minimum=1)
        if self.expires_at is not None:
            _moment(self.expires_at, "expires_at")
        if self.priority is None:
            self.priority = DEFAULT_PRIORITY[self.kind]
        amount(self.priority, "priority", maximum=1000)
        if (self.paid_micros is None) != (self.currency is None):
            raise Invalid.of("amount_paid", "needs both micros and currency")
        if self.paid_micros is not None:
            amount(self.paid_micros, "amount_paid.micros")
            currency(self.currency, "amount_paid.currency")
        _one_of(self.funding, "funding", FUNDINGS)
        if self.reference is not None:
            free_text(self.reference, "reference", longest=255)


@dataclass(slots=True)
class Authorize(Command[ChargeAnswer]):
    """Reserves what a request is quoted; with `outputs`, charges it in one step."""

    request_id: str
    model: str
    operation: str = "generation"
    mode: str = "sync"
    n: int = 1
    size: str = "auto"
    quality: str = "auto"
    hold_seconds: int = HOLD_SECONDS_DEFAULT
    api_key_id: str | None = None
    end_user: str | None = None
    metadata: Metadata | None = None
    price_version: int | None = None
    outputs: tuple[Reported, ...] | None = None
    metadata_json: str | None = field(init=False, default=None)

    def __post_init__(self) -> None:
        identifier(self.account_id, "account_id")
        identifier(self.request_id, "request_id")
        if self.operation not in OPERATIONS:
            raise Invalid.of("operation", f"must be one of {', '.join(OPERATIONS)}")
        if self.mode not in MODES:
            raise Invalid.of("mode", f"must be one of {', '.join(MODES)}")
        if type(self.n) is not int or not 1 <= self.n <= N_MAX:
            raise Invalid.of("n", f"must be an integer from 1 to {N_MAX}")
        if type(self.hold_seconds) is not int or not HOLD_SECONDS_MIN <= self.hold_seconds <= HOLD_SECONDS_MAX:
            raise Invalid.of("hold_seconds", f"must be an integer from {HOLD_SECONDS_MIN} to {HOLD_SECONDS_MAX}")
        for value, name in ((self.model, "model"), (self.size, "size"), (self.quality, "quality")):
            if type(value) is not str or len(value) > 64:
                raise Invalid.of(name, "must be text of at most 64 characters")
        if self.api_key_id is not None:
            free_text(self.api_key_id, "api_key_id", longest=128)
        if self.end_user is not None:
            free_text(self.end_user, "end_user", longest=256)
        if self.metadata:
            self.metadata_json = metadata_json(self.metadata)
        if self.price_version is not None:
            amount(self.price_version, "price_version", minimum=1, maximum=2**31 - 1)
        if self.outputs is not None:
            _check_outputs(self.outputs)


@dataclass(slots=True)
class Settle(Command[ChargeAnswer]):
    """What the provider returned for a charge. With `force` a voided or long expired one is settled too."""

    request_id: str
    outputs: tuple[Reported, ...]
    force: bool = False

    def __post_init__(self) -> None:
        identifier(self.account_id, "account_id")
        identifier(self.request_id, "request_id")
        _check_outputs(self.outputs)


@dataclass(slots=True)
class Void(Command[ChargeAnswer]):
    """Releases a charge's hold and closes late settlement."""

    request_id: str
    reason: str | None = None

    def __post_init__(self) -> None:
        identifier(self.account_id, "account_id")
        identifier(self.request_id, "request_id")
        if self.reason is not None:
            free_text(self.reason, "reason")


@dataclass(slots=True)
class Refund(Command[RefundAnswer]):
    """Returns `credits`, or the bills of `outputs` (indexes), or with neither all that is left of the bill."""

    request_id: str
    refund_id: str
    reason: str
    credits: int | None = None
    outputs: tuple[int, ...] | None = None

    def __post_init__(self) -> None:
        identifier(self.account_id, "account_id")
        identifier(self.request_id, "request_id")
        identifier(self.refund_id, "refund_id")
        free_text(self.reason, "reason")
        if self.credits is not None and self.outputs is not None:
            raise Invalid.of("credits", "send credits or outputs, not both")
        if self.credits is not None:
            amount(self.credits, "credits", minimum=1)
        if self.outputs is not None:
            if not self.outputs or len(set(self.outputs)) != len(self.outputs):
                raise Invalid.of("outputs", "must be distinct indexes, at least one")
            for index in self.outputs:
                amount(index, "outputs", maximum=MAX_EDGE)
            self.outputs = tuple(sorted(self.outputs))


@dataclass(slots=True)
class Correct(Command[CorrectionAnswer]):
    """The outputs of a settled charge as they were really delivered: only those that differ, at least one.

    `actor` is who asks, for the record; who repeats the call need not be the same.
    """

    correction_id: str
    request_id: str
    outputs: tuple[Reported, ...]
    reason: str
    actor: str

    def __post_init__(self) -> None:
        identifier(self.account_id, "account_id")
        identifier(self.correction_id, "correction_id")
        identifier(self.request_id, "request_id")
        _check_outputs(self.outputs)
        if not self.outputs:
            raise Invalid.of("outputs", "must be at least one")
        self.outputs = tuple(sorted(self.outputs, key=lambda one: one.index))
        free_text(self.reason, "reason")
        free_text(self.actor, "actor", longest=128)


@dataclass(slots=True)
class Lapse(Command[LapseAnswer]):
    """Posts what is due on an account: holds past their time, grants past their expiry. Changes no answer."""


@dataclass(slots=True)
class Recognise(Command[RecogniseAnswer]):
    """Posts what is missing of the revenue from an account's grants. Changes no answer."""


def _low_balance(levels: Any) -> tuple[int, ...] | None:
    if len(levels) > LOW_BALANCES_MAX or len(set(levels)) != len(levels):
        raise Invalid.of("low_balance", f"must be at most {LOW_BALANCES_MAX} levels, all different")
    return tuple(sorted((amount(level, "low_balance", minimum=1) for level in levels), reverse=True)) or None


def _moment(value: object, field: str) -> None:
    if not isinstance(value, datetime) or value.tzinfo is None:
        raise Invalid.of(field, "must be a time with its zone")


def _one_of(value: object, field: str, allowed: tuple[str, ...]) -> None:
    if value not in allowed:
        raise Invalid.of(field, f"must be one of {', '.join(allowed)}")


def _check_outputs(outputs: tuple[Reported, ...]) -> None:
    if len(outputs) > OUTPUTS_MAX:
        raise Invalid.of("outputs", f"must be at most {OUTPUTS_MAX}")
    seen = set()
    for place, one in enumerate(outputs):
        where = f"outputs.{place}"
        amount(one.index, f"{where}.index", maximum=MAX_EDGE)
        if one.index in seen:
            raise Invalid.of(f"{where}.index", "is there twice")
        seen.add(one.index)
        if one.status not in OUTPUT_STATUSES:
            raise Invalid.of(f"{where}.status", f"must be one of {', '.join(OUTPUT_STATUSES)}")
        if (one.width is None) != (one.height is None):
            raise Invalid.of(where, "needs width and height, or neither")
        if one.width is not None:
            amount(one.width, f"{where}.width", minimum=1, maximum=MAX_EDGE)
            amount(one.height, f"{where}.height", minimum=1, maximum=MAX_EDGE)
        if one.reason is not None:
            free_text(one.reason, f"{where}.reason")
