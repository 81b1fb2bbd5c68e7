"""Packs, top-ups, auto-recharge and Stripe's events, over HTTP."""

import json
from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import Field, ValidationError

from billing.core.funding_commands import URL_LENGTH
from billing.core.packs import EXPIRES_IN_DAYS_MAX, Pack
from billing.core.payments import Via
from billing.http.models.common import Amount, Body, Credits, Identifier, Money, MoneyShown, Shown, Text
from billing.http.problems import invalid
from billing.store.inbox import StoredEvent
from billing.store.packs import PublishedPack
from billing.store.topups import TopupStory

TopupStatus = Literal["pending", "paid", "failed", "expired", "refunded", "disputed"]
Bonus = Literal["own_grant", "dilutes"]
Address = Annotated[str, Field(max_length=URL_LENGTH)]


class NewPack(Body):
    pack_id: Identifier
    """yours to choose, and kept for ever: 1-64 of A-Z a-z 0-9 _ . : -"""
    name: Annotated[Text, Field(max_length=200)] | None = None
    """what customers see, up to 200 characters; null: the id"""
    credits: Credits
    """whole credits that are paid for, at least 1"""
    bonus_credits: Amount = 0
    """whole credits on top, 0 or more"""
    bonus: Bonus = "own_grant"
    """`own_grant`: bonus credits cost nothing; `dilutes`: they make every credit cheaper"""
    price: Money
    """what the whole pack costs: at least the least that cards charge of the currency"""
    expires_in_days: Annotated[int, Field(ge=1, le=EXPIRES_IN_DAYS_MAX)] | None = None
    """how long its credits can be used, 1 to 3,650 days; null: for ever"""

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
    """as it was chosen"""
    name: str
    """what customers see, up to 200 characters"""
    credits: int
    """whole credits that are paid for, at least 1"""
    bonus_credits: int
    """whole credits on top, 0 or more"""
    bonus: Bonus
    """`own_grant`: bonus credits cost nothing; `dilutes`: they make every credit cheaper"""
    price: MoneyShown
    """what the whole pack costs"""
    expires_in_days: int | None
    """how long its credits can be used, 1 to 3,650 days; null: for ever"""
    published_at: datetime
    """RFC 3339 in UTC"""
    withdrawn_at: datetime | None
    """since when nobody can order it, RFC 3339 in UTC; null: it is on sale"""

    @classmethod
    def of(cls, published: PublishedPack) -> "PackShown":
        pack = published.pack
        return cls.like(
            pack,
            price=_money(pack.price_micros, pack.currency),
            published_at=published.published_at,
            withdrawn_at=published.withdrawn_at,
        )


class NewTopup(Body):
    topup_id: Identifier
    """yours to choose, and kept for ever: 1-64 of A-Z a-z 0-9 _ . : -"""
    pack_id: Identifier
    """what is bought"""
    success_url: Address
    """http or https: where the customer comes back to when it is paid"""
    cancel_url: Address
    """http or https: where the customer comes back to when it is not"""


class CardRefundShown(Shown):
    """Money that went back to the card, and the credits that went with it."""

    card_refund_id: str
    """Stripe's, `re_…`"""
    status: Literal["succeeded", "failed"]
    """`failed`: the money came back after all, and the credits with it"""
    amount_micros: int
    """micros of the pack's currency, at least 1"""
    clawed_credits: int
    """whole credits that were taken for it, 0 or more"""
    created_at: datetime
    """when it was heard of, RFC 3339 in UTC"""


