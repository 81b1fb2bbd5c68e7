"""What is past keeping goes, in slices; what is unsent, open or to be looked at stays, and so do the books."""

from collections import Counter
from datetime import UTC, datetime, timedelta

import asyncpg
import pytest

from billing.posting import Retention
from billing.store import deliveries, inbox, retention
from billing.store.clock import database_time
from billing.store.engine import read_engine, work_engine
from billing.store.refusals import WebhookEventNotFound
from billing.store.retention import EVENTS_IN, EVENTS_OUT, FOR_EVER, MANIFESTS, RULES, SESSIONS, clear
from billing.store.sessions import open_session
from billing.store.tables import metadata

NOW = datetime(2026, 11, 1, tzinfo=UTC)
OLD = NOW - timedelta(days=40)
LONG_AGO = NOW - timedelta(days=30)

ENDPOINTS = """
    INSERT INTO webhook_endpoint (endpoint_id, url, events, secret, enabled, created_at, content_digest, deleted_at)
    VALUES ('here', 'https://here.example', '{*}', 's', true, $1, '', NULL),
        ('gone', 'https://gone.example', '{*}', '', false, $1, '', $1)"""
EVENT = "INSERT INTO outbox VALUES ('acme', $1, $2, $3, 'topup.paid', '{}', $4)"
DELIVERY = "INSERT INTO webhook_delivery VALUES ('acme', $1, $2, $3, 1, $4, $5, 200, NULL, $5)"
STRIPE = """
    INSERT INTO stripe_event (event_id, type, created_at, received_at, received_by, payload, state, attempts, next_attempt_at, done_at)
    VALUES ($1, 'charge.updated', $2, $2, 'sync', '{}', $3, 1, $4, $5)"""


@pytest.fixture
def owner(fresh_database, run):
    connection = run(asyncpg.connect(fresh_database))
    yield connection
    run(connection.close())


@pytest.fixture
def work(fresh_database, run):
    pool = work_engine(fresh_database)
    yield pool
    run(pool.dispose())


async def cleared(work, rule):
    return sum([gone async for gone in clear(work, rule, LONG_AGO)], Counter())


async def announced(owner, event_id, *states, at=OLD, dispatched=True):
    """An event, with a delivery in each of `states`: (endpoint, state)."""
    await owner.execute(EVENT, at, int(event_id[1:]), event_id, dispatched)
    for endpoint, state in states:
        await owner.execute(DELIVERY, event_id, endpoint, state, at if state == "pending" else None, at)


async def test_every_table_is_cleared_or_kept_for_a_reason(owner):
    cleared = {rule.table for rule in RULES} | {rule.along[0] for rule in RULES if rule.along}
    kept = set().union(*FOR_EVER.values())
    assert cleared | kept == set(metadata.tables)
    assert not cleared & kept


async def test_an_event_goes_with_its_deliveries_once_nothing_of_it_waits(owner, work):
    await owner.execute(ENDPOINTS, OLD)
    await announced(owner, "e1", ("here", "delivered"), ("gone", "dead"))
    await announced(owner, "e2")  # nobody listened
    await announced(owner, "e3", ("here", "delivered"), at=LONG_AGO)
    await announced(owner, "e4", dispatched=False)
    await announced(owner, "e5", ("here", "pending"), ("gone", "delivered"))
    await announced(owner, "e6", ("here", "dead"))  # somebody may still ask for it
    assert await cleared(work, EVENTS_OUT) == {"outbox": 2, "webhook_delivery": 2}
    left = await owner.fetch("SELECT event_id FROM outbox ORDER BY position")
    assert [row[0] for row in left] == ["e3", "e4", "e5", "e6"]
    orphans = (
        "SELECT count(*) FROM webhook_delivery d WHERE NOT EXISTS (SELECT FROM outbox o WHERE o.event_id = d.event_id)"
    )
    assert await owner.fetchval(orphans) == 0


async def test_what_is_being_asked_for_again_is_left(owner, work, monkeypatch, fresh_database):
    """A delivery without its event would wait for ever, and take the place of others."""
    await owner.execute(ENDPOINTS, OLD)
    await announced(owner, "e1", ("here", "delivered"))
    await announced(owner, "e2", ("here", "delivered"))
    other = await asyncpg.connect(fresh_database)
    transaction = other.transaction()
    await transaction.start()
    assert await other.fetchval("SELECT 1 FROM outbox WHERE event_id = 'e1' FOR KEY SHARE")  # as a replay begins
    assert (await cleared(work, EVENTS_OUT))["outbox"] == 1
    await transaction.rollback()
    await other.close()
    await deliveries.replay(work, "e1", None)
    assert not +await cleared(work, EVENTS_OUT)
    with pytest.raises(WebhookEventNotFound):
        await deliveries.replay(work, "e2", None)


