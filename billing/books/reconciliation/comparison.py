"""Comparison: one charge beside the rows of a manifest, priced by the same function that bills and corrects.

A line is made for each thing that differs. Its difference is what a correction will post: what was refunded already is
not given twice, so a reduction ends there.
"""

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta

from billing.books.reconciliation import explanation as explain
from billing.books.reconciliation.cases import Case
from billing.core.charges import UNREQUESTED, Charge, Output, Reported, bill
from billing.core.prices import ModelPrices, PriceBooks
from billing.core.reconciliation import CORRECT, NONE, PERSON, SETTLE, Action, Kind, Line, ManifestRow
from billing.core.refusals import PriceBookNotFound, UnknownModel

_Image = tuple[str | None, int | None, int | None, str | None]  # status, width, height, tier
_NO_IMAGE: _Image = (None, None, None, None)
NOT_DELIVERED, FAILED = "not delivered, says a manifest", "failed, says a manifest"


def compare(case: Case, books: PriceBooks, time: tuple[datetime, datetime] | None) -> list[Line]:
    """What differs in one request, by index. `time`: from when until before when the manifest says all, if it does."""
    charge = case.charge
    if charge is None:
        return list(_unknown(case))
    prices = books.version(charge.price_version).model(charge.model)
    if charge.status == "settled":
        missing = any(one.status == "succeeded" and one.index not in case.rows for one in case.standing)
        doubt = None
        if missing and case.elsewhere is not None:
            doubt = explain.misplaced(case.elsewhere)
        elif missing and time is not None and not _within(charge, *time):
            doubt = explain.STRADDLES
        lines = _settled(case, charge, prices, doubt)
        lines += _other_books(case, charge, books)
        return lines
    return _not_settled(case, charge, prices)


def _within(charge: Charge, starts_at: datetime, ends_at: datetime) -> bool:
    """Whether all of it was delivered within that time: between its authorization and its settlement.

    What is charged in one step was delivered before, and took no longer than a hold would have lasted.
    """
    began = charge.authorized_at
    if charge.one_step:
        began -= timedelta(seconds=charge.hold_seconds)
    return began >= starts_at and charge.resolved_at is not None and charge.resolved_at < ends_at


def _unknown(case: Case) -> Iterator[Line]:
    for row in case.rows.values():
        if row.status == "succeeded":
            kind: Kind = "delivered_not_charged" if case.elsewhere is None else "other_account"
            said = explain.unknown(row, case.elsewhere, case.account_known)
            yield _line(case, row.index, kind, PERSON, None, row, None, 0, 0, said)


def _not_settled(case: Case, charge: Charge, prices: ModelPrices) -> list[Line]:
    """A charge that is open, voided or expired: whatever was delivered is not charged."""
    delivered = [row for row in case.rows.values() if row.status == "succeeded"]
    priced = {one.index: one for one in bill(charge, prices, [_reported(row) for row in delivered])}
    unseen = any(one.status == "succeeded" and one.width is None for one in priced.values())
    lines = []
    for row in delivered:
        one = priced[row.index]
        beyond = UNREQUESTED in one.flags
        action: Action = PERSON if charge.status == "authorized" or unseen else SETTLE
        said = explain.not_settled(charge, prices, one, action)
        if unseen and charge.status != "authorized":
            said = f"{said} {explain.UNSEEN}"
        kind: Kind = "unrequested" if beyond else "delivered_not_charged"
        lines.append(_line(case, row.index, kind, action, None, row, one, 0, one.credits, said))
    if not any(line.expected_credits for line in lines):  # nothing to bill: not even an image of no price
        lines = [line._replace(action=NONE) if line.action == SETTLE else line for line in lines]
    return lines


