"""Pages of a provider's report, read strictly: OpenAI's organization usage (images) and costs.

One JSON page, an array of pages, or pages one after another (JSON lines), in any number of files. Amounts of money are
decimals in the JSON and are never floats here: they become whole micros, half to even.
"""

import json
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import ROUND_HALF_EVEN, Context, Decimal
from hashlib import sha256
from typing import Any, Final, Literal, NoReturn

from billing.books.provider_reports.report import CURRENCY, CostLine, ReportContents, UsageLine
from billing.core.amounts import MAX_AMOUNT
from billing.core.refusals import Invalid
from billing.core.text import NamedTwice, named_once

PROVIDERS: Final = ("openai",)
MOST_BYTES = 64 << 20
MOST_IMAGES = 10**9  # of one line
MOST_MICROS = 10**15  # of one line: a thousand million dollars
MOST_TEXT = 256
MOST_NAMED = 2_000  # bytes of all that tells a line apart: the database keeps it in one index
_LATEST = 4_102_444_800  # the year 2100
_DAY = timedelta(days=1)
_DECIMAL = re.compile(r"-?[0-9]+(\.[0-9]+)?([eE][+-]?[0-9]+)?").fullmatch
_EXACT = Context(prec=200, rounding=ROUND_HALF_EVEN)

Kind = Literal["usage", "costs"]
_KINDS: Final[dict[str, Kind]] = {
    "organization.usage.images.result": "usage",
    "organization.costs.result": "costs",
}
# Members that say how much. Numbers are that too; all else says of what, and tells lines apart.
_MEASURES: Final = frozenset(["object", "images", "num_model_requests", "amount", "quantity", "quantity_unit"])


@dataclass(frozen=True, slots=True)
class _Place:
    """Where something stands: `usage.json: line 3: data[0].results[1].images`."""

    file: str
    line: int | None = None  # where a file holds several pages
    path: str = ""

    def __getitem__(self, step: int | str) -> "_Place":
        dotted = f"{self.path}.{step}" if self.path else str(step)
        return _Place(self.file, self.line, f"{self.path}[{step}]" if isinstance(step, int) else dotted)

    def __str__(self) -> str:
        line = "" if self.line is None else f"line {self.line}"
        return ": ".join(filter(None, (self.file, line, self.path))) or "body"


Bucket = tuple[datetime, datetime, _Place]


@dataclass(slots=True)
class _ReportPage:
    """One page: where it stands, and the lines of its buckets, in order."""

    where: _Place
    has_more: bool
    kind: Kind | None = None
    buckets: list[Bucket] = field(default_factory=list)
    lines: list[tuple[UsageLine | CostLine, _Place]] = field(default_factory=list)


def read(provider: str, files: Sequence[tuple[str, bytes]]) -> ReportContents:
    """What the pages in `files` (name and bytes of each) say. Raises Invalid, which names the file, line and field."""
    if provider not in PROVIDERS:
        raise Invalid.of("provider", f"must be one of {', '.join(PROVIDERS)}")
    pages: list[_ReportPage] = []
    for name, content in files:
        if len(content) > MOST_BYTES:
            _refuse(_Place(name), f"has more than {MOST_BYTES >> 20} MiB: import fewer days at once")
        pages += _of_one_kind([_page(where, value) for where, value in _values(name, content)])
    usage, costs = (_lines([page for page in pages if page.kind == kind], kind) for kind in ("usage", "costs"))
    sums = (sum(line.images for line in usage), sum(line.amount_micros for line in costs))
    if max(sums) > MAX_AMOUNT:
        _refuse(_Place("data"), "comes to more than 64 bits hold: import fewer days at once")
    digests = tuple((name or "body", sha256(content).hexdigest()) for name, content in files)
    return ReportContents(provider, digests, len(pages), tuple(usage), tuple(costs))


