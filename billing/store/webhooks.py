"""Webhook endpoints: who listens to what. Their secrets are kept, because we sign with them, and never listed."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

import asyncpg
from sqlalchemy import select, tuple_

from billing.core.announcements import EVERY, TYPES
from billing.core.content import content_digest, must_have_digest
from billing.core.refusals import AccountNotFound, Invalid
from billing.core.text import free_text, identifier
from billing.store.clock import database_time, time_in
from billing.store.engine import Engine
from billing.store.refusals import WebhookEndpointNotFound
from billing.store.snapshot import reading, working
from billing.store.tables import WebhookEndpointRow, columns_of

ROTATION: Final = timedelta(hours=24)  # how long the secret before keeps signing
_FIELDS = (
    "endpoint_id", "url", "account_id", "events", "description", "enabled", "previous_until", "created_at", "deleted_at",
)  # fmt: skip
_SHOWN = ", ".join(_FIELDS)


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Who listens, without the secret. `account_id` None hears of all accounts."""

    endpoint_id: str
    url: str
    account_id: str | None
    events: list[str]
    description: str | None
    enabled: bool
    previous_until: datetime | None
    created_at: datetime
    deleted_at: datetime | None


@dataclass(frozen=True, slots=True)
class NewEndpoint:
    """What a caller asks for. Raises Invalid."""

    endpoint_id: str
    url: str
    events: Sequence[str]
    account_id: str | None = None
    description: str | None = None

    def __post_init__(self) -> None:
        identifier(self.endpoint_id, "endpoint_id")
        object.__setattr__(self, "events", events_of(self.events))
        if self.account_id is not None:
            identifier(self.account_id, "account_id")
        if self.description is not None:
            free_text(self.description, "description")


def _content(one: Endpoint | NewEndpoint) -> dict[str, object]:
    """What a repeated call must say, too."""
    return {"url": one.url, "events": one.events, "account_id": one.account_id, "description": one.description}


def events_of(kinds: Sequence[str]) -> list[str]:
    """Types of announcements, each once and in their usual order; `*` stands for all. Raises Invalid."""
    if not kinds or not set(kinds) <= {*TYPES, EVERY}:
        raise Invalid.of("events", f"must be one or more of {', '.join(TYPES)}, or {EVERY} for all")
    return [EVERY] if EVERY in kinds else [kind for kind in TYPES if kind in kinds]


async def endpoint(engine: Engine, endpoint_id: str) -> Endpoint:
    """One endpoint, also a deleted one. Raises WebhookEndpointNotFound."""
    columns = columns_of(WebhookEndpointRow, _FIELDS)
    async with reading(engine) as connection:
        row = (await connection.execute(select(*columns).where(columns[0] == endpoint_id))).first()
    if row is None:
        raise WebhookEndpointNotFound(endpoint_id)
    return Endpoint(*row)


async def endpoints(engine: Engine, *, after: tuple[datetime, str] | None, limit: int) -> list[Endpoint]:
    """Endpoints, also deleted ones, oldest first, beyond (created_at, endpoint_id)."""
    columns = columns_of(WebhookEndpointRow, _FIELDS)
    created_at, endpoint_id = columns[7], columns[0]
    query = select(*columns).order_by(created_at, endpoint_id).limit(limit)
    if after is not None:
        query = query.where(tuple_(created_at, endpoint_id) > after)
    async with reading(engine) as connection:
        return [Endpoint(*row) for row in await connection.execute(query)]


async def known(work: Engine, wanted: NewEndpoint) -> Endpoint | None:
    """The endpoint of this id as it is now, where there is one. Raises IdReused: it was made with other content."""
    async with working(work) as connection:
        return await _known(connection, wanted)


async def create(work: Engine, wanted: NewEndpoint, secret: str) -> tuple[Endpoint, bool]:
    """The endpoint, and whether it is new: if not, the secret is another. Raises AccountNotFound, IdReused."""
    async with working(work) as connection:
        if wanted.account_id is not None and not await connection.fetchval(
            "SELECT 1 FROM account WHERE account_id = $1", wanted.account_id
        ):
            raise AccountNotFound(wanted.account_id)
        row = await connection.fetchrow(
            f"""INSERT INTO webhook_endpoint
                    (endpoint_id, url, account_id, events, description, secret, enabled, created_at, content_digest)
                VALUES ($1, $2, $3, $4, $5, $6, true, $8, $7)
                ON CONFLICT (endpoint_id) DO NOTHING RETURNING {_SHOWN}""",
            wanted.endpoint_id,
            wanted.url,
            wanted.account_id,
            wanted.events,
            wanted.description,
            secret,
            content_digest(_content(wanted)),
            await time_in(connection, work),  # it hears of what happens from then on
        )
        if row is not None:
            return Endpoint(*row), True
        again = await _known(connection, wanted)
        assert again is not None
        return again, False


async def change(work: Engine, endpoint_id: str, changes: dict[str, Any]) -> Endpoint:
    """Changes any of url, events, description and enabled. Raises WebhookEndpointNotFound, Invalid."""
    assert changes.keys() <= {"url", "events", "description", "enabled"}
    if "events" in changes:
        changes = changes | {"events": events_of(changes["events"])}
    if changes.get("description") is not None:
        free_text(changes["description"], "description")
    settings = "".join(f"{name} = ${place}, " for place, name in enumerate(changes, 2))
    return await _changed(work, endpoint_id, settings, *changes.values())


async def delete(work: Engine, endpoint_id: str) -> Endpoint:
    """Ends an endpoint and what waits for it; again is the same. Raises WebhookEndpointNotFound."""
    async with working(work) as connection:
        row = await connection.fetchrow(
            f"""UPDATE webhook_endpoint SET enabled = false, secret = '', previous_secret = NULL, previous_until = NULL,
                    deleted_at = coalesce(deleted_at, clock_timestamp())
                WHERE endpoint_id = $1 RETURNING {_SHOWN}""",
            endpoint_id,
        )
        await connection.execute(
            """UPDATE webhook_delivery SET state = 'dead', next_attempt_at = NULL, problem = 'the endpoint was deleted'
               WHERE endpoint_id = $1 AND state = 'pending'""",
            endpoint_id,
        )
    if row is None:
        raise WebhookEndpointNotFound(endpoint_id)
    return Endpoint(*row)


async def rotate(work: Engine, endpoint_id: str, secret: str) -> Endpoint:
    """A new secret; the one before keeps signing for a day. Raises WebhookEndpointNotFound."""
    settings = "previous_secret = secret, previous_until = $2, secret = $3, "
    return await _changed(work, endpoint_id, settings, await database_time(work) + ROTATION, secret)


async def _changed(work: Engine, endpoint_id: str, settings: str, *values: Any) -> Endpoint:
    async with working(work) as connection:
        row = await connection.fetchrow(
            f"""UPDATE webhook_endpoint SET {settings} endpoint_id = endpoint_id
                WHERE endpoint_id = $1 AND deleted_at IS NULL RETURNING {_SHOWN}""",
            endpoint_id,
            *values,
        )
    if row is None:
        raise WebhookEndpointNotFound(endpoint_id)
    return Endpoint(*row)


async def _known(connection: asyncpg.Connection, wanted: NewEndpoint) -> Endpoint | None:
    row = await connection.fetchrow(
        f"SELECT {_SHOWN}, content_digest FROM webhook_endpoint WHERE endpoint_id = $1", wanted.endpoint_id
    )
    if row is None:
        return None
    *fields, digest = row
    found = Endpoint(*fields)
    must_have_digest(wanted.endpoint_id, digest, _content(found), _content(wanted))
    return found
