"""Usage against what was billed, refunded and corrected: I11.

The buckets are compared line by line with the charges, refunds and corrections they count, and the days that were summed up with
the buckets; whatever a zone makes of them is then a sum of lines that are right.
"""

from typing import Final

from billing.books.verify.reading import Check

_LINE: Final = "account_id, quarter_hour, model, operation, size_tier, quality, api_key_id"
_COUNTS: Final = ("requests", "images", "failed_images", "credits")


def _counts(of: str, described: str) -> str:
    """SQL: the counts of `of` in a sentence."""
    return f"""CASE WHEN {of}.requests IS NULL THEN 'nothing {described}' ELSE format(
        '%s requests, %s images, %s failed images and %s credits {described}', {", ".join(f"{of}.{name}" for name in _COUNTS)}) END"""


def _differ(a: str, b: str) -> str:
    return (
        f"ROW({', '.join(f'{a}.{n}' for n in _COUNTS)}) IS DISTINCT FROM ROW({', '.join(f'{b}.{n}' for n in _COUNTS)})"
    )


_BUCKETS: Final = Check(
    "I11",
    "usage_bucket",
    f"""
    SELECT account_id, concat_ws('/', account_id,
            to_char(quarter_hour AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"'), model, operation, size_tier, quality,
            api_key_id) AS key,
        extract(epoch FROM quarter_hour)::bigint AS place,
        {_counts("b", "are counted")} || ', but ' || {_counts("s", "were billed and refunded")} AS problem
    FROM {{usage_bucket}} b FULL JOIN (
        SELECT account_id, date_bin('15 minutes', at, 'epoch'::timestamptz) AS quarter_hour, model, operation,
            coalesce(size_tier, '') AS size_tier, quality, coalesce(api_key_id, '') AS api_key_id, sum(requests) AS requests,
            sum(images) AS images, sum(failed_images) AS failed_images, sum(credits) AS credits
        FROM {{billed}} line GROUP BY 1, 2, 3, 4, 5, 6, 7
    ) s USING ({_LINE})
    WHERE {_differ("b", "s")}""",
)

_DAY: Final = "account_id, day, model, operation, size_tier, quality, api_key_id"
_SUMMED: Final = ", ".join(f"(sum(b.{name}) OVER running)::bigint AS {name}" for name in _COUNTS)
_DAYS: Final = f"""
    SELECT account_id, concat_ws('/', account_id, to_char(day AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"'), model,
            operation, size_tier, quality, api_key_id) AS key,
        extract(epoch FROM day)::bigint AS place,
        format('up to and with quarter-hour %s, ', coalesce(quarter::text, 'of no number')) || {_counts("d", "are summed up")} || ', but '
            || {_counts("s", "were counted")} AS problem
    FROM (
        SELECT {", ".join(f"x.{name}" for name in _DAY.split(", "))}, u.*
        FROM {{usage_day}} x
        CROSS JOIN LATERAL unnest(x.quarters, x.requests, x.images, x.failed_images, x.credits)
            u(quarter, requests, images, failed_images, credits)
    ) d FULL JOIN (
        SELECT b.account_id, date_bin('1 day', b.quarter_hour, 'epoch'::timestamptz) AS day, b.model, b.operation,
            b.size_tier, b.quality, b.api_key_id,
            (extract(epoch FROM b.quarter_hour - date_bin('1 day', b.quarter_hour, 'epoch'::timestamptz)) / 900)::smallint
                AS quarter, {_SUMMED}
        FROM {{usage_bucket}} b JOIN {{account}} a ON a.account_id = b.account_id
        WHERE b.quarter_hour < date_bin('1 day', a.last_at, 'epoch'::timestamptz)
        WINDOW running AS (
            PARTITION BY b.account_id, date_bin('1 day', b.quarter_hour, 'epoch'::timestamptz), b.model, b.operation,
                b.size_tier, b.quality, b.api_key_id
            ORDER BY b.quarter_hour)
    ) s USING ({_DAY}, quarter)
    WHERE {_differ("d", "s")}"""

# Numbers are looked up by halving, so they have to rise.
_ORDER: Final = """
    SELECT account_id, concat_ws('/', account_id, to_char(day AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"'), model,
            operation, size_tier, quality, api_key_id) AS key,
        extract(epoch FROM day)::bigint AS place, format('its quarter-hours are %s: not in order', quarters) AS problem
    FROM {usage_day} d
    WHERE quarters IS DISTINCT FROM (SELECT array_agg(q ORDER BY q) FROM unnest(d.quarters) q)"""

USAGE: Final = (_BUCKETS, Check("I11", "usage_day", _DAYS), Check("I11", "usage_day", _ORDER))
