"""What was billed for the images of some days, and what was paid for the credits that they took.

A day is that of the settlement: what was refunded or corrected since counts on the day of its image, beside its cost.
"""

from datetime import datetime
from decimal import Decimal
from typing import Final, NamedTuple

import asyncpg

from billing.core.refusals import Invalid
from billing.store.connection import Connection


class ImagesBilled(NamedTuple):
    """Images of one day in UTC, model, size tier and billed quality, as they stand since corrections.

    Failed ones count in the tier that was asked for. `credits` is what they cost, before `returned_credits`.
    """

    day: datetime
    model: str
    size_tier: str
    quality: str
    images: int
    failed_images: int
    credits: int
    returned_credits: int


class Worth(NamedTuple):
    """What was paid for the credits that a cell's images took and kept, in micros with thirty digits of fractions."""

    day: datetime
    model: str
    size_tier: str
    quality: str
    currency: str
    micros: Decimal


class BilledDays(NamedTuple):
    """`unpaid_credits` no grant has paid yet; `free_credits` came from grants for which nothing was paid."""

    cells: list[ImagesBilled]
    worth: list[Worth]
    unpaid_credits: int
    free_credits: int


# A bill's draws, less what went back to whom it came from, are worth what was paid for their grants; the bill's images
# share that by what each of them still costs. Thirty digits of fractions, so that no sum of them is off by a micro.
_BILLED: Final = """
WITH settled AS MATERIALIZED (
    SELECT c.account_id, c.request_id, date_bin('1 day', c.resolved_at, 'epoch'::timestamptz) AS day, c.model,
        c.quoted_tier, c.billed_quality AS quality
    FROM charge c
    WHERE c.status = 'settled' AND c.resolved_at >= $1 AND c.resolved_at < $2 AND ($3::text IS NULL OR c.model = $3)
), corrected AS (
    SELECT DISTINCT ON (k.account_id, k.request_id, p.index) k.account_id, k.request_id, p.index, p.status, p.size_tier
    FROM correction k
    JOIN settled s ON s.account_id = k.account_id AND s.request_id = k.request_id
    JOIN correction_output p ON p.account_id = k.account_id AND p.correction_id = k.correction_id
    WHERE k.created_at >= $1
    ORDER BY k.account_id, k.request_id, p.index, k.first_seq DESC
), standing AS MATERIALIZED (
    SELECT s.account_id, s.request_id, s.day, s.model, coalesce(k.size_tier, o.size_tier, s.quoted_tier) AS size_tier,
        s.quality, (coalesce(k.status, o.status) = 'succeeded')::integer AS images,
        (coalesce(k.status, o.status) = 'failed')::integer AS failed_images,
        o.credits + o.corrected_credits AS credits, o.refunded_credits AS returned_credits
    FROM settled s
    JOIN output o ON o.account_id = s.account_id AND o.request_id = s.request_id
    LEFT JOIN corrected k ON k.account_id = o.account_id AND k.request_id = o.request_id AND k.index = o.index
), drawn AS MATERIALIZED (
    SELECT account_id, request_id, grant_id, sum(credits) AS credits FROM (
        SELECT s.account_id, s.request_id, t.grant_id, t.amount AS credits
        FROM settled s
        JOIN transfer t ON t.account_id = s.account_id AND t.request_id = s.request_id AND t.book = 'wallet'
            AND t.kind IN ('settle', 'supplement') AND t.grant_id IS NOT NULL AND t.posted_at >= $1
        UNION ALL
        SELECT s.account_id, s.request_id, f.grant_id, f.credits
        FROM settled s
        JOIN debt d ON d.account_id = s.account_id AND d.request_id = s.request_id
        JOIN fill f ON f.account_id = d.account_id AND f.seq = d.seq
        UNION ALL
        SELECT s.account_id, s.request_id, r.drawn_from, -r.credits
        FROM settled s
        JOIN returned r ON r.account_id = s.account_id AND r.request_id = s.request_id AND r.drawn_from IS NOT NULL
    ) d GROUP BY 1, 2, 3
), worth AS (
    SELECT d.account_id, d.request_id, g.currency,
        sum(d.credits * g.paid_micros * 1.000000000000000000000000000000 / g.granted) AS micros
    FROM drawn d
    JOIN "grant" g ON g.account_id = d.account_id AND g.grant_id = d.grant_id
    WHERE g.paid_micros > 0 GROUP BY 1, 2, 3
), bills AS (
    SELECT account_id, request_id, sum(credits - returned_credits) AS credits
    FROM standing GROUP BY 1, 2 HAVING sum(credits - returned_credits) > 0
)
SELECT day, model, size_tier, quality, NULL::text AS currency, NULL::numeric AS micros, sum(images)::bigint AS images,
    sum(failed_images)::bigint AS failed_images, sum(credits)::bigint AS credits,
    sum(returned_credits)::bigint AS returned_credits
FROM standing GROUP BY 1, 2, 3, 4
UNION ALL
SELECT s.day, s.model, s.size_tier, s.quality, w.currency, sum(w.micros * (s.credits - s.returned_credits) / b.credits),
    0, 0, 0, 0
FROM worth w
JOIN bills b ON b.account_id = w.account_id AND b.request_id = w.request_id
JOIN standing s ON s.account_id = w.account_id AND s.request_id = w.request_id
GROUP BY 1, 2, 3, 4, 5
UNION ALL
SELECT NULL, NULL, NULL, NULL, NULL, NULL, 0, 0,
    (SELECT coalesce(sum(d.outstanding), 0)::bigint
     FROM settled s JOIN debt d ON d.account_id = s.account_id AND d.request_id = s.request_id),
    (SELECT coalesce(sum(d.credits), 0)::bigint
     FROM drawn d JOIN "grant" g ON g.account_id = d.account_id AND g.grant_id = d.grant_id
     WHERE coalesce(g.paid_micros, 0) = 0)
ORDER BY 1, 2, 3, 4, 5 NULLS FIRST"""


async def billed_days(
    connection: Connection, start: datetime, end: datetime, model: str | None, *, seconds: float | None
) -> BilledDays:
    """What was billed for what was settled in [start, end), in the connection's snapshot.

    Raises Invalid where that takes longer than `seconds`.
    """
    # All joins are of equals, between sums whose numbers the planner can only guess: where it guesses few, it would
    # compare each with each, and a month would take hours.
    await connection.execute("SET LOCAL enable_nestloop = off")
    if seconds is not None:
        await connection.execute(f"SET LOCAL statement_timeout = {round(seconds * 1000)}")
    try:
        rows = await connection.fetch(_BILLED, start, end, model)
    except asyncpg.QueryCanceledError:
        raise Invalid.of("start", "asks for too much at once: ask for fewer days") from None
    cells, worth = [], []
    unpaid = free = 0
    for row in rows:
        if row["day"] is None:
            unpaid, free = row["credits"], row["returned_credits"]
        elif row["currency"] is None:
            cells.append(ImagesBilled(*row[:4], *row[6:]))
        elif row["micros"]:
            worth.append(Worth(*row[:6]))
    return BilledDays(cells, worth, unpaid, free)
