"""Charges and their outputs: what was asked, what came back and what it costs.

    authorized ──settle──▶ settled        voided ──force──▶ settled
        ├──void──▶ voided                 expired ──settle within 24 h──▶ settled (`late`)
        └──time──▶ expired                expired ──force──▶ settled (`forced`)

A charge and its outputs are immutable tuples in the order of their tables' columns: a change makes a new
tuple, and what the core decided is written as it is.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Literal, NamedTuple

from billing.core.noted import changing
from billing.core.prices import ModelPrices
from billing.core.sizes import Size

Status = Literal["authorized", "settled", "voided", "expired"]
LATE_SETTLE = timedelta(hours=24)
NOT_REPORTED = "not_reported"

LATE, FORCED, OVERDRAWN = "late", "forced", "overdrawn"
CAPPED, UNMEASURED, UNPRICED_SIZE, UNREQUESTED = "capped", "unmeasured", "unpriced_size", "unrequested"


class Charge(NamedTuple):
    """One gateway request for images. Credits in whole credits; times in UTC.

    `held_credits` is what the hold reserved, also after it ended. `available_credits`, `credit_limit` and
    `authorized_seq` (the wallet's last seq) are the evidence that the authorization was covered. Settlement
    transfers are `first_seq` to `last_seq`. `released_at` is when the hold ended, whatever came afterwards.
    `corrected_credits` is what corrections have added to the bill since, or taken off it: below 0.
    """

    account_id: str
    request_id: str
    status: Status
    model: str
    operation: str
    mode: str
    n: int
    size: str
    quality: str
    billed_quality: str
    quoted_tier: str
    credits_per_image: int
    quoted_credits: int
    held_credits: int
    settled_credits: int
    refunded_credits: int
    price_version: int
    asked_price_version: int | None
    overage: str
    one_step: bool
    forced: bool
    flags: tuple[str, ...]
    void_reason: str | None
    api_key_id: str | None
    end_user: str | None
    metadata: str | None
    hold_seconds: int
    credit_limit: int
    available_credits: int
    authorized_seq: int
    authorized_at: datetime
    expires_at: datetime
    resolved_at: datetime | None
    first_seq: int | None
    last_seq: int | None
    released_at: datetime | None
    corrected_credits: int

    def as_of(self, now: datetime) -> "Charge":
        """This charge as it is at `now`: a hold that is due has expired, whether or not a job has said so."""
        if self.status == "authorized" and self.expires_at <= now:
            return self._replace(status="expired", resolved_at=self.expires_at, released_at=self.expires_at)
        return self


# With its bill, in this order: as every settlement does.
settled = changing(
    Charge, "status", "settled_credits", "flags", "forced", "resolved_at", "first_seq", "last_seq", "released_at"
)


class Output(NamedTuple):
    """One image that was asked for or came back. `credits` is its bill, `refunded_credits` what of it was returned.

    It stays as it was settled: `corrected_credits` is what corrections have added to its bill, or taken off it.
    """

    account_id: str
    request_id: str
    index: int  # type: ignore[assignment]  # the domain's word; nobody searches these tuples
    status: str
    width: int | None
    height: int | None
    size_tier: str | None
    credits: int
    refunded_credits: int
    flags: tuple[str, ...]
    reason: str | None
    corrected_credits: int

    @property
    def refundable(self) -> int:
        """What can still be given back of it."""
        return self.credits + self.corrected_credits - self.refunded_credits


class Reported(NamedTuple):
    """One output as the gateway reports it: `status` is `succeeded` or `failed`, pixels measured or None."""

    index: int  # type: ignore[assignment]  # the domain's word; nobody searches these tuples
    status: str
    width: int | None
    height: int | None
    reason: str | None


def bill(charge: Charge, prices: ModelPrices, reported: Sequence[Reported]) -> list[Output]:
    """The outputs of `charge`, each with its price, in order of index. Only successful ones cost anything.

    The price is that of the measured size and the charge's billed quality. Indexes below n that were not
    reported count as failed; of more successes than n the first n are billed.
    """
    outputs = []
    billed = 0
    for one in _complete(charge.n, reported):
        flags: tuple[str, ...] = ()
        tier: str | None = None
        credits = 0
        if one.status == "succeeded":
            tier, credits, flags = _priced(charge, prices, one)
            if billed == charge.n:
                credits, flags = 0, (*flags, UNREQUESTED)
            else:
                billed += 1
        outputs.append(
            Output(
                charge.account_id,
                charge.request_id,
                one.index,
                one.status,
                one.width,
                one.height,
                tier,
                credits,
                0,
                flags,
                one.reason,
                0,
            )
        )
    return outputs


class Delivered(NamedTuple):
    """An output as a correction found that it was delivered, what it had cost and costs since, and how it stood before."""

    index: int  # type: ignore[assignment]  # the domain's word; nobody searches these tuples
    status: str
    width: int | None
    height: int | None
    size_tier: str | None
    credits_before: int
    credits_after: int
    status_before: str
    size_tier_before: str | None


def as_delivered(outputs: Sequence[Output], delivered: Iterable[Delivered]) -> list[Output]:
    """`outputs` with the status, pixels and tier that corrections, in their order, have found."""
    found = {one.index: one for one in delivered}
    return [
        output._replace(status=one.status, width=one.width, height=one.height, size_tier=one.size_tier)
        if (one := found.get(output.index))
        else output
        for output in outputs
    ]


def union_of_flags(outputs: Sequence[Output], *own: str) -> tuple[str, ...]:
    """The outputs' flags and the charge's own, each once, sorted."""
    flags = set(own)
    for output in outputs:
        if output.flags:
            flags.update(output.flags)
    return tuple(sorted(flags)) if flags else ()


def same_report(outputs: Sequence[Output], reported: Sequence[Reported]) -> bool:
    """Whether the stored outputs are what `reported` says, so that a settle is the same call again."""
    stored = [Reported(o.index, o.status, o.width, o.height, o.reason) for o in outputs]
    given = {one.index for one in reported}
    return [
        one for one in stored if one.index in given or one.reason != NOT_REPORTED or one.status != "failed"
    ] == sorted(reported)


def _complete(n: int, reported: Sequence[Reported]) -> Sequence[Reported]:
    if len(reported) == 1 and n == 1 and reported[0].index == 0:
        return reported
    seen = {one.index for one in reported}
    missing = [Reported(index, "failed", None, None, NOT_REPORTED) for index in range(n) if index not in seen]
    return sorted([*reported, *missing], key=lambda one: one.index)


def _priced(charge: Charge, prices: ModelPrices, one: Reported) -> tuple[str, int, tuple[str, ...]]:
    if one.width is None or one.height is None:
        return charge.quoted_tier, charge.credits_per_image, (UNMEASURED,)
    price = prices.price(charge.billed_quality, Size(one.width, one.height))
    flags = () if price.priced else (UNPRICED_SIZE,)
    if charge.overage == "cap" and price.credits > charge.credits_per_image:
        return price.tier.name, charge.credits_per_image, (CAPPED, *flags)
    return price.tier.name, price.credits, flags
