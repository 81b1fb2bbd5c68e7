"""The answers: a reconciliation with its totals, and its lines, told in the reader's language."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any, Final, Literal

import asyncpg

from billing.books.reconciliation import english, spanish
from billing.books.reconciliation.discrepancy import Action, Discrepancy, DiscrepancyKind, LineOutcome, Sentence
from billing.core.document import DOCUMENT
from billing.core.languages import ENGLISH, SPANISH, Language
from billing.store.rows import columns

# It was compared; what it found waits for a second key, is being posted, or has been.
ReconciliationState = Literal["compared", "awaiting_approval", "applying", "applied"]
TITLES: Final[Mapping[str, Mapping[DiscrepancyKind, str]]] = {
    ENGLISH.code: english.TITLES,
    SPANISH.code: spanish.TITLES,
}
SENTENCES: Final[Mapping[str, Mapping[Sentence, str]]] = {
    ENGLISH.code: english.SENTENCES,
    SPANISH.code: spanish.SENTENCES,
}
_OF_HEAD = (
    "reconciliation_id", "state", "manifest", "account_id", "starts_at", "ends_at", "complete", "totals", "created_at", "created_by",
    "asked_by", "asked_at", "reason", "approved_by", "approved_at", "approval_reason", "applied_at", "posted", "digest",
)  # fmt: skip
HEAD: Final = columns(_OF_HEAD, "r")
_OUTCOME = ("outcome", "correction_id", "posted_credits", "problem", "problem_facts", "posted_at")
LINE: Final = columns((*Discrepancy._fields, *_OUTCOME), "l")


@dataclass(frozen=True, slots=True)
class KindTotal:
    """The lines of one kind."""

    __pydantic_config__ = DOCUMENT
    kind: DiscrepancyKind
    """what differs"""
    title: str
    """what differs, in a few words of the caller's language"""
    lines: int
    """how many, 1 or more"""
    difference_credits: int
    """whole credits that bills are short of, less what they have too much"""


@dataclass(frozen=True, slots=True)
class PostedTotals:
    """What applying came to, in whole credits."""

    __pydantic_config__ = DOCUMENT
    charges: int
    """that were corrected or settled, 0 or more"""
    credits: int
    """what bills rose by, less what they fell by"""
    supplemented_credits: int
    """what they rose by, 0 or more"""
    reduced_credits: int
    """what they fell by, 0 or more"""
    posted_lines: int
    """0 or more"""
    refused_lines: int
    """that the ledger refused: 0 or more"""
    unneeded_lines: int
    """for which nothing was left to do: 0 or more"""


@dataclass(frozen=True, slots=True)
class Reconciliation:
    """A manifest compared with what was charged, and what was posted because of it."""

    __pydantic_config__ = DOCUMENT
    reconciliation_id: str
    """chosen by the caller"""
    state: ReconciliationState
    """compared; what it found waits for a second key, is being posted, or has been"""
    manifest: str
    """what people know it by: the file's name"""
    account_id: str | None
    """compared for this account alone; null: for all"""
    start: datetime | None
    """the manifest begins here; null: it is of no certain time"""
    end: datetime | None
    """the manifest ends before this; null: it is of no certain time"""
    complete: bool
    """whether it is all that was delivered from `start` to `end`"""
    rows: int
    """of the manifest, 1 or more"""
    matched_rows: int
    """rows that are as was charged, 0 or more"""
    charges: int
    """that were looked at, 0 or more"""
    charged_credits: int
    """whole credits that these cost, corrections counted and refunds not: 0 or more"""
    lines: int
    """that were found, 0 or more"""
    charges_to_post: int
    """charges that applying corrects or settles, 0 or more"""
    difference_credits: int
    """whole credits that would be posted: what bills are short of, less what they have too much"""
    absolute_credits: int
    """whole credits that would be posted, added up without signs; 0 or more: it decides whether a second key must approve"""
    for_a_person: int
    """lines that nobody corrects by himself, 0 or more"""
    by_kind: list[KindTotal]
    """only those of which there are lines"""
    created_at: datetime
    """when it was compared"""
    created_by: str
    """by which key"""
    asked_by: str | None
    """the key that had it applied; null while nobody has"""
    asked_at: datetime | None
    """when it was to be applied; null while nobody has asked"""
    reason: str | None
    """why it is applied; null while nobody has asked"""
    approved_by: str | None
    """another key; null where none has approved, or none must"""
    approved_at: datetime | None
    """null where nobody has approved, or nobody must"""
    approval_reason: str | None
    """why it was approved; null where nobody has approved, or nobody must"""
    applied_at: datetime | None
    """when all was posted; null before"""
    posted: PostedTotals | None
    """what was posted; null before it is applied"""
    digest: str
    """SHA-256 of the manifest and of what it was compared with, in hexadecimal"""

    @property
    def left_to_do(self) -> bool:
        """Whether something is still to be posted, was refused, or needs a person."""
        if self.posted is not None:
            return bool(self.for_a_person or self.posted.refused_lines)
        return bool(self.for_a_person or self.charges_to_post)


