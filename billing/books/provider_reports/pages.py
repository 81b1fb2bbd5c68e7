"""Pages of a provider's report, read strictly: OpenAI's organization usage (images) and costs.

One JSON page, an array of pages, or pages one after another (JSON lines), in any number of files.
"""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from hashlib import sha256
from typing import Any, Final, Literal

from billing.books.provider_reports.fields import (
    Where,
    boolean,
    count_of,
    list_of,
    micros_of,
    moment,
    object_of,
    refuse,
    text_of,
    values,
)
from billing.books.provider_reports.report import CURRENCY, CostLine, ReportContents, UsageLine
from billing.core.amounts import MAX_AMOUNT
from billing.core.refusals import Invalid

PROVIDERS: Final = ("openai",)
MOST_BYTES = 64 << 20
MOST_NAMED = 2_000  # bytes of all that tells a line apart: the database keeps it in one index
_DAY = timedelta(days=1)

Kind = Literal["usage", "costs"]
_KINDS: Final[dict[str, Kind]] = {
    "organization.usage.images.result": "usage",
    "organization.costs.result": "costs",
}
# Members that say how much. Numbers are that too; all else says of what, and tells lines apart.
_MEASURES: Final = frozenset(["object", "images", "num_model_requests", "amount", "quantity", "quantity_unit"])


Bucket = tuple[datetime, datetime, Where]


@dataclass(slots=True)
class _ReportPage:
    """One page: where it stands, and the lines of its buckets, in order."""

    where: Where
    has_more: bool
    kind: Kind | None = None
    buckets: list[Bucket] = field(default_factory=list)
    lines: list[tuple[UsageLine | CostLine, Where]] = field(default_factory=list)


def read(provider: str, files: Sequence[tuple[str, bytes]]) -> ReportContents:
    """What the pages in `files` (name and bytes of each) say. Raises Invalid, which names the file, line and field."""
    if provider not in PROVIDERS:
        raise Invalid.of("provider", f"must be one of {', '.join(PROVIDERS)}")
    pages: list[_ReportPage] = []
    for name, content in files:
        if len(content) > MOST_BYTES:
            refuse(Where(name), f"has more than {MOST_BYTES >> 20} MiB: import fewer days at once")
        pages += _of_one_kind([_page(where, value) for where, value in values(name, content)])
    usage, costs = (_lines([page for page in pages if page.kind == kind], kind) for kind in ("usage", "costs"))
    sums = (sum(line.images for line in usage), sum(line.amount_micros for line in costs))
    if max(sums) > MAX_AMOUNT:
        refuse(Where("data"), "comes to more than 64 bits hold: import fewer days at once")
    digests = tuple((name or "body", sha256(content).hexdigest()) for name, content in files)
    return ReportContents(provider, digests, len(pages), tuple(usage), tuple(costs))


def _page(where: Where, value: Any) -> _ReportPage:
    page = object_of(where, value, "page")
    data = list_of(where["data"], page.get("data"))
    found = _ReportPage(where, boolean(where["has_more"], page.get("has_more")))
    for number, bucket in enumerate(data):
        _bucket(where["data"][number], bucket, found)
    return found


def _bucket(where: Where, value: Any, page: _ReportPage) -> None:
    bucket = object_of(where, value, "bucket")
    start = moment(where["start_time"], bucket.get("start_time"))
    end = moment(where["end_time"], bucket.get("end_time"))
    if end <= start:
        refuse(where["end_time"], "must be after start_time")
    if end > start.replace(hour=0, minute=0, second=0) + _DAY:
        refuse(where, "is longer than its day in UTC: ask the provider for bucket_width=1d")
    page.buckets.append((start, end, where))
    for number, result in enumerate(list_of(where["results"], bucket.get("results"))):
        at = where["results"][number]
        kind = _KINDS.get(str(result.get("object"))) if isinstance(result, dict) else None
        if kind is None:
            refuse(at, f"must be an object of the kind {' or '.join(_KINDS)}")
        if page.kind not in (None, kind):
            refuse(at, "is of another kind than the page's results before it")
        page.kind = kind
        page.lines.append((_READERS[kind](at, result, start, end), at))


def _usage(where: Where, result: dict[str, Any], start: datetime, end: datetime) -> UsageLine:
    return UsageLine(
        starts_at=start,
        ends_at=end,
        model=text_of(where, result, "model"),
        size=text_of(where, result, "size"),
        source=text_of(where, result, "source"),
        project_id=text_of(where, result, "project_id"),
        user_id=text_of(where, result, "user_id"),
        api_key_id=text_of(where, result, "api_key_id"),
        others=_others(where, result, UsageLine._fields),
        images=count_of(where, result, "images"),
        requests=count_of(where, result, "num_model_requests"),
    )


