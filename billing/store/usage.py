"""Usage as it is asked for: sums over quarter-hours, or over the charges themselves where end users are told apart.

Both count the same, to the credit; `billing verify` compares them.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any, Final

import asyncpg

from billing.core.charges import LATE_SETTLE
from billing.core.commands import HOLD_SECONDS_MAX
from billing.core.refusals import Invalid
from billing.core.usage import QUARTER_HOUR, day_of
from billing.store import rows
from billing.store.corrections import LINES, tier_when_refunded

_DAY = timedelta(days=1)
DIMENSIONS: Final = ("model", "size_tier", "quality", "operation", "api_key_id", "end_user", "account_id")

# Counted from the charges, refunds and corrections of a range. Only a forced settlement comes later than the day that a
# hold may last and the day in which it may be settled late.
_SETTLED = """
    SELECT width_bucket(c.resolved_at, $1::timestamptz[]) - 1 AS bucket, c.account_id, c.end_user, c.model, c.operation, coalesce(o.size_tier, '') AS size_tier,
        c.billed_quality AS quality, coalesce(c.api_key_id, '') AS api_key_id, (o.index = 0)::integer AS requests,
        (o.status = 'succeeded')::integer AS images, (o.status = 'failed')::integer AS failed_images, o.credits
    FROM charge c JOIN output o ON o.account_id = c.account_id AND o.request_id = c.request_id
    WHERE c.status = 'settled' AND c.resolved_at >= {start} AND c.resolved_at < {end}"""
_REFUNDED = f"""
    SELECT width_bucket(r.created_at, $1::timestamptz[]) - 1, c.account_id, c.end_user, c.model, c.operation,
        coalesce({tier_when_refunded()}, ''), c.billed_quality, coalesce(c.api_key_id, ''), 0, 0, 0, -(part ->> 1)::bigint
    FROM refund r
    JOIN charge c ON c.account_id = r.account_id AND c.request_id = r.request_id
    CROSS JOIN LATERAL jsonb_array_elements(r.outputs::jsonb) part
    JOIN output o ON o.account_id = r.account_id AND o.request_id = r.request_id AND o.index = (part ->> 0)::integer
    WHERE r.created_at >= {{start}} AND r.created_at < {{end}}"""
_CORRECTED = f"""
    SELECT width_bucket(k.created_at, $1::timestamptz[]) - 1, c.account_id, c.end_user, c.model, c.operation,
        coalesce(line.size_tier, ''), c.billed_quality, coalesce(c.api_key_id, ''), 0,
        line.sign * (line.status = 'succeeded')::integer, line.sign * (line.status = 'failed')::integer,
        line.sign * line.credits
    FROM correction k
    JOIN charge c ON c.account_id = k.account_id AND c.request_id = k.request_id {LINES}
    WHERE k.created_at >= {{start}} AND k.created_at < {{end}}"""
_RECENT = " AND NOT c.forced AND c.authorized_at >= {early} AND c.authorized_at < {end}"
_COUNTED = (
    "b.model, b.operation, b.size_tier, b.quality, b.api_key_id, b.requests, b.images, b.failed_images, b.credits"
)
_LAST_DAY = "date_bin('1 day', a.last_at, 'epoch'::timestamptz)"
_COUNTS = ("requests", "images", "failed_images", "credits")


@dataclass(frozen=True, slots=True)
class UsageQuery:
    """What to sum: `bounds` begin the buckets and end the last; `filters` are the values let through, by dimension.

    `after`, a bucket's number and its last group, skips what was given out before. Without an account: all of them.
    """

    account_id: str | None
    bounds: Sequence[datetime]
    group_by: Sequence[str] = ()
    filters: Mapping[str, Sequence[str]] = field(default_factory=dict)
    after: tuple[int, Sequence[str]] | None = None


@dataclass(frozen=True, slots=True)
class Used:
    """One sum: in bucket number `bucket`, of the group with these values (empty for none), in group_by's order."""

    bucket: int
    group: tuple[str, ...]
    requests: int
    images: int
    failed_images: int
    credits: int


async def usage(connection: asyncpg.Connection, query: UsageQuery, limit: int, *, seconds: float) -> list[Used]:
    """At most `limit` sums in order of bucket and group, in the connection's snapshot. Buckets are numbered from 0.

    Raises Invalid where that takes longer than `seconds`: who asks for very much must not keep a core for ever.
    """
    text, arguments = _statement(query, limit)
    width = len(query.group_by)
    # Of one account by index: what others used is none of its business.
    scans = "on" if query.account_id is None else "off"
    limits = f"SET LOCAL statement_timeout = {max(1, round(seconds * 1000))}; SET LOCAL enable_seqscan = {scans}"
    await connection.execute(limits)
    try:
        found = await connection.fetch(text, *arguments)
    except asyncpg.QueryCanceledError:
        raise Invalid.of(
            "start_time", "asks for too much at once: ask for less, or for fewer buckets (limit)"
        ) from None
    return [Used(row[0], tuple(row[1 : 1 + width]), *map(int, row[1 + width :])) for row in found]


