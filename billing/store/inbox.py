"""The inbox: the processor's events as they came, and how far each has been dealt with."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, NamedTuple

from billing.store.clock import time_in
from billing.store.engine import Engine
from billing.store.refusals import StripeEventNotFound
from billing.store.snapshot import reading, working


class StoredEvent(NamedTuple):
    """`state`: pending (at `next_attempt_at`), done, ignored (none of our business) or dead (somebody has to look)."""

    event_id: str
    type: str
    created_at: datetime
    received_at: datetime
    received_by: str
    payload: str
    state: str
    attempts: int
    next_attempt_at: datetime | None
    done_at: datetime | None
    account_id: str | None
    problem: str | None


class Concerns(NamedTuple):
    """Counts of events, and of top-ups that were stopped."""

    events_pending: int
    events_dead: int
    topups_stopped: int


class Claimed(NamedTuple):
    event_id: str
    type: str
    payload: str
    attempts: int


_COLUMNS = ", ".join(StoredEvent._fields)


async def keep_events(engine: Engine, events: Sequence[tuple[str, str, datetime, str]], received_by: str) -> int:
    """Stores (id, type, created, raw body) of each event once; returns how many were new."""
    async with working(engine) as connection:
        rows = await connection.fetch(
            """INSERT INTO stripe_event (event_id, type, created_at, payload, received_by, received_at, next_attempt_at,
                                         state, attempts)
               SELECT e.event_id, e.type, e.created_at, e.payload, $5, $6, $6, 'pending', 0
               FROM unnest($1::text[], $2::text[], $3::timestamptz[], $4::text[]) e(event_id, type, created_at, payload)
               ON CONFLICT (event_id) DO NOTHING RETURNING event_id""",
            *([list(part) for part in zip(*events, strict=True)] if events else [[], [], [], []]),
            received_by,
            await time_in(connection, engine),
        )
    return len(rows)


async def claim_events(engine: Engine, *, limit: int, lease_seconds: int) -> list[Claimed]:
    """Events whose turn has come, oldest first; nobody else is given them before the lease is over."""
    async with working(engine) as connection:
        rows = await connection.fetch(
            """UPDATE stripe_event SET attempts = attempts + 1,
                   next_attempt_at = $3::timestamptz + make_interval(secs => $2)
               WHERE event_id IN (SELECT event_id FROM stripe_event
                                  WHERE state = 'pending' AND next_attempt_at <= $3
                                  ORDER BY next_attempt_at LIMIT $1 FOR UPDATE SKIP LOCKED)
               RETURNING event_id, type, payload, attempts, created_at""",
            limit,
            float(lease_seconds),
            await time_in(connection, engine),
        )
    return [Claimed(*row[:4]) for row in sorted(rows, key=lambda row: (row[4], row[0]))]


async def close_event(
    engine: Engine, event_id: str, state: str, *, account_id: str | None = None, problem: str | None = None
) -> None:
    async with working(engine) as connection:
        await connection.execute(
            """UPDATE stripe_event SET state = $2, account_id = coalesce($3, account_id), problem = $4,
                   next_attempt_at = NULL, done_at = $5 WHERE event_id = $1 AND state = 'pending'""",
            event_id,
            state,
            account_id,
            problem,
            await time_in(connection, engine),
        )


async def put_off_event(engine: Engine, event_id: str, seconds: int, problem: str) -> None:
    async with working(engine) as connection:
        await connection.execute(
            """UPDATE stripe_event SET next_attempt_at = $4::timestamptz + make_interval(secs => $2), problem = $3
               WHERE event_id = $1 AND state = 'pending'""",
            event_id,
            float(seconds),
            problem,
            await time_in(connection, engine),
        )


async def reopen_event(engine: Engine, event_id: str) -> StoredEvent:
    """Has a closed event dealt with again: it takes effect at most once all the same. Raises StripeEventNotFound."""
    async with working(engine) as connection:
        row = await connection.fetchrow(
            f"""UPDATE stripe_event SET state = 'pending', attempts = 0, next_attempt_at = $2, done_at = NULL,
                    problem = NULL
                WHERE event_id = $1 RETURNING {_COLUMNS}""",
            event_id,
            await time_in(connection, engine),
        )
    if row is None:
        raise StripeEventNotFound(event_id)
    return StoredEvent._make(row)


async def reopen_payouts_with(engine: Engine, transaction_id: str) -> int:
    """Has the events about payouts that contain a transaction dealt with again, if they wait or were given up."""
    async with working(engine) as connection:
        rows = await connection.fetch(
            """UPDATE stripe_event SET state = 'pending', attempts = 0, next_attempt_at = $2, done_at = NULL
               WHERE state IN ('pending', 'dead') AND starts_with(type, 'payout.')
                   AND payload::jsonb #>> '{data,object,id}' IN
                       (SELECT payout_id FROM payout_item WHERE transaction_id = $1)
               RETURNING event_id""",
            transaction_id,
            await time_in(connection, engine),
        )
    return len(rows)


async def stripe_event(engine: Engine, event_id: str) -> StoredEvent:
    """Raises StripeEventNotFound."""
    async with reading(engine) as connection:
        rows = await connection.exec_driver_sql(f"SELECT {_COLUMNS} FROM stripe_event WHERE event_id = $1", (event_id,))
        row = rows.first()
    if row is None:
        raise StripeEventNotFound(event_id)
    return StoredEvent._make(row)


async def stripe_events(
    engine: Engine, *, state: str | None, kind: str | None, before: tuple[datetime, str] | None, limit: int
) -> list[StoredEvent]:
    """What has come in, newest first, beyond (received_at, event_id)."""
    wanted: list[Any] = [state, kind, *(before or (None, None)), limit]
    async with reading(engine) as connection:
        rows = await connection.exec_driver_sql(
            f"""SELECT {_COLUMNS} FROM stripe_event
                WHERE ($1::text IS NULL OR state = $1) AND ($2::text IS NULL OR type = $2)
                    AND ($3::timestamptz IS NULL OR (received_at, event_id) < ($3, $4::text))
                ORDER BY received_at DESC, event_id DESC LIMIT $5""",
            tuple(wanted),
        )
        return [StoredEvent._make(row) for row in rows]


async def concerns(engine: Engine) -> Concerns:
    """How much waits, and how much somebody has to look at."""
    async with reading(engine) as connection:
        rows: Any = await connection.exec_driver_sql(
            """SELECT (SELECT count(*) FROM stripe_event WHERE state = 'pending'),
                   (SELECT count(*) FROM stripe_event WHERE state = 'dead'),
                   (SELECT count(*) FROM topup WHERE problem IS NOT NULL)"""
        )
        return Concerns._make(rows.one())


async def last_event_at(engine: Engine) -> datetime | None:
    """When the newest event that came in was made."""
    async with reading(engine) as connection:
        moment: datetime | None = (
            await connection.exec_driver_sql("SELECT max(created_at) FROM stripe_event")
        ).scalar()
    return moment
