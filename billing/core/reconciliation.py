"""Reconciliation: what was delivered beside what was charged. The words that store, books and api share.

A manifest has one row for each output that was delivered, or failed. Comparing it with the ledger makes lines: what
was charged, what was delivered, and what is to be done about it.
"""

from datetime import datetime
from typing import Final, Literal, NamedTuple

Kind = Literal[
    "charged_not_delivered",
    "delivered_not_charged",
    "wrong_size_tier",
    "failed_yet_billed",
    "unmeasured_now_measured",
    "count_differs",
    "unrequested",
    "other_price_book",
    "other_account",
    "size_differs",
]
KINDS: Final[dict[Kind, str]] = {
    "charged_not_delivered": "Charged, but not delivered",
    "delivered_not_charged": "Delivered, but not charged",
    "wrong_size_tier": "Charged in another size tier",
    "failed_yet_billed": "Failed, yet billed",
    "unmeasured_now_measured": "Billed unmeasured, measured now",
    "count_differs": "Another number of images",
    "unrequested": "Delivered beyond what was asked for",
    "other_price_book": "Priced under another book",
    "other_account": "Delivered to another account",
    "size_differs": "Other pixels, same size tier",
}

# What is done about a line: correct the charge, settle the one that was voided or expired, ask a person, or nothing.
Action = Literal["correct", "settle", "person", "none"]
CORRECT: Final = "correct"
SETTLE: Final = "settle"
PERSON: Final = "person"
NONE: Final = "none"
ACTIONS: Final = (CORRECT, SETTLE, PERSON, NONE)

# What came of a line that was applied: posted, refused by the ledger, or the ledger had nothing left to do.
POSTED, REFUSED, NOTHING = "posted", "refused", "nothing"

# A reconciliation was compared; its lines wait for a second key, are being posted, or have been.
COMPARED, AWAITING_APPROVAL, APPLYING, APPLIED = "compared", "awaiting_approval", "applying", "applied"


class ManifestRow(NamedTuple):
    """One delivered output, as the manifest's `line` says. Pixels are measured, both or neither."""

    account_id: str
    staging_id: str
    request_id: str
    index: int  # type: ignore[assignment]  # the domain's word; nobody searches these tuples
    line: int
    status: str
    width: int | None
    height: int | None
    size_tier: str | None
    price_version: int | None
    delivered_at: datetime | None
    provider: str | None
    provider_request_id: str | None


class Line(NamedTuple):
    """One thing that was found. `difference_credits` is what the bill is short of; below 0, what it has too much.

    `charged_credits` is what the output costs by now, before refunds, and `expected_credits` what it should. `index`
    is None where the line is about the whole charge. What is below `provider_request_id` says what came of it.
    """

    account_id: str
    reconciliation_id: str
    line: int
    request_id: str
    index: int | None  # type: ignore[assignment]
    kind: str
    action: str
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
    explanation: str
    manifest_line: int | None
    delivered_at: datetime | None
    provider: str | None
    provider_request_id: str | None
    outcome: str | None = None
    correction_id: str | None = None
    posted_credits: int = 0
    problem: str | None = None
    posted_at: datetime | None = None


class Reconciliation(NamedTuple):
    """One comparison. `complete`: the manifest is all that was delivered from `starts_at` until before `ends_at`.

    `totals` and `posted` are JSON: what was found, and what was posted of it. Who asked for that, who approved, and why.
    """

    reconciliation_id: str
    digest: bytes
    manifest: str
    account_id: str | None
    starts_at: datetime | None
    ends_at: datetime | None
    complete: bool
    state: str
    totals: str
    created_at: datetime
    created_by: str
    reason: str | None = None
    asked_by: str | None = None
    asked_at: datetime | None = None
    approved_by: str | None = None
    approved_at: datetime | None = None
    approval_reason: str | None = None
    applied_at: datetime | None = None
    posted: str | None = None
