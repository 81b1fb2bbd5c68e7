"""Corrections: their papers, and what each made of its charge's outputs, priced again.

The JSON is read here before any SQL unfolds it: a malformed one is a finding, not an error.
"""

import json
from typing import Any

from billing.books.verify.reading import Reading
from billing.books.verify.refunds import listed, returns_problem
from billing.books.verify.report import Finding, Findings
from billing.books.verify.settlements import price_books
from billing.core.amounts import amount
from billing.core.charges import Charge, Delivered, Output, Reported, as_delivered
from billing.core.commands import Correct
from billing.core.corrections import as_found
from billing.core.prices import PriceBooks
from billing.core.refusals import Invalid, Refusal
from billing.store import rows

_CORRECTIONS = """
    SELECT k.account_id, k.correction_id, k.credits, k.asked, k.outputs, k.returns
    FROM {correction} k ORDER BY k.account_id, k.correction_id"""
# Of each corrected charge: its outputs, and what was refunded and corrected of them, in the journal's order.
_CORRECTED = f"""
    SELECT {rows.CHARGE},
        (SELECT json_agg(json_build_array({rows.OUTPUT}) ORDER BY o.index)::text
         FROM {{output}} o WHERE o.account_id = c.account_id AND o.request_id = c.request_id),
        (SELECT json_agg(event ORDER BY first_seq)::text FROM (
            SELECT r.first_seq, json_build_array(NULL, NULL, r.outputs) FROM {{refund}} r
            WHERE r.account_id = c.account_id AND r.request_id = c.request_id
            UNION ALL
            SELECT k.first_seq, json_build_array(k.correction_id, k.asked, k.outputs) FROM {{correction}} k
            WHERE k.account_id = c.account_id AND k.request_id = c.request_id) happened(first_seq, event))
    FROM {{charge}} c
    WHERE c.status = 'settled'
        AND EXISTS (SELECT FROM {{correction}} k WHERE k.account_id = c.account_id AND k.request_id = c.request_id)
    ORDER BY c.account_id, c.request_id"""


async def check_corrections(reading: Reading, findings: Findings) -> bool:
    """Whether every correction's papers are in order; the first that are not is a finding for I6, I9 and I11."""
    async for batch in reading.batches(_CORRECTIONS):
        for account_id, correction_id, *papers in batch:
            problem = papers_problem(*papers)
            if problem is not None:
                for invariant in ("I6", "I9", "I11"):
                    findings.add(account_id, Finding(invariant, "correction", f"{account_id}/{correction_id}", problem))
                return False
    return True


def papers_problem(credits: int, asked: str, outputs: str, returns: str) -> str | None:
    """What is wrong with a correction by `credits`, in a sentence; None where nothing is."""
    try:
        Correct("a", "c", "r", tuple(Reported(*one) for one in listed(asked)), "", "")
    except (ValueError, TypeError, Invalid):
        return f"asked should be a list of outputs as they were reported, but is {asked[:200]}"
    try:
        changed = sum(_change(Delivered(*one)) for one in listed(outputs))
    except (ValueError, TypeError, Invalid):
        return f"outputs should be a list of outputs as they stand, but is {outputs[:200]}"
    if changed != credits:
        return f"it changes the bill by {credits} credits, but its outputs by {changed}"
    return returns_problem(max(-credits, 0), returns)


async def check_prices_of_corrections(reading: Reading, findings: Findings) -> int:
    """Prices corrections again until one is wrong; returns of how many charges. Papers must be in order."""
    books = await price_books(reading)
    looked_at = 0
    async for batch in reading.batches(_CORRECTED):
        for *of_charge, outputs, events in batch:
            looked_at += 1
            charge = rows.charge(of_charge)
            settled = [rows.output(one) for one in json.loads(outputs or "[]")]
            wrong = miscorrected(charge, settled, json.loads(events), books)
            if wrong is not None:
                correction_id, problem = wrong
                key = f"{charge.account_id}/{correction_id}"
                findings.add(charge.account_id, Finding("I9", "correction", key, problem))
                return looked_at
    return looked_at


def miscorrected(
    charge: Charge, settled: list[Output], events: list[list[Any]], books: PriceBooks
) -> tuple[str, str] | None:
    """The first correction of a charge that is not what its price book makes of what was reported, and why.

    `events` are its refunds (no name, nothing asked, outputs) and corrections (name, asked, outputs) in their order.
    """
    if not set(range(charge.n)) <= {one.index for one in settled}:
        return None  # its settlement is wrong already
    standing = [one._replace(refunded_credits=0, corrected_credits=0) for one in settled]
    for correction_id, asked, papers in events:
        entries = json.loads(papers)
        if correction_id is None:
            refunded = dict(entries)
            standing = [
                one._replace(refunded_credits=one.refunded_credits + refunded.get(one.index, 0)) for one in standing
            ]
            continue
        reported = tuple(Reported(*one) for one in json.loads(asked))
        found = [Delivered(*entry) for entry in entries]
        try:
            due = as_found(charge, books.version(charge.price_version).model(charge.model), standing, reported)
        except Refusal as refusal:
            return correction_id, f"it cannot be priced: {refusal.detail}"
        if found != due:
            theirs, ours = next(
                ((a, b) for a, b in zip([*found, None], [*due, None], strict=False) if a != b), (None, None)
            )
            return correction_id, f"it makes {_words(theirs)}; price book {charge.price_version} makes {_words(ours)}"
        corrected = {one.index: one.credits_after - one.credits_before for one in found}
        standing = [
            one._replace(corrected_credits=one.corrected_credits + corrected.get(one.index, 0))
            for one in as_delivered(standing, found)
        ]
    return None


def _change(one: Delivered) -> int:
    """By how much it changes the bill. Raises Invalid."""
    amount(one.index, "index", maximum=2**31 - 1)
    for status in (one.status, one.status_before):
        if status not in ("succeeded", "failed"):
            raise Invalid.of("status", "is none")
    for tier in (one.size_tier, one.size_tier_before):
        if tier is not None and not isinstance(tier, str):
            raise Invalid.of("size_tier", "is none")
    return amount(one.credits_after, "credits_after") - amount(one.credits_before, "credits_before")


def _words(one: Delivered | None) -> str:
    if one is None:
        return "nothing more of it"
    size = "" if one.width is None else f" of {one.width}x{one.height}"
    return (
        f"output {one.index} {one.status}{size} in tier {one.size_tier or 'none'}, {one.credits_before} → "
        f"{one.credits_after} credits"
    )
