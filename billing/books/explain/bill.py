"""From the request to the bill: what was asked, how it was read, what was reserved for it, and what came back."""

from collections.abc import Iterator, Sequence
from typing import Any

from billing.books.explain.step import Phrase, StepFacts
from billing.core.charges import CAPPED, FORCED, LATE, LATE_SETTLE, NOT_REPORTED, OVERDRAWN, UNREQUESTED, Charge, Output
from billing.core.instants import instant_text
from billing.core.prices import ModelPrices
from billing.core.sizes import Size, Tiers

# What a flag adds to what is said anyway. `unmeasured` and `unpriced_size` are how the size itself is told.
_OF_OUTPUT: dict[str, Phrase] = {CAPPED: "capped", UNREQUESTED: "unrequested"}
_OF_CHARGE: dict[str, Phrase] = {LATE: "late", FORCED: "forced", OVERDRAWN: "overdrawn"}


def requested(c: Charge, prices: ModelPrices) -> Iterator[StepFacts]:
    """The steps of a charge up to its hold, and how that stands or ended where nothing was billed."""
    yield _asked(c)
    yield _read(c, prices)
    yield _quoted(c, prices)
    yield _authorized(c)
    if c.status == "authorized":
        yield _open(c)
    elif c.status == "voided":
        yield _voided(c)
    elif c.status == "expired":
        yield _expired(c)


def place(tiers: Tiers, size: Size) -> tuple[tuple[Phrase, ...], dict[str, Any]]:
    """Where a measured size lies among the tiers: how far below its tier's edge and above the one before, in pixels.

    Past the last tier `distance_to_edge` is negative.
    """
    edge = size.long_edge
    tier = tiers.of_edge(edge)
    at = tier or tiers.last
    facts: dict[str, Any] = {
        "long_edge": edge,
        "size_tier": at.name,
        "tier_max_edge": at.max_edge,
        "distance_to_edge": at.max_edge - edge,
    }
    if tier is None:
        return ("tier_passed",), facts | {"past_last_edge": edge - at.max_edge}
    rank = tiers.all.index(at)
    if rank == 0:
        return ("tier_lowest",), facts
    before = tiers.all[rank - 1]
    facts |= {
        "tier_before": before.name,
        "tier_before_max_edge": before.max_edge,
        "distance_from_tier_before": edge - before.max_edge,
    }
    return ("tier_between",), facts


def _asked(c: Charge) -> StepFacts:
    facts = {
        "model": c.model,
        "operation": c.operation,
        "mode": c.mode,
        "n": c.n,
        "size": c.size,
        "quality": c.quality,
        "asked_price_version": c.asked_price_version,
    }
    return StepFacts("asked", ("asked",) if c.asked_price_version is None else ("asked", "price_asked"), facts)


def _read(c: Charge, prices: ModelPrices) -> StepFacts:
    says: tuple[Phrase, ...] = ("quality_as_asked" if c.quality == c.billed_quality else "quality_read",)
    facts: dict[str, Any] = {
        "quality": c.quality,
        "billed_quality": c.billed_quality,
        "size": c.size,
        "quoted_tier": c.quoted_tier,
    }
    if c.size == "auto":
        says = (*says, "size_auto")
    elif prices.tiers.named(c.size):
        says = (*says, "size_tier")
    else:
        where, pixels = place(prices.tiers, Size.parse(c.size))
        says, facts = (*says, "size_pixels", *where), facts | pixels
    return StepFacts("read", says, facts)


def _quoted(c: Charge, prices: ModelPrices) -> StepFacts:
    row = prices.prices[c.billed_quality]
    dearest = max(row.values())
    facts = {
        "credits_per_image": c.credits_per_image,
        "n": c.n,
        "credits": c.quoted_credits,
        "price_version": c.price_version,
        "overage": c.overage,
        "max_credits": c.quoted_credits if c.overage == "cap" else dearest * c.n,
    }
    says: tuple[Phrase, ...] = ("quoted",)
    if len(row) > 1 and len(set(row.values())) == 1:
        says = (*says, "flat")
    elif dearest > c.credits_per_image:
        says = (*says, "at_most_the_quote" if c.overage == "cap" else "at_most")
    return StepFacts("quoted", says, facts)


