"""Discrepancies: what differs between what was charged and what was delivered, and what is said of it.

What is kept is which sentences and their facts. A language has the words, when somebody reads them.
"""

from datetime import datetime
from typing import Any, Final, Literal, NamedTuple

DiscrepancyKind = Literal[
    "charged_not_delivered", "delivered_not_charged", "wrong_size_tier", "failed_yet_billed", "unmeasured_now_measured",
    "count_differs", "unrequested", "other_price_book", "other_account", "size_differs",
]  # fmt: skip
# What is done about it: correct the charge, settle the one that was voided or expired, ask a person, or nothing.
Action = Literal["correct", "settle", "person", "none"]
CORRECT: Final = "correct"
SETTLE: Final = "settle"
PERSON: Final = "person"
NONE: Final = "none"
# What came of it when it was applied: posted, refused by the ledger, or the ledger had nothing left to do.
LineOutcome = Literal["posted", "refused", "nothing"]
POSTED: Final = "posted"
REFUSED: Final = "refused"
NOTHING: Final = "nothing"

# Every sentence there is; rows name them for ever. Each language has a template for each, filled from the row's facts.
Sentence = Literal[
    "no_account", "no_charge", "charge_elsewhere", "whose",
    "still_open", "voided", "expired", "settled_costs", "nothing_charged",
    "not_in_manifest", "charged_failure", "recorded_failed", "not_among_first", "among_first", "charged_unmeasured", "charged_as",
    "in_tier", "past_last_tier", "without_size", "capped", "unrequested",
    "refunded_already", "same_price", "too_few", "too_many",
    "unseen", "misplaced", "straddles",
    "tier_without_pixels", "unknown_tier", "unknown_index", "should_cost", "costs_nothing", "counts",
    "other_book", "unpriced_book", "own_book",
    "charge_not_open", "charge_not_found", "nothing_to_correct", "refused",  # by the ledger, when it was to be posted
    "as_written",  # as an older program had written it, in English
]  # fmt: skip


class Discrepancy(NamedTuple):
    """One thing that differs, as its row is written. `difference_credits` is what the bill is short of; below 0, what it
    has too much.

    `charged_credits` is what the output costs by now, before refunds, and `expected_credits` what it should. `index`
    is None where it is about the whole charge. `facts` are what the sentences tell beyond the other columns.
    """

    account_id: str
    reconciliation_id: str
    line: int
    request_id: str
    index: int | None  # type: ignore[assignment]  # the domain's word; nobody searches these tuples
    kind: DiscrepancyKind
    action: Action
    charge_status: str | None
    charged_status: str | None
    charged_width: int | None
    charged_height: int | None
    charged_tier: str | None
    charged_credits: int
    delivered_status: str | None
    delivered_width: int | None
    delivered_height: int | None
    delivered_tier: str | None
    expected_credits: int
    difference_credits: int
    says: tuple[Sentence, ...]
    facts: dict[str, Any]
    manifest_line: int | None = None
    delivered_at: datetime | None = None
    provider: str | None = None
    provider_request_id: str | None = None
