"""What the provider reports, as it was last said: one line for each bucket and what the report tells apart in it."""

import json
import secrets
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, NamedTuple

from billing.core.document import DOCUMENT
from billing.core.refusals import Invalid
from billing.store.clock import time_in
from billing.store.connection import Connection
from billing.store.engine import Engine
from billing.store.snapshot import snapshot, working

CURRENCY: Final = "USD"  # what costs are read in, and margins told


class UsageLine(NamedTuple):
    """Images that the provider made in [starts_at, ends_at). Empty text: not told apart.

    `others`: what else tells the line apart, as JSON.
    """

    starts_at: datetime
    model: str
    size: str
    source: str
    project_id: str
    user_id: str
    api_key_id: str
    others: str
    ends_at: datetime
    images: int
    requests: int


class CostLine(NamedTuple):
    """What the provider took in [starts_at, ends_at), in currency micros. Empty text: not told apart.

    `others`: what else tells the line apart, as JSON.
    """

    starts_at: datetime
    line_item: str
    project_id: str
    api_key_id: str
    others: str
    ends_at: datetime
    amount_micros: int
    currency: str


class ReportContents(NamedTuple):
    """What the files of one import say. `files`: their names, with the SHA-256 of each in hexadecimal."""

    provider: str
    files: tuple[tuple[str, str], ...]
    pages: int
    usage: tuple[UsageLine, ...]
    costs: tuple[CostLine, ...]


class ProviderDays(NamedTuple):
    """What the provider says of some days: (day, model, size, images) and (day, line item, micros).

    A day that is known but in which there was nothing has a line of nothing.
    """

    usage: list[tuple[datetime, str, str, int]]
    costs: list[tuple[datetime, str, int]]


@dataclass(frozen=True, slots=True)
class ReportFile:
    """A file of an import."""

    __pydantic_config__ = DOCUMENT
    name: str
    """as it was called; `body`: it came over HTTP"""
    sha256: str
    """of its bytes, in hexadecimal"""


@dataclass(frozen=True, slots=True)
class ProviderReport:
    """One import: who brought what when."""

    __pydantic_config__ = DOCUMENT
    report_id: str
    """ours: `pr_…`"""
    provider: str
    """whose report it is"""
    imported_at: datetime
    """when it was brought"""
    imported_by: str
    """the key's id, or who else"""
    files: list[ReportFile]
    """in the order in which they were given"""
    pages: int
    """in all files; 1 or more"""
    usage_lines: int
    """of images, those of nothing included; 0 or more"""
    cost_lines: int
    """of costs, those of nothing included; 0 or more"""
    replaced: int
    """lines of earlier imports in whose place this one's stand; 0 or more"""
    images: int
    """that the provider says it made; 0 or more"""
    cost_micros: int
    """that it says it took; 0 or more"""
    currency: str
    """ISO 4217, of the costs"""
    starts_at: datetime
    """the beginning of its first bucket"""
    ends_at: datetime
    """the end of its last; exclusive"""


_COLUMNS: Final = """
    report_id, provider, imported_at, imported_by, files, pages, usage_lines, cost_lines, replaced, images, cost_micros,
    starts_at, ends_at"""
_IMPORTS: Final = f"""
    SELECT {_COLUMNS} FROM provider_report
    WHERE ($1::text IS NULL OR provider = $1) AND ($2::timestamptz IS NULL OR (imported_at, report_id) < ($2, $3))
    ORDER BY imported_at DESC, report_id DESC LIMIT $4"""
# A bucket that was known in another width: where the new one holds all of it, it is replaced; otherwise both would count.
_STICKING_OUT = """
    SELECT k.starts_at, k.ends_at FROM {table} k
    WHERE k.provider = $1 AND k.starts_at < $3 AND k.ends_at > $2 AND NOT EXISTS (
        SELECT FROM unnest($4::timestamptz[], $5::timestamptz[]) b(starts_at, ends_at)
        WHERE k.starts_at >= b.starts_at AND k.ends_at <= b.ends_at)
      AND EXISTS (
        SELECT FROM unnest($4::timestamptz[], $5::timestamptz[]) b(starts_at, ends_at)
        WHERE k.starts_at < b.ends_at AND k.ends_at > b.starts_at)
    ORDER BY 1 LIMIT 1"""
_REPLACED = """
    DELETE FROM {table} k USING unnest($2::timestamptz[], $3::timestamptz[]) b(starts_at, ends_at)
    WHERE k.provider = $1 AND k.starts_at >= b.starts_at AND k.ends_at <= b.ends_at"""
# The same files, of which every line still stands: to import them again would change nothing.
_STANDING = f"""
    SELECT {_COLUMNS} FROM provider_report r
    WHERE r.provider = $1 AND r.files = $2 AND r.usage_lines = (
        SELECT count(*) FROM provider_usage k
        WHERE k.provider = $1 AND k.starts_at >= r.starts_at AND k.starts_at < r.ends_at AND k.report_id = r.report_id)
      AND r.cost_lines = (
        SELECT count(*) FROM provider_cost k
        WHERE k.provider = $1 AND k.starts_at >= r.starts_at AND k.starts_at < r.ends_at AND k.report_id = r.report_id)
    ORDER BY imported_at DESC LIMIT 1"""