def _statement(query: UsageQuery, limit: int) -> tuple[str, list[Any]]:
    arguments: list[Any] = [list(query.bounds)]

    def place(value: Any) -> str:
        arguments.append(value)
        return f"${len(arguments)}"

    by_end_user = "end_user" in query.group_by or "end_user" in query.filters
    of_account = "" if query.account_id is None else f" AND {{alias}}.account_id = {place(query.account_id)}"
    source = _told_apart(query, of_account, place) if by_end_user else _counted(query.bounds, of_account, place)
    wanted = [
        f"u.{name} = ANY({place(list(values))}::text[])"
        for name, values in query.filters.items()
        if name != "end_user" or not by_end_user
    ]
    where = f"WHERE {' AND '.join(wanted)}" if wanted else ""
    groups = [f"coalesce(u.{name}, '')" if name == "end_user" else f"u.{name}" for name in query.group_by]
    sums = ", ".join(f"sum(u.{name}) AS {name}" for name in _COUNTS)
    keys = ["bucket", *(f"g{number}" for number in range(len(groups)))]
    selected = ["u.bucket"]
    selected += [f"{expression} AS {key}" for expression, key in zip(groups, keys[1:], strict=True)]
    later = ""
    if query.after is not None:
        bucket, group = query.after
        values = ", ".join([f"{place(bucket)}::integer", *(f"{place(value)}::text" for value in group)])
        later = f"WHERE ({', '.join(keys)}) > ({values})"
    return (
        f"SELECT * FROM (SELECT {', '.join(selected)}, {sums} FROM ({source}) u {where}"
        f" GROUP BY {', '.join(str(number + 1) for number in range(len(keys)))}) s {later}"
        f" ORDER BY {', '.join(keys)} LIMIT {place(limit)}",
        arguments,
    )


def _told_apart(query: UsageQuery, of_account: str, place: Callable[[Any], str]) -> str:
    """SQL: what was counted, by end user, from the charges. Conditions stand where an index answers them."""
    start, end = place(query.bounds[0]), place(query.bounds[-1])
    early = place(query.bounds[0] - timedelta(seconds=HOLD_SECONDS_MAX) - LATE_SETTLE)
    users = query.filters.get("end_user")
    own = of_account.format(alias="c")
    if users:
        nobody = " OR c.end_user IS NULL" if "" in users else ""
        own += f" AND (c.end_user = ANY({place(list(users))}::text[]){nobody})"
    settled, refunded, corrected = (text.format(start=start, end=end) for text in (_SETTLED, _REFUNDED, _CORRECTED))
    return " UNION ALL ".join(
        (
            settled + own + _RECENT.format(early=early, end=end),
            settled + own + " AND c.forced",
            refunded + own + of_account.format(alias="r"),
            corrected + own + of_account.format(alias="k"),
        )
    )


def _counted(bounds: Sequence[datetime], of_account: str, place: Callable[[Any], str]) -> str:
    """SQL: what was counted, in parts of days that were summed up, and in quarter-hours of each account's last day."""
    days, sinces, untils, numbers = (place(list(part)) for part in zip(*_parts(bounds), strict=True))
    first_day, first, last = place(day_of(bounds[0])), place(bounds[0]), place(bounds[-1])
    sums = ", ".join(f"coalesce(d.{name}[n.until], 0) - coalesce(d.{name}[n.since], 0) AS {name}" for name in _COUNTS)
    return f"""
    SELECT p.bucket, d.account_id, d.model, d.operation, d.size_tier, d.quality, d.api_key_id, {sums}
    FROM unnest({days}::timestamptz[], {sinces}::smallint[], {untils}::smallint[], {numbers}::integer[])
        p(day, since, until, bucket)
    JOIN usage_day d ON d.day = p.day AND d.day >= {first_day} AND d.day < {last}{of_account.format(alias="d")}
    CROSS JOIN LATERAL (
        SELECT width_bucket(p.since, d.quarters) AS since, width_bucket(p.until, d.quarters) AS until) n
    WHERE n.since <> n.until
    UNION ALL
    SELECT width_bucket(b.quarter_hour, $1::timestamptz[]) - 1, b.account_id, b.model, b.operation, b.size_tier, b.quality,
        b.api_key_id, {", ".join(f"b.{name}" for name in _COUNTS)}
    FROM account a JOIN usage_bucket b ON b.account_id = a.account_id AND b.quarter_hour >= {_LAST_DAY}
        AND b.quarter_hour >= {first} AND b.quarter_hour < {last}
    WHERE a.last_at >= {first}{of_account.format(alias="a")}"""


def _parts(bounds: Sequence[datetime]) -> Iterator[tuple[datetime, int, int, int]]:
    """The buckets as parts of days in UTC: the day, the quarter-hours before and at the end of the part, the bucket."""
    for number, (since, until) in enumerate(pairwise(bounds)):
        while since < until:
            day = day_of(since)
            end = min(until, day + _DAY)
            yield day, (since - day) // QUARTER_HOUR - 1, (end - day) // QUARTER_HOUR - 1, number
            since = end


_SUM_UP = f"""
    INSERT INTO usage_day
    SELECT account_id, day, model, operation, size_tier, quality, api_key_id, array_agg(quarter ORDER BY quarter),
        {", ".join(f"array_agg({name} ORDER BY quarter)" for name in _COUNTS)}
    FROM (
        SELECT d.account_id, d.day, b.model, b.operation, b.size_tier, b.quality, b.api_key_id,
            (extract(epoch FROM b.quarter_hour - d.day) / 900)::smallint AS quarter,
            {", ".join(f"(sum(b.{name}) OVER running)::bigint AS {name}" for name in _COUNTS)}
        FROM unnest($1::text[], $2::timestamptz[]) d(account_id, day)
        JOIN usage_bucket b ON b.account_id = d.account_id AND b.quarter_hour >= d.day
            AND b.quarter_hour < d.day + interval '1 day'
        WINDOW running AS (
            PARTITION BY d.account_id, d.day, b.model, b.operation, b.size_tier, b.quality, b.api_key_id
            ORDER BY b.quarter_hour)
    ) q GROUP BY account_id, day, model, operation, size_tier, quality, api_key_id"""


async def sum_up(connection: asyncpg.Connection, days: Sequence[tuple[str, datetime]]) -> None:
    """Sums up the days that accounts leave behind, under their locks: nothing will be counted there any more."""
    await connection.execute(_SUM_UP, *rows.arrays(days))
