"""Payments against kill -9 of the service between any two steps: no credits without money, no money without credits.

The service is stopped at a point by Stripe, which holds an answer back, or by a lock of the test's on what it is about
to write; then it is killed, then let go, and started again.
"""

import asyncio
import signal
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any
from zlib import crc32

import asyncpg
import httpx
import pytest

from billing.embedded import EmbeddedPostgres
from tests.conftest import copied
from tests.fake_stripe import FakeStripe
from tests.funding.buyers import asked, at_rest, buyer, customer, payments, put, recharges, statuses
from tests.funding.town import PAGES, SECRET, Town

CUSTOMERS, SESSIONS, INTENTS = "/v1/customers", "/v1/checkout/sessions", "/v1/payment_intents"
CREDITS = 20
LANES = 2


@pytest.fixture(scope="module")
def the_town(server: EmbeddedPostgres, template: str) -> Iterator[Town]:
    with copied(server, template) as dsn, FakeStripe() as stripe:
        town = Town(dsn, stripe, BILLING_LANES=str(LANES))
        stripe.add_endpoint(town.webhook, SECRET)
        try:
            yield town.open()
        finally:
            town.close()


@pytest.fixture
def town(the_town: Town) -> Town:
    the_town.stripe.clear_faults()
    the_town.stripe.clear_requests()
    the_town.stripe.deliver("immediately")
    return the_town


@pytest.fixture(scope="module")
def pack(the_town: Town) -> str:
    return the_town.pack(credits=CREDITS)


@pytest.fixture
def callers() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor() as pool:
        yield pool


# Stopping, killing, starting again.


def kill(town: Town) -> None:
    """The parent, by its id; its workers die with it."""
    assert town.service.workers
    assert town.service.end(signal.SIGKILL).status == -signal.SIGKILL


@contextmanager
def locked(town: Town, statement: str, *arguments: Any) -> Iterator[None]:
    """What a transaction of the test's locks, as long as the block lasts; then it is as if it had never been."""
    with asyncio.Runner() as runner:
        connection = runner.run(asyncpg.connect(town.dsn))
        runner.run(connection.execute("BEGIN"))
        runner.run(connection.execute(statement, *arguments))
        try:
            yield
        finally:
            runner.run(connection.execute("ROLLBACK"))
            runner.run(connection.close())


def wait_for_lock(town: Town, session: str, statement: str, *, sessions: int = 1) -> None:
    """Until so many sessions of the service wait for a lock in a statement like this."""
    waiting = """SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND application_name = $1
                 AND wait_event_type = 'Lock' AND query ILIKE $2"""
    town.until(lambda: town.ask(waiting, session, f"%{statement}%") >= sessions, f"{session} waits in {statement}")


def hurry(town: Town) -> None:
    """As if every lease were over."""
    town.query("UPDATE stripe_event SET next_attempt_at = clock_timestamp() WHERE state = 'pending'")
    town.query(
        "UPDATE auto_recharge SET due_at = clock_timestamp() WHERE due_at < clock_timestamp() + interval '2 min'"
    )


def start(town: Town) -> None:
    town.stripe.clear_faults()
    town.open()
    hurry(town)


# What is asked meanwhile, and what came of it.


def post(town: Town, account: str, pack: str) -> int | None:
    """The order `mine`; None if nobody answered."""
    body = {"topup_id": "mine", "pack_id": pack, **PAGES}
    try:
        return town.client.post(f"/v1/accounts/{account}/topups", json=body).status_code
    except httpx.TransportError:
        return None


def met(town: Town, fault: str, path: str) -> bool:
    return any(one["fault"] == fault for one in town.stripe.requests("POST", path))


def stopped_at_stripe(
    town: Town, callers: ThreadPoolExecutor, fault: str, path: str, *order: str
) -> Future[int | None]:
    """An order that meets with a fault, and waits."""
    town.stripe.clear_requests()
    town.stripe.fault(fault, 1, "POST", path)
    answer = callers.submit(post, town, *order)
    town.until(lambda: met(town, fault, path), f"{path} meets with {fault}")
    return answer


def in_lane(town: Town, lane: int) -> str:
    """An account that belongs to a lane, so that nobody waits for one who is stopped in the other."""
    while crc32((account := town.account()).encode()) % LANES != lane:
        pass
    return account


def at_stripe(town: Town, kind: str, account: str) -> list[Any]:
    found = town.stripe.objects(kind)
    return [one for one in found if one["metadata"].get("billing_account_id") == account]


def check_books(town: Town) -> None:
    """Stripe's books and ours say the same: each payment that succeeded is one top-up, and has its credits once."""
    town.settled()
    paid_at_stripe = {
        (one["id"], one["metadata"]["billing_account_id"], one["metadata"]["billing_topup_id"])
        for one in town.stripe.objects("payment_intent")
        if one["status"] == "succeeded"
    }
    ours = town.query("SELECT payment_id, account_id, topup_id FROM topup WHERE paid_at IS NOT NULL")
    assert len(ours) == len(paid_at_stripe)
    assert set(ours) == paid_at_stripe
    granted = """SELECT reference, account_id, count(*), sum(granted)::bigint FROM "grant" WHERE kind = 'purchase'
                 GROUP BY reference, account_id"""
    assert sorted(town.query(granted)) == sorted((payment, account, 1, CREDITS) for payment, account, _ in ours)
    charged = sum(one["amount"] - one["fee"] for one in town.stripe.objects("balance_transaction"))
    assert town.money()["stripe_clearing"] == charged * 10_000
    assert town.ask("SELECT count(*) FROM stripe_event WHERE state NOT IN ('done', 'ignored')") == 0
    town.books()


