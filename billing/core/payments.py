"""Payments of an account, as far as a batch names them: their rows, and which of those it has to write."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal, NamedTuple, TypeVar

from billing.core.noted import Noted
from billing.core.packs import Pack

Via = Literal["checkout", "recharge"]
Clawed = tuple[tuple[str, int, int], ...]  # of each grant: credits revoked that were unspent, and credits now owed


class Topup(NamedTuple):
    """One purchase of a pack, with the pack's terms as they were. Money in micros of `currency`.

    `returned_micros` went back to the card, by refunds and lost disputes, `returned_deferred_micros` of it out of
    deferred revenue; `disputed_micros` is withdrawn for open disputes. Either may be more than was paid: returned
    twice, or with a loss by exchange. `failure` is why the payment failed, in the processor's
    words; `problem` is why we stopped it: then somebody has to look.
    """

    account_id: str
    topup_id: str
    via: str
    status: str
    pack_id: str
    credits: int
    bonus_credits: int
    bonus: str
    price_micros: int
    currency: str
    expires_in_days: int | None
    success_url: str | None
    cancel_url: str | None
    payment_method: str | None
    checkout_id: str | None
    checkout_url: str | None
    payment_id: str | None
    failure: str | None
    problem: str | None
    returned_micros: int
    returned_deferred_micros: int
    disputed_micros: int
    created_at: datetime
    paid_at: datetime | None
    changed_at: datetime

    @classmethod
    def of(cls, account_id: str, topup_id: str, via: Via, pack: Pack, now: datetime, **more: Any) -> "Topup":
        """A new one, pending."""
        blank: dict[str, Any] = dict.fromkeys(cls._fields)
        return cls(
            **blank
            | {
                "account_id": account_id,
                "topup_id": topup_id,
                "via": via,
                "status": "pending",
                "pack_id": pack.pack_id,
                "credits": pack.credits,
                "bonus_credits": pack.bonus_credits,
                "bonus": pack.bonus,
                "price_micros": pack.price_micros,
                "currency": pack.currency,
                "expires_in_days": pack.expires_in_days,
                "returned_micros": 0,
                "returned_deferred_micros": 0,
                "disputed_micros": 0,
                "created_at": now,
                "changed_at": now,
            }
            | more
        )

    @property
    def key(self) -> str:
        return self.topup_id

    @property
    def paid(self) -> bool:
        return self.paid_at is not None

    @property
    def bought(self) -> int:
        """How many grants came with the money."""
        return 2 if self.bonus_credits and self.bonus != "dilutes" else 1

    def grant_id(self, k: int) -> str:
        """The id of its k-th grant: 1 is what was paid for, then a bonus of its own, then what was restored."""
        prefix = "" if self.via == "recharge" else "pack:"  # a recharge's own id begins with `recharge:`
        return f"{prefix}{self.topup_id}:{k}"

    @property
    def grants(self) -> list[str]:
        """The ids of the grants that came with the money, once it did."""
        return [self.grant_id(k) for k in range(1, self.bought + 1)] if self.paid else []

    @staticmethod
    def of_grant(grant_id: str) -> str | None:
        """The id of the top-up that a grant of this name came with, if it came with one."""
        if grant_id.startswith(("pack:", "recharge:")):
            return grant_id.removeprefix("pack:").rpartition(":")[0]
        return None


class CardRefund(NamedTuple):
    """Money that went back to the card of a top-up, `deferred_micros` of it out of deferred revenue."""

    account_id: str
    card_refund_id: str
    topup_id: str
    status: str
    amount_micros: int
    deferred_micros: int
    clawed: Clawed
    created_at: datetime
    changed_at: datetime

    @property
    def key(self) -> str:
        return self.card_refund_id

    @property
    def clawed_credits(self) -> int:
        return sum(revoked + owed for _, revoked, owed in self.clawed)


class Dispute(NamedTuple):
    """A cardholder's complaint about a top-up. `stripe_status` is the processor's word, `status` what follows from it
    and from what was withdrawn for it and returned since: see `billing.core.disputes`.

    Where it is lost, `deferred_micros` of what is gone left deferred revenue. `clawed` is all that was ever taken for
    it: `undone` times, some of that was given back, by transfers of their own.
    """

    account_id: str
    dispute_id: str
    topup_id: str
    status: str
    reason: str | None
    amount_micros: int
    deferred_micros: int
    clawed: Clawed
    opened_at: datetime
    closed_at: datetime | None
    stripe_status: str | None = None
    withdrawn_micros: int = 0
    reinstated_micros: int = 0
    undone: int = 0

    @property
    def key(self) -> str:
        return self.dispute_id

    @property
    def clawed_credits(self) -> int:
        return sum(revoked + owed for _, revoked, owed in self.clawed)

    @property
    def disputed_micros(self) -> int:
        """What is withdrawn for it while it is open: nobody knows yet whose that is."""
        return self._gone_micros if self.status == "open" else 0

    @property
    def lost_micros(self) -> int:
        """What is gone for good."""
        return self._gone_micros if self.status == "lost" else 0

    @property
    def gained_micros(self) -> int:
        """What came back beyond what was withdrawn, by a rate of exchange."""
        return max(self.reinstated_micros - self.withdrawn_micros, 0)

    @property
    def _gone_micros(self) -> int:
        return max(self.withdrawn_micros - self.reinstated_micros, 0)


class BookedTransaction(NamedTuple):
    """A balance transaction of the processor: its net is `amount_micros - fee_micros`, signed as it sees them.

    Transfers whose external id is `booked_as` carry its amount, those with its own id its fee. Where a person said what
    it is, `booked_by` is who and `reason` why.
    """

    account_id: str
    transaction_id: str
    event: str
    booked_as: str
    amount_micros: int
    fee_micros: int
    currency: str
    booked_at: datetime
    booked_by: str | None = None
    reason: str | None = None

    @property
    def key(self) -> str:
        return self.transaction_id


class AutoRecharge(NamedTuple):
    """Buys `pack_id` when available credits fall below `threshold`, up to `monthly_limit` credits a month (UTC).

    `topup_id` is in flight. `declines` counts since the last payment; `due_at` is when to look at it again, null
    when nothing is to be done. `status`: active, stopped (by us: `stopped_reason`), off.
    """

    account_id: str
    status: str
    threshold: int
    pack_id: str
    monthly_limit: int
    payment_method: str | None
    stopped_reason: str | None
    attempts: int
    topup_id: str | None
    declines: int
    month: str
    month_credits: int
    due_at: datetime | None
    changed_at: datetime

    @property
    def key(self) -> str:
        return ""  # an account has one


class ExpiryNotice(NamedTuple):
    """A grant whose coming expiry has been announced."""

    account_id: str
    grant_id: str
    announced_at: datetime

    @property
    def key(self) -> str:
        return self.grant_id


class StripeObject(NamedTuple):
    """Whose an object of the processor is."""

    object_id: str
    account_id: str
    topup_id: str | None

    @property
    def key(self) -> str:
        return self.object_id


Row = Topup | CardRefund | Dispute | BookedTransaction | AutoRecharge | ExpiryNotice | StripeObject
R = TypeVar("R", Topup, CardRefund, Dispute, BookedTransaction, AutoRecharge, ExpiryNotice, StripeObject)


@dataclass(slots=True)
class Payments:
    """Rows by kind and key. What is put is written once, as it is in the end."""

    rows: dict[type[Row], Noted[str, Row]] = field(default_factory=dict)

    def load(self, row: Row) -> None:
        self._of(type(row)).load(row.key, row)

    def put(self, row: Row) -> None:
        self._of(type(row))[row.key] = row

    def get(self, kind: type[R], key: str) -> R | None:
        return self.all(kind).get(key)

    def all(self, kind: type[R]) -> Mapping[str, R]:
        return self.rows.get(kind, {})  # type: ignore[return-value]

    def _of(self, kind: type[Row]) -> Noted[str, Row]:
        return self.rows.setdefault(kind, Noted())
