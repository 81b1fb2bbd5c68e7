"""Refunds' papers: the JSON in which a refund says what of each output it returned, and to whom.

They are read here before any SQL unfolds them: a malformed one is a finding, not an error.
"""

import json
from typing import Any

from billing.books.verify.reading import Reading
from billing.books.verify.report import Finding, Findings
from billing.core.amounts import amount
from billing.core.refusals import Invalid
from billing.core.text import RESERVED_GRANT_PREFIXES, identifier

_REFUNDS = """
    SELECT r.account_id, r.refund_id, r.credits, r.outputs, r.returns FROM {refund} r ORDER BY r.account_id, r.refund_id"""


async def check_refunds(reading: Reading, findings: Findings) -> bool:
    """Whether every refund's papers are in order; the first that are not is a finding for I5 and I6."""
    async for batch in reading.batches(_REFUNDS):
        for account_id, refund_id, credits, outputs, returns in batch:
            problem = papers_problem(credits, outputs, returns)
            if problem is not None:
                for invariant in ("I5", "I6"):
                    findings.add(account_id, Finding(invariant, "refund", f"{account_id}/{refund_id}", problem))
                return False
    return True


def papers_problem(credits: int, outputs: str, returns: str) -> str | None:
    """What is wrong with a refund of `credits`, in a sentence; None where nothing is."""
    try:
        parts = [amount(part, "outputs", minimum=1) for part in _outputs(outputs)]
    except (ValueError, TypeError, Invalid):
        return f"outputs should be a list of an index and credits each, but is {outputs[:200]}"
    if sum(parts) != credits:
        return f"it returns {credits} credits, but of its outputs {sum(parts)}"
    return returns_problem(credits, returns)


def returns_problem(credits: int, returns: str) -> str | None:
    """What is wrong with the returns of `credits`, in a sentence; None where nothing is."""
    try:
        parts = [amount(part, "returns", minimum=1) for part in _returns(returns)]
    except (ValueError, TypeError, Invalid):
        return f"returns should be a list of a grant, credits and a grant each, but is {returns[:200]}"
    if sum(parts) != credits:
        return f"it returns {credits} credits, but to grants and debts {sum(parts)}"
    return None


def _outputs(document: str) -> list[Any]:
    parts = []
    for index, credits in listed(document):
        amount(index, "outputs", maximum=2**31 - 1)
        parts.append(credits)
    return parts


def _returns(document: str) -> list[Any]:
    parts = []
    for source, credits, destination in listed(document):
        for grant_id in (source, destination):
            if grant_id is not None:
                named_grant(grant_id)
        parts.append(credits)
    return parts


def named_grant(grant_id: Any) -> str:
    """Raises Invalid. Names of ours hold the id of a refund or a top-up, which may have all of 64 characters."""
    prefix = next((one for one in RESERVED_GRANT_PREFIXES if str(grant_id).startswith(one)), None)
    if not isinstance(grant_id, str) or prefix is None:
        return identifier(grant_id, "grant_id")
    named, _, number = grant_id.removeprefix(prefix).rpartition(":")
    identifier(named, "grant_id")
    identifier(number, "grant_id")
    return grant_id


def listed(document: str) -> list[list[Any]]:
    """Raises ValueError for anything that is not a list of lists."""
    entries = json.loads(document)
    if not isinstance(entries, list) or not all(isinstance(entry, list) for entry in entries):
        raise ValueError("not a list of lists")
    return entries
