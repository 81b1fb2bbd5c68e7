"""Closings: a closed month is for ever what it was known to be when it was closed: I15."""

import json
from collections import Counter
from typing import Final

from billing.books.verify.reading import Reading
from billing.books.verify.report import Finding, Findings
from billing.core.commands import HOUSE

# One pass over the journal, however many months are closed: each transfer by the first month that ends after it was
# due, and the first closing that knew of it.
_MOVED: Final = """
    SELECT width_bucket(t.effective_at, $1::timestamptz[]), width_bucket(t.posted_at - interval '1 microsecond', $2::timestamptz[]),
        t.book, t.debit, t.credit, t.asset, sum(t.amount)
    FROM {transfer} t GROUP BY 1, 2, 3, 4, 5, 6"""
_CLOSINGS: Final = "SELECT period, closed_at, ends_at, totals FROM closing ORDER BY closed_at, period"

Side = tuple[str, str, str, str]  # book, ledger account, asset, debits or credits


async def check_closings(reading: Reading, findings: Findings) -> int:
    """Sums up what every closing knew, again; how many there are. All accounts' rows are needed for that."""
    closings = await reading.sums(_CLOSINGS) if reading.whole else ()
    if not closings:
        return 0
    ends = sorted({row["ends_at"] for row in closings})
    knew = sorted({row["closed_at"] for row in closings})
    moved = await reading.sums(_MOVED, ends, knew)
    for closing in closings:
        due, known = ends.index(closing["ends_at"]), knew.index(closing["closed_at"])
        sums: Counter[Side] = Counter()
        for end, line, book, debit, credit, asset, amount in moved:
            if end <= due and line <= known:
                sums[book, debit, asset, "debits"] += int(amount)
                sums[book, credit, asset, "credits"] += int(amount)
        problem = _differ(closing["totals"], sums)
        if problem is not None:
            key = f"{closing['period']}/{closing['closed_at']:%Y-%m-%dT%H:%M:%S.%fZ}"
            findings.add(HOUSE, Finding("I15", "closing", key, problem))
            break
    return len(closings)


def _differ(totals: str, sums: Counter[Side]) -> str | None:
    """The first figure that is not as it was."""
    try:
        stored = {
            (row["book"], row["ledger_account"], row["asset"], side): int(row[side])
            for row in json.loads(totals)
            for side in ("debits", "credits")
        }
    except (ValueError, TypeError, KeyError):
        return "its totals cannot be read"
    for side in sorted({*stored, *sums}):
        if stored.get(side, 0) != sums[side]:
            book, name, asset, word = side
            return (
                f"{word} of {name} in the {book} book were {stored.get(side, 0)} {asset} when it was closed, "
                f"but what was known then comes to {sums[side]}"
            )
    return None
