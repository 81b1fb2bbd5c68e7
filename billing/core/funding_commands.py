"""Commands of funding: what the processor reports about money, and what customers order. See `billing.core.commands`.

Reports say how things stand now, not what changed: the same report again, or an older one, has no effect.
Money is in micros of `currency`; ids of the processor are 1-255 printable characters.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

from billing.core.amounts import amount
from billing.core.answers import ClearingAnswer, LapseAnswer, RechargeAnswer, TopupAnswer
from billing.core.commands import Command
from billing.core.packs import Pack
from billing.core.payments import AutoRecharge, Dispute
from billing.core.refusals import Invalid
from billing.core.text import RESERVED_GRANT_PREFIXES, currency, free_text, identifier
from billing.core.verdicts import STAGES

URL_LENGTH = 2_000
_HTTP = ("https://", "http://")


@dataclass(slots=True)
class OpenTopup(Command[TopupAnswer]):
    """A customer wants to buy `pack`. None where there is no such pack on sale: known top-ups replay all the same."""

    topup_id: str
    pack_id: str
    pack: Pack | None
    success_url: str
    cancel_url: str

    def __post_init__(self) -> None:
        identifier(self.account_id, "account_id")
        identifier(self.topup_id, "topup_id")
        if self.topup_id.startswith(RESERVED_GRANT_PREFIXES):
            raise Invalid.of("topup_id", f"must not begin with {', '.join(RESERVED_GRANT_PREFIXES)}")
        identifier(self.pack_id, "pack_id")
        for value, name in ((self.success_url, "success_url"), (self.cancel_url, "cancel_url")):
            free_text(value, name, longest=URL_LENGTH)
            if not value.startswith(_HTTP) or any(letter.isspace() for letter in value):
                raise Invalid.of(name, "must be an http or https address")


@dataclass(slots=True)
class RecordCheckout(Command[TopupAnswer]):
    """The processor has made a checkout for a top-up."""

    topup_id: str
    checkout_id: str
    checkout_url: str

    def __post_init__(self) -> None:
        _reported(self.checkout_id, "checkout_id")


@dataclass(slots=True)
class PayTopup(Command[TopupAnswer]):
    """The processor has the money: `amount_micros` of `currency`, by the payment `payment_id`."""

    topup_id: str
    payment_id: str
    amount_micros: int
    currency: str

    def __post_init__(self) -> None:
        _reported(self.payment_id, "payment_id")
        _money(self.amount_micros, self.currency)


@dataclass(slots=True)
class FailTopup(Command[TopupAnswer]):
    """No money will come. `reason` is the processor's code; `final` says that trying again is of no use."""

    topup_id: str
    status: Literal["failed", "expired"]
    reason: str
    final: bool = False

    def __post_init__(self) -> None:
        free_text(self.reason, "reason", longest=200)


@dataclass(slots=True)
class ReportCardRefund(Command[TopupAnswer]):
    """How a refund to the card of a top-up stands."""

    topup_id: str
    card_refund_id: str
    amount_micros: int
    currency: str
    status: Literal["succeeded", "failed"]

    def __post_init__(self) -> None:
        _reported(self.card_refund_id, "card_refund_id")
        _money(self.amount_micros, self.currency)


class DisputeMovement(NamedTuple):
    """A balance transaction of a dispute, signed as the processor sees it: below zero, it took money."""

    transaction_id: str
    amount_micros: int
    fee_micros: int


@dataclass(slots=True)
class ReportDispute(Command[TopupAnswer]):
    """How a dispute about a top-up stands: in the processor's word, and all the `movements` of its money so far.

    `seen` is what was known of it here before the processor was asked.
    """

    topup_id: str
    dispute_id: str
    amount_micros: int
    currency: str
    stripe_status: str
    movements: Sequence[DisputeMovement] = ()
    reason: str | None = None
    seen: Dispute | None = None

    def __post_init__(self) -> None:
        _reported(self.dispute_id, "dispute_id")
        _money(self.amount_micros, self.currency)
        if self.reason is not None:
            free_text(self.reason, "reason", longest=200)
        if self.stripe_status not in STAGES:
            raise Invalid.of("stripe_status", "is not one that the ledger knows")
        for movement in self.movements:
            _reported(movement.transaction_id, "transaction_id")
            amount(abs(movement.amount_micros), "amount_micros")
            amount(abs(movement.fee_micros), "fee_micros")
        for name in ("withdrawn_micros", "reinstated_micros"):
            amount(getattr(self, name), name)

    @property
    def transaction_ids(self) -> list[str]:
        return [movement.transaction_id for movement in self.movements]

    @property
    def withdrawn_micros(self) -> int:
        return -sum(min(movement.amount_micros, 0) for movement in self.movements)

    @property
    def reinstated_micros(self) -> int:
        return sum(max(movement.amount_micros, 0) for movement in self.movements)


@dataclass(slots=True)
class BookTransaction(Command[ClearingAnswer]):
    """A balance transaction of the processor: `amount_micros` and `fee_micros` signed as it sees them.

    `event` says which transfers carry it: see `billing.core.clearing`. `booked_by` and `reason`: who said so, and why,
    where only a person could.
    """

    transaction_id: str
    event: str
    booked_as: str
    amount_micros: int
    fee_micros: int
    currency: str
    booked_by: str | None = None
    reason: str | None = None

    def __post_init__(self) -> None:
        _reported(self.transaction_id, "transaction_id")
        _reported(self.booked_as, "booked_as")
        currency(self.currency, "currency")
        for value, name in ((self.amount_micros, "amount_micros"), (self.fee_micros, "fee_micros")):
            amount(abs(value), name)
        if self.booked_by is not None:
            free_text(self.booked_by, "booked_by", longest=200)
        if self.reason is not None:
            free_text(self.reason, "reason")


@dataclass(slots=True)
class SetAutoRecharge(Command[RechargeAnswer]):
    """Auto-recharge with these terms, from now on active. `threshold` and `monthly_limit` in credits."""

    threshold: int
    pack_id: str
    pack: Pack | None
    monthly_limit: int
    payment_method: str | None = None

    def __post_init__(self) -> None:
        identifier(self.account_id, "account_id")
        identifier(self.pack_id, "pack_id")
        amount(self.threshold, "threshold")
        amount(self.monthly_limit, "monthly_limit", minimum=1)
        if self.payment_method is not None:
            _reported(self.payment_method, "payment_method")
            if not self.payment_method.startswith("pm_"):
                raise Invalid.of("payment_method", "must be the id of a saved payment method: pm_…")


@dataclass(slots=True)
class EndAutoRecharge(Command[RechargeAnswer]):
    """No more recharges: off at the customer's wish, or stopped by us for `reason`."""

    reason: str | None = None


@dataclass(slots=True)
class Recharge(Command[RechargeAnswer]):
    """Looks whether a recharge is due and opens its top-up.

    `pack` is what is on sale under the pack's id, `saved_method` what the customer can be charged by, where none was
    chosen; both were looked up for what stood in `seen`.
    """

    pack: Pack | None
    saved_method: str | None = None
    seen: AutoRecharge | None = None


@dataclass(slots=True)
class AnnounceExpiry(Command[LapseAnswer]):
    """Tells, once, that a grant will expire."""

    grant_id: str


def _reported(value: object, field: str) -> None:
    if not isinstance(value, str) or not value.isascii() or not value.isprintable() or not 1 <= len(value) <= 255:
        raise Invalid.of(field, "must be 1 to 255 printable characters")


def _money(amount_micros: int, code: str) -> None:
    amount(amount_micros, "amount_micros", minimum=1)
    currency(code, "currency")
