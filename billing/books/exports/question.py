"""What can be asked for: a report, a format, which part of the books."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final, NamedTuple

from billing.books.exports.formats.mapping import TheirAccount, check_accepted
from billing.books.exports.reports.columns import Column
from billing.books.exports.reports.focus import VERSIONS
from billing.books.exports.reports.focus import columns as costs
from billing.books.exports.reports.journal import COLUMNS as JOURNAL
from billing.books.exports.reports.slices import Extent
from billing.books.exports.reports.usage import COLUMNS as USAGE
from billing.core.amounts import CREDIT, MAX_AMOUNT
from billing.core.months import Month
from billing.core.refusals import Invalid
from billing.core.text import currency as an_iso_code
from billing.core.text import identifier


class Form(NamedTuple):
    """How a file of one format is named and sent; one that is not `resumable` is always written from its beginning."""

    extension: str
    media_type: str
    resumable: bool = False


FORMS: Final = {
    "csv": Form("csv", "text/csv; charset=utf-8; header=present", resumable=True),
    "jsonl": Form("jsonl", "application/x-ndjson", resumable=True),
    "parquet": Form("parquet", "application/vnd.apache.parquet"),
    "beancount": Form("beancount", "text/plain; charset=utf-8", resumable=True),
    "hledger": Form("journal", "text/plain; charset=utf-8", resumable=True),
    "quickbooks": Form("csv", "text/csv; charset=utf-8; header=present"),
    "xero": Form("csv", "text/csv; charset=utf-8; header=present"),
    "xlsx": Form("xlsx", "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"),
}
_TABLE: Final = ("csv", "jsonl", "parquet")
REPORTS: Final[Mapping[str, tuple[str, ...]]] = {
    "journal": (*_TABLE, "beancount", "hledger", "quickbooks", "xero"),
    "usage": _TABLE,
    "costs": _TABLE,
    "workbook": ("xlsx",),
}
COLUMNS: Final = {"journal": JOURNAL, "usage": USAGE, "costs": costs(VERSIONS[-1])}
# How many lines the program takes in one file: Xero says 300 of manual journals. Intuit says nothing of journal entries, and
# 1,000 rows of what else it imports.
PART_LINES: Final = {"quickbooks": 1_000, "xero": 300}
ACCOUNTING: Final = tuple(PART_LINES)
LEAST_LINES: Final = 20  # a day has a line for each ledger account that moved
LEDGERS: Final = ("beancount", "hledger")


@dataclass(frozen=True, slots=True)
class ExportQuestion:
    """One export. `accounts` maps ledger accounts to those of another program, where the format needs it.

    `start` and `end` bound the time that a row is accounted for; a `period`'s are those of the month. `focus` and
    `part_lines` are None where nobody chose. A question that cannot be answered raises Invalid.
    """

    report: str
    format: str
    start: datetime | None = None
    end: datetime | None = None
    account_id: str | None = None
    period: str | None = None
    per_account: bool = False
    book: str = "money"
    currency: str | None = None
    accounts: Mapping[str, TheirAccount] = field(default_factory=dict)
    focus: str | None = None
    opening: bool = True
    part_lines: int | None = None

    def __post_init__(self) -> None:
        report, format = self.report, self.format
        if report not in REPORTS:
            raise Invalid.of("report", f"must be one of {', '.join(REPORTS)}")
        if format not in REPORTS[report]:
            raise Invalid.of("format", f"of {report} must be one of {', '.join(REPORTS[report])}")
        if self.period is not None:
            if self.start is not None or self.end is not None:
                raise Invalid.of("period", "cannot be combined with a start or an end")
            month = Month.of(self.period)
            object.__setattr__(self, "start", month.starts_at)
            object.__setattr__(self, "end", month.ends_at)
        if self.start is not None and self.end is not None and self.start >= self.end:
            raise Invalid.of("end", "must be later than start")
        if self.account_id is not None:
            identifier(self.account_id, "account_id")
        if self.per_account and format not in LEDGERS:
            raise Invalid.of("per_account", f"is for {' and '.join(LEDGERS)}")
        if not self.opening and format not in LEDGERS:
            raise Invalid.of("opening", f"is for {' and '.join(LEDGERS)}")
        if self.book not in ("money", "wallet"):
            raise Invalid.of("book", "must be money or wallet")
        if (self.book != "money" or self.currency is not None) and format not in ACCOUNTING:
            raise Invalid.of("book" if self.currency is None else "currency", f"is for {' and '.join(ACCOUNTING)}")
        if self.currency is not None and not (self.book == "wallet" and self.currency == CREDIT):
            an_iso_code(self.currency, "currency")
        if format in ACCOUNTING:
            if not self.accounts:
                raise Invalid.of(
                    "map",
                    f"{format} needs to know its own accounts: see `billing export --example-map --format {format}`",
                )
            check_accepted(format, self.accounts)
        if self.part_lines is not None and format not in ACCOUNTING:
            raise Invalid.of("part_lines", f"is for {' and '.join(ACCOUNTING)}")
        if self.part_lines is not None and not LEAST_LINES <= self.part_lines <= MAX_AMOUNT:
            raise Invalid.of("part_lines", f"must be at least {LEAST_LINES}")
        if self.focus is not None and report != "costs":
            raise Invalid.of("focus", "is for costs")
        if self.focus not in (None, *VERSIONS):
            raise Invalid.of("focus", f"must be {' or '.join(VERSIONS)}")

    @property
    def form(self) -> Form:
        return FORMS[self.format]

    @property
    def focus_version(self) -> str:
        """Of costs: the version of FOCUS that they are written in."""
        return self.focus or VERSIONS[0]

    @property
    def lines_at_once(self) -> int:
        """Of a journal for accounting: how many lines a file of it has at most."""
        return self.part_lines or PART_LINES[self.format]

    @property
    def columns(self) -> tuple[Column, ...]:
        """Of a table."""
        return costs(self.focus_version) if self.report == "costs" else COLUMNS[self.report]

    def extent(self, as_of: datetime) -> Extent:
        return Extent(as_of, self.start, self.end, self.account_id)

    @property
    def file_name(self) -> str:
        when = self.period or "-".join(f"{at:%Y%m%d}" for at in (self.start, self.end) if at is not None)
        kind = "" if self.format in (*_TABLE, "xlsx") else f"-{self.format}"
        if self.focus_version != VERSIONS[0]:
            kind = f"-focus-{self.focus}"
        return "-".join(filter(None, (self.report, when))) + f"{kind}.{self.form.extension}"
