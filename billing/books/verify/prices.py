"""Every charge and correction priced again from its price book, and every settlement's digest made again: I9 and I10."""

import json
from collections.abc import AsyncIterator, Callable, Sequence
from itertools import groupby
from operator import itemgetter
from typing import Any, Final

from billing.books.verify.broken import BrokenRow, BrokenRows
from billing.books.verify.reading import BooksReading
from billing.core.charges import (
    FORCED,
    LATE,
    OVERDRAWN,
    Charge,
    Delivered,
    Output,
    Reported,
    as_delivered,
    bill,
    union_of_flags,
)
from billing.core.commands import Correct
from billing.core.corrections import as_found
from billing.core.ledger import settlement_digest
from billing.core.prices import PriceBook, PriceBooks
from billing.core.refusals import Invalid, Refusal
from billing.store import rows

_CHARGES = f"""
    SELECT {rows.CHARGE}, {rows.OUTPUT}, t.digest
    FROM {{charge}} c
    LEFT JOIN {{output}} o ON o.account_id = c.account_id AND o.request_id = c.request_id
    LEFT JOIN {{transfer}} t ON t.account_id = c.account_id AND t.book = 'wallet' AND t.seq = c.first_seq
    ORDER BY c.account_id, c.request_id, o.index"""
_OUTPUT_FROM = len(Charge._fields)
_OUTPUT_TO = _OUTPUT_FROM + len(Output._fields)
_OWN_FLAGS = {LATE, FORCED, OVERDRAWN}  # a charge's flags that no output has

_charge_of = itemgetter(0, 1)  # account_id, request_id

Wrong = tuple[str, str, str]  # table, key, problem


async def check_settlements(reading: BooksReading, broken: BrokenRows, progress: Callable[[int], None]) -> int:
    """Looks at charges until one is wrong in its prices and one in its digest; returns at how many."""
    books = await price_books(reading)
    looked_at = 0
    async for batch in _charges(reading):
        for charge, outputs, digest in batch:
            looked_at += 1
            if broken.of("I9") is None and (wrong := mispriced(charge, outputs, books)):
                broken.add(charge.account_id, BrokenRow("I9", *wrong))
            if broken.of("I10") is None and (wrong := misdigested(charge, outputs, digest)):
                broken.add(charge.account_id, BrokenRow("I10", *wrong))
        if broken.of("I9") and broken.of("I10"):
            break
        progress(looked_at)
    return looked_at


async def price_books(reading: BooksReading) -> PriceBooks:
    """The books that can be read; of the others their charges will say that they are missing."""
    books = []
    for version, effective_from, models in await reading.connection.fetch(
        "SELECT version, effective_from, models FROM price_book"
    ):
        try:
            books.append(PriceBook.of(version, effective_from, json.loads(models)))
        except (Invalid, ValueError):
            continue
    return PriceBooks(books)


def mispriced(charge: Charge, outputs: list[Output], books: PriceBooks) -> Wrong | None:
    """What of a charge or its outputs is not what its price book makes of it."""
    key = f"{charge.account_id}/{charge.request_id}"
    try:
        in_force = books.at(charge.authorized_at)
        book = books.version(charge.price_version)
        quote = book.quote(charge.model, charge.n, charge.size, charge.quality, charge.overage)
        prices = book.model(charge.model)
    except Refusal as refusal:
        return "charge", key, f"price book {charge.price_version} has no price for it: {refusal.detail}"
    if book is not in_force:
        problem = f"priced by book {book.version}, but at {charge.authorized_at} book {in_force.version} applied"
        return "charge", key, problem
    quoted = (charge.quoted_credits, charge.credits_per_image, charge.billed_quality, charge.quoted_tier)
    expected = (quote.credits, quote.credits_per_image, quote.billed_quality, quote.size_tier)
    if quoted != expected:
        return "charge", key, f"quoted {_words(quoted)}, but price book {book.version} quotes {_words(expected)}"
    if charge.held_credits not in ((0,) if charge.one_step else (quote.credits, quote.max_credits)):
        problem = f"held {charge.held_credits}, but its quote is {quote.credits} and at most {quote.max_credits}"
        return "charge", key, problem
    if charge.status != "settled":
        return None
    for made, found in _paired(bill(charge, prices, [_reported(output) for output in outputs]), outputs):
        if found is None:
            return "output", f"{key}/{made.index}", f"it is not there, but the charge was for {charge.n} images"
        billed, due = (found.credits, found.size_tier, found.flags), (made.credits, made.size_tier, made.flags)
        if billed != due:
            problem = f"billed {_words(billed)}, but price book {book.version} makes it {_words(due)}"
            return "output", f"{key}/{found.index}", problem
    flags = union_of_flags(outputs, *_OWN_FLAGS.intersection(charge.flags))
    if charge.flags != flags:
        return "charge", key, f"its flags are {_words(charge.flags)}, but its outputs make them {_words(flags)}"
    return None


