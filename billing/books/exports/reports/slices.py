"""Slices: a report read by key, some thousand rows at a time, as many ahead as the reader allows.

What is read never changes: journal, settled outputs, refunds and corrections are only ever added, and what was added
after the export's instant (`as_of`) is left out. So each slice is right by itself, however much later it is read:
nobody keeps a session or a snapshot for the length of a file, and an export that was interrupted goes on where it
stopped and comes to the same bytes.
"""

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Literal, NamedTuple

from billing.store.engine import Engine
from billing.store.snapshot import snapshot

Key = tuple[str | int, ...]
QUOTE, DELIMITER, LINE_FEED = "\x01", "\x02", "\x03"  # none of them stands in JSON, or in what ledgers are written of
ROWS_AT_ONCE: Final = 25_000
_LAST: Final = 2**31 - 1  # no index of an output is higher
# A slice is a range of a primary key, and what belongs to its rows is looked up by key: to sort a table for it, or to
# read one from its beginning, is never the better plan.
_PLANS: Final = ("seqscan", "sort", "bitmapscan", "hashjoin")
_BY_KEY: Final = "; ".join(f"SET LOCAL enable_{plan} = off" for plan in (*_PLANS, "mergejoin"))
_SIDE_BY_SIDE: Final = "; ".join(f"SET LOCAL enable_{plan} = off" for plan in (*_PLANS, "nestloop"))
# Sums are of whole tables. The planner, who cannot know how many rows an export leaves, would loop over them.
SUMMED_UP: Final = "SET LOCAL enable_nestloop = off; SET LOCAL work_mem = '64MB'"
_LINES: Final = bytes.maketrans(LINE_FEED.encode(), b"\n")

# CSV; or text that is put together of columns, between which nothing stands: JSON, where nothing is null, and ledgers,
# where it is nothing.
Lines = Literal["csv", "json", "ledger"]
_OPTIONS: Final[dict[Lines, dict[str, Any]]] = {
    "csv": {},
    "json": {"quote": QUOTE, "delimiter": DELIMITER, "null": "null"},
    "ledger": {"quote": QUOTE, "delimiter": DELIMITER, "null": ""},
}


class Extent(NamedTuple):
    """What an export takes in: from `start` up to `end`, as far as it was posted by `as_of`; of one account or all."""

    as_of: datetime
    start: datetime | None = None
    end: datetime | None = None
    account_id: str | None = None

    def holds(self, moment: str, account: str) -> str:
        """SQL: what happened to that account at that moment is in it."""
        found = [f"{moment} <= {literal(self.as_of)}"]
        if self.account_id is not None:
            found.append(f"{account} = {literal(self.account_id)}")
        if self.start is not None:
            found.append(f"{moment} >= {literal(self.start)}")
        if self.end is not None:
            found.append(f"{moment} < {literal(self.end)}")
        return " AND ".join(found)


@dataclass(frozen=True, slots=True)
class Origin:
    """Rows of one origin, in the order of `key` (expressions of `rows`, the last of which may be an output's index).

    `driver` is the table whose primary key `driver_key` cuts the slices. `rows` is FROM and WHERE, which the
    extent, as `within` writes it, and the slice's range narrow. Each row of the driver has one in a table whose primary
    key, `beside`, is the beginning of the driver's: then both are read side by side, instead of looking rows up.
    """

    name: str
    select: str
    rows: str
    driver: str
    driver_key: tuple[str, ...]
    key: tuple[str, ...]
    within: Callable[[Extent], str]
    beside: tuple[str, ...] = ()


class Slice(NamedTuple):
    """`content` is whole lines; `origin` and `key` say how far they reach, which is where a resumed export goes on.

    An empty key is the end of the origin.
    """

    content: bytes
    rows: int
    origin: str
    key: Key


async def slices(
    engine: Engine,
    origins: Sequence[Origin],
    extent: Extent,
    *,
    lines: Lines,
    after: tuple[str, Key] | None = None,
    ahead: int = 1,
) -> AsyncGenerator[Slice, None]:
    """The origins' lines, one after the other, from beyond `after` on; `ahead` slices are read before they are asked for."""
    underway: deque[asyncio.Task[Slice]] = deque()
    try:
        async for origin, since, until in _ranges(engine, origins, extent, after):
            underway.append(asyncio.create_task(_read(engine, origin, extent, since, until, lines)))
            if len(underway) > ahead:
                yield await asyncio.shield(underway[0])
                underway.popleft()
        while underway:
            yield await asyncio.shield(underway[0])
            underway.popleft()
    finally:
        # Whoever hangs up is cancelled again and again: a read in its midst would lose its session to that.
        if underway:
            await asyncio.shield(asyncio.gather(*underway, return_exceptions=True))


