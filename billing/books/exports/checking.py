"""Checking a file: its control totals made again from its own rows, and compared with those that came with it.

Needs no database. Those that came with it are `FILE.totals.json`, or what stands in the file itself.
"""

import csv
import hashlib
import json
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

from billing.books.exports.formats.ledgers import CONTROL
from billing.books.exports.formats.parquet import KEY, metadata_of, rows_of
from billing.books.exports.reports.costs import COST_SUMS
from billing.core.chart import CHART, OWN
from billing.store.usage import COUNTS

_BLOCK: Final = 1 << 20
_POSTING: Final = re.compile(r"^ +([A-Z][A-Za-z0-9:-]*)  (-?[0-9.]+) ([A-Z]+)$")
_LEDGER_OF: Final = {name: ledger_account for ledger_account, name in CHART.items()}
_BY_EXTENSION: Final = {"jsonl": "jsonl", "parquet": "parquet", "beancount": "beancount", "journal": "hledger"}


class NoExport(ValueError):
    """The file is none of ours, or its control totals are missing or not readable."""


@dataclass(slots=True)
class CheckedFile:
    """What was found: nothing where the file is as it was written.

    Where its control totals stand in it alone (`alone`) nothing is known of its bytes, only that its rows come to them.
    """

    path: Path
    format: str
    alone: bool = False
    rows: int = 0
    problems: list[str] = field(default_factory=list)

    @property
    def ok(self) -> bool:
        return not self.problems


@dataclass(slots=True)
class _Sums:
    rows: int = 0
    ledger: dict[tuple[str, str, str], list[int]] = field(default_factory=dict)
    used: dict[str, int] = field(default_factory=lambda: dict.fromkeys(COUNTS, 0))
    costs: dict[tuple[str, str], list[Decimal]] = field(default_factory=dict)

    def transfer(self, row: Mapping[str, Any]) -> None:
        for side, ledger_account in enumerate((row["debit"], row["credit"])):
            self.moved(row["book"], ledger_account, row["asset"], side, int(row["amount"]))
        self.rows += 1

    def moved(self, book: str, ledger_account: str, asset: str, side: int, amount: int) -> None:
        self.ledger.setdefault((book, ledger_account, asset), [0, 0])[side] += amount

    def line(self, row: Mapping[str, Any]) -> None:
        for name in COUNTS:
            self.used[name] += int(row[name])
        self.rows += 1

    def cost(self, row: Mapping[str, Any]) -> None:
        sums = self.costs.setdefault((row["BillingCurrency"], row["ChargeCategory"]), [Decimal()] * len(COST_SUMS))
        for place, name in enumerate(COST_SUMS):
            sums[place] += Decimal(str(row[name]))
        self.rows += 1


def check_file(path: Path) -> CheckedFile:
    """Looks at every row of the file. Raises NoExport, OSError."""
    beside = path.with_name(f"{path.name}.totals.json")
    said = _json(beside.read_bytes()) if beside.exists() else None
    if said is not None and "parts" in said:
        return _check_parts(path, said)
    format = said.get("file_format") if said else _BY_EXTENSION.get(path.suffix.removeprefix("."))
    if format is None:
        raise NoExport(f"{path}: there is no {beside.name} to compare it with")
    found = CheckedFile(path, str(format), alone=said is None)
    if said is not None:
        _compare_bytes(path, said, found)
    try:
        rows, inside = _read(path, found, said)
    except (KeyError, TypeError, AttributeError, ValueError, ArithmeticError, RecursionError, csv.Error) as error:
        if isinstance(error, NoExport):
            raise
        found.problems.append(f"a row cannot be read: {error!r}")
        return found
    if said is not None and inside is not None and any(inside.get(name) != said.get(name) for name in inside):
        found.problems.append(f"the control totals in the file are not those of {beside.name}")
    said = said or inside
    if said is None:
        raise NoExport(f"{path}: there are no control totals, neither in it nor beside it")
    if rows is not None:
        found.rows = rows.rows
        try:
            _compare(rows, said, found)
        except (KeyError, TypeError, AttributeError, ArithmeticError) as error:
            found.problems.append(f"the control totals cannot be read: {error!r}")
    return found


def _check_parts(path: Path, said: Mapping[str, Any]) -> CheckedFile:
    """Each part, and that they come to the whole together."""
    found = CheckedFile(path, str(said.get("file_format")))
    sums = _Sums()
    try:
        for part in said["parts"]:
            place = path.with_name(Path(part["file"]).name)
            one = check_file(place)
            found.problems += [f"{place.name}: {problem}" for problem in one.problems]
            found.rows += one.rows
            totals = _json(place.with_name(f"{place.name}.totals.json").read_bytes())
            if any(totals.get(name) != value for name, value in part.items()) or totals["as_of"] != said["as_of"]:
                found.problems.append(f"{place.name}: this is not the part that was written")
            sums.rows += totals["rows"]
            for entry in totals["ledger"]:
                for side, name in enumerate(("debits", "credits")):
                    sums.moved(entry["book"], entry["ledger_account"], entry["asset"], side, entry[name])
        _compare(sums, said, found)
    except (KeyError, TypeError, AttributeError) as error:
        found.problems.append(f"the control totals cannot be read: {error!r}")
    return found