def _cost(where: Where, result: dict[str, Any], start: datetime, end: datetime) -> CostLine:
    amount = result.get("amount")
    at = where["amount"]
    if not isinstance(amount, dict):
        refuse(at, "must be an object with value and currency")
    if str(amount.get("currency")).upper() != CURRENCY:
        refuse(at["currency"], f"must be {CURRENCY}: costs in other currencies cannot be compared")
    return CostLine(
        starts_at=start,
        ends_at=end,
        line_item=text_of(where, result, "line_item"),
        project_id=text_of(where, result, "project_id"),
        api_key_id=text_of(where, result, "api_key_id"),
        others=_others(where, result, CostLine._fields),
        amount_micros=micros_of(at["value"], amount.get("value")),
        currency=CURRENCY,
    )


_READERS: Final[dict[Kind, Callable[[Where, dict[str, Any], datetime, datetime], UsageLine | CostLine]]] = {
    "usage": _usage,
    "costs": _cost,
}


def _of_one_kind(pages: list[_ReportPage]) -> list[_ReportPage]:
    """Pages without a single result are of the kind of the others beside them."""
    kinds = {page.kind for page in pages if page.kind is not None}
    for page in pages:
        if page.kind is None:
            if len(kinds) != 1:
                refuse(page.where, "has no results: nothing says whether it is of usage or of costs")
            page.kind = next(iter(kinds))
    return pages


def _lines(pages: Sequence[_ReportPage], kind: Kind) -> list[Any]:
    """All lines of a kind; a line of nothing for each bucket without results. Raises Invalid for what contradicts."""
    _check_buckets(sorted((bucket for page in pages for bucket in page.buckets), key=lambda bucket: bucket[:2]))
    _check_following(pages)
    _check_groupings(pages)
    known: dict[tuple[Any, ...], Where] = {}
    lines: list[UsageLine | CostLine] = []
    for page in pages:
        for line, where in page.lines:
            key = line[:-3]
            if key in known:
                refuse(where, f"says again what {known[key]} says: the same bucket and the same names")
            if len("".join(map(str, key)).encode()) > MOST_NAMED:
                refuse(where, f"is told apart by more than {MOST_NAMED} bytes of names")
            known[key] = where
            lines.append(line)
    told = {line.starts_at for line in lines}
    for start, end in {(start, end) for page in pages for start, end, _ in page.buckets if start not in told}:
        nothing = UsageLine(start, "", "", "", "", "", "", "", end, 0, 0)
        lines.append(nothing if kind == "usage" else CostLine(start, "", "", "", "", end, 0, CURRENCY))
    return sorted(lines)


def _check_groupings(pages: Sequence[_ReportPage]) -> None:
    """What one page tells apart by user, and another by line item, is the same money twice."""
    seen: dict[datetime, list[tuple[frozenset[str], Where]]] = {}
    for page in pages:
        names: dict[datetime, set[str]] = {}
        for line, _ in page.lines:
            names.setdefault(line.starts_at, set()).update(_told_apart_by(line))
        for start, own in names.items():
            for others, where in seen.setdefault(start, []):
                if not (own <= others or own >= others):
                    refuse(
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
            refuse(bucket[2], f"overlaps the bucket at {latest[2]}: {_span(bucket)} and {_span(latest)}")
        if latest is None or bucket[1] > latest[1]:
            latest = bucket


def _check_following(pages: Sequence[_ReportPage]) -> None:
    """Every page that is not the last of its list is followed by one that begins where it ends."""
    beginnings = {page.buckets[0][0] for page in pages if page.buckets}
    for page in pages:
        if page.has_more and (not page.buckets or page.buckets[-1][1] not in beginnings):
            until = f" from {page.buckets[-1][1]:%Y-%m-%dT%H:%MZ} on" if page.buckets else ""
            refuse(page.where["has_more"], f"says that there is more, but no page{until} is here: add what is missing")


def _others(where: Where, result: dict[str, Any], known: Sequence[str]) -> str:
    """What tells the line apart and has no field of its own, as JSON; nothing for nothing."""
    found: dict[str, str | bool] = {}
    for name in sorted(result.keys() - _MEASURES - set(known)):
        value = result[name]
        if isinstance(value, bool):
            found[name] = value
        elif isinstance(value, dict | list):
            refuse(where[name], "is of no known shape: what tells lines apart is text, true or false")
        elif not isinstance(value, int | Decimal) and (told := text_of(where, result, name)):
            found[name] = told
    return json.dumps(found, ensure_ascii=False) if found else ""


def _span(bucket: Bucket) -> str:
    return f"{bucket[0]:%Y-%m-%dT%H:%MZ} to {bucket[1]:%Y-%m-%dT%H:%MZ}"