def _values(name: str, content: bytes) -> Iterator[tuple[_Place, Any]]:
    """The JSON values of a file, one after another, with where each begins."""
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        _refuse(_Place(name, line), "is not UTF-8: export the report as JSON in UTF-8")
    decoder = json.JSONDecoder(parse_float=Decimal, parse_constant=_no_number, object_pairs_hook=named_once)
    place, line, several = _skip(text, 0), 1, False
    line += text.count("\n", 0, place)
    if place == len(text):
        _refuse(_Place(name), "is empty: send the pages of a report")
    while place < len(text):
        try:
            value, end = decoder.raw_decode(text, place)
        except RecursionError:
            _refuse(_Place(name, line), "is nested too deeply to be a page")
        except json.JSONDecodeError as error:
            _refuse(_Place(name, error.lineno), f"is not JSON: {error.msg} at column {error.colno}")
        except NamedTwice as found:
            said = found.name if found.name.isprintable() and len(found.name) <= MOST_TEXT else "a name"
            _refuse(_Place(name, line), f"says {said} twice in one object: which is meant?")
        except (ValueError, ArithmeticError):  # a number of thousands of digits, an exponent of dozens, or NaN
            _refuse(_Place(name, line), "holds a number that cannot be one")
        following = _skip(text, end)
        several = several or following < len(text)
        where = _Place(name, line if several else None)
        if isinstance(value, list):
            for number, page in enumerate(value):
                yield where[number], page
        else:
            yield where, value
        line += text.count("\n", place, following)
        place = following


def _page(where: _Place, value: Any) -> _ReportPage:
    page = _object(where, value, "page")
    data = _list(where["data"], page.get("data"))
    found = _ReportPage(where, _boolean(where["has_more"], page.get("has_more")))
    for number, bucket in enumerate(data):
        _bucket(where["data"][number], bucket, found)
    return found


def _bucket(where: _Place, value: Any, page: _ReportPage) -> None:
    bucket = _object(where, value, "bucket")
    start = _moment(where["start_time"], bucket.get("start_time"))
    end = _moment(where["end_time"], bucket.get("end_time"))
    if end <= start:
        _refuse(where["end_time"], "must be after start_time")
    if end > start.replace(hour=0, minute=0, second=0) + _DAY:
        _refuse(where, "is longer than its day in UTC: ask the provider for bucket_width=1d")
    page.buckets.append((start, end, where))
    for number, result in enumerate(_list(where["results"], bucket.get("results"))):
        at = where["results"][number]
        kind = _KINDS.get(str(result.get("object"))) if isinstance(result, dict) else None
        if kind is None:
            _refuse(at, f"must be an object of the kind {' or '.join(_KINDS)}")
        if page.kind not in (None, kind):
            _refuse(at, "is of another kind than the page's results before it")
        page.kind = kind
        page.lines.append((_READERS[kind](at, result, start, end), at))


def _usage(where: _Place, result: dict[str, Any], start: datetime, end: datetime) -> UsageLine:
    return UsageLine(
        starts_at=start,
        ends_at=end,
        model=_text(where, result, "model"),
        size=_text(where, result, "size"),
        source=_text(where, result, "source"),
        project_id=_text(where, result, "project_id"),
        user_id=_text(where, result, "user_id"),
        api_key_id=_text(where, result, "api_key_id"),
        others=_others(where, result, UsageLine._fields),
        images=_count(where, result, "images"),
        requests=_count(where, result, "num_model_requests"),
    )


def _cost(where: _Place, result: dict[str, Any], start: datetime, end: datetime) -> CostLine:
    amount = result.get("amount")
    at = where["amount"]
    if not isinstance(amount, dict):
        _refuse(at, "must be an object with value and currency")
    if str(amount.get("currency")).upper() != CURRENCY:
        _refuse(at["currency"], f"must be {CURRENCY}: costs in other currencies cannot be compared")
    return CostLine(
        starts_at=start,
        ends_at=end,
        line_item=_text(where, result, "line_item"),
        project_id=_text(where, result, "project_id"),
        api_key_id=_text(where, result, "api_key_id"),
        others=_others(where, result, CostLine._fields),
        amount_micros=_micros(at["value"], amount.get("value")),
        currency=CURRENCY,
    )


