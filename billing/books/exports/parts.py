"""Parts: a journal for QuickBooks or Xero in files that each of them takes at once, cut where days end.

A part is an export of its own, of the days that it holds: with control totals of its own, which sum to those of the whole. The
whole has no file then: beside where it would be, `FILE.totals.json` says what its parts come to together, and which they are.
"""

import json
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time
from pathlib import Path
from typing import Any

from billing.books.exports.file import Progress, Written, check_replaceable, put, question, stands, write_file
from billing.books.exports.formats.accounting import check_mapped, entries
from billing.books.exports.question import ACCOUNTING, ExportQuestion
from billing.books.exports.report import ControlTotals, control_totals, instant
from billing.core.instants import instant_text
from billing.core.refusals import Invalid
from billing.store.engine import Engine


@dataclass(frozen=True, slots=True)
class WrittenParts:
    """What was written: one file under the name that was asked for, or several beside it."""

    path: Path
    asked: ExportQuestion
    totals: ControlTotals
    files: tuple[Written, ...]

    def document(self) -> dict[str, Any]:
        """As `FILE.totals.json` holds it."""
        if len(self.files) == 1:
            return self.files[0].document()
        names = ("file", "bytes", "sha256", "start", "end")
        return {
            "file": self.path.name,
            "file_format": self.asked.format,
            **self.totals.document(),
            "parts": [{name: file.document()[name] for name in names} for file in self.files],
        }


async def parts(engine: Engine, asked: ExportQuestion, as_of: datetime) -> list[ExportQuestion]:
    """The question in parts of at most `part_lines` lines, in order of time; at least one. Raises Invalid."""
    await check_mapped(engine, asked, as_of)
    cuts: list[datetime] = []
    lines = 0
    async with aclosing(_days(engine, asked, as_of)) as days:
        async for day, count in days:
            if count > asked.lines_at_once:
                raise Invalid.of("part_lines", f"must be at least {count}: a day is not cut, and {day} has so many")
            if lines + count > asked.lines_at_once:
                cuts.append(datetime.combine(day, time(), UTC))
                lines = 0
            lines += count
    if not cuts:
        return [asked]
    starts, ends = [asked.start, *cuts], [*cuts, asked.end]
    return [replace(asked, start=start, end=end, period=None) for start, end in zip(starts, ends, strict=True)]


async def write_parts(
    engine: Engine,
    work: Engine,
    asked: ExportQuestion,
    path: Path,
    *,
    as_of: datetime | None = None,
    progress: Progress | None = None,
) -> WrittenParts:
    """Writes the export to `path`, or to `NAME-1`, `NAME-2` and so on beside it; the same again goes on with what is missing.

    `progress` is told of the parts. Raises what `write_file` raises.
    """
    if asked.format not in ACCOUNTING:
        one = await write_file(engine, work, asked, path, as_of=as_of, progress=progress)
        return WrittenParts(path, asked, one.totals, (one,))
    check_replaceable(path)
    kept = path.with_name(f"{path.name}.parts.json")
    before = _of_before(path)
    begun = _begun(kept, question(asked, as_of))
    at = begun or await instant(work, asked, as_of)
    asked_for = await parts(engine, asked, at)
    put(kept, {"question": question(asked, as_of), "as_of": instant_text(at)})
    files: list[Written] = []
    for number, part in enumerate(asked_for, 1):
        place = path if len(asked_for) == 1 else path.with_name(f"{path.stem}-{number}{path.suffix}")
        there = stands(place, part, await control_totals(engine, part, at)) if begun else None
        files.append(there or await write_file(engine, work, part, place, as_of=at))
        if progress is not None:
            progress(number, len(asked_for))
    # Files of an earlier export to the same name that this one has not: who imports all of them would book them twice.
    for stale in before.difference(file.path for file in files):
        stale.unlink(missing_ok=True)
        stale.with_name(f"{stale.name}.totals.json").unlink(missing_ok=True)
    found = WrittenParts(path, asked, await control_totals(engine, asked, at), tuple(files))
    if len(files) > 1:
        put(path.with_name(f"{path.name}.totals.json"), found.document())
    kept.unlink()
    return found


async def _days(engine: Engine, asked: ExportQuestion, as_of: datetime) -> AsyncGenerator[tuple[date, int], None]:
    """Each day with its lines, those of all currencies together."""
    day, count = None, 0
    async with aclosing(entries(engine, asked, as_of)) as found:
        async for entry in found:
            if day not in (None, entry.day):
                yield day, count
                count = 0
            day = entry.day
            count += len(entry.lines)
    if day is not None:
        yield day, count


def _begun(kept: Path, asked_for: str) -> datetime | None:
    """The instant of a run that was interrupted, if it was the same question."""
    try:
        found = json.loads(kept.read_bytes())
        return datetime.fromisoformat(found["as_of"]) if found["question"] == asked_for else None
    except (OSError, ValueError, TypeError, KeyError):
        return None


def _of_before(path: Path) -> set[Path]:
    """The files of an earlier export to the same name."""
    try:
        parts = json.loads(path.with_name(f"{path.name}.totals.json").read_bytes()).get("parts", ())
        return {path, *(path.with_name(Path(part["file"]).name) for part in parts)}
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        return set()