async def test_lists_go_on_where_rows_are_gone(owner, work, monkeypatch, fresh_database):
    monkeypatch.setattr(retention, "AT_ONCE", 3)
    await owner.execute(ENDPOINTS, OLD)
    for number in range(8):
        await announced(owner, f"e{number}", ("here", "delivered"), at=OLD + timedelta(days=2 * number))
    reads = read_engine(fresh_database, size=1)
    page = await deliveries.events(reads, kind=None, account_id=None, after=None, limit=5)
    assert [event.announcement.event_id for event in page] == ["e7", "e6", "e5", "e4", "e3"]
    assert (await cleared(work, EVENTS_OUT))["outbox"] == 5  # those of before: the last of the page is among them
    last = page[-1].announcement
    beyond = (last.created_at, last.account_id, last.position)
    assert await deliveries.events(reads, kind=None, account_id=None, after=beyond, limit=5) == []
    beyond = (page[1].announcement.created_at, "acme", page[1].announcement.position)
    page = await deliveries.events(reads, kind=None, account_id=None, after=beyond, limit=5)
    assert [event.announcement.event_id for event in page] == ["e5"]
    await reads.dispose()


async def test_stripes_events_go_when_they_were_dealt_with(owner, work):
    for event_id, at, state, waits, done in (
        ("done", OLD, "done", None, OLD),
        ("ignored", OLD, "ignored", None, OLD),
        ("retried lately", OLD, "done", None, NOW),
        ("young", NOW, "done", None, NOW),
        ("dead", OLD, "dead", None, OLD),
        ("pending", OLD, "pending", OLD, None),
    ):
        await owner.execute(STRIPE, event_id, at, state, waits, done)
    assert await cleared(work, EVENTS_IN) == {"stripe_event": 2}
    left = await owner.fetch("SELECT event_id FROM stripe_event ORDER BY event_id")
    assert [row[0] for row in left] == ["dead", "pending", "retried lately", "young"]
    assert (await inbox.concerns(work)).events_dead == 1


async def test_sessions_that_are_over_and_manifests_that_fell_silent(owner, work):
    await open_session(work, b"over", b"key", seconds=60)
    await open_session(work, b"open", b"key", seconds=60)
    await owner.execute("UPDATE session SET expires_at = $1 WHERE digest = 'over'", OLD)
    await owner.execute("INSERT INTO manifest VALUES ('silent', $1), ('alive', $2)", OLD, NOW)
    row = "INSERT INTO manifest_row (account_id, staging_id, request_id, index, line, status) VALUES ('a', $1, 'r', $2, 1, 's')"
    await owner.executemany(row, [("silent", 0), ("silent", 1), ("alive", 0)])
    assert await cleared(work, SESSIONS) == {"session": 1}
    assert await cleared(work, MANIFESTS) == {"manifest": 1, "manifest_row": 2}
    assert await owner.fetchval("SELECT digest FROM session") == b"open"
    assert await owner.fetchval("SELECT staging_id FROM manifest_row") == "alive"


async def test_a_round_clears_what_is_past_its_own_age_and_nothing_while_the_clock_is_wrong(
    owner, work, monkeypatch, fresh_database
):
    now = await owner.fetchval("SELECT clock_timestamp()")
    await owner.execute(ENDPOINTS, OLD)
    for number, days in enumerate((31, 29)):
        await announced(owner, f"e{number}", ("here", "delivered"), at=now - timedelta(days=days))
    for days in (91, 89):
        at = now - timedelta(days=days)
        await owner.execute(STRIPE, f"{days} days", at, "done", None, at)
    reads = read_engine(fresh_database, size=1)
    round_of = Retention(reads, work, webhook_event_days=30, stripe_event_days=90)
    with monkeypatch.context() as jumped:  # what is believed stays behind a clock that does
        jumped.setattr("billing.posting.retention.database_time", believed)
        await round_of.once()
    assert not round_of.cleared
    await round_of.once()
    assert round_of.cleared == {"outbox": 1, "webhook_delivery": 1, "stripe_event": 1}
    assert await owner.fetchval("SELECT event_id FROM stripe_event") == "89 days"
    await reads.dispose()


async def believed(engine):
    return await database_time(engine) - timedelta(days=2)