def _settled(case: Case, charge: Charge, prices: ModelPrices, doubt: str | None) -> list[Line]:
    """With a `doubt` about what is missing nothing is corrected: a person must look."""
    reports = [_as_delivered(one, case.rows.get(one.index)) for one in case.standing]
    priced = bill(charge, prices, reports)
    lines: list[Line] = []
    for settled, was, now in zip(case.outputs, case.standing, priced, strict=True):
        row = case.rows.get(was.index)
        before = settled.credits + settled.corrected_credits
        after = max(now.credits, settled.refunded_credits)
        kind = _kind(was, now, row, before, after)
        if kind is not None:
            said = explain.settled(kind, charge, prices, was, now, before, after)
            action: Action = CORRECT
            if after > before and now.width is None:
                action, said = PERSON, f"{said} {explain.UNSEEN}"
            lines.append(_line(case, was.index, kind, action, was, row, now, before, after, said))
        elif row is not None and row.width is None and _other_tier(was, row):
            said = explain.tier_only(prices, was, row)
            lines.append(_line(case, was.index, "wrong_size_tier", PERSON, was, row, None, before, before, said))
    if not any(line.difference_credits for line in lines if line.action == CORRECT):
        lines = [line._replace(action=NONE) if line.action == CORRECT else line for line in lines]
    if doubt is not None:
        lines = [
            line._replace(action=PERSON, explanation=f"{line.explanation} {doubt}") if line.action == CORRECT else line
            for line in lines
        ]
    lines += _beyond(case, charge, priced)
    return _counts(case, priced) + lines


def _beyond(case: Case, charge: Charge, priced: Sequence[Output]) -> Iterator[Line]:
    """Images that the settlement knows nothing of: the provider returned more than was asked for."""
    known = {one.index for one in priced}
    successes = sum(one.status == "succeeded" for one in priced)
    for row in case.rows.values():
        if row.index not in known and row.status == "succeeded":
            billed = successes < charge.n
            said = explain.beyond(charge, row.index, billed)
            yield _line(case, row.index, "unrequested", PERSON if billed else NONE, None, row, None, 0, 0, said)


def _counts(case: Case, priced: Sequence[Output]) -> list[Line]:
    """A line about the whole charge, where another number of images was delivered; the credits stand in the others."""
    if not case.rows:
        return []
    known = {one.index for one in priced}
    charged = sum(one.status == "succeeded" for one in case.standing)
    delivered = sum(one.status == "succeeded" for one in priced)
    delivered += sum(row.status == "succeeded" for row in case.rows.values() if row.index not in known)
    if charged == delivered:
        return []
    said = explain.counts(charged, delivered)
    return [_line(case, None, "count_differs", NONE, None, None, None, 0, 0, said)]


def _other_books(case: Case, charge: Charge, books: PriceBooks) -> Iterator[Line]:
    standing = {one.index: one for one in case.standing}
    for row in case.rows.values():
        if row.price_version not in (None, charge.price_version) and row.status == "succeeded":
            was = standing.get(row.index)
            credits = 0 if was is None else was.credits + was.corrected_credits
            said = explain.other_book(charge, row, _under(row, charge, books), credits)
            yield _line(case, row.index, "other_price_book", PERSON, was, row, None, credits, credits, said)


def _under(row: ManifestRow, charge: Charge, books: PriceBooks) -> int | None:
    """What the row's output would cost under the book that the row names, if it has the model and the quality."""
    try:
        prices = books.version(row.price_version or 0).model(charge.model)
        return bill(charge._replace(n=1), prices, [_reported(row)._replace(index=0)])[0].credits
    except (PriceBookNotFound, UnknownModel, KeyError):
        return None


def _kind(was: Output, now: Output, row: ManifestRow | None, before: int, after: int) -> Kind | None:
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


def _line(
    case: Case,
    index: int | None,
    kind: Kind,
    action: Action,
    was: Output | None,
    row: ManifestRow | None,
    now: Output | None,
    charged: int,
    expected: int,
    explanation: str,
) -> Line:
    delivered: _Image = _NO_IMAGE
    if now is not None:
        delivered = (now.status, now.width, now.height, now.size_tier)
    elif row is not None:
        delivered = (row.status, row.width, row.height, row.size_tier)
    stood: _Image = _NO_IMAGE if was is None else (was.status, was.width, was.height, was.size_tier)
    status = None if case.charge is None else case.charge.status
    line = Line(
        case.account_id, "", 0, case.request_id, index, kind, action, status, *stood, charged, *delivered, expected,
        expected - charged, explanation, None, None, None, None,
    )  # fmt: skip
    if row is None:
        return line
    return line._replace(
        manifest_line=row.line,
        delivered_at=row.delivered_at,
        provider=row.provider,
        provider_request_id=row.provider_request_id,
    )
