"""Comparison: one charge beside the rows of a manifest, priced by the same function that bills and corrects.

A discrepancy is made for each thing that differs. Its difference is what a correction will post: what was refunded
already is not given twice, so a reduction ends there.
"""

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from billing.books.reconciliation.discrepancy import (
    CORRECT,
    NONE,
    PERSON,
    SETTLE,
    Action,
    Discrepancy,
    DiscrepancyKind,
    Sentence,
)
from billing.books.reconciliation.forms.rows import ManifestRow
from billing.books.reconciliation.suspects import Suspect
from billing.core.charges import CAPPED, UNREQUESTED, Charge, Output, Reported, bill
from billing.core.prices import ModelPrices, PriceBooks
from billing.core.refusals import PriceBookNotFound, UnknownModel
from billing.core.sizes import Size

NOT_DELIVERED, FAILED = "not delivered, says a manifest", "failed, says a manifest"
_Image = tuple[str | None, int | None, int | None, str | None]  # status, width, height, tier
_NO_IMAGE: _Image = (None, None, None, None)


class Said(NamedTuple):
    """What is said of a discrepancy: sentences in order, and their facts."""

    says: tuple[Sentence, ...]
    facts: dict[str, Any]

    def then(self, *says: Sentence, **facts: Any) -> "Said":
        return Said(self.says + says, self.facts | facts)


def said(*says: Sentence, **facts: Any) -> Said:
    return Said(says, facts)


def compare(one: Suspect, books: PriceBooks, time: tuple[datetime, datetime] | None) -> list[Discrepancy]:
    """What differs in one request, by index. `time`: from when until before when the manifest says all, if it does."""
    charge = one.charge
    if charge is None:
        return list(_unknown(one))
    prices = books.version(charge.price_version).model(charge.model)
    if charge.status == "settled":
        missing = any(was.status == "succeeded" and was.index not in one.rows for was in one.standing)
        doubt = None
        if missing and one.elsewhere is not None:
            doubt = said("misplaced", elsewhere=one.elsewhere)
        elif missing and time is not None and not _within(charge, *time):
            doubt = said("straddles")
        found = _settled(one, charge, prices, doubt)
        found += _other_books(one, charge, books)
        return found
    return _not_settled(one, charge, prices)


def _within(charge: Charge, starts_at: datetime, ends_at: datetime) -> bool:
    """Whether all of it was delivered within that time: between its authorization and its settlement.

    What is charged in one step was delivered before, and took no longer than a hold would have lasted.
    """
    began = charge.authorized_at
    if charge.one_step:
        began -= timedelta(seconds=charge.hold_seconds)
    return began >= starts_at and charge.resolved_at is not None and charge.resolved_at < ends_at


def _unknown(one: Suspect) -> Iterator[Discrepancy]:
    for row in one.rows.values():
        if row.status == "succeeded":
            kind: DiscrepancyKind = "delivered_not_charged" if one.elsewhere is None else "other_account"
            if not one.account_known:
                why = said("no_account")
            else:
                why = said("no_charge") if one.elsewhere is None else said("charge_elsewhere", elsewhere=one.elsewhere)
            yield _found(one, row.index, kind, PERSON, None, row, None, 0, 0, why.then("whose"))


def _not_settled(one: Suspect, charge: Charge, prices: ModelPrices) -> list[Discrepancy]:
    """A charge that is open, voided or expired: whatever was delivered is not charged."""
    delivered = [row for row in one.rows.values() if row.status == "succeeded"]
    priced = {now.index: now for now in bill(charge, prices, [_reported(row) for row in delivered])}
    unseen = any(now.status == "succeeded" and now.width is None for now in priced.values())
    states: dict[str, Sentence] = {"authorized": "still_open", "voided": "voided", "expired": "expired"}
    found = []
    for row in delivered:
        now = priced[row.index]
        action: Action = PERSON if charge.status == "authorized" or unseen else SETTLE
        why = said(states[charge.status])
        why = (
            why.then("settled_costs") if action == PERSON else _costs(why, charge, prices, now).then("nothing_charged")
        )
        if unseen and charge.status != "authorized":
            why = why.then("unseen")
        kind: DiscrepancyKind = "unrequested" if UNREQUESTED in now.flags else "delivered_not_charged"
        found.append(_found(one, row.index, kind, action, None, row, now, 0, now.credits, why))
    if not any(each.expected_credits for each in found):  # nothing to bill: not even an image of no price
        found = [each._replace(action=NONE) if each.action == SETTLE else each for each in found]
    return found


