"""Rows of manifests: what was delivered, one for each output. What is not as it must be is refused by its line.

column               must      what
account_id           be there  unless the reconciliation is of one account
request_id           be there  as it was charged
index                be there  from 0, the output's place; at most 999
status                         succeeded (left out: that) or failed
width, height                  measured pixels, both or neither
size_tier                      of the model, where pixels are not known
price_version                  the price book that the row's author went by
delivered_at                   RFC 3339 with its zone
provider, provider_request_id  whatever finds the image again at the provider; at most 128 characters

A column with a gap is one of decimals to pandas and its like: `1024.0` is 1024, NaN is nothing, and an index of 0 and 1 may be False
and True. Nothing is rounded: 1024.5 is refused.
"""

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any, Final, NamedTuple

from billing.core.refusals import Invalid, Refusal
from billing.core.text import free_text, identifier

NUMBERS: Final = ("index", "width", "height", "price_version")
COLUMNS: Final = (
    "account_id", "request_id", "index", "status", "width", "height", "size_tier", "price_version", "delivered_at", "provider",
    "provider_request_id",
)  # fmt: skip
INDEX_MAX = 999  # so that one request's rows are few enough to be looked at together
EDGE_MAX = 65_535  # what formats of images can say
PIXELS_MAX = 2**28  # thirty times what can be ordered: beyond is damage
VERSION_MAX = 2**31 - 1
ROWS_AT_ONCE = 10_000  # in memory, however long the manifest is

_WHOLE = re.compile(r"(-?[0-9]{1,10})(?:\.0{1,20})?").fullmatch
_GAPS = frozenset(["NaN", "nan", "<NA>"])
_TRUTHS = {"True": 1, "False": 0, "TRUE": 1, "FALSE": 0, "true": 1, "false": 0}


class ManifestRow(NamedTuple):
    """One delivered output, as the manifest's `line` says. Pixels are measured, both or neither."""

    account_id: str
    staging_id: str
    request_id: str
    index: int  # type: ignore[assignment]  # the domain's word; nobody searches these tuples
    line: int
    status: str
    width: int | None
    height: int | None
    size_tier: str | None
    price_version: int | None
    delivered_at: datetime | None
    provider: str | None
    provider_request_id: str | None


class Loading(NamedTuple):
    """What rows are for: the staging they are loaded into, and the one account that they may name."""

    staging_id: str
    account_id: str | None


@dataclass(eq=False)
class ManifestUnreadable(Refusal):
    """`line`: of the manifest, from 1 (a row's number where it has no lines); None: it is about all of it."""

    line: int | None
    problem: str
    code = "manifest_unreadable"
    title = "The manifest cannot be read"

    @property
    def detail(self) -> str:
        where = "" if self.line is None else f"line {self.line}: "
        return f"{where}{self.problem} Nothing was compared."


def places_of(names: Sequence[str], loading: Loading, line: int | None) -> list[int | None]:
    """Where each of COLUMNS stands among the columns that a manifest has. Raises ManifestUnreadable."""
    for name in names:
        if name not in COLUMNS:
            hint = " Separate cells by commas." if ";" in name or "\t" in name else ""
            if name in ("", "__index_level_0__"):
                hint = " pandas leaves it out with index=False."
            raise ManifestUnreadable(
                line, f"unknown column `{shown(name)}`: take it out, or name it one of {', '.join(COLUMNS)}.{hint}"
            )
        if names.count(name) > 1:
            raise ManifestUnreadable(line, f"column `{name}` is there twice: keep one of them.")
    for name in ("account_id", "request_id", "index"):
        if name not in names and (name != "account_id" or loading.account_id is None):
            more = ", or say whose manifest it is (--account, ?account_id=)" if name == "account_id" else ""
            raise ManifestUnreadable(line, f"there is no column `{name}`: add it{more}.")
    if ("width" in names) != ("height" in names):
        raise ManifestUnreadable(line, "there must be both columns width and height, or neither.")
    return [names.index(name) if name in names else None for name in COLUMNS]


