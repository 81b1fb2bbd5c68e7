"""Control totals: what a file must come to, told beside its rows, so that nobody has to believe either."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any, Final, NamedTuple

from billing.books.exports.asked import Asked
from billing.books.exports.reports.costs import summed_costs
from billing.books.exports.reports.totals import Moved, Used, ends, moved, used
from billing.core.instants import instant_text
from billing.store.accounts import account
from billing.store.engine import Engine

FORMAT: Final = "billing.export.2"


class OutOfControl(Exception):
    """An export's rows do not come to its control totals: it is not whole, or the journal is not what it was."""


class ControlTotals(NamedTuple):
    """`rows` of the file; by ledger account what was debited and credited; by kind what was used."""

    asked: Asked
    as_of: datetime
    rows: int
    ledger: tuple[Moved, ...] = ()
    seqs: tuple[tuple[str, int, int], ...] = ()
    used: tuple[Used, ...] = ()
    costs: tuple[dict[str, str], ...] = ()

    def document(self) -> dict[str, Any]:
        """As JSON holds it: amounts are integers of the smallest unit."""
        asked = self.asked
        found: dict[str, Any] = {
            "format": FORMAT,
            "report": asked.report,
            "as_of": instant_text(self.as_of),
            "period": asked.period,
            "start": instant_text(asked.start),
            "end": instant_text(asked.end),
            "account_id": asked.account_id,
            "rows": self.rows,
        }
        if asked.report in ("journal", "workbook"):
            found["ledger"] = [ledger_entry(entry) for entry in self.ledger]
        if self.seqs:
            found["seqs"] = [{"book": book, "first": first, "last": last} for book, first, last in self.seqs]
        if asked.report == "usage":
            found |= {name: sum(getattr(line, name) for line in self.used) for name in USED}
            found["used"] = [line._asdict() for line in self.used]
        if asked.report == "costs":
            found |= {"focus": asked.focus, "costs": list(self.costs)}
        return found


USED: Final = ("requests", "images", "failed_images", "credits")


def ledger_entry(entry: Moved) -> dict[str, Any]:
    return {name: getattr(entry, name) for name in ("book", "ledger_account", "asset", "debits", "credits")}


async def control_totals(engine: Engine, asked: Asked, as_of: datetime) -> ControlTotals:
    """What the export of that instant comes to, from the database. Raises AccountNotFound, OutOfControl."""
    scope = asked.scope(as_of)
    if asked.account_id is not None:
        await account(engine, asked.account_id)
    if asked.report == "usage":
        lines = tuple(await used(engine, scope))
        return ControlTotals(asked, as_of, sum(line.rows for line in lines), used=lines)
    if asked.report == "costs":
        rows, costs = await summed_costs(engine, scope)
        return ControlTotals(asked, as_of, rows, costs=tuple(costs))
    ledger = tuple([entry async for entry in moved(engine, scope)])
    check_balance(ledger)
    seqs = () if asked.account_id is None else tuple(await ends(engine, scope))
    return ControlTotals(asked, as_of, sum(entry.transfers for entry in ledger), ledger, seqs)


def check_balance(ledger: Iterable[Moved]) -> None:
    """Raises OutOfControl where debits and credits of an asset differ."""
    sums: dict[str, int] = {}
    for entry in ledger:
        sums[entry.asset] = sums.get(entry.asset, 0) + entry.balance
    for asset, balance in sums.items():
        if balance:
            raise OutOfControl(f"{asset}: debits and credits differ by {balance}")
