"""Sums that take long: they end by themselves, and nobody who asks for something small waits for them."""

import asyncio
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import asyncpg

from billing.books.usage import report as pages

from .service import Api, ask, problem, until

MANY = 12  # more than there are sessions that read
LATELY = int(time.time()) // 900 * 900 - 86_400


def test_who_asks_for_too_much_is_told_so(fresh: Api, monkeypatch):
    account = fresh.account(100)
    monkeypatch.setattr(pages, "SECONDS", 0.05)
    with nobody_can_sum(fresh.dsn):
        answer = fresh.get(f"/v1/accounts/{account}/usage", start_time=LATELY)
    assert problem(answer, 422, "validation_error")["errors"][0]["field"] == "start_time"
    monkeypatch.undo()
    assert fresh.get(f"/v1/accounts/{account}/usage", start_time=LATELY).status_code == 200


def test_small_reads_do_not_wait_for_long_ones(fresh: Api, monkeypatch):
    account = fresh.account(100)
    reader = fresh.new_key("account", account)["key"]
    monkeypatch.setattr(pages, "SECONDS", 600.0)
    with ThreadPoolExecutor(MANY) as readers, nobody_can_sum(fresh.dsn):
        long = [
            readers.submit(fresh.get, f"/v1/accounts/{account}/usage", reader, start_time=LATELY) for _ in range(MANY)
        ]
        sessions = fresh.client.app.state.service.settings.read_connections // 2
        until(lambda: ask(fresh.dsn, WAITING) == sessions, "every session for long reads waits")
        assert fresh.balance(account)["available"] == 100
        assert fresh.authorize(account)["status"] == "authorized"
        gateway = fresh.new_key("gateway")["key"]  # a key that nobody has looked up yet
        assert fresh.get(f"/v1/accounts/{account}/charges", gateway).status_code == 200
    assert {one.result().status_code for one in long} <= {200, 503}


WAITING = """
    SELECT count(*) FROM pg_stat_activity
    WHERE datname = current_database() AND application_name = 'billing reads' AND wait_event_type = 'Lock'"""


@contextmanager
def nobody_can_sum(dsn: str) -> Iterator[None]:
    """Keeps the tables of usage locked while the block lasts."""
    locked, over = threading.Event(), threading.Event()

    async def lock() -> None:
        connection = await asyncpg.connect(dsn)
        try:
            async with connection.transaction():
                await connection.execute("LOCK TABLE usage_day IN ACCESS EXCLUSIVE MODE")
                locked.set()
                await asyncio.to_thread(over.wait)
        finally:
            await connection.close()

    with ThreadPoolExecutor(1) as locker:
        locking = locker.submit(asyncio.run, lock())
        try:
            assert locked.wait(60), locking.exception()
            yield
        finally:
            over.set()
            locking.result()