async def bring(engine: Engine, contents: ReportContents, actor: str) -> tuple[ProviderReport, bool]:
    """Puts what a report says in the place of what was said of the same buckets before; all of it or nothing.

    On a work engine; whether it is new: the same files, while all that they say stands, are the report that they were.
    Raises Invalid where there is nothing to import, or a bucket overlaps one that was imported in another width and
    reaches out of it.
    """
    if not contents.usage and not contents.costs:
        raise Invalid.of("data", "has no buckets: there is nothing to import")
    async with working(engine) as connection:
        # One import at a time: two of the same bucket would both find nothing to replace.
        await connection.execute("LOCK TABLE provider_usage, provider_cost IN SHARE ROW EXCLUSIVE MODE")
        files = json.dumps(contents.files)
        if known := await connection.fetchrow(_STANDING, contents.provider, files):
            return _report(dict(known)), False
        now = await time_in(connection, engine)
        report_id = f"pr_{secrets.token_hex(12)}"
        replaced = 0
        for table, lines in (("provider_usage", contents.usage), ("provider_cost", contents.costs)):
            if lines:
                replaced += await _replace(connection, table, contents.provider, lines)
                await connection.copy_records_to_table(
                    table,
                    records=[(contents.provider, *line, report_id) for line in lines],
                    columns=("provider", *lines[0]._fields, "report_id"),
                )
        spans = [(line.starts_at, line.ends_at) for lines in (contents.usage, contents.costs) for line in lines]
        row = {
            "report_id": report_id,
            "provider": contents.provider,
            "imported_at": now,
            "imported_by": actor,
            "files": files,
            "pages": contents.pages,
            "usage_lines": len(contents.usage),
            "cost_lines": len(contents.costs),
            "replaced": replaced,
            "images": sum(line.images for line in contents.usage),
            "cost_micros": sum(line.amount_micros for line in contents.costs),
            "starts_at": min(start for start, _ in spans),
            "ends_at": max(end for _, end in spans),
        }
        places = ", ".join(f"${place}" for place in range(1, len(row) + 1))
        await connection.execute(f"INSERT INTO provider_report ({', '.join(row)}) VALUES ({places})", *row.values())
        return _report(row), True


async def _replace(
    connection: Connection, table: str, provider: str, lines: tuple[UsageLine, ...] | tuple[CostLine, ...]
) -> int:
    buckets = sorted({(line.starts_at, line.ends_at) for line in lines})
    starts, ends = [start for start, _ in buckets], [end for _, end in buckets]
    query = _STICKING_OUT.format(table=table)
    if known := await connection.fetchrow(query, provider, starts[0], ends[-1], starts, ends):
        raise Invalid.of(
            "data",
            f"overlaps the bucket from {known[0]:%Y-%m-%dT%H:%MZ} to {known[1]:%Y-%m-%dT%H:%MZ} that was imported "
            "before: import whole buckets of the same width, or of a larger one",
        )
    done: str = await connection.execute(_REPLACED.format(table=table), provider, starts, ends)
    return int(done.rpartition(" ")[2])


async def provider_reports(
    engine: Engine, *, provider: str | None, after: tuple[datetime, str] | None, limit: int
) -> list[ProviderReport]:
    """Imports, newest first, beyond `after`."""
    async with snapshot(engine) as connection:
        found = await connection.fetch(_IMPORTS, provider, *(after or (None, None)), limit)
    return [_report(dict(row)) for row in found]


async def provider_days(connection: Connection, provider: str, start: datetime, end: datetime) -> ProviderDays:
    """What the provider says of the days in UTC that begin in [start, end)."""
    usage = await connection.fetch(
        """SELECT date_bin('1 day', starts_at, 'epoch'::timestamptz) AS day, model, size, sum(images)::bigint
           FROM provider_usage WHERE provider = $1 AND starts_at >= $2 AND starts_at < $3 GROUP BY 1, 2, 3 ORDER BY 1, 2, 3""",
        provider,
        start,
        end,
    )
    costs = await connection.fetch(
        """SELECT date_bin('1 day', starts_at, 'epoch'::timestamptz) AS day, line_item, sum(amount_micros)::bigint
           FROM provider_cost WHERE provider = $1 AND starts_at >= $2 AND starts_at < $3 GROUP BY 1, 2 ORDER BY 1, 2""",
        provider,
        start,
        end,
    )
    return ProviderDays([tuple(row) for row in usage], [tuple(row) for row in costs])


def _report(row: dict[str, Any]) -> ProviderReport:
    files = [ReportFile(name=name, sha256=digest) for name, digest in json.loads(row["files"])]
    return ProviderReport(**{**row, "files": files, "currency": CURRENCY})