_READERS: Final[dict[Kind, Callable[[_Place, dict[str, Any], datetime, datetime], UsageLine | CostLine]]] = {
    "usage": _usage,
    "costs": _cost,
}


def _of_one_kind(pages: list[_ReportPage]) -> list[_ReportPage]:
    """Pages without a single result are of the kind of the others beside them."""
    kinds = {page.kind for page in pages if page.kind is not None}
    for page in pages:
        if page.kind is None:
            if len(kinds) != 1:
                _refuse(page.where, "has no results: nothing says whether it is of usage or of costs")
            page.kind = next(iter(kinds))
    return pages


def _lines(pages: Sequence[_ReportPage], kind: Kind) -> list[Any]:
    """All lines of a kind; a line of nothing for each bucket without results. Raises Invalid for what contradicts."""
    _check_buckets(sorted((bucket for page in pages for bucket in page.buckets), key=lambda bucket: bucket[:2]))
    _check_following(pages)
    _check_groupings(pages)
    known: dict[tuple[Any, ...], _Place] = {}
    lines: list[UsageLine | CostLine] = []
    for page in pages:
        for line, where in page.lines:
            key = line[:-3]
            if key in known:
                _refuse(where, f"says again what {known[key]} says: the same bucket and the same names")
            if len("".join(map(str, key)).encode()) > MOST_NAMED:
                _refuse(where, f"is told apart by more than {MOST_NAMED} bytes of names")
            known[key] = where
            lines.append(line)
    told = {line.starts_at for line in lines}
    for start, end in {(start, end) for page in pages for start, end, _ in page.buckets if start not in told}:
        nothing = UsageLine(start, "", "", "", "", "", "", "", end, 0, 0)
        lines.append(nothing if kind == "usage" else CostLine(start, "", "", "", "", end, 0, CURRENCY))
    return sorted(lines)


def _check_groupings(pages: Sequence[_ReportPage]) -> None:
    """What one page tells apart by user, and another by line item, is the same money twice."""
    seen: dict[datetime, list[tuple[frozenset[str], _Place]]] = {}
    for page in pages:
        names: dict[datetime, set[str]] = {}
        for line, _ in page.lines:
            names.setdefault(line.starts_at, set()).update(_told_apart_by(line))
        for start, own in names.items():
            for others, where in seen.setdefault(start, []):
                if not (own <= others or own >= others):
                    _refuse(
                        page.where,
                        f"tells {start:%Y-%m-%d} apart by {', '.join(sorted(own))}, and {where} by "
                        f"{', '.join(sorted(others))}: both would count, so import one of them",
                    )
            seen[start].append((frozenset(own), page.where))


def _told_apart_by(line: UsageLine | CostLine) -> set[str]:
    *names, others = line._fields[1:-3]
    return {name for name in names if getattr(line, name)} | set(json.loads(getattr(line, others) or "{}"))


def _check_buckets(buckets: Sequence[Bucket]) -> None:
    """The same bucket may stand in several pages (one for each project, say); any other overlap counts things twice."""
    latest: Bucket | None = None
    for bucket in buckets:
        if latest is not None and bucket[:2] != latest[:2] and bucket[0] < latest[1]:
            _refuse(bucket[2], f"overlaps the bucket at {latest[2]}: {_span(bucket)} and {_span(latest)}")
        if latest is None or bucket[1] > latest[1]:
            latest = bucket


def _check_following(pages: Sequence[_ReportPage]) -> None:
    """Every page that is not the last of its list is followed by one that begins where it ends."""
    beginnings = {page.buckets[0][0] for page in pages if page.buckets}
    for page in pages:
        if page.has_more and (not page.buckets or page.buckets[-1][1] not in beginnings):
            until = f" from {page.buckets[-1][1]:%Y-%m-%dT%H:%MZ} on" if page.buckets else ""
            _refuse(page.where["has_more"], f"says that there is more, but no page{until} is here: add what is missing")


