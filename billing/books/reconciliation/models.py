"""Reconciliations, as the API shows them. Flat: a line is a row of a table."""

import json
from datetime import datetime
from typing import Literal

from pydantic import Field

from billing.core.reconciliation import Kind, Line, Reconciliation
from billing.http.models.common import Body, Shown, Text

State = Literal["compared", "awaiting_approval", "applying", "applied"]


class Reason(Body):
    reason: Text = Field(min_length=1, description="why; kept for ever")


class KindTotal(Shown):
    kind: Kind
    title: str
    lines: int
    difference_credits: int


class PostedTotals(Shown):
    """What applying came to. `credits`: what bills rose by, less what they fell by."""

    charges: int
    credits: int
    supplemented_credits: int
    reduced_credits: int
    posted_lines: int
    refused_lines: int
    unneeded_lines: int


class ReconciliationShown(Shown):
    """Totals first. `difference_credits` is what would be posted, signed; `absolute_credits` the same without signs,
    which decides whether a second key must approve. `for_a_person` counts the lines that nobody corrects by himself."""

    reconciliation_id: str
    state: State
    manifest: str
    account_id: str | None
    start: datetime | None
    end: datetime | None
    complete: bool
    rows: int
    matched_rows: int
    charges: int
    charged_credits: int
    lines: int
    charges_to_post: int
    difference_credits: int
    absolute_credits: int
    for_a_person: int
    by_kind: list[KindTotal]
    created_at: datetime
    created_by: str
    asked_by: str | None
    asked_at: datetime | None
    reason: str | None
    approved_by: str | None
    approved_at: datetime | None
    approval_reason: str | None
    applied_at: datetime | None
    posted: PostedTotals | None
    digest: str = Field(description="SHA-256 of the manifest and of what it was compared with")

    @classmethod
    def of(cls, one: Reconciliation) -> "ReconciliationShown":
        return cls.like(
            one,
            start=one.starts_at,
            end=one.ends_at,
            digest=one.digest.hex(),
            posted=None if one.posted is None else PostedTotals(**json.loads(one.posted)),
            **json.loads(one.totals),
        )


class LineShown(Shown):
    """One thing that differs. `difference_credits` = `expected_credits` − `charged_credits`; costs are before refunds.

    `action`: `correct` and `settle` are posted when the reconciliation is applied, `person` needs somebody to look,
    `none` is for information. `outcome` says what came of it: `posted`, `refused` (`problem` says why) or `nothing`.
    """

    line: int
    account_id: str
    request_id: str
    index: int | None
    kind: Kind
    action: Literal["correct", "settle", "person", "none"]
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
    outcome: Literal["posted", "refused", "nothing"] | None
    correction_id: str | None
    posted_credits: int
    problem: str | None
    posted_at: datetime | None

    @classmethod
    def of(cls, line: Line) -> "LineShown":
        return cls.like(line)
