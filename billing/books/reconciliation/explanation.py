"""Explanations: one line in words. What was charged, what was delivered, the rule for tiers, and the difference."""

from typing import Final

from billing.core.charges import Charge, Output
from billing.core.prices import ModelPrices
from billing.core.reconciliation import PERSON, Kind, ManifestRow
from billing.core.sizes import Size

STRADDLES: Final = (
    "What is missing may have been delivered before the manifest's time began, or after it ended: look there."
)
UNSEEN: Final = "Nobody could measure it: look at it before it is billed."


def misplaced(account_id: str) -> str:
    return f"The manifest names this request under account {account_id}, which has no such charge: look whose it is."


def unknown(row: ManifestRow, elsewhere: str | None, account_known: bool) -> str:
    if not account_known:
        why = f"there is no account {row.account_id}"
    elif elsewhere is None:
        why = "the account has no charge of this id"
    else:
        why = f"the charge of this id is account {elsewhere}'s"
    return f"Delivered {_image(row.width, row.height)}, but {why}: whoever knows what was delivered to whom must look."


def not_settled(charge: Charge, prices: ModelPrices, now: Output, action: str) -> str:
    state = {"authorized": "still open: its gateway has not settled it", "voided": "voided", "expired": "expired"}
    said = f"Delivered {_image(now.width, now.height)}, but the charge is {state[charge.status]}."
    if action == PERSON:
        return f"{said} Settled, the image costs {_credits(now.credits)}."
    return f"{said} {_costs(charge, prices, now)}, and nothing was charged."


def settled(kind: Kind, charge: Charge, prices: ModelPrices, was: Output, now: Output, before: int, after: int) -> str:
    if kind == "charged_not_delivered":
        said = f"Charged {_credits(before)} for {_image(was.width, was.height)}, but it is not in the manifest."
    elif kind == "failed_yet_billed":
        said = f"Charged {_credits(before)} for {_image(was.width, was.height)}, but it failed, and a failure costs nothing."
    elif kind == "delivered_not_charged":
        said = f"Recorded as failed, but delivered {_image(now.width, now.height)}. {_costs(charge, prices, now)}."
    elif kind == "unrequested":
        said = (
            f"With what else was delivered, this image is {'not ' if after < before else ''}among the first {charge.n} "
            f"that were asked for: it costs {_credits(after)}, and {_credits(before)} are charged."
        )
    else:
        was_size = "unmeasured" if was.width is None else f"as {was.width}×{was.height}, tier {was.size_tier}"
        said = f"Charged {_credits(before)} {was_size}, but delivered {now.width}×{now.height}. {_costs(charge, prices, now)}."
    if after > now.credits:
        said += f" {_credits(after)} of it were refunded already."
    return f"{said} {_difference(after - before)}"


def tier_only(prices: ModelPrices, was: Output, row: ManifestRow) -> str:
    rule = "" if row.size_tier in prices.tiers.names else f" (the model has no tier {row.size_tier})"
    return (
        f"Charged tier {was.size_tier}, but the manifest says tier {row.size_tier}{rule} without pixels: "
        "send its width and height, by which images are billed."
    )


def beyond(charge: Charge, index: int, billed: bool) -> str:
    said = f"An image of index {index} was delivered, which the settlement knows nothing of; {charge.n} were asked for."
    if billed:
        return f"{said} Fewer than those were delivered, so it should cost something: somebody must look."
    return f"{said} What was not asked for costs nothing."


def counts(charged: int, delivered: int) -> str:
    return f"{_images(charged)} charged, {_images(delivered)} delivered; the lines of its outputs say which."


def other_book(charge: Charge, row: ManifestRow, credits: int | None, charged: int) -> str:
    under = "which has no price for it" if credits is None else f"under which it costs {_credits(credits)}"
    return (
        f"The manifest goes by price book {row.price_version}, {under}; the charge was authorized under price book "
        f"{charge.price_version}, which stays with it, and costs {_credits(charged)}."
    )


def _costs(charge: Charge, prices: ModelPrices, now: Output) -> str:
    if now.width is None or now.height is None:
        return f"Without a size it costs the quoted tier {now.size_tier}, {_credits(now.credits)}"
    edge = Size(now.width, now.height).long_edge
    tier = prices.tiers.of_edge(edge)
    last = prices.tiers.last
    rule = (
        f"Its long edge, {edge} px, is past the last tier and costs that one: {last.name} (up to {last.max_edge} px)"
        if tier is None
        else f"Its long edge, {edge} px, is tier {tier.name} (up to {tier.max_edge} px)"
    )
    capped = ", capped at what was quoted" if "capped" in now.flags else ""
    beyond = ", beyond what was asked for" if "unrequested" in now.flags else ""
    return f"{rule}, in quality {charge.billed_quality} {_credits(now.credits)}{capped}{beyond}"


def _difference(credits: int) -> str:
    if credits == 0:
        return "The price is the same."
    return (
        f"{_credits(credits)} too few were charged." if credits > 0 else f"{_credits(-credits)} too many were charged."
    )


def _image(width: int | None, height: int | None) -> str:
    return "an image of unknown size" if width is None else f"an image of {width}×{height}"


def _images(number: int) -> str:
    return f"{number} image{'' if number == 1 else 's'}"


def _credits(number: int) -> str:
    return f"{number:,} credit{'' if number == 1 else 's'}"
