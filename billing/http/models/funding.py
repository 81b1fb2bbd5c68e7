"""Packs, top-ups, auto-recharge and Stripe's events, over HTTP."""

import json
from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import Field, ValidationError

from billing.core.funding_commands import URL_LENGTH
from billing.core.packs import EXPIRES_IN_DAYS_MAX, Pack
from billing.core.payments import AutoRecharge, BookedTransaction, CardRefund, Dispute
from billing.http.models.accounts import Money
from billing.http.models.common import Amount, Body, Credits, Identifier, Shown, Text
from billing.http.problems import invalid
from billing.store.inbox import StoredEvent
from billing.store.packs import PublishedPack
from billing.store.topups import TopupStory

TopupStatus = Literal["pending", "paid", "failed", "expired", "refunded", "disputed"]
Address = Annotated[str, Field(max_length=URL_LENGTH, description="http or https")]


class NewPack(Body):
    pack_id: Identifier
    name: Annotated[Text, Field(max_length=200, description="what customers see; by default the id")] | None = None
    credits: Credits
    bonus_credits: Amount = 0
    bonus: Annotated[
        Literal["own_grant", "dilutes"],
        Field(description="`own_grant`: bonus credits cost nothing; `dilutes`: they make every credit cheaper"),
    ] = "own_grant"
    price: Money
    expires_in_days: Annotated[int, Field(ge=1, le=EXPIRES_IN_DAYS_MAX)] | None = None

    def pack(self) -> Pack:
        """Raises Invalid."""
        return Pack.of(
            self.pack_id,
            self.pack_id if self.name is None else self.name,
            self.credits,
            self.price.micros,
            self.price.currency,
            bonus_credits=self.bonus_credits,
            bonus=self.bonus,
            expires_in_days=self.expires_in_days,
        )


def packs_of(document: Any) -> list[Pack]:
    """The packs of a file: one, or a list. Raises Invalid."""
    try:
        return [NewPack.model_validate(one).pack() for one in (document if isinstance(document, list) else [document])]
    except ValidationError as error:
        raise invalid(error) from None


class PackShown(Shown):
    pack_id: str
    name: str
    credits: int
    bonus_credits: int
    bonus: Literal["own_grant", "dilutes"]
    price: dict[str, Any]
    expires_in_days: int | None
    published_at: datetime
    withdrawn_at: datetime | None

    @classmethod
    def of(cls, published: PublishedPack) -> "PackShown":
        p = published.pack
        return cls(
            pack_id=p.pack_id,
            name=p.name,
            credits=p.credits,
            bonus_credits=p.bonus_credits,
            bonus=p.bonus,  # type: ignore[arg-type]
            price=_money(p.price_micros, p.currency),
            expires_in_days=p.expires_in_days,
            published_at=published.published_at,
            withdrawn_at=published.withdrawn_at,
        )


class NewTopup(Body):
    topup_id: Identifier
    pack_id: Identifier
    success_url: Address
    cancel_url: Address


class CardRefundShown(Shown):
    """Money that went back to the card, and the credits that went with it."""

    card_refund_id: str
    status: Literal["succeeded", "failed"]
    amount_micros: int
    clawed_credits: int
    created_at: datetime

    @classmethod
    def of(cls, r: CardRefund) -> "CardRefundShown":
        return cls.like(r, clawed_credits=_clawed(r))


class DisputeShown(Shown):
    """A cardholder's complaint. `open`: what is left of the credits is frozen. `lost`: `lost_micros` are gone, and their
    credits with them. `averted`: it closed without a verdict, and without money. It may be reopened.

    `stripe_status` is Stripe's word. `clawed_credits` is all that was ever taken for it: what a later verdict gave back
    came by transfers of its own.
    """

    dispute_id: str
    status: Literal["open", "won", "lost", "averted"]
    stripe_status: str | None
    reason: str | None
    amount_micros: int
    withdrawn_micros: int
    reinstated_micros: int
    lost_micros: int
    clawed_credits: int
    opened_at: datetime
    closed_at: datetime | None

    @classmethod
    def of(cls, d: Dispute) -> "DisputeShown":
        return cls.like(d, clawed_credits=_clawed(d), lost_micros=d.lost_micros)


