"""What there is to be exported, and control totals: what a file must come to, told beside its rows, so that nobody has
to believe either."""

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any, Final

from billing.books.exports.question import COLUMNS, FORMS, REPORTS, ExportQuestion
from billing.books.exports.reports.costs import CostTotal, summed_costs
from billing.books.exports.reports.focus import SINCE
from billing.books.exports.reports.totals import LedgerSum, SeqRange, UsageTotal, ends, ledger_sums, used
from billing.core.document import DOCUMENT
from billing.core.instants import instant_text
from billing.core.refusals import Invalid
from billing.store.accounts import must_exist
from billing.store.closings import draw_line
from billing.store.engine import Engine
from billing.store.snapshot import snapshot, working
from billing.store.usage import COUNTS

FORMAT: Final = "billing.export.2"
_TYPES: Final = {"integer": "integer", "decimal": "decimal", "price": "decimal", "time": "time"}


class OutOfControl(Exception):
    """An export's rows do not come to its control totals: it is not whole, or the journal is not what it was."""


@dataclass(frozen=True, slots=True)
class ExportFormat:
    __pydantic_config__ = DOCUMENT
    format: str
    """what `format` is to be"""
    media_type: str
    """of the file over HTTP"""
    extension: str
    """of the file's name, without its dot"""
    resumable: bool
    """whether a file that broke off is continued by `after`, instead of from its beginning"""


@dataclass(frozen=True, slots=True)
class ExportColumn:
    __pydantic_config__ = DOCUMENT
    name: str
    """in the head of a CSV, as a key of JSON, and in Parquet"""
    type: str
    """`text`, `integer`, `decimal` or `time`"""
    optional: bool
    """whether it may be empty, or null"""
    focus: str | None = None
    """of costs: the first version of FOCUS, of those that are written, which has it; else null"""


@dataclass(frozen=True, slots=True)
class ExportReport:
    """A report, its formats, and the columns of those that are tables."""

    __pydantic_config__ = DOCUMENT
    report: str
    """its name in the path"""
    formats: list[ExportFormat]
    """at least one"""
    columns: list[ExportColumn]
    """none where no format of it is a table"""


@dataclass(frozen=True, slots=True)
class ExportReports:
    __pydantic_config__ = DOCUMENT
    data: list[ExportReport]
    """all that there are"""


@dataclass(frozen=True, slots=True)
class LedgerTotal:
    """What was debited and credited on one ledger account in one asset."""

    __pydantic_config__ = DOCUMENT
    book: str
    """`wallet` or `money`"""
    ledger_account: str
    """of the chart of accounts"""
    asset: str
    """`CREDIT`, or a currency in ISO 4217"""
    debits: int
    """in the asset's smallest unit: whole credits, or micros of the currency; 0 or more, and sums may leave 64 bits"""
    credits: int
    """in the asset's smallest unit: whole credits, or micros of the currency; 0 or more, and sums may leave 64 bits"""


@dataclass(frozen=True, slots=True)
class ControlTotals:
    """What a file of that question and instant comes to. Amounts are integers of an asset's smallest unit."""

    __pydantic_config__ = DOCUMENT
    format: str
    """of these totals: `billing.export.2`"""
    report: str
    """its name"""
    as_of: str
    """RFC 3339, six decimals: what was posted by then"""
    period: str | None
    """YYYY-MM: accounted for in this month; null where none was named"""
    start: str | None
    """RFC 3339, six decimals: accounted for from then on; null: since the beginning"""
    end: str | None
    """RFC 3339, six decimals: accounted for before; null: until `as_of`"""
    account_id: str | None
    """of this account only; null: of all"""
    rows: int
    """of the file, without its head and its totals; 0 or more"""
    ledger: list[LedgerTotal] | None = None
    """by ledger account and asset; null but for journal and workbook"""
    seqs: list[SeqRange] | None = None
    """by book; null but for the journal of one account"""
    requests: int | None = None
    """sum over `used`; null but for usage"""
    images: int | None = None
    """sum over `used`; null but for usage"""
    failed_images: int | None = None
    """sum over `used`; null but for usage"""
    credits: int | None = None
    """in the asset's smallest unit: whole credits, or micros of the currency; 0 or more, and sums may leave 64 bits"""
    used: list[UsageTotal] | None = None
    """by event, model, size tier and quality; null but for usage"""
    focus: str | None = None
    """the version of FOCUS; null but for costs"""
    costs: list[CostTotal] | None = None
    """by currency and category; null but for costs"""
    parts: int | None = None
    """in how many files QuickBooks or Xero takes it, 1 or more; null for other formats"""

    def document(self) -> dict[str, Any]:
        """As a file holds it: without what the report has not."""
        own = ("period", "start", "end", "account_id")
        return {name: value for name, value in asdict(self).items() if value is not None or name in own}


def reports() -> ExportReports:
    """Which reports there are, in which formats, and the columns of those that are tables."""
    return ExportReports(
        [
            ExportReport(
                name,
                [
                    ExportFormat(one, FORMS[one].media_type, FORMS[one].extension, FORMS[one].resumable and name != "costs")
                    for one in formats
                ],
                [
                    ExportColumn(
                        column.name, _TYPES.get(column.kind, "text"), column.optional,
                        SINCE[column.name] if name == "costs" else None,
                    )
                    for column in COLUMNS.get(name, ())
                ],
            )
            for name, formats in REPORTS.items()
        ]
    )  # fmt: skip


async def instant(work: Engine, asked: ExportQuestion, as_of: datetime | None) -> datetime:
    """The instant that an export shows: all that was posted by then is there to be read.

    Raises AccountNotFound, Invalid, Overloaded.
    """
    async with working(work) as connection:
        await must_exist(connection, asked.account_id)
    now = await draw_line(work)
    if as_of is not None and as_of > now:
        raise Invalid.of("as_of", "lies in the future")
    return as_of or now


async def control_totals(engine: Engine, asked: ExportQuestion, as_of: datetime) -> ControlTotals:
    """What the export of that instant comes to, from the database, in one snapshot. Raises OutOfControl."""
    extent = asked.extent(as_of)

    def told(rows: int, **more: Any) -> ControlTotals:
        bounds = (instant_text(asked.start), instant_text(asked.end))
        return ControlTotals(
            FORMAT, asked.report, instant_text(as_of), asked.period, *bounds, asked.account_id, rows, **more
        )

    async with snapshot(engine) as connection:
        match asked.report:
            case "usage":
                lines = await used(connection, extent)
                sums = {name: sum(getattr(line, name) for line in lines) for name in COUNTS}
                return told(sum(line.rows for line in lines), used=lines, **sums)
            case "costs":
                rows, costs = await summed_costs(connection, extent)
                return told(rows, focus=asked.focus_version, costs=costs)
        ledger = await ledger_sums(connection, extent)
        seqs = [] if asked.account_id is None else await ends(connection, extent)
    check_balance(ledger)
    entries = [LedgerTotal(one.book, one.ledger_account, one.asset, one.debits, one.credits) for one in ledger]
    return told(sum(one.transfers for one in ledger), ledger=entries, seqs=seqs or None)


def check_balance(ledger: Iterable[LedgerSum]) -> None:
    """Raises OutOfControl where debits and credits of an asset differ."""
    sums: dict[str, int] = {}
    for entry in ledger:
        sums[entry.asset] = sums.get(entry.asset, 0) + entry.balance
    for asset, balance in sums.items():
        if balance:
            raise OutOfControl(f"{asset}: debits and credits differ by {balance}")