def _authorized(c: Charge) -> StepFacts:
    facts = {
        "available_credits": c.available_credits,
        "credit_limit": c.credit_limit,
        "held_credits": c.held_credits,
        "available_after_credits": c.available_credits - c.held_credits,
        "one_step": c.one_step,
        "seq": c.authorized_seq,
        "authorized_at": instant_text(c.authorized_at),
        "expires_at": instant_text(c.expires_at),
    }
    limit: tuple[Phrase, ...] = ("credit_limit",) if c.credit_limit else ()
    held: Phrase = "one_step" if c.one_step else "held_most" if c.held_credits > c.quoted_credits else "held_quote"
    return StepFacts("authorized", ("authorized", *limit, held), facts)


def _open(c: Charge) -> StepFacts:
    return StepFacts("open", ("open",), _ending(c))


def _voided(c: Charge) -> StepFacts:
    # An expired charge can be voided too: its hold had ended before.
    says: tuple[Phrase, ...] = ("voided" if c.released_at == c.resolved_at else "voided_after_expiry",)
    if c.void_reason:
        says = (*says, "void_reason")
    return StepFacts("voided", says, _ending(c) | {"reason": c.void_reason})


def _expired(c: Charge) -> StepFacts:
    until = {"settle_until": instant_text(c.expires_at + LATE_SETTLE)}
    return StepFacts("expired", ("expired", "settle_until"), _ending(c) | until)


def _ending(c: Charge) -> dict[str, Any]:
    return {
        "status": c.status,
        "held_credits": c.held_credits,
        "expires_at": instant_text(c.expires_at),
        "released_at": instant_text(c.released_at),
        "resolved_at": instant_text(c.resolved_at),
        "credits": 0,
    }


def billed(c: Charge, prices: ModelPrices, outputs: Sequence[Output]) -> Iterator[StepFacts]:
    """The steps of a settled charge from its outputs to its bill."""
    for output in outputs:
        yield _output(c, prices, output)
    yield _sum(c, outputs)


def _output(c: Charge, prices: ModelPrices, o: Output) -> StepFacts:
    facts: dict[str, Any] = {
        "index": o.index,
        "status": o.status,
        "width": o.width,
        "height": o.height,
        "size_tier": o.size_tier,
        "credits": o.credits,
        "refunded_credits": o.refunded_credits,
        "price_version": c.price_version,
        "flags": list(o.flags),
        "reason": o.reason,
    }
    if o.status == "failed":
        return StepFacts("output", (_failure(o),), facts)
    says: tuple[Phrase, ...] = ("unmeasured",)
    if o.width is not None and o.height is not None:
        where, pixels = place(prices.tiers, Size(o.width, o.height))
        says, facts = ("measured", *where), facts | pixels
    facts |= {
        "n": c.n,
        "billed_quality": c.billed_quality,
        "tier_credits": prices.prices[c.billed_quality][facts["size_tier"]],
        "quoted_credits_per_image": c.credits_per_image,
    }
    flags = [phrase for flag, phrase in _OF_OUTPUT.items() if flag in o.flags]
    return StepFacts("output", (*says, "price", *flags), facts)


def _failure(o: Output) -> Phrase:
    if o.reason == NOT_REPORTED:
        return "failed_unreported"
    return "failed_for" if o.reason else "failed"


def _sum(c: Charge, outputs: Sequence[Output]) -> StepFacts:
    more = c.settled_credits - c.quoted_credits
    facts = {
        "parts": [output.credits for output in outputs],
        "credits": c.settled_credits,
        "quoted_credits": c.quoted_credits,
        "difference": abs(more),
        "flags": list(c.flags),
        "resolved_at": instant_text(c.resolved_at),
        "released_at": instant_text(c.released_at),
        "reason": c.void_reason,
    }
    bill: Phrase = "settled_one" if len(outputs) == 1 else "settled_sum"
    compared: Phrase = "more_than_quoted" if more > 0 else "less_than_quoted" if more < 0 else "as_quoted"
    says: list[Phrase] = [bill, compared, *(phrase for flag, phrase in _OF_CHARGE.items() if flag in c.flags)]
    if c.void_reason:  # it was voided, and then settled by force
        says.append("void_reason")
    return StepFacts("billed", tuple(says), facts)