def _settled(one: Suspect, charge: Charge, prices: ModelPrices, doubt: Said | None) -> list[Discrepancy]:
    """With a `doubt` about what is missing nothing is corrected: a person must look."""
    reports = [_as_delivered(was, one.rows.get(was.index)) for was in one.standing]
    priced = bill(charge, prices, reports)
    found: list[Discrepancy] = []
    for settled, was, now in zip(one.outputs, one.standing, priced, strict=True):
        row = one.rows.get(was.index)
        before = settled.credits + settled.corrected_credits
        after = max(now.credits, settled.refunded_credits)
        kind = _kind(was, now, row, before, after)
        if kind is not None:
            why = _differs(kind, charge, prices, was, now, before, after)
            action: Action = CORRECT
            if after > before and now.width is None:
                action, why = PERSON, why.then("unseen")
            found.append(_found(one, was.index, kind, action, was, row, now, before, after, why))
        elif row is not None and row.width is None and _other_tier(was, row):
            why = said("tier_without_pixels" if row.size_tier in prices.tiers.names else "unknown_tier")
            found.append(_found(one, was.index, "wrong_size_tier", PERSON, was, row, None, before, before, why))
    if not any(each.difference_credits for each in found if each.action == CORRECT):
        found = [each._replace(action=NONE) if each.action == CORRECT else each for each in found]
    if doubt is not None:
        found = [
            each._replace(action=PERSON, says=each.says + doubt.says, facts=each.facts | doubt.facts)
            if each.action == CORRECT
            else each
            for each in found
        ]
    found += _beyond(one, charge, priced)
    return _counts(one, priced) + found


def _differs(
    kind: DiscrepancyKind, charge: Charge, prices: ModelPrices, was: Output, now: Output, before: int, after: int
) -> Said:
    if kind == "charged_not_delivered":
        why = said("not_in_manifest")
    elif kind == "failed_yet_billed":
        why = said("charged_failure")
    elif kind == "delivered_not_charged":
        why = _costs(said("recorded_failed"), charge, prices, now)
    elif kind == "unrequested":
        why = said("not_among_first" if after < before else "among_first", n=charge.n)
    else:
        why = _costs(said("charged_unmeasured" if was.width is None else "charged_as"), charge, prices, now)
    if after > now.credits:
        why = why.then("refunded_already")
    return why.then("same_price" if after == before else "too_few" if after > before else "too_many")


def _costs(why: Said, charge: Charge, prices: ModelPrices, now: Output) -> Said:
    """By which rule for tiers it costs what."""
    if now.width is None or now.height is None:
        why = why.then("without_size", credits=now.credits)
    else:
        edge = Size(now.width, now.height).long_edge
        tier = prices.tiers.of_edge(edge)
        why = why.then(
            "past_last_tier" if tier is None else "in_tier",
            long_edge=edge,
            tier_max_edge=(tier or prices.tiers.last).max_edge,
            billed_quality=charge.billed_quality,
            credits=now.credits,
        )
    if CAPPED in now.flags:
        why = why.then("capped")
    return why.then("unrequested") if UNREQUESTED in now.flags else why


def _beyond(one: Suspect, charge: Charge, priced: Sequence[Output]) -> Iterator[Discrepancy]:
    """Images that the settlement knows nothing of: the provider returned more than was asked for."""
    known = {now.index for now in priced}
    billed = sum(now.status == "succeeded" for now in priced) < charge.n
    why = said("unknown_index", "should_cost" if billed else "costs_nothing", n=charge.n)
    for row in one.rows.values():
        if row.index not in known and row.status == "succeeded":
            yield _found(one, row.index, "unrequested", PERSON if billed else NONE, None, row, None, 0, 0, why)