def _read(path: Path, found: CheckedFile, said: Mapping[str, Any] | None) -> tuple[_Sums | None, dict[str, Any] | None]:
    """What the rows come to, if the format tells, and the control totals in the file, if it has any."""
    sums = _Sums()
    match found.format:
        case "parquet":
            inside = _json(metadata_of(path).get(KEY, b"{}"))
            add, names = _adding(sums, str(inside.get("report")))
            for row in rows_of(path, names):
                add(row)
            return sums, inside
        case "jsonl":
            return sums, _json_lines(path, sums)
        case "beancount" | "hledger":
            return sums, _entries(path, sums)
        case "csv":
            add, _ = _adding(sums, str((said or {}).get("report")))
            with path.open(encoding="utf-8", newline="") as file:
                for cells in csv.DictReader(file, strict=True):
                    add(cells)
            return sums, None
        case "quickbooks" | "xero":
            _balanced(path, found)
        case "xlsx":  # its bytes are compared: they are those of so many rows
            found.rows = int((said or {}).get("rows", 0))
    return None, None


def _adding(sums: _Sums, report: str) -> tuple[Callable[[Mapping[str, Any]], None], tuple[str, ...]]:
    known: dict[str, tuple[Callable[[Mapping[str, Any]], None], tuple[str, ...]]] = {
        "journal": (sums.transfer, ("book", "debit", "credit", "asset", "amount")),
        "usage": (sums.line, COUNTS),
        "costs": (sums.cost, ("BillingCurrency", "ChargeCategory", *COST_SUMS)),
    }
    if report not in known:
        raise NoExport("there are no control totals that say which report this is")
    return known[report]


def _json_lines(path: Path, sums: _Sums) -> dict[str, Any] | None:
    inside = None
    with path.open(encoding="utf-8", newline="\n") as file:
        for line in file:
            row = json.loads(line)
            if "control_totals" in row:
                inside = row["control_totals"]
            elif "debit" in row:
                sums.transfer(row)
            else:
                (sums.line if "event" in row else sums.cost)(row)
    return inside


def _entries(path: Path, sums: _Sums) -> dict[str, Any] | None:
    """Entries of transfers; those of opening balances and of assertions move nothing."""
    inside = None
    counts = False
    with path.open(encoding="utf-8", newline="\n") as file:
        for line in file:
            if line.startswith(CONTROL):
                inside = _json(line.removeprefix(CONTROL).encode())
            elif line[:1].isdigit():
                counts = " * " in line and not re.search(
                    r' \* "?(Opening balances|opening balances|control totals)', line
                )
                sums.rows += counts
            elif counts and (posting := _POSTING.match(line.rstrip("\n"))):
                name, amount, asset = posting.groups()
                ledger_account = _LEDGER_OF[name.partition(f":{OWN}")[0]]
                smallest = int(amount.replace(".", ""))
                book = "money" if "." in amount else "wallet"
                side = 1 if amount.startswith("-") else 0
                sums.moved(book, ledger_account, asset, side, abs(smallest))
    return inside


def _balanced(path: Path, found: CheckedFile) -> None:
    """Every entry of QuickBooks and Xero comes to nought."""
    sums: dict[str, Decimal] = {}
    with path.open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file, strict=True):
            if found.format == "xero":
                entry, amount = row["*Narration"], Decimal(row["*Amount"])
            else:
                entry, amount = row["JournalNo"], Decimal(row["Debits"] or 0) - Decimal(row["Credits"] or 0)
            sums[entry] = sums.get(entry, Decimal()) + amount
            found.rows += 1
    found.problems += [f"{entry} does not balance: {rest}" for entry, rest in sums.items() if rest]


def _compare_bytes(path: Path, said: Mapping[str, Any], found: CheckedFile) -> None:
    digest, length = hashlib.sha256(), 0
    with path.open("rb") as file:
        while block := file.read(_BLOCK):
            digest.update(block)
            length += len(block)
    if length != said.get("bytes"):
        found.problems.append(f"the file has {length} bytes, and was written with {said.get('bytes')}")
    elif digest.hexdigest() != said.get("sha256"):
        found.problems.append("the file's SHA-256 is not that of what was written")


def _compare(rows: _Sums, said: Mapping[str, Any], found: CheckedFile) -> None:
    if rows.rows != said.get("rows"):
        found.problems.append(f"the file has {rows.rows} rows, and its control totals say {said.get('rows')}")
    if said.get("report") == "journal":
        entries = {(one["book"], one["ledger_account"], one["asset"]): one for one in said["ledger"]}
        for place in sorted({*entries, *rows.ledger}):
            debits, credits = rows.ledger.get(place, [0, 0])
            one = entries.get(place, {"debits": 0, "credits": 0})
            if (debits, credits) != (one["debits"], one["credits"]):
                found.problems.append(
                    f"{' '.join(place)}: the rows come to debits {debits} and credits {credits}, "
                    f"and the control totals say {one['debits']} and {one['credits']}"
                )
    if said.get("report") == "usage":
        found.problems += [
            f"{name}: the rows come to {rows.used[name]}, and the control totals say {said.get(name)}"
            for name in COUNTS
            if rows.used[name] != said.get(name)
        ]
    if said.get("report") == "costs":
        for one in said["costs"]:
            sums = rows.costs.get((one["BillingCurrency"], one["ChargeCategory"]), [Decimal()] * len(COST_SUMS))
            for name, total in zip(COST_SUMS, sums, strict=True):
                if total != Decimal(one[name]):
                    found.problems.append(
                        f"{one['BillingCurrency']} {one['ChargeCategory']} {name}: the rows come to {total}, "
                        f"and the control totals say {one[name]}"
                    )


def _json(text: bytes | Iterable[int]) -> dict[str, Any]:
    try:
        found = json.loads(bytes(text))
    except ValueError as error:
        raise NoExport(f"the control totals are not JSON: {error}") from None
    if not isinstance(found, dict):
        raise NoExport("the control totals are no object")
    return found