async def _ranges(
    engine: Engine, origins: Sequence[Origin], extent: Extent, after: tuple[str, Key] | None
) -> AsyncGenerator[tuple[Origin, Key | None, Key | None], None]:
    names = [origin.name for origin in origins]
    first = 0 if after is None else names.index(after[0])
    since = None if after is None else after[1]
    if since == ():  # that origin is whole
        first, since = first + 1, None
    for origin in origins[first:]:
        while True:
            until = await _until(engine, origin, extent, since)
            yield origin, since, until
            if until is None:
                break
            since = until
        since = None


async def _until(engine: Engine, origin: Origin, extent: Extent, since: Key | None) -> Key | None:
    """The last key of the slice that begins after `since`; nothing where that is the last slice."""
    columns = ", ".join(origin.driver_key)
    where = ["true"]
    if since is not None:
        where.append(f"({columns}) > {_tuple(since[: len(origin.driver_key)])}")
    if extent.account_id is not None:
        where.append(f"account_id = {literal(extent.account_id)}")
    query = (
        f"SELECT {columns} FROM {origin.driver} WHERE {' AND '.join(where)} ORDER BY {columns} "
        f"OFFSET {ROWS_AT_ONCE - 1} LIMIT 1"
    )
    asking = asyncio.create_task(_asked(engine, query))
    found = await asyncio.shield(asking)
    if found is None:
        return None
    return (*found, *[_LAST] * (len(origin.key) - len(origin.driver_key)))


async def _asked(engine: Engine, query: str) -> Key | None:
    async with snapshot(engine) as connection:
        await connection.execute(_BY_KEY)
        row = await connection.fetchrow(query)
    return None if row is None else tuple(row)


async def _read(
    engine: Engine, origin: Origin, extent: Extent, since: Key | None, until: Key | None, lines: Lines
) -> Slice:
    bounds = [origin.within(extent)]
    columns = ", ".join(origin.key)
    driven = ", ".join(origin.key[: len(origin.driver_key)])
    if since is not None:
        bounds.append(f"({columns}) > {_tuple(since)}")
        if len(origin.key) > len(origin.driver_key):  # in the words of the driver's index, too
            bounds.append(f"({driven}) >= {_tuple(since[: len(origin.driver_key)])}")
        if origin.beside:
            bounds.append(f"({', '.join(origin.beside)}) >= {_tuple(since[: len(origin.beside)])}")
    if until is not None:
        bounds.append(f"({driven}) <= {_tuple(until[: len(origin.driver_key)])}")
        if origin.beside:
            bounds.append(f"({', '.join(origin.beside)}) <= {_tuple(until[: len(origin.beside)])}")
    query = f"SELECT {origin.select} {origin.rows} AND {' AND '.join(bounds)} ORDER BY {columns}"
    return await _copied(engine, query, origin, until, lines)


async def _copied(engine: Engine, query: str, origin: Origin, until: Key | None, lines: Lines) -> Slice:
    found: list[bytes] = []

    async def keep(data: bytes) -> None:
        found.append(data)

    async with snapshot(engine) as connection:
        await connection.execute(_SIDE_BY_SIDE if origin.beside else _BY_KEY)
        status = await connection.copy_from_query(query, output=keep, format="csv", **_OPTIONS[lines])
    content = b"".join(found)
    if lines != "csv":
        content = content.translate(_LINES, DELIMITER.encode())
    return Slice(content, int(status.split()[1]), origin.name, until or ())


def literal(value: str | int | datetime) -> str:
    """`value` in SQL. COPY takes no parameters."""
    if isinstance(value, int):
        return str(value)
    if isinstance(value, datetime):
        return f"'{value.isoformat()}'::timestamptz"
    return "'" + value.replace("'", "''") + "'"


def _tuple(key: Sequence[str | int]) -> str:
    return f"({', '.join(literal(value) for value in key)})"


async def whole(engine: Engine, query: str, lines: Lines) -> AsyncGenerator[tuple[bytes, int], None]:
    """A query's lines, block by block, and with the last block how many there were: for what the database sums up."""
    blocks: asyncio.Queue[bytes | None] = asyncio.Queue(maxsize=4)

    async def keep(data: bytes) -> None:
        await blocks.put(bytes(data))  # whatever holds them: HTTP sends nothing else

    async def copy() -> int:
        try:
            async with snapshot(engine) as connection:
                await connection.execute(SUMMED_UP)
                status = await connection.copy_from_query(query, output=keep, format="csv", **_OPTIONS[lines])
                return int(status.split()[1])
        finally:
            await blocks.put(None)

    copying = asyncio.create_task(copy())
    try:
        while (block := await blocks.get()) is not None:
            yield bytes(block.translate(_LINES, DELIMITER.encode()) if lines != "csv" else block), 0
        yield b"", await copying
    finally:
        if not copying.done():
            copying.cancel()
            await asyncio.gather(copying, return_exceptions=True)
