"""Reports: a reconciliation with its totals and its lines, in pages or all of them as a file."""

import csv
import io
import json
from collections.abc import AsyncIterator, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any, Final

from billing.books.reconciliation.answer import COLUMNS, HEAD, LINE, Reconciliation, ReconciliationLine, line_told, told
from billing.core.cells import harmless
from billing.core.instants import instant_text
from billing.core.languages import ENGLISH, Language
from billing.core.refusals import NotFound
from billing.store.connection import Connection
from billing.store.engine import Engine
from billing.store.snapshot import snapshot

LINES_AT_ONCE: Final = 2_000


@dataclass(eq=False)
class ReconciliationNotFound(NotFound):
    reconciliation_id: str
    code = "reconciliation_not_found"
    title = "No such reconciliation"

    @property
    def detail(self) -> str:
        return "There is no reconciliation of this id: GET /v1/reconciliations lists them."


@dataclass(frozen=True, slots=True)
class LineFilter:
    kind: str | None = None
    action: str | None = None
    outcome: str | None = None
    account_id: str | None = None


async def reconciliation(engine: Engine, reconciliation_id: str, language: Language = ENGLISH) -> Reconciliation:
    """Raises ReconciliationNotFound."""
    async with snapshot(engine) as connection:
        return await kept(connection, reconciliation_id, language)


async def kept(connection: Connection, reconciliation_id: str, language: Language) -> Reconciliation:
    """The same, in a transaction that is open. Raises ReconciliationNotFound."""
    known = await maybe_kept(connection, reconciliation_id, language)
    if known is None:
        raise ReconciliationNotFound(reconciliation_id)
    return known


async def maybe_kept(connection: Connection, reconciliation_id: str, language: Language) -> Reconciliation | None:
    row = await connection.fetchrow(
        f"SELECT {HEAD} FROM reconciliation r WHERE reconciliation_id = $1", reconciliation_id
    )
    return None if row is None else told(row, language)


async def reconciliations(
    engine: Engine, language: Language, *, before: tuple[datetime, str] | None, limit: int
) -> list[Reconciliation]:
    """Newest first, beyond (created_at, reconciliation_id)."""
    moment, last = before or (None, None)
    async with snapshot(engine) as connection:
        rows = await connection.fetch(
            f"""SELECT {HEAD} FROM reconciliation r
               WHERE $1::timestamptz IS NULL OR (created_at, reconciliation_id) < ($1, $2)
               ORDER BY created_at DESC, reconciliation_id DESC LIMIT $3""",
            moment,
            last,
            limit,
        )
    return [told(row, language) for row in rows]


async def lines(
    engine: Engine, reconciliation_id: str, language: Language, where: LineFilter, *, after: int, limit: int
) -> list[ReconciliationLine]:
    """Lines in their order, beyond the number `after`. Raises ReconciliationNotFound."""
    async with snapshot(engine) as connection:
        rows = await connection.fetch(
            f"""SELECT {LINE} FROM reconciliation_line l WHERE reconciliation_id = $1 AND line > $2
                AND ($3::text IS NULL OR kind = $3) AND ($4::text IS NULL OR action = $4)
                AND ($5::text IS NULL OR outcome = $5) AND ($6::text IS NULL OR account_id = $6)
                ORDER BY line LIMIT $7""",
            reconciliation_id,
            after,
            where.kind,
            where.action,
            where.outcome,
            where.account_id,
            limit,
        )
        if not rows:
            await kept(connection, reconciliation_id, language)
    return [line_told(row, language) for row in rows]


async def as_json(engine: Engine, head: Reconciliation, language: Language) -> AsyncIterator[str]:
    """Totals first, and all lines as `data`, piece by piece."""
    totals = json.dumps(asdict(head), indent=2, default=lambda at: at.isoformat().replace("+00:00", "Z"))
    yield totals[:-2] + ',\n  "data": ['
    first = True
    async for some in _all_lines(engine, head.reconciliation_id, language):
        text = ",\n    ".join(json.dumps(dict(zip(COLUMNS, _plain(line), strict=True))) for line in some)
        yield f"{'' if first else ','}\n    {text}"
        first = False
    yield "\n  ]\n}\n"


async def as_csv(engine: Engine, head: Reconciliation, language: Language) -> AsyncIterator[str]:
    """A header and all lines, piece by piece. No cell is a formula to whatever opens it."""
    written = io.StringIO()
    writer = csv.writer(written)
    writer.writerow(COLUMNS)
    async for some in _all_lines(engine, head.reconciliation_id, language):
        writer.writerows([harmless(cell) if isinstance(cell, str) else cell for cell in _plain(line)] for line in some)
        yield written.getvalue()
        written.seek(0)
        written.truncate()
    yield written.getvalue()


async def _all_lines(
    engine: Engine, reconciliation_id: str, language: Language
) -> AsyncIterator[Sequence[ReconciliationLine]]:
    """Every line, LINES_AT_ONCE of them at a time: whoever reads slowly keeps no session."""
    after, where = 0, LineFilter()
    while some := await lines(engine, reconciliation_id, language, where, after=after, limit=LINES_AT_ONCE):
        yield some
        after = some[-1].line


def _plain(line: ReconciliationLine) -> list[Any]:
    values = (getattr(line, name) for name in COLUMNS)
    return [instant_text(value) if isinstance(value, datetime) else value for value in values]
