"""What was delivered in a range of time, as pricing it again needs it: alike outputs together, a customer at a time."""

from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import datetime
from typing import Final, NamedTuple

from billing.core.charges import Charge, Delivered, Output, as_delivered
from billing.store import rows
from billing.store.connection import Connection

_ROWS_AT_ONCE: Final = 5_000
_CHARGES_AT_ONCE: Final = 500
_SETTLED: Final = "c.status = 'settled' AND c.resolved_at >= $1 AND c.resolved_at < $2"
_CORRECTED: Final = (
    "EXISTS (SELECT FROM correction k WHERE k.account_id = c.account_id AND k.request_id = c.request_id)"
)
# Of a size only its tier counts, and of that only the long edge: outputs between the same two edges of the candidate's
# tiers cost the same under it, and any of them stands for all.
_ALIKE: Final = f"""
    WITH e AS MATERIALIZED (SELECT model, edges::integer[] FROM unnest($3::text[], $4::text[]) e(model, edges))
    SELECT c.account_id, c.model, c.size, c.quality, c.overage, c.billed_quality, o.size_tier,
        max(greatest(o.width, o.height)) AS edge, 'unrequested' = ANY(o.flags) AS unrequested,
        count(*) AS images, sum(o.credits + o.corrected_credits) AS credits
    FROM charge c JOIN output o ON o.account_id = c.account_id AND o.request_id = c.request_id
    LEFT JOIN e ON e.model = c.model
    WHERE {_SETTLED} AND o.status = 'succeeded' AND NOT {_CORRECTED}
    GROUP BY c.account_id, c.model, c.size, c.quality, c.overage, c.billed_quality, o.size_tier,
        'unrequested' = ANY(o.flags), o.width IS NULL OR o.height IS NULL,
        width_bucket(greatest(o.width, o.height) - 1, e.edges)
    ORDER BY c.account_id"""
_CHARGES: Final = f"SELECT {rows.CHARGE} FROM charge c WHERE {_SETTLED} AND {_CORRECTED} ORDER BY c.account_id"
_OUTPUTS: Final = f"""
    SELECT {rows.OUTPUT} FROM unnest($1::text[], $2::text[]) k(account_id, request_id)
    JOIN output o ON o.account_id = k.account_id AND o.request_id = k.request_id
    ORDER BY o.account_id, o.request_id, o.index"""
_CORRECTIONS: Final = f"""
    SELECT {rows.CORRECTION} FROM unnest($1::text[], $2::text[]) k(account_id, request_id)
    JOIN correction r ON r.account_id = k.account_id AND r.request_id = k.request_id ORDER BY r.first_seq"""

Key = tuple[str, str]


class Alike(NamedTuple):
    """Outputs of one customer that cost the same under any book with the candidate's tiers, and what they cost now.

    `edge` is the long edge of one of them in pixels, None where they were not measured; `credits` with corrections.
    """

    account_id: str
    model: str
    size: str
    quality: str
    overage: str
    billed_quality: str
    size_tier: str
    edge: int | None
    unrequested: bool
    images: int
    credits: int


class Settled:
    """Charges that were settled from `start` to before `end`, inside a snapshot."""

    def __init__(self, connection: Connection, start: datetime, end: datetime) -> None:
        self._connection = connection
        self._range = (start, end)

    async def alike(self, edges: Mapping[str, Sequence[int]]) -> AsyncIterator[Alike]:
        """Outputs that succeeded, but for corrected charges; by customer. `edges` are those of each model's tiers."""
        # There may be millions, and the planner expects few rows of a join by two columns: it would loop over all of them.
        await self._connection.execute("SET LOCAL enable_nestloop = off; SET LOCAL work_mem = '128MB'")
        texts = ["{" + ",".join(map(str, each)) + "}" for each in edges.values()]
        cursor = await self._connection.cursor(_ALIKE, *self._range, list(edges), texts)
        while found := await cursor.fetch(_ROWS_AT_ONCE):
            for row in found:
                yield Alike._make((*row[:10], int(row[10])))

    async def corrected(self) -> AsyncIterator[tuple[Charge, list[Output]]]:
        """Charges whose bill was corrected, with their outputs as they were really delivered; by customer."""
        # Theirs are looked up, a few hundred at a time.
        await self._connection.execute("SET LOCAL enable_nestloop = on")
        cursor = await self._connection.cursor(_CHARGES, *self._range)
        while found := await cursor.fetch(_CHARGES_AT_ONCE):
            charges = [rows.charge(row) for row in found]
            keys = rows.arrays([(charge.account_id, charge.request_id) for charge in charges])
            outputs: dict[Key, list[Output]] = {}
            delivered: dict[Key, list[Delivered]] = {}
            for row in await self._connection.fetch(_OUTPUTS, *keys):
                output = rows.output(row)
                outputs.setdefault((output.account_id, output.request_id), []).append(output)
            for row in await self._connection.fetch(_CORRECTIONS, *keys):
                correction = rows.correction(row)
                delivered.setdefault((correction.account_id, correction.request_id), []).extend(correction.outputs)
            for charge in charges:
                key = (charge.account_id, charge.request_id)
                yield charge, as_delivered(outputs[key], delivered[key])
