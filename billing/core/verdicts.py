"""Verdicts: how a dispute stands, from the processor's word for it and from what is gone of the money."""

from collections.abc import Mapping
from typing import Final, Literal

Status = Literal["open", "won", "lost", "averted"]

# The processor's words: an inquiry asks before anything is withdrawn. `tests/core` compares them with the library's.
STAGES: Final[Mapping[str, Literal["inquiry", "open", "closed"]]] = {
    "warning_needs_response": "inquiry",
    "warning_under_review": "inquiry",
    "warning_closed": "closed",
    "needs_response": "open",
    "under_review": "open",
    "appeal_needs_response": "open",
    "appeal_under_review": "open",
    "won": "closed",
    "lost": "closed",
    "prevented": "closed",
}


def stands(stripe_status: str, gone_micros: int) -> Status:
    """What follows from the processor's word and from what is withdrawn and not returned: below zero, more came back.

    `averted` is what closed without a verdict for us, and without money: prevented, or lost after all was refunded.
    """
    stage = STAGES[stripe_status]
    if stage == "open" or (stage == "inquiry" and gone_micros > 0):
        return "open"
    if gone_micros > 0:
        return "lost"
    return "won" if stripe_status == "won" else "averted"
