"""A step of an explanation, before it is put into words: its facts, and what is said of them."""

from dataclasses import dataclass
from typing import Any, Literal

StepKind = Literal[
    "asked", "read", "quoted", "authorized", "open", "voided", "expired", "output", "billed", "transfer", "balance",
    "debt_paid", "debt", "refund", "returned", "correction", "corrected", "supplement", "net",
]  # fmt: skip
# Every sentence there is. Each language has a template for each, filled from the step's facts.
Phrase = Literal[
    "asked", "price_asked",
    "quality_as_asked", "quality_read", "size_auto", "size_tier", "size_pixels",
    "tier_lowest", "tier_between", "tier_passed",
    "quoted", "flat", "at_most", "at_most_the_quote",
    "authorized", "credit_limit", "one_step", "held_quote", "held_most",
    "open", "voided", "voided_after_expiry", "void_reason", "expired", "settle_until",
    "failed_for", "failed", "failed_unreported", "measured", "unmeasured", "price", "capped", "unrequested",
    "settled_one", "settled_sum", "as_quoted", "less_than_quoted", "more_than_quoted", "late", "forced", "overdrawn",
    "drawn_expiring", "drawn_lasting", "kept_for_hold", "before_by_priority", "before_by_expiry", "before_by_age",
    "covers_all", "covers_rest", "exhausted", "owed", "nothing_due", "covers_difference", "nothing_moves",
    "balance",
    "debt_paid", "debt_paid_by_refund", "debt_paid_by_correction", "debt_left", "debt_cleared", "still_owed",
    "refund", "returned_to_grant", "returned_to_successor", "returned_to_debts", "returned_as_less_debt", "net",
    "correction_up", "correction_down", "correction_even", "not_delivered", "costs_since",
    "net_raised", "net_lowered", "net_raised_and_refunded", "net_lowered_and_refunded",
]  # fmt: skip


@dataclass(frozen=True, slots=True)
class StepFacts:
    """`kind` says what the step is about, `says` which sentences, in order; `facts` are its figures by name.

    Credits, pixels and seqs are integers, times RFC 3339 in UTC: all that a sentence tells stands there.
    """

    kind: StepKind
    says: tuple[Phrase, ...]
    facts: dict[str, Any]
