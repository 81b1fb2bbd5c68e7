"""Simulation: what was delivered, under another price book. It is billed by the very rules of a settlement."""

from collections.abc import Sequence

from billing.core.charges import Charge, Output, Reported, bill
from billing.core.prices import PriceBook, PriceBooks

_NOTHING = Charge._make([None] * len(Charge._fields))


def one_image(model: str, size: str, quality: str, overage: str) -> Charge:
    """A request for one image, as far as its price depends on it."""
    return _NOTHING._replace(model=model, size=size, quality=quality, overage=overage, n=1)


def requoted(charge: Charge, book: PriceBook) -> Charge:
    """`charge` as `book` would have quoted it, whatever hold it has.

    Raises UnknownModel, SizeNotAllowed, SizeNotPriced, QualityNotSupported.
    """
    quote = book.quote(charge.model, charge.n, charge.size, charge.quality, charge.overage)
    return charge._replace(
        billed_quality=quote.billed_quality,
        quoted_tier=quote.size_tier,
        credits_per_image=quote.credits_per_image,
        quoted_credits=quote.credits,
        price_version=quote.price_version,
    )


def rebilled(charge: Charge, outputs: Sequence[Output], books: PriceBooks, book: PriceBook) -> list[int]:
    """The credits of each output under `book`, as it was delivered.

    A correction never goes below what had been refunded: an output that costs more than its own book says, for that
    reason, costs the same under any. Raises what `requoted` raises, and PriceBookNotFound.
    """
    delivered = [Reported(one.index, one.status, one.width, one.height, one.reason) for one in outputs]
    own = bill(charge, books.version(charge.price_version).model(charge.model), delivered)
    then = bill(requoted(charge, book), book.model(charge.model), delivered)
    costs = []
    for output, was, would in zip(outputs, own, then, strict=True):
        now = output.credits + output.corrected_credits
        costs.append(would.credits if was.credits == now else now)
    return costs
