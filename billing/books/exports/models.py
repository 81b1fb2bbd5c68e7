"""Exports: what there is to be had, and what a file must come to."""

from typing import Any

from billing.http.models.common import Shown


class FormatShown(Shown):
    format: str
    media_type: str
    extension: str
    resumable: bool


class ColumnShown(Shown):
    """`focus`: the first version of FOCUS, of those that are written, which has this column of the costs."""

    name: str
    type: str
    optional: bool
    focus: str | None = None


class ReportShown(Shown):
    """A report, its formats, and the columns of those that are tables."""

    report: str
    formats: list[FormatShown]
    columns: list[ColumnShown]


class Reports(Shown):
    data: list[ReportShown]


class ControlTotalsShown(Shown):
    """What a file of that question and instant comes to. Amounts are integers of an asset's smallest unit.

    `parts`: in how many files QuickBooks or Xero takes it.
    """

    format: str
    report: str
    as_of: str
    period: str | None
    start: str | None
    end: str | None
    account_id: str | None
    rows: int
    ledger: list[dict[str, Any]] | None = None
    seqs: list[dict[str, Any]] | None = None
    used: list[dict[str, Any]] | None = None
    requests: int | None = None
    images: int | None = None
    failed_images: int | None = None
    credits: int | None = None
    parts: int | None = None
    focus: str | None = None
    costs: list[dict[str, str]] | None = None
