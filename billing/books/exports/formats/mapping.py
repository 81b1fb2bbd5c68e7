"""Which account of QuickBooks Online or Xero each of our ledger accounts is, and what these two are known to refuse.

A mapping is a file: as CSV `ledger_account,account,tax_rate,account_type`, the last two columns as one likes; as TOML or JSON
a table of names, or of tables with `account`, `tax_rate` and `account_type`. `rounding` is where the cents go that rounding
leaves over. A mistake is refused with the line in which it stands.

Xero takes the code of an account, and none of a bank's, of receivables or of payables: those move by other papers alone.
QuickBooks Online takes its name, after those above it (`Income:Credits used`), with account numbers turned off; lines of
receivables and payables need a customer's or vendor's name, which a journal of days has not.
"""

import csv
import json
import re
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final, NamedTuple

from billing.core.chart import CHART
from billing.core.ledger import BANK
from billing.core.refusals import Invalid
from billing.core.text import NamedTwice, named_once

ROUNDING: Final = "rounding"
_ROWS: Final = (  # our ledger account; its name in QuickBooks Online; its code and type in Xero
    ("bank", "Credits:Bank clearing", "1000", "Current Asset"),
    ("stripe_clearing", "Credits:Stripe clearing", "1010", "Current Asset"),
    ("stripe_reserve", "Credits:Stripe reserve", "1015", "Current Asset"),
    ("disputed", "Credits:Disputed payments", "1020", "Current Asset"),
    ("other_business", "Credits:Other business", "1030", "Current Asset"),
    ("deferred_revenue", "Deferred revenue:Prepaid credits", "2100", "Current Liability"),
    ("revenue_usage", "Sales:Credits used", "4000", "Revenue"),
    ("revenue_breakage", "Sales:Credits expired", "4010", "Revenue"),
    ("refunds", "Sales:Refunds", "4900", "Revenue"),
    ("processor_fees", "Bank charges:Stripe fees", "6100", "Expense"),
    ("dispute_losses", "Bank charges:Lost disputes", "6200", "Expense"),
    ("rounding", "Other expenses:Rounding", "6900", "Expense"),
)
EXAMPLES: Final = {
    "quickbooks": "".join(
        f"{line}\n" for line in ("ledger_account,account", *(f"{ours},{name}" for ours, name, _, _ in _ROWS))
    ),
    "xero": "".join(
        f"{line}\n"
        for line in (
            "ledger_account,account,tax_rate,account_type",
            *(f"{ours},{code},Tax Exempt,{kind}" for ours, _, code, kind in _ROWS),
        )
    ),
}
_KNOWN: Final = (*CHART, ROUNDING)
_COLUMNS: Final = ("ledger_account", "account", "tax_rate", "account_type")
_LONGEST: Final = 200


_CLOSED: Final = {
    "quickbooks": ("accounts receivable (a/r)", "accounts payable (a/p)", "accounts receivable", "accounts payable"),
    "xero": ("bank", "credit card", "accounts receivable", "accounts payable", "unpaid expense claims"),
}
_CODE: Final = 10  # characters of an account's code in Xero
_LEVELS: Final = 5  # of accounts below accounts in QuickBooks Online


class TheirAccount(NamedTuple):
    """A ledger account in another program: its name or code there, its type there, and for Xero the tax rate of its lines."""

    account: str
    tax_rate: str = ""
    account_type: str = ""


class MappingError(ValueError):
    """What is wrong with a mapping file, and in which line."""


def read_mapping(path: Path) -> dict[str, TheirAccount]:
    """The mapping in a .csv, .toml or .json file. Raises MappingError, OSError."""
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        raise MappingError(f"{path}: line {line}: this is not UTF-8 text") from None
    try:
        return parse_mapping(text, path.suffix.lower().removeprefix("."))
    except MappingError as error:
        raise MappingError(f"{path}: {error}") from None


def parse_mapping(text: str, form: str) -> dict[str, TheirAccount]:
    """The mapping that `text` holds, as csv, toml or json. Raises MappingError."""
    entries = {"csv": _csv, "toml": _toml, "json": _json}.get(form)
    if entries is None:
        raise MappingError("a mapping is a .csv, .toml or .json file")
    found: dict[str, TheirAccount] = {}
    for line, name, account, *more in entries(text):
        if name not in _KNOWN:
            raise MappingError(f"line {line}: there is no ledger account {name!r}; there are {', '.join(_KNOWN)}")
        if name in found:
            raise MappingError(f"line {line}: {name} is mapped twice")
        if not all(_is_line(what) for what in (account, *more)):
            raise MappingError(f"line {line}: {name}: accounts, tax rates and types are text of one line, quoted")
        if not account.strip():
            raise MappingError(f"line {line}: {name} is mapped to nothing")
        found[name] = TheirAccount(account.strip(), *(what.strip() for what in more))
    if not found:
        raise MappingError("line 1: nothing is mapped")
    return found