class DisputeShown(Shown):
    """A cardholder's complaint. It may be reopened, and decided anew."""

    dispute_id: str
    """Stripe's, `dp_…` or `du_…`"""
    status: Literal["open", "won", "lost", "averted"]
    """`open`: what is left of the credits is frozen; `lost`: money is gone, and its credits with it; `averted`: it closed
    without a verdict, and without money"""
    stripe_status: str | None
    """Stripe's word for it; null: it was heard of before we kept that"""
    reason: str | None
    """Stripe's word for why; null: none was given"""
    amount_micros: int
    """what is disputed, in micros of the pack's currency, 0 or more"""
    withdrawn_micros: int
    """what Stripe took for it so far, in micros of the pack's currency, 0 or more"""
    reinstated_micros: int
    """what Stripe gave back of that, in micros of the pack's currency, 0 or more"""
    lost_micros: int
    """what is gone for good, in micros of the pack's currency; 0 unless it is lost"""
    clawed_credits: int
    """whole credits that were ever taken for it, 0 or more: what a later verdict gave back came by transfers of its own"""
    opened_at: datetime
    """RFC 3339 in UTC"""
    closed_at: datetime | None
    """RFC 3339 in UTC; null: it is open"""


class TopupShown(Shown):
    """A purchase of a pack."""

    account_id: str
    """who buys"""
    topup_id: str
    """as it was chosen; `recharge:…` where auto-recharge ordered it"""
    via: Via
    """`checkout`: the customer pays at Stripe's page; `recharge`: a saved card or bank account is charged"""
    status: TopupStatus
    """`paid`: its credits are there; `refunded`, `disputed`: they were, and all or some of the money went back or may"""
    pack_id: str
    """what is bought; its terms as they were when it was ordered"""
    credits: int
    """whole credits that are paid for, at least 1"""
    bonus_credits: int
    """whole credits on top, 0 or more"""
    price: MoneyShown
    """what the whole pack costs"""
    url: str | None
    """where it is paid, while it is pending; null: nowhere, or no more"""
    failure: str | None
    """why the payment failed, in the processor's words; null: it did not"""
    problem: str | None
    """what the processor reported does not fit what was ordered: nothing was posted, and somebody has to look; null:
    nothing is wrong"""
    refunded_micros: int = Field(validation_alias="returned_micros")
    """what went back to the card, by refunds and lost disputes, in micros of the price's currency; 0 or more"""
    disputed_micros: int
    """what is withdrawn for open disputes, in micros of the price's currency; 0 or more"""
    grants: list[str]
    """ids of the grants that came with the money; empty until it does"""
    card_refunds: list[CardRefundShown]
    """oldest first; empty in lists"""
    disputes: list[DisputeShown]
    """oldest first; empty in lists"""
    created_at: datetime
    """when it was ordered, RFC 3339 in UTC"""
    paid_at: datetime | None
    """RFC 3339 in UTC; null: it is not paid"""

    @classmethod
    def of(cls, story: TopupStory) -> "TopupShown":
        topup = story.topup
        return cls.like(
            topup,
            price=_money(topup.price_micros, topup.currency),
            url=topup.checkout_url if topup.status == "pending" else None,
            refunded_micros=topup.returned_micros,
            card_refunds=story.card_refunds,
            disputes=story.disputes,
        )


class NewAutoRecharge(Body):
    threshold: Amount
    """whole credits, 0 or more: recharge when fewer are available"""
    pack_id: Identifier
    """what is bought then"""
    monthly_limit: Credits
    """whole credits that may be bought so in a month (UTC), bonus aside; at least those of the pack"""
    payment_method: Annotated[str, Field(max_length=255)] | None = None
    """`pm_…` at Stripe; null: the customer's default there, or else what was saved last and can be charged"""