def _object(where: _Place, value: Any, name: str) -> dict[str, Any]:
    if not isinstance(value, dict) or value.get("object") != name:
        _refuse(where, f'must be an object with "object": "{name}"')
    return value


def _list(where: _Place, value: Any) -> list[Any]:
    if not isinstance(value, list):
        _refuse(where, "must be a list")
    return value


def _boolean(where: _Place, value: Any) -> bool:
    if not isinstance(value, bool):
        _refuse(where, "must be true or false: it says whether pages are missing")
    return value


def _moment(where: _Place, value: Any) -> datetime:
    seconds = _whole(value)
    if seconds is None or not 0 <= seconds <= _LATEST:
        _refuse(where, "must be a time in Unix seconds")
    return datetime.fromtimestamp(seconds, UTC)


def _count(where: _Place, result: dict[str, Any], name: str) -> int:
    count = _whole(result.get(name))
    if count is None or not 0 <= count <= MOST_IMAGES:
        _refuse(where[name], f"must be an integer from 0 to {MOST_IMAGES}")
    return count


def _whole(value: Any) -> int | None:
    """A whole number, also as programs write it that have no other numbers than decimals: `6.0`."""
    if isinstance(value, Decimal) and value.adjusted() <= 12 and value == value.to_integral_value():
        return int(value)
    return value if type(value) is int else None


def _text(where: _Place, result: dict[str, Any], name: str) -> str:
    value = result.get(name)
    if value is None:
        return ""
    if not isinstance(value, str) or len(value) > MOST_TEXT or not value.isprintable():
        _refuse(where[name], f"must be null or printable text of at most {MOST_TEXT} characters")
    return value


def _others(where: _Place, result: dict[str, Any], known: Sequence[str]) -> str:
    """What tells the line apart and has no field of its own, as JSON; nothing for nothing."""
    found: dict[str, str | bool] = {}
    for name in sorted(result.keys() - _MEASURES - set(known)):
        value = result[name]
        if isinstance(value, bool):
            found[name] = value
        elif isinstance(value, dict | list):
            _refuse(where[name], "is of no known shape: what tells lines apart is text, true or false")
        elif not isinstance(value, int | Decimal) and (told := _text(where, result, name)):
            found[name] = told
    return json.dumps(found, ensure_ascii=False) if found else ""


def _micros(where: _Place, value: Any) -> int:
    """Dollars as they stand in the JSON, a number or text, in whole micros."""
    try:
        if isinstance(value, bool) or not isinstance(value, int | Decimal | str) or len(str(value)) > 100:
            raise ValueError
        if isinstance(value, str) and _DECIMAL(value) is None:  # Python reads ` 1_0` and `１` too
            raise ValueError
        dollars = Decimal(value)
        if not dollars.is_finite():
            raise ValueError
    except (ArithmeticError, ValueError):
        _refuse(where, "must be a decimal number of dollars")
    if dollars < 0:
        _refuse(where, "is negative: costs cannot be; book what the provider gave back by hand")
    # Its magnitude first: to write out 1E+999999999 would take all memory there is.
    if dollars.adjusted() > 12 or (micros := dollars.scaleb(6, _EXACT)) > MOST_MICROS:
        _refuse(where, f"must be at most {MOST_MICROS // 1_000_000} dollars")
    return int(micros.to_integral_value(context=_EXACT))


def _skip(text: str, place: int) -> int:
    while place < len(text) and text[place] in " \t\r\n":
        place += 1
    return place


def _span(bucket: Bucket) -> str:
    return f"{bucket[0]:%Y-%m-%dT%H:%MZ} to {bucket[1]:%Y-%m-%dT%H:%MZ}"


def _no_number(name: str) -> NoReturn:
    raise ValueError(name)


def _refuse(where: _Place, message: str) -> NoReturn:
    raise Invalid.of(str(where), message)
