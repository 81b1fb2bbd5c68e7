"""Packs in the database: published by an admin, read by everybody, withdrawn but never changed."""

from datetime import datetime
from typing import Any, NamedTuple

from billing.core.content import must_agree
from billing.core.packs import Pack
from billing.core.refusals import PackNotFound
from billing.store.engine import Engine
from billing.store.snapshot import reading, working

_COLUMNS = ", ".join(Pack._fields)
Place = tuple[str, int, str]  # currency, price in micros, id: the order of lists


class PublishedPack(NamedTuple):
    pack: Pack
    published_at: datetime
    withdrawn_at: datetime | None


async def packs(
    engine: Engine, *, withdrawn: bool = False, after: Place | None = None, limit: int | None = None
) -> list[PublishedPack]:
    """What is on sale, the cheapest of each currency first; with `withdrawn`, also what was. At most `limit` of them."""
    query = f"""SELECT {_COLUMNS}, published_at, withdrawn_at FROM pack
        WHERE ($1 OR withdrawn_at IS NULL)
          AND ($2::text IS NULL OR (currency, price_micros, pack_id) > ($2, $3::bigint, $4::text))
        ORDER BY currency, price_micros, pack_id LIMIT $5"""
    async with reading(engine) as connection:
        rows = await connection.exec_driver_sql(query, (withdrawn, *(after or (None, None, None)), limit))
        return [_published(row) for row in rows]


async def pack(engine: Engine, pack_id: str) -> PublishedPack:
    """Raises PackNotFound."""
    query = f"SELECT {_COLUMNS}, published_at, withdrawn_at FROM pack WHERE pack_id = $1"
    async with reading(engine) as connection:
        row = (await connection.exec_driver_sql(query, (pack_id,))).first()
    if row is None:
        raise PackNotFound(pack_id)
    return _published(row)


async def pack_on_sale(engine: Engine, pack_id: str) -> Pack | None:
    try:
        found = await pack(engine, pack_id)
    except PackNotFound:
        return None
    return found.pack if found.withdrawn_at is None else None


async def publish_pack(engine: Engine, wanted: Pack, actor: str) -> tuple[PublishedPack, bool]:
    """Puts a pack on sale; whether it is new. Raises IdReused where its id names another offer."""
    values = ", ".join(f"${place}" for place in range(1, len(Pack._fields) + 1))
    async with working(engine) as connection:
        new = await connection.fetchrow(
            f"INSERT INTO pack ({_COLUMNS}, published_at, published_by) VALUES ({values}, clock_timestamp(), "
            f"${len(Pack._fields) + 1}) ON CONFLICT (pack_id) DO NOTHING RETURNING {_COLUMNS}, published_at, withdrawn_at",
            *wanted,
            actor,
        )
        row = new or await connection.fetchrow(
            f"SELECT {_COLUMNS}, published_at, withdrawn_at FROM pack WHERE pack_id = $1", wanted.pack_id
        )
    found = _published(row)
    names = {"price_micros": "price.micros", "currency": "price.currency"}
    pairs = zip(Pack._fields, found.pack, wanted, strict=True)
    must_agree(wanted.pack_id, {names.get(name, name): (known, asked) for name, known, asked in pairs})
    return found, new is not None


async def withdraw_pack(engine: Engine, pack_id: str) -> PublishedPack:
    """Takes a pack off sale; what was ordered before can still be paid. Raises PackNotFound."""
    async with working(engine) as connection:
        row = await connection.fetchrow(
            f"""UPDATE pack SET withdrawn_at = coalesce(withdrawn_at, clock_timestamp()) WHERE pack_id = $1
                RETURNING {_COLUMNS}, published_at, withdrawn_at""",
            pack_id,
        )
    if row is None:
        raise PackNotFound(pack_id)
    return _published(row)


def _published(row: Any) -> PublishedPack:
    *terms, published_at, withdrawn_at = row
    return PublishedPack(Pack(*terms), published_at, withdrawn_at)
