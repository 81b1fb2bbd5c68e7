"""The workbook: a month's reports for people, one sheet for each, written row by row.

Amounts are numbers in whole units of their asset, with all their decimals. A spreadsheet's numbers have 15 digits:
what has more stands there as text, exactly.
"""

import asyncio
import tempfile
from collections.abc import AsyncGenerator, Sequence
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

from billing.books.exports.question import ExportQuestion
from billing.books.exports.report import ControlTotals, LedgerTotal
from billing.books.exports.reports.totals import LedgerSum, moved, used
from billing.books.periods.report import periods
from billing.books.revenue.report import revenue
from billing.core.cells import FORMULA
from billing.core.months import Month
from billing.core.refusals import Invalid
from billing.store.engine import Engine
from billing.store.snapshot import snapshot
from billing.store.usage import COUNTS

_DIGITS: Final = 15
_BLOCK: Final = 1 << 18
_WIDTH: Final = 18


async def workbook(
    engine: Engine, asked: ExportQuestion, as_of: datetime, totals: ControlTotals
) -> AsyncGenerator[bytes, None]:
    """The file. Raises Invalid where the library is not installed."""
    library = _library()
    with tempfile.TemporaryDirectory(prefix="billing-export-") as place:
        path = Path(place) / "workbook.xlsx"
        book = library.Workbook(
            str(path),
            {
                "constant_memory": True, "tmpdir": place, "strings_to_formulas": False, "strings_to_urls": False,
                "strings_to_numbers": False,
            },
        )  # fmt: skip
        book.set_properties({"title": "Credits and what was paid for them", "created": as_of.replace(tzinfo=None)})
        await _fill(book, engine, asked, as_of, totals)
        await asyncio.to_thread(book.close)
        with path.open("rb") as file:
            while block := file.read(_BLOCK):
                yield block


async def _fill(book: Any, engine: Engine, asked: ExportQuestion, as_of: datetime, totals: ControlTotals) -> None:
    extent = asked.extent(as_of)
    sheet = _Sheet(
        book, "Trial balance", ("book", "ledger account", "asset", "opening", "debits", "credits", "closing")
    )
    opening: dict[tuple[str, ...], int] = {}
    if extent.start is not None:
        before = extent._replace(start=None, end=extent.start)
        opening = {_place(one): one.balance async for one in moved(engine, before)}
    during = {_place(one): one for one in totals.ledger or ()}
    for place in sorted({*opening, *during}, key=lambda place: (place[0] != "wallet", place)):
        there, now = opening.get(place, 0), during.get(place)
        debits, credits = (now.debits, now.credits) if now else (0, 0)
        sheet.row(
            place[0],
            place[2],
            place[1],
            *(amount(sum_, place[1]) for sum_ in (there, debits, credits, there + debits - credits)),
        )

    names = ("opening", "sold", "recognised", "breakage", "refunded", "disputed", "closing")
    sheet = _Sheet(book, "Revenue", ("period", "currency", *names))
    for month in await _months(engine, asked):
        for one in (await revenue(engine, month, account_id=asked.account_id)).currencies:
            sums = (getattr(one.roll_forward, name) for name in names)
            sheet.row(month, one.currency, *(amount(sum_, one.currency) for sum_ in sums))

    sheet = _Sheet(book, "Journal by day", ("day", "book", "asset", "ledger account", "debits", "credits"))
    async for day in moved(engine, extent, by="day"):
        sheet.row(
            day.of,
            day.book,
            day.asset,
            day.ledger_account,
            amount(day.debits, day.asset),
            amount(day.credits, day.asset),
        )

    sheet = _Sheet(book, "Usage", ("event", "model", "size tier", "quality", *COUNTS))
    async with snapshot(engine) as connection:
        lines = await used(connection, extent)
    for line in lines:
        sheet.row(line.event, line.model, line.size_tier, line.quality, *(getattr(line, name) for name in COUNTS))

    sheet = _Sheet(book, "Control totals", ("what", "value"))
    for name, value in totals.document().items():
        if not isinstance(value, list):
            sheet.row(name, value)


class _Sheet:
    """A sheet with its titles, to which rows are added."""

    def __init__(self, book: Any, name: str, titles: Sequence[str]) -> None:
        self._sheet = book.add_worksheet(name)
        self._quoted = book.add_format({"quote_prefix": True})  # text, also once somebody has edited the cell
        bold = book.add_format({"bold": True})
        self._sheet.set_column(0, len(titles) - 1, _WIDTH)
        self._sheet.freeze_panes(1, 0)
        for column, title in enumerate(titles):
            self._sheet.write_string(0, column, title, bold)
        self._next = 1

    def row(self, *cells: Any) -> None:
        for column, cell in enumerate(cells):
            if isinstance(cell, int | Decimal):
                digits = len(str(cell).lstrip("-").replace(".", ""))
                if digits <= _DIGITS:
                    self._sheet.write_number(self._next, column, cell)
                else:
                    self._sheet.write_string(self._next, column, str(cell))
            elif cell is not None:
                text = cell.isoformat() if isinstance(cell, datetime) else str(cell)
                form = [self._quoted] if text.startswith(FORMULA) else []
                self._sheet.write_string(self._next, column, text, *form)
        self._next += 1


def amount(smallest: int, asset: str) -> int | Decimal:
    """In units of the asset: micros as an exact decimal."""
    return smallest if asset == "CREDIT" else Decimal(smallest).scaleb(-6)


async def _months(engine: Engine, asked: ExportQuestion) -> list[str]:
    """The months that the question touches, oldest first."""
    known = [Month.of(one.period) for one in await periods(engine)][::-1]
    return [
        month.name
        for month in known
        if (asked.start is None or month.ends_at > asked.start) and (asked.end is None or month.starts_at < asked.end)
    ]


def _place(one: LedgerSum | LedgerTotal) -> tuple[str, ...]:
    return one.book, one.asset, one.ledger_account


def _library() -> Any:
    try:
        import xlsxwriter  # type: ignore[import-untyped, unused-ignore]
    except ImportError:
        raise Invalid.of("format", "xlsx needs `pip install 'billing[excel]'`") from None
    return xlsxwriter