class TopupShown(Shown):
    """A purchase of a pack. `url`: where it is paid, while it is pending. `failure`: why the payment failed.

    `problem`: what the processor reported does not fit what was ordered; nothing was posted, somebody has to look.
    """

    account_id: str
    topup_id: str
    via: Literal["checkout", "recharge"]
    status: TopupStatus
    pack_id: str
    credits: int
    bonus_credits: int
    price: dict[str, Any]
    url: str | None
    failure: str | None
    problem: str | None
    refunded_micros: int
    disputed_micros: int
    grants: list[str]
    card_refunds: list[CardRefundShown]
    disputes: list[DisputeShown]
    created_at: datetime
    paid_at: datetime | None

    @classmethod
    def of(cls, story: TopupStory) -> "TopupShown":
        t = story.topup
        return cls(
            account_id=t.account_id,
            topup_id=t.topup_id,
            via=t.via,  # type: ignore[arg-type]
            status=t.status,  # type: ignore[arg-type]
            pack_id=t.pack_id,
            credits=t.credits,
            bonus_credits=t.bonus_credits,
            price=_money(t.price_micros, t.currency),
            url=t.checkout_url if t.status == "pending" else None,
            failure=t.failure,
            problem=t.problem,
            refunded_micros=t.returned_micros,
            disputed_micros=t.disputed_micros,
            grants=[t.grant_id(k) for k in range(1, t.bought + 1)] if t.paid else [],
            card_refunds=[CardRefundShown.of(one) for one in story.card_refunds],
            disputes=[DisputeShown.of(one) for one in story.disputes],
            created_at=t.created_at,
            paid_at=t.paid_at,
        )


class NewAutoRecharge(Body):
    threshold: Annotated[Amount, Field(description="credits: recharge when fewer are available")]
    pack_id: Identifier
    monthly_limit: Annotated[Credits, Field(description="credits that may be bought so in a month (UTC), bonus aside")]
    payment_method: (
        Annotated[
            str,
            Field(
                max_length=255,
                description="pm_…; by default the customer's default at Stripe, or else what was saved last and can be charged",
            ),
        ]
        | None
    ) = None


class AutoRechargeShown(Shown):
    """`stopped`: by us, because of `stopped_reason`; PUT it again to start anew. `due_at`: when it is looked at next."""

    account_id: str
    status: Literal["active", "stopped", "off"]
    threshold: int
    pack_id: str
    monthly_limit: int
    month_credits: int
    payment_method: str | None
    stopped_reason: str | None
    topup_id: Annotated[str | None, Field(description="of the payment in flight")]
    declines: int
    due_at: datetime | None
    changed_at: datetime

    @classmethod
    def of(cls, r: AutoRecharge) -> "AutoRechargeShown":
        return cls.like(r)


class Received(Shown):
    received: bool = True


class Explanation(Body):
    to: Annotated[
        Literal["fees", "reserve", "bank", "other"],
        Field(
            description="`fees`: a cost, or some of one returned; `reserve`: kept back for a while, or released; `bank`: from "
            "the bank, or to it; `other`: of business whose books are kept elsewhere"
        ),
    ]
    reason: Annotated[Text, Field(min_length=1, max_length=512, description="kept with it for ever")]


class TransactionShown(Shown):
    """A balance transaction of Stripe's as it is booked, signed as Stripe signs it: its net is amount − fee."""

    transaction_id: str
    event: str
    amount_micros: int
    fee_micros: int
    currency: str
    booked_at: datetime
    booked_by: str | None
    reason: str | None

    @classmethod
    def of(cls, t: BookedTransaction) -> "TransactionShown":
        return cls.like(t)


class StripeEventShown(Shown):
    """`dead`: somebody has to look, `problem` says at what; POST …/retry has it dealt with again."""

    event_id: str
    type: str
    state: Literal["pending", "done", "ignored", "dead"]
    problem: str | None
    account_id: str | None
    attempts: int
    next_attempt_at: datetime | None
    created_at: datetime
    received_at: datetime
    received_by: str
    done_at: datetime | None

    @classmethod
    def of(cls, e: StoredEvent) -> "StripeEventShown":
        return cls.like(e)


class StripeEventInFull(StripeEventShown):
    payload: dict[str, Any]

    @classmethod
    def of(cls, e: StoredEvent) -> "StripeEventInFull":
        return cls.like(e, payload=_without_secrets(json.loads(e.payload)))


def _without_secrets(thing: Any) -> Any:
    """What Stripe sent, but for `client_secret`: who has one may go on with the payment."""
    if isinstance(thing, dict):
        return {name: None if name == "client_secret" else _without_secrets(part) for name, part in thing.items()}
    return [_without_secrets(part) for part in thing] if isinstance(thing, list) else thing


def _money(micros: int, currency: str) -> dict[str, Any]:
    return {"micros": micros, "currency": currency}


def _clawed(one: CardRefund | Dispute) -> int:
    return sum(revoked + owed for _, revoked, owed in one.clawed)
