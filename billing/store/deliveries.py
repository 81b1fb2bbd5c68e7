"""Deliveries: which announcement waits for which endpoint, and who is at it.

A delivery that is being sent has its `next_attempt_at` moved ahead, in a transaction of its own: that time is its
lease, and only who holds the lease records what came of it. When a process dies, the lease runs out and the delivery is
due again. Times are the database's.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Literal

import asyncpg
from sqlalchemy import Select, select, tuple_
from sqlalchemy.ext.asyncio import AsyncConnection

from billing.core.announcements import EVERY, Announcement
from billing.core.document import DOCUMENT
from billing.core.refusals import Invalid
from billing.store.clock import time_in
from billing.store.engine import Engine
from billing.store.refusals import WebhookEndpointNotFound, WebhookEventNotFound
from billing.store.snapshot import reading, snapshot, working
from billing.store.tables import OutboxRow, WebhookDeliveryRow
from billing.store.webhooks import endpoint

REPLAYED_AT_ONCE = 10_000

_O = OutboxRow.__table__.c  # type: ignore[attr-defined]
_D = WebhookDeliveryRow.__table__.c  # type: ignore[attr-defined]

# Who hears of an announcement: its type is listened to, and its account is the endpoint's, if that has one.
_LISTENS = f"""
    e.enabled AND e.deleted_at IS NULL AND e.events && ARRAY[o.type, '{EVERY}']
    AND (e.account_id IS NULL OR e.account_id = o.account_id)"""
# What happened before an endpoint was made is sent to it only when somebody asks for that. The lock: who deletes an
# endpoint ends what waits for it, so nothing may be added behind his back.
_DISPATCH = f"""
    WITH taken AS MATERIALIZED (
        SELECT account_id, created_at, position, event_id, type FROM outbox
        WHERE NOT dispatched ORDER BY created_at LIMIT $1 FOR UPDATE SKIP LOCKED),
    sent AS (
        INSERT INTO webhook_delivery (account_id, event_id, endpoint_id, state, attempts, next_attempt_at, created_at)
        SELECT o.account_id, o.event_id, e.endpoint_id, 'pending', 0, $2, $2
        FROM taken o JOIN webhook_endpoint e ON e.created_at <= o.created_at AND {_LISTENS}
        FOR SHARE OF e
        ON CONFLICT (account_id, event_id, endpoint_id) DO NOTHING)
    UPDATE outbox o SET dispatched = true FROM taken t
    WHERE o.account_id = t.account_id AND o.created_at = t.created_at AND o.position = t.position"""
# Endpoint by endpoint, so that none takes all places; the oldest first.
_CLAIM = """
    WITH due AS MATERIALIZED (
        SELECT d.account_id, d.event_id, d.endpoint_id
        FROM webhook_endpoint e
        LEFT JOIN unnest($2::text[], $3::int[]) busy(endpoint_id, deliveries) ON busy.endpoint_id = e.endpoint_id
        CROSS JOIN LATERAL (
            SELECT w.account_id, w.event_id, w.endpoint_id, w.next_attempt_at FROM webhook_delivery w
            WHERE w.endpoint_id = e.endpoint_id AND w.state = 'pending'
                AND w.next_attempt_at <= $6::timestamptz
            ORDER BY w.next_attempt_at LIMIT greatest($4 - coalesce(busy.deliveries, 0), 0)
            FOR UPDATE SKIP LOCKED) d
        WHERE e.enabled AND e.deleted_at IS NULL
        ORDER BY d.next_attempt_at LIMIT $1)
    UPDATE webhook_delivery d
    SET attempts = d.attempts + 1, last_attempt_at = $6, next_attempt_at = $6::timestamptz + $5
    FROM due
    JOIN webhook_endpoint e ON e.endpoint_id = due.endpoint_id
    JOIN outbox o ON o.event_id = due.event_id AND o.account_id = due.account_id
    WHERE d.account_id = due.account_id AND d.event_id = due.event_id AND d.endpoint_id = due.endpoint_id
    RETURNING d.account_id, d.event_id, d.endpoint_id, d.attempts, d.last_attempt_at, d.next_attempt_at, e.url,
        o.type, o.created_at, o.data, e.secret,
        CASE WHEN e.previous_until > $6 THEN e.previous_secret END"""
_RECORD = """
    UPDATE webhook_delivery SET state = $5, last_status = $6, problem = $7,
        next_attempt_at = CASE WHEN $5 = 'pending' THEN $9::timestamptz + $8::interval END
    WHERE account_id = $1 AND event_id = $2 AND endpoint_id = $3 AND state = 'pending' AND next_attempt_at = $4"""
# Not where the endpoint has moved since: it was the old address that is gone.
_DISABLE = "UPDATE webhook_endpoint SET enabled = false WHERE endpoint_id = $1 AND url = $2"
_AGAIN = """
    ON CONFLICT (account_id, event_id, endpoint_id) DO UPDATE
    SET state = 'pending', attempts = 0, next_attempt_at = excluded.next_attempt_at, problem = NULL"""
_REPLAY = f"""
    INSERT INTO webhook_delivery (account_id, event_id, endpoint_id, state, attempts, next_attempt_at, created_at)
    SELECT o.account_id, o.event_id, e.endpoint_id, 'pending', 0, $3, $3
    FROM outbox o JOIN webhook_endpoint e ON CASE WHEN $2::text IS NULL THEN {_LISTENS} ELSE e.endpoint_id = $2 END
    WHERE o.event_id = $1 {_AGAIN}"""
_REPLAY_SINCE = f"""
    WITH chosen AS MATERIALIZED (
        SELECT o.account_id, o.event_id, o.created_at FROM outbox o, webhook_endpoint e
        WHERE e.endpoint_id = $1 AND o.created_at >= $2 AND {_LISTENS.replace("e.enabled AND", "")}
        ORDER BY o.created_at LIMIT $3 FOR KEY SHARE OF o),
    sent AS (
        INSERT INTO webhook_delivery (account_id, event_id, endpoint_id, state, attempts, next_attempt_at, created_at)
        SELECT account_id, event_id, $1, 'pending', 0, $4, $4 FROM chosen WHERE true {_AGAIN})
    SELECT count(*), max(created_at) FROM chosen"""
_BACKLOG = """
    SELECT (SELECT count(*) FROM outbox WHERE NOT dispatched),
        (SELECT count(*) FROM webhook_delivery WHERE state = 'pending'),
        (SELECT count(*) FROM webhook_delivery WHERE state = 'dead')"""


State = Literal["pending", "delivered", "dead"]


@dataclass(frozen=True, slots=True)
class WebhookDelivery:
    """How far one event has come with one endpoint."""

    __pydantic_config__ = DOCUMENT
    account_id: str
    """whose event it is"""
    event_id: str
    """of the event, `evt_…`"""
    endpoint_id: str
    """who is told"""
    state: State
    """`pending`: to be sent; `delivered`: answered with 2xx; `dead`: given up, or refused for good"""
    attempts: int
    """since the delivery was last asked for, 0 or more"""
    next_attempt_at: datetime | None
    """when it is sent next, RFC 3339 in UTC; null: it is not"""
    last_attempt_at: datetime | None
    """RFC 3339 in UTC; null: it was never sent"""
    last_status: int | None
    """the HTTP status that the endpoint last answered with; null: it never answered"""
    problem: str | None
    """what went wrong at the last attempt; null: nothing"""
    created_at: datetime
    """RFC 3339 in UTC"""


@dataclass(frozen=True, slots=True)
class WebhookEvent:
    """An announcement and its deliveries: none yet while it is not dispatched."""

    announcement: Announcement
    deliveries: Sequence[WebhookDelivery]


@dataclass(frozen=True, slots=True)
class Errand:
    """A delivery that was claimed, with all that it takes to send it: attempt number `attempts`, begun at `sent_at`."""

    account_id: str
    event_id: str
    endpoint_id: str
    attempts: int
    sent_at: datetime
    lease: datetime
    url: str
    type: str
    happened_at: datetime
    data: str
    secret: str = field(repr=False)
    previous_secret: str | None = field(repr=False)

    @property
    def secrets(self) -> tuple[str, ...]:
        """Those that sign, the current one first."""
        return (self.secret,) if self.previous_secret is None else (self.secret, self.previous_secret)


@dataclass(frozen=True, slots=True)
class Backlog:
    """Counts: announcements not yet dispatched, deliveries that wait, and those given up."""

    undispatched: int
    waiting: int
    dead: int


async def dispatch(work: Engine, limit: int) -> int:
    """Finds the endpoints for up to `limit` announcements, the oldest first; how many announcements there were."""
    async with working(work) as connection:
        status: str = await connection.execute(_DISPATCH, limit, await time_in(connection, work))
        return int(status.split()[-1])


async def claim(
    work: Engine, limit: int, *, busy: Mapping[str, int], of_one_endpoint: int, lease: timedelta
) -> list[Errand]:
    """Up to `limit` deliveries that are due, so that together with the `busy` ones no endpoint has more than its share."""
    async with working(work) as connection:
        rows = await connection.fetch(
            _CLAIM, limit, list(busy), list(busy.values()), of_one_endpoint, lease, await time_in(connection, work)
        )
        return [Errand(*row) for row in rows]


async def record_delivered(work: Engine, errand: Errand, status: int | None) -> bool:
    """Whether it was still ours to record: if not, somebody else is at it, or was asked to be."""
    async with working(work) as connection:
        return await _record(connection, await time_in(connection, work), errand, "delivered", status, None)


async def record_failed(
    work: Engine, errand: Errand, status: int | None, problem: str, *, again_after: timedelta | None, gone: bool = False
) -> bool:
    """Puts the next attempt off, or gives up where there is none. `gone`: the endpoint is told nothing any more."""
    state = "dead" if again_after is None else "pending"
    async with working(work) as connection:
        if gone:
            await connection.execute(_DISABLE, errand.endpoint_id, errand.url)
        return await _record(connection, await time_in(connection, work), errand, state, status, problem, again_after)


async def replay(work: Engine, event_id: str, endpoint_id: str | None) -> None:
    """Has an event delivered again, to one endpoint or to all that listen.

    Raises WebhookEventNotFound, WebhookEndpointNotFound; Invalid where the endpoint is another account's.
    """
    async with working(work) as connection:
        # The lock: an event that is being cleared is gone, and none is cleared while something waits for it.
        account_id = await connection.fetchval(
            "SELECT account_id FROM outbox WHERE event_id = $1 FOR KEY SHARE", event_id
        )
        if account_id is None:
            raise WebhookEventNotFound(event_id)
        if endpoint_id is not None and await _live(connection, endpoint_id) not in (None, account_id):
            raise Invalid.of("endpoint_id", "listens to another account")
        await connection.execute(_REPLAY, event_id, endpoint_id, await time_in(connection, work))


async def replay_since(work: Engine, endpoint_id: str, since: datetime) -> tuple[int, datetime | None]:
    """Has what an endpoint listens to delivered to it again, from `since` on, up to REPLAYED_AT_ONCE events.

    How many they were, and where there may be more, from when to go on. Raises WebhookEndpointNotFound.
    """
    async with working(work) as connection:
        await _live(connection, endpoint_id)
        row = await connection.fetchrow(
            _REPLAY_SINCE, endpoint_id, since, REPLAYED_AT_ONCE, await time_in(connection, work)
        )
        assert row is not None
        count, last = row
        return count, last if count == REPLAYED_AT_ONCE else None


async def event(engine: Engine, event_id: str) -> WebhookEvent:
    """Raises WebhookEventNotFound."""
    async with reading(engine) as connection:
        found = await _events(connection, select(*_O).where(_O.event_id == event_id))
    if not found:
        raise WebhookEventNotFound(event_id)
    return found[0]


async def events(
    engine: Engine, *, kind: str | None, account_id: str | None, after: tuple[datetime, str, int] | None, limit: int
) -> list[WebhookEvent]:
    """Events, newest first, beyond (created_at, account_id, position)."""
    order = (_O.created_at, _O.account_id, _O.position)
    query = select(*_O).order_by(*(column.desc() for column in order)).limit(limit)
    if kind is not None:
        query = query.where(_O.type == kind)
    if account_id is not None:
        query = query.where(_O.account_id == account_id)
    if after is not None:
        query = query.where(tuple_(*order) < after)
    async with reading(engine) as connection:
        return await _events(connection, query)


async def deliveries(
    engine: Engine, endpoint_id: str, *, state: str | None, after: tuple[datetime, str] | None, limit: int
) -> list[WebhookDelivery]:
    """An endpoint's deliveries, newest first, beyond (created_at, event_id). Raises WebhookEndpointNotFound."""
    await endpoint(engine, endpoint_id)
    query = select(*_D).where(_D.endpoint_id == endpoint_id)
    query = query.order_by(_D.created_at.desc(), _D.event_id.desc()).limit(limit)
    if state is not None:
        query = query.where(_D.state == state)
    if after is not None:
        query = query.where(tuple_(_D.created_at, _D.event_id) < after)
    async with reading(engine) as connection:
        return [WebhookDelivery(*row) for row in await connection.execute(query)]


