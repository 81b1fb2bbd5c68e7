"""Sums of usage in buckets: over quarter-hours, or over the charges themselves where end users are told apart.

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
from billing.store.billed import CORRECTED, REFUNDED, SETTLED
from billing.store.connection import Connection
from billing.store.usage import COUNTS

DIMENSIONS: Final = ("model", "size_tier", "quality", "operation", "api_key_id", "end_user", "account_id")
_DAY: Final = timedelta(days=1)

# Counted from the charges, refunds and corrections of a range. Only a forced settlement comes later than the day that a
# hold may last and the day in which it may be settled late.
_LINE: Final = """width_bucket({at}, $1::timestamptz[]) - 1 AS bucket, {account_id} AS account_id, {end_user} AS end_user,
    {model} AS model, {operation} AS operation, coalesce({size_tier}, '') AS size_tier, {quality} AS quality,
    coalesce({api_key_id}, '') AS api_key_id, {requests} AS requests, {images} AS images, {failed_images} AS failed_images,
    {credits} AS credits"""
_RECENT: Final = "NOT c.forced AND c.authorized_at >= {early} AND c.authorized_at < {end}"
_LAST_DAY: Final = "date_bin('1 day', a.last_at, 'epoch'::timestamptz)"


@dataclass(frozen=True, slots=True)
class Selection:
    """Which usage is summed, of one account or all, and what of it is told apart; `filters` by dimension: the values let
    through, any of them. What is not there is the empty text."""

    account_id: str | None = None
    group_by: Sequence[str] = ()
    filters: Mapping[str, Sequence[str]] = field(default_factory=dict)


Group = tuple[str, ...]  # values, in the order of `group_by`
Sum = tuple[int, Group, tuple[int, ...]]  # the bucket, the group, and its COUNTS


async def sums(
    connection: Connection,
    selected: Selection,
    bounds: Sequence[datetime],
    *,
    after: Group | None = None,
    limit: int,
    seconds: float,
) -> list[Sum]:
    """At most `limit` sums in order of bucket and group, in the connection's snapshot. `bounds` begin the buckets, which
    are numbered from 0, and end the last; of the first only what comes `after` that group.

    Raises Invalid where that takes longer than `seconds`: who asks for very much must not keep a core for ever.
    """
    text, arguments = _statement(selected, bounds, after, limit)
    width = 1 + len(selected.group_by)
    # Of one account by index: what others used is none of its business.
    scans = "on" if selected.account_id is None else "off"
    limits = f"SET LOCAL statement_timeout = {max(1, round(seconds * 1000))}; SET LOCAL enable_seqscan = {scans}"
    await connection.execute(limits)
    try:
        found = await connection.fetch(text, *arguments)
    except asyncpg.QueryCanceledError:
        raise Invalid.of(
            "start_time", "asks for too much at once: ask for less, or for fewer buckets (limit)"
        ) from None
    return [(row[0], tuple(row[1:width]), tuple(map(int, row[width:]))) for row in found]


def _statement(
    selected: Selection, bounds: Sequence[datetime], after: Group | None, limit: int
) -> tuple[str, list[Any]]:
    arguments: list[Any] = [list(bounds)]

    def place(value: Any) -> str:
        arguments.append(value)
        return f"${len(arguments)}"

    by_end_user = "end_user" in selected.group_by or "end_user" in selected.filters
    of_account = "" if selected.account_id is None else f" AND {{alias}}.account_id = {place(selected.account_id)}"
    users = selected.filters.get("end_user")
    source = _told_apart(users, bounds, of_account, place) if by_end_user else _counted(bounds, of_account, place)
    wanted = [
        f"u.{name} = ANY({place(list(values))}::text[])"
        for name, values in selected.filters.items()
        if name != "end_user"
    ]
    where = f"WHERE {' AND '.join(wanted)}" if wanted else ""
    groups = [f"coalesce(u.{name}, '')" if name == "end_user" else f"u.{name}" for name in selected.group_by]
    counts = ", ".join(f"sum(u.{name}) AS {name}" for name in COUNTS)
    keys = ["bucket", *(f"g{number}" for number in range(len(groups)))]
    chosen = ["u.bucket", *(f"{expression} AS {key}" for expression, key in zip(groups, keys[1:], strict=True))]
    later = ""
    if after is not None:
        values = ", ".join(["0", *(f"{place(value)}::text" for value in after)])
        later = f"WHERE ({', '.join(keys)}) > ({values})"
    return (
        f"SELECT * FROM (SELECT {', '.join(chosen)}, {counts} FROM ({source}) u {where}"
        f" GROUP BY {', '.join(str(number + 1) for number in range(len(keys)))}) s {later}"
        f" ORDER BY {', '.join(keys)} LIMIT {place(limit)}",
        arguments,
    )


def _told_apart(
    users: Sequence[str] | None, bounds: Sequence[datetime], of_account: str, place: Callable[[Any], str]
) -> str:
    """SQL: what was counted, by end user, from the charges. Conditions stand where an index answers them."""
    start, end = place(bounds[0]), place(bounds[-1])
    early = place(bounds[0] - timedelta(seconds=HOLD_SECONDS_MAX) - LATE_SETTLE)
    own = f"{{at}} >= {start} AND {{at}} < {end}{of_account.format(alias='c')}"
    if users:
        nobody = " OR c.end_user IS NULL" if "" in users else ""
        own += f" AND (c.end_user = ANY({place(list(users))}::text[]){nobody})"
    return " UNION ALL ".join(
        (
            SETTLED.lines(_LINE, f"{own} AND {_RECENT.format(early=early, end=end)}"),
            SETTLED.lines(_LINE, f"{own} AND c.forced"),
            REFUNDED.lines(_LINE, own),
            CORRECTED.lines(_LINE, own),
        )
    )


def _counted(bounds: Sequence[datetime], of_account: str, place: Callable[[Any], str]) -> str:
    """SQL: what was counted, in parts of days that were summed up, and in quarter-hours of each account's last day."""
    days, sinces, untils, numbers = (place(list(part)) for part in zip(*_parts(bounds), strict=True))
    first_day, first, last = place(day_of(bounds[0])), place(bounds[0]), place(bounds[-1])
    rises = ", ".join(f"coalesce(d.{name}[n.until], 0) - coalesce(d.{name}[n.since], 0) AS {name}" for name in COUNTS)
    return f"""
    SELECT p.bucket, d.account_id, d.model, d.operation, d.size_tier, d.quality, d.api_key_id, {rises}
    FROM unnest({days}::timestamptz[], {sinces}::smallint[], {untils}::smallint[], {numbers}::integer[])
        p(day, since, until, bucket)
    JOIN usage_day d ON d.day = p.day AND d.day >= {first_day} AND d.day < {last}{of_account.format(alias="d")}
    CROSS JOIN LATERAL (
        SELECT width_bucket(p.since, d.quarters) AS since, width_bucket(p.until, d.quarters) AS until) n
    WHERE n.since <> n.until
    UNION ALL
    SELECT width_bucket(b.quarter_hour, $1::timestamptz[]) - 1, b.account_id, b.model, b.operation, b.size_tier, b.quality,
        b.api_key_id, {", ".join(f"b.{name}" for name in COUNTS)}
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