def finish(town: Town, pack: str, *accounts: str) -> None:
    """Callers repeat their orders, and pay: each has one customer, one checkout, one payment."""
    for account in accounts:
        assert post(town, account, pack) == 200
        (session,) = [
            one for one in at_stripe(town, "checkout.session", account) if one["metadata"]["billing_topup_id"] == "mine"
        ]
        assert [customer(town, account)] == [one["id"] for one in at_stripe(town, "customer", account)]
        if session["status"] == "open":
            assert town.topup(account, "mine")["url"] == session["url"]
            town.stripe.pay(session["id"])
    check_books(town)
    for account in accounts:
        assert town.topup(account, "mine")["status"] == "paid"
        assert post(town, account, pack) == 200
        assert town.balance(account)["posted"] == CREDITS


# Top-ups.


def test_killed_while_stripe_is_asked_about_an_order(town: Town, pack: str, callers: ThreadPoolExecutor) -> None:
    """Committed and no customer; a customer that nobody was told of; no checkout; one that nobody was told of."""
    no_customer, customer_unheard, no_checkout, checkout_unheard = (town.account() for _ in range(4))
    for account in (no_checkout, checkout_unheard):
        town.order(account, pack)
    answers = [
        stopped_at_stripe(town, callers, fault, path, account, pack)
        for fault, path, account in (
            ("hold", CUSTOMERS, no_customer),
            ("timeout_after", CUSTOMERS, customer_unheard),
            ("hold", SESSIONS, no_checkout),
            ("timeout_after", SESSIONS, checkout_unheard),
        )
    ]
    assert [len(at_stripe(town, "customer", account)) for account in (no_customer, customer_unheard)] == [0, 1]
    assert [len(at_stripe(town, "checkout.session", account)) for account in (no_checkout, checkout_unheard)] == [1, 2]
    kill(town)
    assert [answer.result() for answer in answers] == [None] * 4
    left = town.query("SELECT status, checkout_id FROM topup WHERE topup_id = 'mine'")
    assert left == [("pending", None)] * 4
    start(town)
    finish(town, pack, no_customer, customer_unheard, no_checkout, checkout_unheard)


def test_killed_while_stripes_answer_is_written_down(town: Town, pack: str, callers: ThreadPoolExecutor) -> None:
    """A customer and a checkout that Stripe has told of, and an event that has come, none of them committed."""
    no_customer, no_checkout, buying = in_lane(town, 0), in_lane(town, 0), in_lane(town, 1)
    town.order(no_checkout, pack)
    assert post(town, buying, pack) == 201
    held = stopped_at_stripe(town, callers, "hold", SESSIONS, no_checkout, pack)
    with (
        locked(town, "INSERT INTO stripe_customer VALUES ($1, 'cus_another', now())", no_customer),
        locked(town, "SELECT 1 FROM account WHERE account_id = $1 FOR UPDATE", no_checkout),
    ):
        # The lane of both is still free: the first order gets as far as its customer before the other blocks it.
        waiting = callers.submit(post, town, no_customer, pack)
        wait_for_lock(town, "billing work", "INSERT INTO stripe_customer")
        town.stripe.release_requests()
        wait_for_lock(town, "billing lane", "FOR")
        with locked(town, "LOCK TABLE stripe_event IN SHARE MODE"):
            town.stripe.pay(at_stripe(town, "checkout.session", buying)[0]["id"])
            wait_for_lock(town, "billing work", "INSERT INTO stripe_event")
            kill(town)
    assert [held.result(), waiting.result()] == [None, None]
    assert town.query("SELECT account_id FROM stripe_customer WHERE account_id = $1", no_customer) == []
    unrecorded = "SELECT checkout_id FROM topup WHERE topup_id = 'mine' AND account_id = $1"
    assert town.ask(unrecorded, no_checkout) is None
    town.stripe.wait_delivered()  # given up, that is: nobody was there
    (session,) = [
        one for one in at_stripe(town, "checkout.session", no_checkout) if one["metadata"]["billing_topup_id"] == "mine"
    ]
    town.stripe.pay(session["id"])  # before anybody has heard of it
    town.stripe.wait_delivered()
    start(town)  # what was missed is found in Stripe's own list
    for account in (buying, no_checkout):
        town.until(lambda a=account: town.topup(a, "mine")["status"] == "paid", "what was paid meanwhile is found")
    finish(town, pack, no_customer, no_checkout, buying)


# Events.