async def backlog(engine: Engine) -> Backlog:
    async with snapshot(engine) as connection:
        row = await connection.fetchrow(_BACKLOG)
        assert row is not None
        return Backlog(*row)


async def _record(
    connection: asyncpg.Connection,
    now: datetime,
    errand: Errand,
    state: str,
    status: int | None,
    problem: str | None,
    again_after: timedelta | None = None,
) -> bool:
    key = (errand.account_id, errand.event_id, errand.endpoint_id, errand.lease)
    done: str = await connection.execute(_RECORD, *key, state, status, problem, again_after, now)
    return done == "UPDATE 1"


async def _live(connection: asyncpg.Connection, endpoint_id: str) -> str | None:
    """The account that an endpoint listens to, None for all. Raises WebhookEndpointNotFound."""
    row = await connection.fetchrow(
        "SELECT account_id FROM webhook_endpoint WHERE endpoint_id = $1 AND deleted_at IS NULL FOR SHARE", endpoint_id
    )
    if row is None:
        raise WebhookEndpointNotFound(endpoint_id)
    account_id: str | None = row[0]
    return account_id


async def _events(connection: AsyncConnection, query: Select[Any]) -> list[WebhookEvent]:
    rows = list(await connection.execute(query))
    if not rows:
        return []
    keys = [(row.account_id, row.event_id) for row in rows]
    of_events = select(*_D).where(tuple_(_D.account_id, _D.event_id).in_(keys)).order_by(_D.created_at, _D.endpoint_id)
    found: dict[tuple[str, str], list[WebhookDelivery]] = {}
    for row in await connection.execute(of_events):
        found.setdefault((row.account_id, row.event_id), []).append(WebhookDelivery(*row))
    return [WebhookEvent(Announcement(*row), found.get(key, ())) for key, row in zip(keys, rows, strict=True)]
