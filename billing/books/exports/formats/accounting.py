"""The journal for QuickBooks Online and Xero: an entry for each day and currency, in what coins can pay.

Rounding happens here and nowhere before. What is posted for a ledger account is the difference of its rounded balance,
before the day and after it, since the beginning of the books: so the sum over days is always its balance, rounded
once, however many days there are and whichever months were exported apart. What keeps a day's entry from coming to
nought is the rounding's own, on a line of its own.
"""

import csv
from collections.abc import AsyncGenerator
from dataclasses import dataclass, field
from datetime import date, datetime
from io import StringIO
from typing import Final

from billing.books.exports.formats.mapping import ROUNDING, TheirAccount
from billing.books.exports.question import ExportQuestion
from billing.books.exports.reports.totals import moved
from billing.core.cells import harmless
from billing.core.money import decimals, nearest_minor_units, written
from billing.core.refusals import Invalid
from billing.store.engine import Engine

HEADS: Final = {
    "quickbooks": ("JournalNo", "JournalDate", "AccountName", "Debits", "Credits", "Description", "Currency"),
    "xero": ("*Narration", "*Date", "Description", "*AccountCode", "*TaxRate", "*Amount"),
}
_MONTHS: Final = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]


@dataclass(slots=True)
class DayEntry:
    """One day of one asset: what each ledger account's rounded balance rose by, in minor units; their sum is 0."""

    day: date
    asset: str
    lines: dict[str, int] = field(default_factory=dict)

    @property
    def decimals(self) -> int:
        return _decimals(self.asset)


async def entries(engine: Engine, asked: ExportQuestion, as_of: datetime) -> AsyncGenerator[DayEntry, None]:
    """The entries in order of day and asset. An account's balances are all that is kept of what went before."""
    balances: dict[tuple[str, str], int] = {}
    extent = asked.extent(as_of)
    if extent.start is not None:
        before = extent._replace(start=None, end=extent.start)
        async for one in moved(engine, before):
            if one.book == asked.book:
                balances[one.asset, one.ledger_account] = one.balance
    entry: DayEntry | None = None
    async for one in moved(engine, extent, by="day"):
        if one.book != asked.book or asked.currency not in (None, one.asset):
            continue
        day = date.fromisoformat(one.of or "")
        if entry is None or (entry.day, entry.asset) != (day, one.asset):
            if entry is not None and _closed(entry).lines:
                yield entry
            entry = DayEntry(day, one.asset)
        place = (one.asset, one.ledger_account)
        before_it = balances.get(place, 0)
        balances[place] = before_it + one.balance
        if rise := _rounded(balances[place], one.asset) - _rounded(before_it, one.asset):
            entry.lines[one.ledger_account] = rise
    if entry is not None and _closed(entry).lines:
        yield entry


async def check_mapped(engine: Engine, asked: ExportQuestion, as_of: datetime) -> None:
    """Looks at every entry before the first is written. Raises Invalid: an account without a name, or, for Xero, two
    currencies, because its journals know none."""
    assets: list[str] = []
    async for entry in entries(engine, asked, as_of):
        for ledger_account in entry.lines:
            if ledger_account not in asked.accounts:
                raise Invalid.of(
                    "map",
                    f"does not say which account {ledger_account} is, and it moved on {entry.day}: "
                    f"add the line `{ledger_account},<account>`",
                )
            if asked.format == "xero" and not asked.accounts[ledger_account].tax_rate:
                raise Invalid.of(
                    "map",
                    f"does not say which tax rate the lines of {ledger_account} have, and Xero needs one: "
                    f"make the line `{ledger_account},{asked.accounts[ledger_account].account},<tax rate>`",
                )
        if entry.asset not in assets:
            assets.append(entry.asset)
    if asked.format == "xero" and len(assets) > 1:
        raise Invalid.of("currency", f"journals of Xero know none: export one of {', '.join(sorted(assets))} at a time")


def rows(asked: ExportQuestion, entry: DayEntry) -> str:
    """The entry's lines as CSV."""
    return csv_rows(
        (_quickbooks if asked.format == "quickbooks" else _xero)(entry, ledger_account, asked.accounts[ledger_account], rise)
        for ledger_account, rise in entry.lines.items()
    )  # fmt: skip


def csv_rows(cells: object) -> str:
    text = StringIO()
    csv.writer(text, lineterminator="\n").writerows(cells)  # type: ignore[arg-type]
    return text.getvalue()


def _quickbooks(entry: DayEntry, ledger_account: str, named: TheirAccount, rise: int) -> tuple[str, ...]:
    amount = written(abs(rise), entry.decimals)
    return (
        f"{entry.day:%Y%m%d}-{entry.asset}", f"{entry.day:%m/%d/%Y}", harmless(named.account),
        amount if rise > 0 else "", amount if rise < 0 else "", ledger_account, entry.asset,
    )  # fmt: skip


def _xero(entry: DayEntry, ledger_account: str, named: TheirAccount, rise: int) -> tuple[str, ...]:
    day = f"{entry.day.day:02} {_MONTHS[entry.day.month - 1]} {entry.day.year}"  # means the same in every region
    return (
        f"Credits {entry.day} {entry.asset}", day, ledger_account, harmless(named.account), harmless(named.tax_rate),
        written(rise, entry.decimals),
    )  # fmt: skip


def _closed(entry: DayEntry) -> DayEntry:
    if rest := -sum(entry.lines.values()):
        entry.lines[ROUNDING] = rest
    return entry


def _rounded(micros: int, asset: str) -> int:
    return micros if asset == "CREDIT" else nearest_minor_units(micros, asset)


def _decimals(asset: str) -> int:
    return 0 if asset == "CREDIT" else decimals(asset)