@dataclass(frozen=True, slots=True)
class ReconciliationLine:
    """One thing that differs, flat as a row of a table. All costs are whole credits, before refunds."""

    __pydantic_config__ = DOCUMENT
    account_id: str
    """whose charge it is, or under whom the manifest names it"""
    line: int
    """from 1, by account and request"""
    request_id: str
    """the charge's"""
    index: int | None
    """the output's, from 0; null: about the whole charge"""
    kind: DiscrepancyKind
    """what differs"""
    action: Action
    """`correct` and `settle` are posted when it is applied; `person` must look; `none` is for information"""
    charge_status: str | None
    """when it was compared; null: there is no such charge"""
    charged_status: str | None
    """of the output as it was billed: `succeeded` or `failed`; null: it was not"""
    charged_width: int | None
    """pixels, 1 or more; null: not measured, or not billed"""
    charged_height: int | None
    """pixels, 1 or more; null: not measured, or not billed"""
    charged_tier: str | None
    """the size tier that was billed; null: none was"""
    charged_credits: int
    """what the output costs by now, 0 or more"""
    delivered_status: str | None
    """of the output as it was delivered: `succeeded` or `failed`; null: nothing is said of it"""
    delivered_width: int | None
    """pixels, 1 or more; null: not known"""
    delivered_height: int | None
    """pixels, 1 or more; null: not known"""
    delivered_tier: str | None
    """the size tier of these; null: none"""
    expected_credits: int
    """what the output should cost, 0 or more"""
    difference_credits: int
    """`expected_credits` less `charged_credits`: what the bill is short of; below 0 what it has too much"""
    explanation: str
    """why, in the caller's language"""
    manifest_line: int | None
    """from 1; null: the manifest has no row of it"""
    delivered_at: datetime | None
    """as the manifest says; null where it does not"""
    provider: str | None
    """as the manifest says; null where it does not"""
    provider_request_id: str | None
    """as the manifest says; null where it does not"""
    outcome: LineOutcome | None
    """what came of it: `posted`, `refused`, or `nothing` was left to do; null: it was not applied, or not to be"""
    correction_id: str | None
    """of what was posted; null: nothing, or a settlement"""
    posted_credits: int
    """what the output's bill rose by; below 0 what it fell by"""
    problem: str | None
    """why it was not posted, in the caller's language; null: it was, or was not to be"""
    posted_at: datetime | None
    """when its outcome was known; null before"""


COLUMNS: Final = tuple(field.name for field in fields(ReconciliationLine))


def told(row: asyncpg.Record, language: Language) -> Reconciliation:
    """A row of `HEAD`, in a language."""
    kept: dict[str, Any] = dict(row)
    totals, posted = json.loads(kept.pop("totals")), kept.pop("posted")
    titles = TITLES[language.code]
    by_kind = [KindTotal(title=titles[one["kind"]], **one) for one in totals.pop("by_kind")]
    return Reconciliation(
        start=kept.pop("starts_at"),
        end=kept.pop("ends_at"),
        digest=kept.pop("digest").hex(),
        by_kind=by_kind,
        posted=None if posted is None else PostedTotals(**json.loads(posted)),
        **totals,
        **kept,
    )


def line_told(row: asyncpg.Record, language: Language) -> ReconciliationLine:
    """A row of `LINE`, likewise."""
    kept = dict(row)
    facts = kept | {
        "charged": (kept["charged_width"], kept["charged_height"]),
        "delivered": (kept["delivered_width"], kept["delivered_height"]),
        "difference": abs(kept["difference_credits"]),
        **json.loads(kept["facts"]),
    }
    sentences = SENTENCES[language.code]
    problem = kept["problem"]
    words: dict[str, Any] = {
        "explanation": language.said(sentences, kept["says"], facts),
        "problem": problem and language.said(sentences, [problem], json.loads(kept["problem_facts"])),
    }
    return ReconciliationLine(**{name: words[name] if name in words else kept[name] for name in COLUMNS})
