"""What came back: each output's measured size, its tier and price, and what they come to."""

from collections.abc import Iterator, Sequence
from typing import Any

from billing.books.explain.request import place
from billing.books.explain.step import Phrase, Step
from billing.core.charges import CAPPED, FORCED, LATE, NOT_REPORTED, OVERDRAWN, UNREQUESTED, Charge, Output
from billing.core.instants import instant_text
from billing.core.prices import ModelPrices
from billing.core.sizes import Size

# What a flag adds to what is said anyway. `unmeasured` and `unpriced_size` are how the size itself is told.
_OF_OUTPUT: dict[str, Phrase] = {CAPPED: "capped", UNREQUESTED: "unrequested"}
_OF_CHARGE: dict[str, Phrase] = {LATE: "late", FORCED: "forced", OVERDRAWN: "overdrawn"}


def billed(c: Charge, prices: ModelPrices, outputs: Sequence[Output]) -> Iterator[Step]:
    """The steps of a settled charge from its outputs to its bill."""
    for output in outputs:
        yield _output(c, prices, output)
    yield _sum(c, outputs)


def _output(c: Charge, prices: ModelPrices, o: Output) -> Step:
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
        return Step("output", (_failure(o),), facts)
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
    return Step("output", (*says, "price", *flags), facts)


def _failure(o: Output) -> Phrase:
    if o.reason == NOT_REPORTED:
        return "failed_unreported"
    return "failed_for" if o.reason else "failed"


def _sum(c: Charge, outputs: Sequence[Output]) -> Step:
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
    return Step("billed", tuple(says), facts)
