"""Reports: a reconciliation as a file. JSON has totals first and then lines; CSV is the lines, for spreadsheets."""

import csv
import io
import json
from collections.abc import AsyncIterator, Mapping
from datetime import datetime
from typing import Any, Final

from billing.books.reconciliation import rows as store
from billing.core.cells import harmless
from billing.core.instants import instant_text
from billing.core.reconciliation import Line
from billing.store.engine import Engine

COLUMNS: Final = tuple(name for name in Line._fields if name != "reconciliation_id")


async def as_json(engine: Engine, reconciliation_id: str, head: Mapping[str, Any]) -> AsyncIterator[str]:
    """`head`, with all lines as its `data`, piece by piece."""
    yield json.dumps(dict(head), indent=2)[:-2] + ',\n  "data": ['
    first = True
    async for lines in store.all_lines(engine, reconciliation_id, store.LineFilter()):
        text = ",\n    ".join(json.dumps({name: _plain(getattr(line, name)) for name in COLUMNS}) for line in lines)
        yield f"{'' if first else ','}\n    {text}"
        first = False
    yield "\n  ]\n}\n"


async def as_csv(engine: Engine, reconciliation_id: str) -> AsyncIterator[str]:
    """A header and all lines, piece by piece. No cell is a formula to whatever opens it."""
    written = io.StringIO()
    writer = csv.writer(written)
    writer.writerow(COLUMNS)
    async for lines in store.all_lines(engine, reconciliation_id, store.LineFilter()):
        writer.writerows([_harmless(_plain(getattr(line, name))) for name in COLUMNS] for line in lines)
        yield written.getvalue()
        written.seek(0)
        written.truncate()
    yield written.getvalue()


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return instant_text(value)
    return value


def _harmless(value: Any) -> Any:
    return harmless(value) if isinstance(value, str) else value