class AutoRechargeShown(Shown):
    """Auto-recharge: its terms, and how it stands."""

    account_id: str
    """who buys"""
    status: Literal["active", "stopped", "off"]
    """`stopped`: by us, PUT it again to start anew; `off`: by the customer"""
    threshold: int
    """whole credits, 0 or more: it recharges when fewer are available"""
    pack_id: str
    """what is bought then"""
    monthly_limit: int
    """whole credits that may be bought so in a month (UTC), bonus aside; at least 1"""
    month_credits: int
    """whole credits that were bought so in the month of the last order, bonus aside; 0 or more"""
    payment_method: str | None
    """`pm_…` at Stripe; null: the customer's default there, or else what was saved last and can be charged"""
    stopped_reason: str | None
    """`monthly_limit` (until the next month begins), `no_payment_method`, `pack_withdrawn`, `declined`; null: nothing"""
    topup_id: str | None
    """of the payment in flight; null: there is none"""
    declines: int
    """payments that were declined since the last one that was not, 0 to 3"""
    due_at: datetime | None
    """when it is looked at next, RFC 3339 in UTC; null: nothing is to be done"""
    changed_at: datetime
    """RFC 3339 in UTC"""


class Received(Shown):
    """The event is stored: it need not be sent again."""

    received: bool = True
    """always true"""


class Explanation(Body):
    """What a movement of Stripe's is, and why."""

    to: Literal["fees", "reserve", "bank", "other"]
    """`fees`: a cost, or some of one returned; `reserve`: kept back for a while, or released; `bank`: from the bank, or to
    it; `other`: of business whose books are kept elsewhere"""
    reason: Annotated[Text, Field(min_length=1, max_length=512)]
    """1 to 512 characters, kept with it for ever"""


class TransactionShown(Shown):
    """A balance transaction of Stripe's as it is booked, signed as Stripe signs it: its net is amount − fee."""

    transaction_id: str
    """Stripe's, `txn_…`"""
    event: str
    """what it was booked as: `purchase`, `fee`, `payout`, `reserve_held`, …"""
    amount_micros: int
    """micros of the currency; below 0: out of Stripe's balance"""
    fee_micros: int
    """micros of the currency that Stripe kept; below 0: gave back"""
    currency: str
    """ISO 4217, three capital letters"""
    booked_at: datetime
    """RFC 3339 in UTC"""
    booked_by: str | None
    """id of the key in whose name somebody said what it is; null: the ledger knew"""
    reason: str | None
    """why that somebody said so; null: the ledger knew"""


class StripeEventShown(Shown):
    """An event of Stripe's, and what became of it."""

    event_id: str
    """Stripe's, `evt_…`"""
    type: str
    """Stripe's: `checkout.session.completed`, …"""
    state: Literal["pending", "done", "ignored", "dead"]
    """`pending`: to be dealt with; `ignored`: none of our business; `dead`: somebody has to look, `problem` says at what,
    and POST …/retry has it dealt with again"""
    problem: str | None
    """what went wrong at the last attempt; null: nothing"""
    account_id: str | None
    """whose it turned out to be; null: nobody's, or not known yet"""
    attempts: int
    """how often it was dealt with, 0 or more"""
    next_attempt_at: datetime | None
    """when it is dealt with next, RFC 3339 in UTC; null: it is not"""
    created_at: datetime
    """when it happened at Stripe, RFC 3339 in UTC"""
    received_at: datetime
    """when it came in, RFC 3339 in UTC"""
    received_by: str
    """how it came in: `endpoint …`, by which of our secrets it was signed, or `sync` where we fetched it"""
    done_at: datetime | None
    """when it was dealt with for good, RFC 3339 in UTC; null: it is not"""


class StripeEventInFull(StripeEventShown):
    payload: dict[str, Any]
    """what Stripe sent, but for secrets, which are null"""

    @classmethod
    def of(cls, event: StoredEvent) -> "StripeEventInFull":
        return cls.like(event, payload=_without_secrets(json.loads(event.payload)))


def _without_secrets(thing: Any) -> Any:
    """What Stripe sent, but for `client_secret`: who has one may go on with the payment."""
    if isinstance(thing, dict):
        return {name: None if name == "client_secret" else _without_secrets(part) for name, part in thing.items()}
    return [_without_secrets(part) for part in thing] if isinstance(thing, list) else thing


def _money(micros: int, currency: str) -> dict[str, Any]:
    return {"micros": micros, "currency": currency}