def _counts(one: Suspect, priced: Sequence[Output]) -> list[Discrepancy]:
    """About the whole charge, where another number of images was delivered; the credits stand in the others."""
    if not one.rows:
        return []
    known = {now.index for now in priced}
    charged = sum(was.status == "succeeded" for was in one.standing)
    delivered = sum(now.status == "succeeded" for now in priced)
    delivered += sum(row.status == "succeeded" for row in one.rows.values() if row.index not in known)
    if charged == delivered:
        return []
    why = said("counts", charged_images=charged, delivered_images=delivered)
    return [_found(one, None, "count_differs", NONE, None, None, None, 0, 0, why)]


def _other_books(one: Suspect, charge: Charge, books: PriceBooks) -> Iterator[Discrepancy]:
    standing = {was.index: was for was in one.standing}
    for row in one.rows.values():
        if row.price_version not in (None, charge.price_version) and row.status == "succeeded":
            was = standing.get(row.index)
            credits = 0 if was is None else was.credits + was.corrected_credits
            other = _under(row, charge, books)
            why = said("unpriced_book") if other is None else said("other_book", other_credits=other)
            why = why.then("own_book", manifest_price_version=row.price_version, price_version=charge.price_version)
            yield _found(one, row.index, "other_price_book", PERSON, was, row, None, credits, credits, why)


def _under(row: ManifestRow, charge: Charge, books: PriceBooks) -> int | None:
    """What the row's output would cost under the book that the row names, if it has the model and the quality."""
    try:
        prices = books.version(row.price_version or 0).model(charge.model)
        return bill(charge._replace(n=1), prices, [_reported(row)._replace(index=0)])[0].credits
    except (PriceBookNotFound, UnknownModel, KeyError):
        return None


def _kind(was: Output, now: Output, row: ManifestRow | None, before: int, after: int) -> DiscrepancyKind | None:
    if was.status == "succeeded" and now.status == "failed":
        if before == after:  # it cost nothing, or all of it went back
            return None
        return "charged_not_delivered" if row is None else "failed_yet_billed"
    if was.status == "failed" and now.status == "succeeded":
        return "unrequested" if UNREQUESTED in now.flags else "delivered_not_charged"
    if (was.width, was.height) != (now.width, now.height):
        if was.width is None:
            return "unmeasured_now_measured"
        return "wrong_size_tier" if was.size_tier != now.size_tier else "size_differs"
    return "unrequested" if before != after else None  # another output took, or left, its place among the first n


def _as_delivered(was: Output, row: ManifestRow | None) -> Reported:
    """What is reported of an output by now. Whatever the row does not say stays as it is known."""
    known = Reported(was.index, was.status, was.width, was.height, was.reason)
    if row is None:
        return known if was.status == "failed" else Reported(was.index, "failed", None, None, NOT_DELIVERED)
    if row.status == "failed":
        return known if was.status == "failed" else Reported(was.index, "failed", None, None, FAILED)
    if row.width is None and was.status == "succeeded":
        return known
    return _reported(row)


def _reported(row: ManifestRow) -> Reported:
    return Reported(row.index, row.status, row.width, row.height, None)


def _other_tier(was: Output, row: ManifestRow) -> bool:
    return row.status == "succeeded" == was.status and row.size_tier not in (None, was.size_tier)


def _found(
    one: Suspect,
    index: int | None,
    kind: DiscrepancyKind,
    action: Action,
    was: Output | None,
    row: ManifestRow | None,
    now: Output | None,
    charged: int,
    expected: int,
    why: Said,
) -> Discrepancy:
    """What is found in `one`; which reconciliation and which line of it that is, is not known here."""
    delivered = _NO_IMAGE
    if now is not None:
        delivered = (now.status, now.width, now.height, now.size_tier)
    elif row is not None:
        delivered = (row.status, row.width, row.height, row.size_tier)
    stood: _Image = _NO_IMAGE if was is None else (was.status, was.width, was.height, was.size_tier)
    status = None if one.charge is None else one.charge.status
    found = Discrepancy(
        one.account_id, "", 0, one.request_id, index, kind, action, status, *stood, charged, *delivered, expected,
        expected - charged, why.says, why.facts,
    )  # fmt: skip
    if row is None:
        return found
    return found._replace(
        manifest_line=row.line,
        delivered_at=row.delivered_at,
        provider=row.provider,
        provider_request_id=row.provider_request_id,
    )