def checker(loading: Loading) -> Callable[..., ManifestRow]:
    """A function from a line's number and its values, in the order of COLUMNS, to a row. Numbers are integers by now.

    It raises ManifestUnreadable. It runs for every row, so what most rows are like is looked at first.
    """
    staging_id, own = loading
    known_accounts: dict[str, str] = {}
    statuses = {"succeeded": "succeeded", "failed": "failed", None: "succeeded"}
    known_tiers: dict[str, str] = {}

    def check(
        line: int,
        account_id: Any,
        request_id: Any,
        index: Any,
        status: Any,
        width: Any,
        height: Any,
        size_tier: Any,
        price_version: Any,
        delivered_at: Any,
        provider: Any,
        provider_request_id: Any,
    ) -> ManifestRow:
        try:
            if account_id is None and own is not None:
                account_id = own
            if account_id not in known_accounts:
                identifier(account_id, "account_id")
                if own is not None and account_id != own:
                    raise Invalid.of(
                        "account_id", f"is {account_id}, but this is compared for {own} alone: leave such rows out"
                    )
                if len(known_accounts) >= ROWS_AT_ONCE:
                    known_accounts.clear()
                known_accounts[account_id] = account_id
            identifier(request_id, "request_id")
            if type(index) is not int or not 0 <= index <= INDEX_MAX:
                raise Invalid.of("index", f"must be an integer from 0 to {INDEX_MAX}")
            if status not in statuses:
                raise Invalid.of("status", "must be succeeded or failed")
            if width is not None or height is not None:
                _check_size(width, height)
            if size_tier is not None and size_tier not in known_tiers:
                if len(known_tiers) >= ROWS_AT_ONCE:
                    known_tiers.clear()
                known_tiers[identifier(size_tier, "size_tier")] = size_tier
            if price_version is not None and (type(price_version) is not int or not 1 <= price_version <= VERSION_MAX):
                raise Invalid.of("price_version", "must be an integer from 1")
            if delivered_at is not None:
                delivered_at = _moment(delivered_at)
            if provider is not None:
                free_text(provider, "provider", longest=128)
            if provider_request_id is not None:
                free_text(provider_request_id, "provider_request_id", longest=128)
            return ManifestRow(
                known_accounts[account_id], staging_id, request_id, index, line, statuses[status], width, height, size_tier,
                price_version, delivered_at, provider, provider_request_id,
            )  # fmt: skip
        except (Invalid, TypeError) as problem:  # lists and objects are in no dictionary
            said = problem.detail if isinstance(problem, Invalid) else "every value must be text or a number"
            raise ManifestUnreadable(line, f"{said.replace(': ', ' ', 1)}.") from None

    return check


def integer(text: str, name: str, line: int) -> int | None:
    """A number as text has it; nothing for NaN. Raises ManifestUnreadable."""
    # Python reads ` 1_0` and `١` too, and refuses thousands of digits with an error that is no refusal.
    if text.isascii() and len(text) <= 10 and text.isdigit():
        return int(text)
    if found := _WHOLE(text):
        return int(found[1])
    if text in _GAPS and name != "index":
        return None
    if name == "index" and text in _TRUTHS:
        return _TRUTHS[text]
    raise ManifestUnreadable(line, f"{name} must be a whole number, written as 1024 or 1024.0.")


def whole(value: Any, name: str, line: int) -> Any:
    """A number as JSON and Parquet have it: an integer where it is whole, nothing for NaN. Raises ManifestUnreadable."""
    if name == "index" and isinstance(value, bool):
        return int(value)
    if not isinstance(value, float | Decimal):
        return value
    if value != value:
        return None
    if -VERSION_MAX <= value <= VERSION_MAX and value == int(value):
        return int(value)
    raise ManifestUnreadable(line, f"{name} must be a whole number.")


def check_not_twice(rows: list[ManifestRow]) -> None:
    """Raises ManifestUnreadable where one output is there twice among `rows`."""
    lines: dict[tuple[str, str, int], int] = {}
    for row in rows:
        first = lines.setdefault((row.account_id, row.request_id, row.index), row.line)
        if first != row.line:
            raise twice(row, first)


def twice(row: ManifestRow, first: int) -> ManifestUnreadable:
    return ManifestUnreadable(
        row.line,
        f"output {row.index} of request {row.request_id} of account {row.account_id} is in line {first} already: keep one of them.",
    )


def chunks(rows: Iterator[ManifestRow]) -> Iterator[list[ManifestRow]]:
    """`rows`, ROWS_AT_ONCE at a time. Raises ManifestUnreadable where there are none."""
    some: list[ManifestRow] = []
    empty = True
    for row in rows:
        some.append(row)
        if len(some) == ROWS_AT_ONCE:
            yield some
            some, empty = [], False
    if some:
        yield some
    elif empty:
        raise ManifestUnreadable(None, "It has no rows; one that says that nothing was delivered needs a row for each.")


def _check_size(width: Any, height: Any) -> None:
    if width is None or height is None:
        raise Invalid.of("width", "and height must be there both, or neither")
    for edge, name in ((width, "width"), (height, "height")):
        if type(edge) is not int or not 1 <= edge <= EDGE_MAX:
            raise Invalid.of(name, f"must be pixels, a whole number from 1 to {EDGE_MAX}")
    if width * height > PIXELS_MAX:
        raise Invalid.of("width", f"and height make more than {PIXELS_MAX} pixels: no image has so many")


def _moment(value: Any) -> datetime:
    if isinstance(value, str) and len(value) >= 20:
        try:
            value = datetime.fromisoformat(value)
        except ValueError:
            value = None
    if not isinstance(value, datetime) or value.tzinfo is None or not 1970 <= value.year < 9000:
        raise Invalid.of("delivered_at", "must be an RFC 3339 time such as 2026-01-31T12:00:00Z")
    return value


def shown(text: str) -> str:
    """The beginning of what may be anything, as a sentence can hold it."""
    return "".join(letter if letter.isprintable() else "?" for letter in text[:40])