def misdigested(charge: Charge, outputs: list[Output], digest: bytes | None) -> Wrong | None:
    """Whether a settled charge and its outputs are not what its settlement's first transfer sealed."""
    if charge.status != "settled":
        return None
    made = settlement_digest(charge, outputs)
    if digest == made:
        return None
    sealed = "nothing" if digest is None else digest.hex()
    problem = f"transfer {charge.first_seq} sealed {sealed}, but charge and outputs make {made.hex()}"
    return "charge", f"{charge.account_id}/{charge.request_id}", problem


async def _charges(reading: BooksReading) -> AsyncIterator[list[tuple[Charge, list[Output], bytes | None]]]:
    """Charges with their outputs, a batch at a time. The last of a batch waits for the next: it may go on there."""
    waiting: list[Any] = []
    async for batch in reading.batches(_CHARGES):
        whole = [*waiting, *batch]
        last = _charge_of(whole[-1])
        cut = len(whole)
        while cut and _charge_of(whole[cut - 1]) == last:
            cut -= 1
        waiting = whole[cut:]
        yield _grouped(whole[:cut])
    yield _grouped(waiting)


def _grouped(found: list[Any]) -> list[tuple[Charge, list[Output], bytes | None]]:
    charges = []
    for _, group in groupby(found, key=_charge_of):
        joined = list(group)
        outputs = [rows.output(row[_OUTPUT_FROM:_OUTPUT_TO]) for row in joined if row[_OUTPUT_FROM] is not None]
        charges.append((rows.charge(joined[0][:_OUTPUT_FROM]), outputs, joined[0][_OUTPUT_TO]))
    return charges


def _paired(made: list[Output], found: list[Output]) -> list[tuple[Output, Output | None]]:
    by_index = {output.index: output for output in found}
    return [(output, by_index.get(output.index)) for output in made]


def _reported(output: Output) -> Reported:
    return Reported(output.index, output.status, output.width, output.height, output.reason)


def _words(values: tuple[Any, ...]) -> str:
    """(14, "1K", ("capped",)) as `14, 1K, capped`."""
    plain = [", ".join(value) if isinstance(value, tuple) else str(value) for value in values]
    return ", ".join(word for word in plain if word) or "none"


# Of each corrected charge its outputs, and what was refunded, reported and corrected of them, each with the seq of its event.
_CORRECTED: Final = f"""
    SELECT {rows.CHARGE},
        ARRAY(SELECT ROW({rows.OUTPUT}) FROM {{output}} o
              WHERE o.account_id = c.account_id AND o.request_id = c.request_id ORDER BY o.index),
        ARRAY(SELECT ROW(r.first_seq, p.index, p.credits) FROM {{refund}} r
              JOIN {{refund_output}} p ON p.account_id = r.account_id AND p.refund_id = r.refund_id
              WHERE r.account_id = c.account_id AND r.request_id = c.request_id),
        ARRAY(SELECT ROW(k.first_seq, k.correction_id, {rows.columns(Reported._fields, "p")}) FROM {{correction}} k
              JOIN {{correction_report}} p ON p.account_id = k.account_id AND p.correction_id = k.correction_id
              WHERE k.account_id = c.account_id AND k.request_id = c.request_id ORDER BY k.first_seq, p.index),
        ARRAY(SELECT ROW(k.first_seq, k.correction_id, {rows.columns(Delivered._fields, "p")}) FROM {{correction}} k
              JOIN {{correction_output}} p ON p.account_id = k.account_id AND p.correction_id = k.correction_id
              WHERE k.account_id = c.account_id AND k.request_id = c.request_id ORDER BY k.first_seq, p.index)
    FROM {{charge}} c
    WHERE c.status = 'settled'
        AND EXISTS (SELECT FROM {{correction}} k WHERE k.account_id = c.account_id AND k.request_id = c.request_id)
    ORDER BY c.account_id, c.request_id"""


async def check_corrections(reading: BooksReading, broken: BrokenRows) -> int:
    """Prices corrections again until one is wrong; returns of how many charges."""
    books = await price_books(reading)
    looked_at = 0
    async for batch in reading.batches(_CORRECTED):
        for *of_charge, outputs, refunded, asked, corrected in batch:
            looked_at += 1
            of = rows.charge(of_charge)
            wrong = miscorrected(of, [rows.output(one) for one in outputs], refunded, asked, corrected, books)
            if wrong is not None:
                correction_id, problem = wrong
                broken.add(of.account_id, BrokenRow("I9", "correction", f"{of.account_id}/{correction_id}", problem))
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
            return correction_id, f"it makes {_stands(theirs)}; price book {of.price_version} makes {_stands(ours)}"
        by = {one.index: one.credits_after - one.credits_before for one in found}
        standing = [
            one._replace(corrected_credits=one.corrected_credits + by.get(one.index, 0))
            for one in as_delivered(standing, found)
        ]
    return None


def _stands(one: Delivered | None) -> str:
    if one is None:
        return "nothing more of it"
    size = "" if one.width is None else f" of {one.width}x{one.height}"
    return (
        f"output {one.index} {one.status}{size} in tier {one.size_tier or 'none'}, {one.credits_before} → "
        f"{one.credits_after} credits"
    )