def test_killed_before_what_is_paid_is_booked(town: Town, pack: str) -> None:
    """An event that was claimed, another that was only stored, and a recharge that Stripe has answered."""
    claimed, stored, recharged = in_lane(town, 0), in_lane(town, 1), in_lane(town, 1)
    for account in (claimed, stored):
        assert post(town, account, pack) == 201
    town.bought(recharged, pack)
    town.stripe.fault("hold", 1, "POST", INTENTS)
    put(town, recharged, pack, CREDITS + 1)
    town.until(lambda: met(town, "hold", INTENTS), "the recharge is asked for")
    with (
        locked(town, "SELECT 1 FROM account WHERE account_id = $1 FOR UPDATE", claimed),
        locked(town, "SELECT 1 FROM account WHERE account_id = $1 FOR UPDATE", recharged),
    ):
        town.stripe.pay(at_stripe(town, "checkout.session", claimed)[0]["id"])
        wait_for_lock(town, "billing lane", "FOR")
        town.stripe.pay(at_stripe(town, "checkout.session", stored)[0]["id"])
        town.stripe.wait_delivered()
        town.stripe.release_requests()
        wait_for_lock(town, "billing lane", "FOR", sessions=2)
        town.stripe.wait_delivered()
        kill(town)
    attempts = "SELECT max(attempts) FROM stripe_event WHERE state = 'pending' AND payload LIKE '%' || $1 || '%'"
    assert [town.ask(attempts, f'"{account}"') for account in (claimed, stored)] == [1, 0]
    assert town.query("SELECT status FROM topup WHERE account_id = $1", claimed) == [("pending",)]
    assert recharges_of(town, recharged) == [("pending", None)]
    assert statuses(payments(town, recharged)) == ["succeeded"]
    start(town)
    at_rest(town, recharged)
    finish(town, pack, claimed, stored)
    assert recharges_of(town, recharged) == [("paid", payments(town, recharged)[0]["id"])]
    assert town.balance(recharged)["posted"] == 2 * CREDITS


def test_killed_between_an_effect_and_the_mark_of_its_event(town: Town, pack: str) -> None:
    account = town.account()
    assert post(town, account, pack) == 201
    with locked(town, "SELECT 1 FROM account WHERE account_id = $1 FOR UPDATE", account):
        town.stripe.pay(at_stripe(town, "checkout.session", account)[0]["id"])
        wait_for_lock(town, "billing lane", "FOR")
        town.stripe.wait_delivered()
        marks = locked(town, "SELECT 1 FROM stripe_event WHERE state = 'pending' FOR UPDATE")
        marks.__enter__()
    try:
        town.until(lambda: town.topup(account, "mine")["status"] == "paid", "the effect is committed")
        wait_for_lock(town, "billing work", "UPDATE stripe_event SET state")
        kill(town)
    finally:
        marks.__exit__(None, None, None)
    assert town.ask("SELECT count(*) FROM stripe_event WHERE state = 'pending' AND attempts = 1") >= 1
    start(town)
    finish(town, pack, account)


# Recharges.


def test_killed_with_recharges_under_way(town: Town, pack: str) -> None:
    """Claimed and not opened; opened and not asked for, paid late, or paid, and nobody was told."""
    claimed = in_lane(town, 0)
    opened = [in_lane(town, 1) for _ in range(3)]
    busy = buyer(town, pack)
    for account in (claimed, *opened):
        town.bought(account, pack)
    town.stripe.deliver("hold")
    town.stripe.fault("hold", 1, "POST", INTENTS)
    put(town, busy, pack, CREDITS + 1)
    town.until(lambda: met(town, "hold", INTENTS), "whoever looks is busy")
    for account in (claimed, *opened):
        put(town, account, pack, CREDITS + 1)
    for fault in ("timeout", "hold", "timeout_after"):
        town.stripe.fault(fault, 1, "POST", INTENTS)
    with locked(town, "SELECT 1 FROM account WHERE account_id = $1 FOR UPDATE", claimed):
        town.stripe.release_requests()
        wait_for_lock(town, "billing lane", "FOR")
        town.until(lambda: sum(len(asked(town, "POST", INTENTS, one)) for one in opened) == 2, "two are asked for")
        town.until(lambda: met(town, "timeout", INTENTS) and met(town, "timeout_after", INTENTS), "and one is lost")
        kill(town)
    assert recharges_of(town, claimed) == []
    assert [recharges_of(town, account) for account in opened] == [[("pending", None)]] * 3
    assert sum(len(payments(town, account)) for account in opened) == 1
    town.stripe.release_requests()
    assert sum(len(payments(town, account)) for account in opened) == 2
    town.stripe.fault("500", 1_000, "GET", "/v1/events")  # they must be found without
    town.open()
    hurry(town)
    for account in (busy, claimed, *opened):
        at_rest(town, account)
        assert statuses(recharges(town, account)) == ["paid"]
        assert statuses(payments(town, account)) == ["succeeded"]
    town.stripe.clear_faults()
    town.stripe.release()
    check_books(town)
    assert {town.balance(account)["posted"] for account in (busy, claimed, *opened)} == {2 * CREDITS}


def recharges_of(town: Town, account: str) -> list[Any]:
    return town.query("SELECT status, payment_id FROM topup WHERE via = 'recharge' AND account_id = $1", account)