def _csv(text: str) -> Iterator[tuple[int, str, str, str, str]]:
    reader = csv.reader(text.splitlines(keepends=True), strict=True)
    try:
        head = next(reader, [])
        if tuple(head) not in (_COLUMNS, _COLUMNS[:3], _COLUMNS[:2]):
            raise MappingError(f"line 1: must be {','.join(_COLUMNS)}, or the first two or three of them")
        for row in reader:
            if not row:
                continue
            if not 2 <= len(row) <= len(head):
                raise MappingError(f"line {reader.line_num}: {len(head)} cells are expected and {len(row)} found")
            name, account, tax_rate, account_type = (*row, "", "")[:4]
            yield reader.line_num, name.strip(), account, tax_rate, account_type
    except csv.Error as error:
        raise MappingError(f"line {reader.line_num}: this is not CSV: {error}") from None


def _toml(text: str) -> Iterator[tuple[int, str, Any, Any, Any]]:
    try:
        table = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise MappingError(f"this is not TOML: {error}") from None
    except RecursionError:
        raise MappingError("this is nested too deeply") from None
    except ValueError:  # Python refuses to read integers of thousands of digits
        raise MappingError("a number is too long to be one; names of accounts are text, quoted") from None
    return _entries(table, text, r'^\s*\[?\s*"?{}"?\s*[=\]]')


def _json(text: str) -> Iterator[tuple[int, str, Any, Any, Any]]:
    try:
        table = json.loads(text, object_pairs_hook=named_once)
    except NamedTwice as twice:
        line = _line_of(text, '"{}"\\s*:', twice.name, last=True)
        raise MappingError(f"line {line}: {twice.name} is mapped twice") from None
    except json.JSONDecodeError as error:
        raise MappingError(f"line {error.lineno}: this is not JSON: {error.msg}") from None
    except RecursionError:
        raise MappingError("line 1: this is nested too deeply") from None
    except ValueError:  # Python refuses to read integers of thousands of digits
        raise MappingError("line 1: a number is too long to be one; names of accounts are text, quoted") from None
    if not isinstance(table, dict):
        raise MappingError("line 1: must be an object")
    return _entries(table, text, '"{}"\\s*:')


def _entries(table: Mapping[str, Any], text: str, pattern: str) -> Iterator[tuple[int, str, Any, Any, Any]]:
    for name, value in table.items():
        line = _line_of(text, pattern, name)
        if isinstance(value, dict):
            if unknown := [key for key in value if key not in _COLUMNS[1:]]:
                raise MappingError(
                    f"line {line}: {name}: there is no {unknown[0]!r}, only account, tax_rate and account_type"
                )
            yield line, name, *(value.get(key, "") for key in _COLUMNS[1:])
        else:
            yield line, name, value, "", ""


def _line_of(text: str, pattern: str, name: str, *, last: bool = False) -> int:
    found = list(re.finditer(pattern.format(re.escape(name)), text, re.MULTILINE))
    return text.count("\n", 0, found[-1 if last else 0].end()) + 1 if found else 1


def _is_line(found: Any) -> bool:
    return isinstance(found, str) and len(found) <= _LONGEST and found.isprintable()


def check_accepted(format: str, accounts: Mapping[str, TheirAccount]) -> None:
    """Raises Invalid where the program is known to refuse a journal with one of these accounts; all are named."""
    wrong = [
        f"{name} is {named.account}, which is of the type {named.account_type}"
        for name, named in accounts.items()
        if named.account_type.lower() in _CLOSED[format]
    ]
    if wrong:
        instead = (
            "a current asset that its bank feed is cleared against"
            if format == "xero"
            else "another current asset or liability"
        )
        raise Invalid.of("map", f"{format} takes no such account in a journal: {'; '.join(wrong)}. Name {instead}")
    if format == "xero" and (names := [one.account for one in accounts.values() if len(one.account) > _CODE]):
        raise Invalid.of(
            "map",
            f"Xero wants codes of accounts, of at most {_CODE} characters, and these are none: {', '.join(names)}",
        )
    if format == "quickbooks":
        for name, named in accounts.items():
            levels = named.account.split(":")
            if len(levels) > _LEVELS or any(level != level.strip() or not level for level in levels):
                raise Invalid.of(
                    "map",
                    f"{name}: {named.account!r} is no name of an account: write Parent:Sub, without spaces around the colon",
                )


def doubts(format: str, accounts: Mapping[str, TheirAccount]) -> list[str]:
    """What the program may refuse, and cannot be known here."""
    if format == "xero" and BANK in accounts and not accounts[BANK].account_type:
        return [
            f"{BANK} is {accounts[BANK].account}: if that is a bank account, Xero refuses the journal. Name a current asset, and say "
            f"so: `{BANK},{accounts[BANK].account},{accounts[BANK].tax_rate},Current Asset`"
        ]
    if format == "quickbooks" and (
        numbers := sorted({one.account for one in accounts.values() if one.account.isdigit()})
    ):
        return [
            f"QuickBooks Online wants names of accounts, such as Parent:Sub, and these are numbers: {', '.join(numbers)}"
        ]
    return []
