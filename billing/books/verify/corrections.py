"""Corrections, each priced again: what it made of its charge's outputs, by what was reported. I9."""

from collections.abc import Sequence
from typing import Any, Final

from billing.books.verify.reading import Reading
from billing.books.verify.report import Finding, Findings
from billing.books.verify.settlements import price_books
from billing.core.charges import Charge, Delivered, Output, Reported, as_delivered
from billing.core.commands import Correct
from billing.core.corrections import as_found
from billing.core.prices import PriceBooks
from billing.core.refusals import Refusal
from billing.store.rows import CHARGE, OUTPUT, charge, columns, output

# Of each corrected charge its outputs, and what was refunded, reported and corrected of them, each with the seq of its event.
_CORRECTED: Final = f"""
    SELECT {CHARGE},
        ARRAY(SELECT ROW({OUTPUT}) FROM {{output}} o
              WHERE o.account_id = c.account_id AND o.request_id = c.request_id ORDER BY o.index),
        ARRAY(SELECT ROW(r.first_seq, p.index, p.credits) FROM {{refund}} r
              JOIN {{refund_output}} p ON p.account_id = r.account_id AND p.refund_id = r.refund_id
              WHERE r.account_id = c.account_id AND r.request_id = c.request_id),
        ARRAY(SELECT ROW(k.first_seq, k.correction_id, {columns(Reported._fields, "p")}) FROM {{correction}} k
              JOIN {{correction_report}} p ON p.account_id = k.account_id AND p.correction_id = k.correction_id
              WHERE k.account_id = c.account_id AND k.request_id = c.request_id ORDER BY k.first_seq, p.index),
        ARRAY(SELECT ROW(k.first_seq, k.correction_id, {columns(Delivered._fields, "p")}) FROM {{correction}} k
              JOIN {{correction_output}} p ON p.account_id = k.account_id AND p.correction_id = k.correction_id
              WHERE k.account_id = c.account_id AND k.request_id = c.request_id ORDER BY k.first_seq, p.index)
    FROM {{charge}} c
    WHERE c.status = 'settled'
        AND EXISTS (SELECT FROM {{correction}} k WHERE k.account_id = c.account_id AND k.request_id = c.request_id)
    ORDER BY c.account_id, c.request_id"""


async def check_corrections(reading: Reading, findings: Findings) -> int:
    """Prices corrections again until one is wrong; returns of how many charges."""
    books = await price_books(reading)
    looked_at = 0
    async for batch in reading.batches(_CORRECTED):
        for *of_charge, outputs, refunded, asked, corrected in batch:
            looked_at += 1
            of = charge(of_charge)
            wrong = miscorrected(of, [output(one) for one in outputs], refunded, asked, corrected, books)
            if wrong is not None:
                correction_id, problem = wrong
                findings.add(of.account_id, Finding("I9", "correction", f"{of.account_id}/{correction_id}", problem))
                return looked_at
    return looked_at


def miscorrected(
    of: Charge,
    settled: Sequence[Output],
    refunded: Sequence[tuple[int, int, int]],
    asked: Sequence[Sequence[Any]],
    corrected: Sequence[Sequence[Any]],
    books: PriceBooks,
) -> tuple[str, str] | None:
    """The first correction of a charge that is not what its price book makes of what was reported, and why.

    `refunded`: (seq, index, credits); `asked` and `corrected`: (seq, correction, what was reported or came of it).
    """
    if not set(range(of.n)) <= {one.index for one in settled}:
        return None  # its settlement is wrong already
    standing = [one._replace(refunded_credits=0, corrected_credits=0) for one in settled]
    for seq, correction_id in sorted({(one[0], one[1]) for one in (*asked, *corrected)}):
        given_back = {
            one.index: sum(credits for at, index, credits in refunded if at < seq and index == one.index)
            for one in standing
        }
        standing = [one._replace(refunded_credits=given_back[one.index]) for one in standing]
        found = [Delivered(*one) for at, _, *one in corrected if at == seq]
        try:
            reported = tuple(Reported(*one) for at, _, *one in asked if at == seq)
            reported = Correct(of.account_id, correction_id, of.request_id, reported, "", "").outputs
            due = as_found(of, books.version(of.price_version).model(of.model), standing, reported)
        except Refusal as refusal:
            return correction_id, f"it cannot be priced: {refusal.detail}"
        if found != due:
            theirs, ours = next(
                ((a, b) for a, b in zip([*found, None], [*due, None], strict=False) if a != b), (None, None)
            )
            return correction_id, f"it makes {_words(theirs)}; price book {of.price_version} makes {_words(ours)}"
        by = {one.index: one.credits_after - one.credits_before for one in found}
        standing = [
            one._replace(corrected_credits=one.corrected_credits + by.get(one.index, 0))
            for one in as_delivered(standing, found)
        ]
    return None


def _words(one: Delivered | None) -> str:
    if one is None:
        return "nothing more of it"
    size = "" if one.width is None else f" of {one.width}x{one.height}"
    return (
        f"output {one.index} {one.status}{size} in tier {one.size_tier or 'none'}, {one.credits_before} → "
        f"{one.credits_after} credits"
    )
