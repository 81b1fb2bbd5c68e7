"""The worker: every event to everybody who listens, signed, at least once, and what happens when that fails."""

import asyncio
import json
import threading
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler
from typing import Any

import pytest
from standardwebhooks.webhooks import WebhookVerificationError

from billing.core.announcements import BY_DEFAULT, EVERY, SETTLED, TYPES
from billing.core.charges import Reported
from billing.core.commands import Authorize, IssueGrant
from billing.outbox import Destinations, outbox, sender
from billing.outbox.backoff import JITTER, PAUSES_SECONDS
from billing.store import deliveries, webhooks
from billing.store.deliveries import claim, dispatch, record_delivered, record_failed

from .conftest import Desk
from .receiver import Receiver, answer_with

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
LEASE = timedelta(seconds=60)
BOUND_SECONDS = 60.0


async def claimed(desk: Desk, limit: int = 10) -> list[deliveries.Errand]:
    """What a worker has claimed that then dies."""
    return await claim(desk.work, limit, busy={}, of_one_endpoint=limit, lease=LEASE)


async def eventually(condition: Any) -> None:
    async with asyncio.timeout(BOUND_SECONDS):
        while not condition():  # noqa: ASYNC110 - what is waited for happens in another thread
            await asyncio.sleep(0.01)


class TestAnEvent:
    async def test_is_told_as_standard_webhooks_has_it(self, desk: Desk, receiver: Receiver) -> None:
        _, secret = await desk.endpoint(receiver.url("/in?tenant=7"))
        moment = await desk.owner.fetchval("SELECT clock_timestamp()")
        event_id = await desk.announce("topup.paid", "acme", at=moment, topup_id="t-1", name="Zoë ✓")
        assert await desk.worker().once() == 1
        (heard,) = receiver.heard
        assert (heard.path, heard.headers["content-type"]) == ("/in?tenant=7", "application/json")
        assert heard.event_id == event_id
        assert heard.verified(secret) == {
            "type": "topup.paid",
            "timestamp": moment.isoformat(timespec="microseconds").replace("+00:00", "Z"),
            "data": {"account_id": "acme", "topup_id": "t-1", "name": "Zoë ✓"},
        }
        with pytest.raises(WebhookVerificationError):
            heard._replace(body=heard.body.replace(b"t-1", b"t-2")).verified(secret)
        row = await desk.delivery(event_id)
        assert (row["state"], row["attempts"], row["last_status"], row["problem"]) == ("delivered", 1, 200, None)
        assert (row["account_id"], row["next_attempt_at"]) == ("acme", None)
        assert int(heard.headers["webhook-timestamp"]) == int(row["last_attempt_at"].timestamp())

    async def test_is_told_once(self, desk: Desk, receiver: Receiver) -> None:
        await desk.endpoint(receiver.url())
        await desk.announce()
        assert [await desk.worker().once() for _ in range(3)] == [1, 0, 0]
        assert len(receiver.heard) == 1

    async def test_of_the_ledger_itself(self, desk: Desk, receiver: Receiver) -> None:
        """What posting writes is what is told: nobody in between."""
        await desk.open("acme")
        _, secret = await desk.endpoint(receiver.url())
        await desk.posting.post(IssueGrant("acme", "g", "purchase", 14))
        image = (Reported(0, "succeeded", 1024, 1024, None),)
        await desk.posting.post(Authorize("acme", "r", "gpt-image-2", size="1K", outputs=image))
        assert await desk.worker().once() == 1
        document = receiver.heard[0].verified(secret)
        assert (document["type"], document["data"]["account_id"]) == ("balance.depleted", "acme")
        assert document["data"]["available"] == 0

    @pytest.mark.parametrize(
        ("events", "told"),
        [(BY_DEFAULT, []), ((SETTLED,), ["charge.settled"]), ((EVERY,), ["charge.settled"])],
    )
    async def test_settled_charges_are_told_to_who_asked(
        self, desk: Desk, receiver: Receiver, events: tuple[str, ...], told: list[str]
    ) -> None:
        await desk.open("acme")
        await desk.endpoint(receiver.url(), *events)
        await desk.posting.post(IssueGrant("acme", "g", "purchase", 100))
        image = (Reported(0, "succeeded", 1024, 1024, None),)
        await desk.posting.post(Authorize("acme", "r", "gpt-image-2", size="1K", outputs=image))
        await desk.worker().once()
        assert [json.loads(heard.body)["type"] for heard in receiver.heard] == told
        assert await desk.owner.fetchval("SELECT count(*) FROM outbox") == len(told)


class TestWhoListens:
    async def test_by_type(self, desk: Desk, receiver: Receiver) -> None:
        listens = {"/default": BY_DEFAULT, "/all": (EVERY,), "/two": ("topup.paid", SETTLED)}
        for path, events in listens.items():
            await desk.endpoint(receiver.url(path), *events)
        ids = {await desk.announce(kind): kind for kind in TYPES}
        await desk.worker().once()
        heard: dict[str, set[str]] = {path: set() for path in listens}
        for one in receiver.heard:
            heard[one.path].add(ids[one.event_id])
        assert heard == {"/default": set(TYPES) - {SETTLED}, "/all": set(TYPES), "/two": {"topup.paid", SETTLED}}
        assert len(receiver.heard) == sum(map(len, heard.values()))

    async def test_by_account(self, desk: Desk, receiver: Receiver) -> None:
        await desk.endpoint(receiver.url("/acme"), account_id="acme")
        await desk.endpoint(receiver.url("/all"))
        mine, theirs = await desk.announce(account_id="acme"), await desk.announce(account_id="other")
        await desk.worker().once()
        assert {(one.path, one.event_id) for one in receiver.heard} == {
            ("/acme", mine),
            ("/all", mine),
            ("/all", theirs),
        }

    async def test_not_while_disabled_nor_when_deleted(self, desk: Desk, receiver: Receiver) -> None:
        disabled, _ = await desk.endpoint(receiver.url("/disabled"))
        deleted, _ = await desk.endpoint(receiver.url("/deleted"))
        await webhooks.change(desk.work, disabled, {"enabled": False})
        await webhooks.delete(desk.work, deleted)
        event_id = await desk.announce()
        assert await desk.worker().once() == 0
        assert (await desk.outbox_row(event_id))["dispatched"]
        await webhooks.change(desk.work, disabled, {"enabled": True})
        assert await desk.worker().once() == 0  # it was not listening then

    async def test_not_to_what_happened_before(self, desk: Desk, receiver: Receiver) -> None:
        before = await desk.announce()
        await desk.endpoint(receiver.url())
        after = await desk.announce()
        await desk.worker().once()
        assert [one.event_id for one in receiver.heard] == [after]
        assert (await desk.outbox_row(before))["dispatched"]

    async def test_what_waits_for_a_disabled_endpoint_waits(self, desk: Desk, receiver: Receiver) -> None:
        endpoint_id, _ = await desk.endpoint(receiver.url())
        event_id = await desk.announce()
        await dispatch(desk.work, 10)
        await webhooks.change(desk.work, endpoint_id, {"enabled": False})
        assert await desk.worker().once() == 0
        await webhooks.change(desk.work, endpoint_id, {"enabled": True})
        assert await desk.worker().once() == 1
        assert await desk.state(event_id) == "delivered"

    async def test_what_waits_for_a_deleted_endpoint_ends(self, desk: Desk, receiver: Receiver) -> None:
        endpoint_id, secret = await desk.endpoint(receiver.url())
        event_id = await desk.announce()
        await dispatch(desk.work, 10)
        await webhooks.rotate(desk.work, endpoint_id, "whsec_bmV3")
        await webhooks.delete(desk.work, endpoint_id)
        assert await desk.worker().once() == 0
        assert await desk.state(event_id) == "dead"
        row = await desk.owner.fetchval("SELECT e::text FROM webhook_endpoint e WHERE endpoint_id = $1", endpoint_id)
        assert secret not in row
        assert "whsec_" not in row

    async def test_nothing_is_added_behind_the_back_of_who_deletes(self, desk: Desk, receiver: Receiver) -> None:
        endpoint_id, _ = await desk.endpoint(receiver.url())
        event_id = await desk.announce()
        async with desk.owner.transaction():
            await desk.owner.execute(
                "UPDATE webhook_endpoint SET enabled = false, deleted_at = now() WHERE endpoint_id = $1", endpoint_id
            )
            dispatching = asyncio.create_task(dispatch(desk.work, 10))
            async with asyncio.timeout(BOUND_SECONDS):
                while not await desk.owner.fetchval("SELECT count(*) FROM pg_locks WHERE NOT granted"):
                    assert not dispatching.done()
        assert await dispatching == 1
        assert await desk.owner.fetchval("SELECT count(*) FROM webhook_delivery") == 0
        assert (await desk.outbox_row(event_id))["dispatched"]


class TestFailure:
    async def test_is_tried_again_later_and_later_and_then_given_up(self, desk: Desk, receiver: Receiver) -> None:
        receiver.answer = 500
        _, secret = await desk.endpoint(receiver.url())
        event_id = await desk.announce(n=1)
        worker = desk.worker()
        for attempt, pause in enumerate(PAUSES_SECONDS, 1):
            asked_at = await desk.owner.fetchval("SELECT clock_timestamp()")
            assert await worker.once() == 1
            recorded_at = await desk.owner.fetchval("SELECT clock_timestamp()")
            row = await desk.delivery(event_id)
            assert (row["state"], row["attempts"], row["last_status"]) == ("pending", attempt, 500)
            assert row["problem"] == "answered 500"
            assert asked_at <= row["last_attempt_at"] <= recorded_at
            assert asked_at + timedelta(seconds=pause) <= row["next_attempt_at"]
            assert row["next_attempt_at"] <= recorded_at + timedelta(seconds=pause * (1 + JITTER))
            assert await worker.once() == 0  # not before its time
            await desk.pass_time(timedelta(seconds=pause * (1 + JITTER)))
        assert await worker.once() == 1
        row = await desk.delivery(event_id)
        assert (row["state"], row["attempts"], row["next_attempt_at"]) == ("dead", len(PAUSES_SECONDS) + 1, None)
        assert await worker.once() == 0
        assert len(receiver.heard) == len(PAUSES_SECONDS) + 1
        assert {(heard.event_id, heard.body) for heard in receiver.heard} == {(event_id, receiver.heard[0].body)}
        for heard in receiver.heard:
            assert heard.verified(secret)["data"]["n"] == 1

    def test_three_days_in_all(self) -> None:
        assert timedelta(days=2.5) < timedelta(seconds=sum(PAUSES_SECONDS)) < timedelta(days=3.5)
        assert list(PAUSES_SECONDS) == sorted(PAUSES_SECONDS)

    async def test_what_failed_together_does_not_come_back_together(self, desk: Desk, receiver: Receiver) -> None:
        receiver.answer = 500
        await desk.endpoint(receiver.url())
        for _ in range(8):
            await desk.announce()
        await desk.worker().once()
        pauses = await desk.owner.fetch("SELECT next_attempt_at - last_attempt_at FROM webhook_delivery")
        assert max(pause[0] for pause in pauses) - min(pause[0] for pause in pauses) > timedelta(milliseconds=50)

    @pytest.mark.parametrize("status", [200, 201, 202, 204, 299])
    async def test_is_not_what_begins_with_a_2(self, desk: Desk, receiver: Receiver, status: int) -> None:
        receiver.answer = status
        await desk.endpoint(receiver.url())
        event_id = await desk.announce()
        await desk.worker().once()
        row = await desk.delivery(event_id)
        assert (row["state"], row["last_status"]) == ("delivered", status)

    @pytest.mark.parametrize("status", [300, 304, 400, 401, 404, 408, 409, 429, 500, 503, 599])
    async def test_is_every_other_status(self, desk: Desk, receiver: Receiver, status: int) -> None:
        receiver.answer = status
        await desk.endpoint(receiver.url())
        event_id = await desk.announce()
        await desk.worker().once()
        row = await desk.delivery(event_id)
        assert (row["state"], row["attempts"], row["last_status"]) == ("pending", 1, status)
        receiver.answer = 200
        await desk.pass_time(timedelta(seconds=6))
        await desk.worker().once()
        row = await desk.delivery(event_id)
        assert (row["state"], row["attempts"], row["last_status"], row["problem"]) == ("delivered", 2, 200, None)

    async def test_says_what_the_receiver_said(self, desk: Desk, receiver: Receiver) -> None:
        receiver.answer = lambda handler: answer_with(handler, 400, "no\x00 such\n tenant ✓".encode() + b"!" * 9_999)
        await desk.endpoint(receiver.url())
        event_id = await desk.announce()
        await desk.worker().once()
        problem = (await desk.delivery(event_id))["problem"]
        assert problem.startswith("answered 400: no such tenant ")
        assert len(problem) < 300

    @pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
    async def test_redirects_are_not_followed(self, desk: Desk, receiver: Receiver, status: int) -> None:
        with Receiver() as inside:
            receiver.answer = lambda handler: answer_with(handler, status, Location=inside.url("/metadata"))
            await desk.endpoint(receiver.url())
            event_id = await desk.announce()
            await desk.worker().once()
            assert (inside.connections, len(receiver.heard)) == (0, 1)
        row = await desk.delivery(event_id)
        assert (row["state"], row["last_status"]) == ("pending", status)

    async def test_nobody_there(self, desk: Desk) -> None:
        with Receiver() as gone:
            url = gone.url()
        await desk.endpoint(url)
        event_id = await desk.announce()
        await desk.worker().once()
        row = await desk.delivery(event_id)
        assert (row["state"], row["last_status"]) == ("pending", None)
        assert row["problem"].startswith("ConnectError")

    async def test_an_address_that_is_closed_by_now(self, desk: Desk, receiver: Receiver) -> None:
        """Made while private ones were allowed, or by a name that has moved since."""
        await desk.endpoint(receiver.url())
        event_id = await desk.announce()
        assert await desk.worker(Destinations()).once() == 1
        row = await desk.delivery(event_id)
        assert (row["state"], row["last_status"]) == ("pending", None)
        assert row["problem"].startswith("not sent: ")
        assert receiver.connections == 0

    async def test_an_answer_that_never_comes(self, desk: Desk, receiver: Receiver) -> None:
        over = threading.Event()
        receiver.answer = lambda _: over.wait(BOUND_SECONDS)
        await desk.endpoint(receiver.url())
        event_id = await desk.announce()
        try:
            await desk.worker(timeout_seconds=0.2).once()
        finally:
            over.set()
        row = await desk.delivery(event_id)
        assert (row["state"], row["last_status"], row["problem"]) == ("pending", None, "no answer within 0.2 s")

    async def test_a_head_that_drips(self, desk: Desk, receiver: Receiver) -> None:
        """Each read is quick: it is the whole that has a bound."""
        over = threading.Event()

        def drip(handler: BaseHTTPRequestHandler) -> None:
            handler.wfile.write(b"HTTP/1.1 200 OK\r\n")
            while not over.wait(0.02):
                handler.wfile.write(b"X-More: of it\r\n")

        receiver.answer = drip
        await desk.endpoint(receiver.url())
        event_id = await desk.announce()
        try:
            await desk.worker(timeout_seconds=0.3).once()
        finally:
            over.set()
        assert await desk.state(event_id) == "pending"

    @pytest.mark.parametrize(("status", "state"), [(200, "delivered"), (500, "pending")])
    async def test_a_body_without_end(self, desk: Desk, receiver: Receiver, status: int, state: str) -> None:
        """The status counts, and we hang up: the receiver cannot go on for ever."""
        hung_up = threading.Event()

        def pour(handler: BaseHTTPRequestHandler) -> None:
            handler.wfile.write(f"HTTP/1.1 {status} So\r\n\r\n".encode())
            try:
                while True:
                    handler.wfile.write(b"x" * 65_536)
            except OSError:
                hung_up.set()

        receiver.answer = pour
        await desk.endpoint(receiver.url())
        event_id = await desk.announce()
        await desk.worker().once()
        row = await desk.delivery(event_id)
        assert (row["state"], row["last_status"]) == (state, status)
        assert (row["problem"] is None) == (status == 200)
        await eventually(hung_up.is_set)

    @pytest.mark.parametrize(("status", "state"), [(200, "delivered"), (500, "pending")])
    async def test_a_body_that_never_comes(self, desk: Desk, receiver: Receiver, status: int, state: str) -> None:
        over = threading.Event()

        def hang(handler: BaseHTTPRequestHandler) -> None:
            handler.wfile.write(f"HTTP/1.1 {status} So\r\nContent-Length: 10\r\n\r\n".encode())
            over.wait(BOUND_SECONDS)

        receiver.answer = hang
        await desk.endpoint(receiver.url())
        event_id = await desk.announce()
        try:
            await desk.worker().once()
        finally:
            over.set()
        row = await desk.delivery(event_id)
        assert (row["state"], row["last_status"]) == (state, status)

    async def test_nonsense_instead_of_http(self, desk: Desk, receiver: Receiver) -> None:
        receiver.answer = lambda handler: handler.wfile.write(b"SSH-2.0-OpenSSH_9\r\n" * 3)
        await desk.endpoint(receiver.url())
        event_id = await desk.announce()
        await desk.worker().once()
        row = await desk.delivery(event_id)
        assert (row["state"], row["last_status"]) == ("pending", None)
        assert row["problem"].startswith("RemoteProtocolError")


class TestGone:
    async def test_disables_the_endpoint(self, desk: Desk, receiver: Receiver) -> None:
        receiver.answer = 410
        endpoint_id, _ = await desk.endpoint(receiver.url())
        event_id = await desk.announce()
        await desk.worker().once()
        row = await desk.delivery(event_id)
        assert (row["state"], row["last_status"], row["attempts"]) == ("dead", 410, 1)
        assert not (await webhooks.endpoint(desk.work, endpoint_id)).enabled
        later = await desk.announce()
        assert await desk.worker().once() == 0
        assert await desk.owner.fetch("SELECT 1 FROM webhook_delivery WHERE event_id = $1", later) == []

    async def test_not_one_that_has_moved_since(self, desk: Desk, receiver: Receiver) -> None:
        endpoint_id, _ = await desk.endpoint(receiver.url("/old"))
        await desk.announce()
        await dispatch(desk.work, 10)
        (errand,) = await claimed(desk)
        await webhooks.change(desk.work, endpoint_id, {"url": receiver.url("/new")})
        assert await record_failed(desk.work, errand, 410, "answered 410", again_after=None, gone=True)
        assert (await webhooks.endpoint(desk.work, endpoint_id)).enabled


class TestLease:
    async def test_who_dies_between_claiming_and_recording(self, desk: Desk, receiver: Receiver) -> None:
        await desk.endpoint(receiver.url())
        event_id = await desk.announce()
        await dispatch(desk.work, 10)
        before = await desk.owner.fetchval("SELECT clock_timestamp()")
        (errand,) = await claimed(desk)
        after = await desk.owner.fetchval("SELECT clock_timestamp()")
        row = await desk.delivery(event_id)
        assert row["next_attempt_at"] == errand.lease
        assert before + LEASE <= errand.lease <= after + LEASE
        worker = desk.worker()
        assert await worker.once() == 0  # the lease holds
        await desk.pass_time(LEASE)
        assert await worker.once() == 1
        assert [heard.event_id for heard in receiver.heard] == [event_id]
        row = await desk.delivery(event_id)
        assert (row["state"], row["attempts"]) == ("delivered", 2)

    async def test_who_comes_back_too_late_records_nothing(self, desk: Desk) -> None:
        await desk.endpoint("https://hooks.example/")
        event_id = await desk.announce()
        await dispatch(desk.work, 10)
        (late,) = await claimed(desk)
        await desk.pass_time(LEASE)
        (errand,) = await claimed(desk)
        assert not await record_failed(desk.work, late, 500, "late", again_after=None)
        assert not await record_delivered(desk.work, late, 200)
        row = await desk.delivery(event_id)
        assert (row["state"], row["next_attempt_at"], row["problem"]) == ("pending", errand.lease, None)
        assert await record_delivered(desk.work, errand, 200)
        assert not await record_delivered(desk.work, errand, 200)

    async def test_a_replay_is_not_swallowed_by_an_answer_on_its_way(self, desk: Desk, receiver: Receiver) -> None:
        await desk.endpoint(receiver.url())
        event_id = await desk.announce()
        await dispatch(desk.work, 10)
        (errand,) = await claimed(desk)
        await deliveries.replay(desk.work, event_id, None)
        assert not await record_delivered(desk.work, errand, 200)
        assert await desk.worker().once() == 1
        assert len(receiver.heard) == 1

    def test_is_longer_than_a_sending(self) -> None:
        assert timedelta(seconds=2 * (sender.TIMEOUT_SECONDS + sender.READ_SECONDS)) < outbox.LEASE

    async def test_no_transaction_is_open_while_something_is_sent(self, desk: Desk, receiver: Receiver) -> None:
        await desk.endpoint(receiver.url())
        await desk.announce()
        arrived, over = threading.Event(), threading.Event()

        def wait(handler: BaseHTTPRequestHandler) -> None:
            arrived.set()
            over.wait(BOUND_SECONDS)
            answer_with(handler, 200)

        receiver.answer = wait
        sending = asyncio.create_task(desk.worker().once())
        try:
            await eventually(arrived.is_set)
            sessions = await desk.owner.fetch(
                "SELECT xact_start FROM pg_stat_activity WHERE application_name = 'billing work' AND datname = current_database()"
            )
        finally:
            over.set()
        assert await sending == 1
        assert [row["xact_start"] for row in sessions] == [None] * len(sessions)
        assert sessions


class TestSideBySide:
    async def test_each_event_is_told_once(self, desk: Desk, receiver: Receiver) -> None:
        endpoints = [await desk.endpoint(receiver.url(f"/{n}"), EVERY) for n in range(3)]
        ids = {await desk.announce() for _ in range(60)}
        workers = [desk.worker() for _ in range(3)]
        made = await asyncio.gather(*(worker.once() for worker in workers))
        assert sum(made) == len(ids) * len(endpoints)
        assert len(receiver.heard) == len(ids) * len(endpoints)
        assert {(heard.path, heard.event_id) for heard in receiver.heard} == {
            (f"/{n}", event_id) for n in range(3) for event_id in ids
        }
        assert await desk.owner.fetchval("SELECT count(*) FROM webhook_delivery WHERE state <> 'delivered'") == 0

    async def test_what_one_has_locked_the_other_leaves_alone(self, desk: Desk) -> None:
        await desk.endpoint("https://hooks.example/")
        first, second = await desk.announce(), await desk.announce()
        async with asyncio.timeout(BOUND_SECONDS), desk.owner.transaction():
            await desk.owner.execute("SELECT 1 FROM outbox WHERE event_id = $1 FOR UPDATE", first)
            assert await dispatch(desk.work, 10) == 1
        assert not (await desk.outbox_row(first))["dispatched"]
        assert await dispatch(desk.work, 10) == 1
        async with asyncio.timeout(BOUND_SECONDS), desk.owner.transaction():
            await desk.owner.execute("SELECT 1 FROM webhook_delivery WHERE event_id = $1 FOR UPDATE", first)
            assert [errand.event_id for errand in await claimed(desk)] == [second]
        assert [errand.event_id for errand in await claimed(desk)] == [first]

    async def test_the_oldest_first(self, desk: Desk) -> None:
        await desk.endpoint("https://hooks.example/")
        ids = [await desk.announce() for _ in range(3)]
        await dispatch(desk.work, 10)
        for event_id, seconds in zip(ids, (10, 30, 20), strict=True):
            await desk.owner.execute(
                "UPDATE webhook_delivery SET next_attempt_at = now() - $2::interval WHERE event_id = $1",
                event_id,
                timedelta(seconds=seconds),
            )
        assert [(await claimed(desk, 1))[0].event_id for _ in ids] == [ids[1], ids[2], ids[0]]

    async def test_the_oldest_first_whosever_it_is(self, desk: Desk) -> None:
        seconds = {(await desk.endpoint(f"https://{n}.example/"))[0]: n for n in (20, 10, 40, 30)}
        await desk.announce()
        await dispatch(desk.work, 10)
        for endpoint_id, since in seconds.items():
            await desk.owner.execute(
                "UPDATE webhook_delivery SET next_attempt_at = now() - $2::interval WHERE endpoint_id = $1",
                endpoint_id,
                timedelta(seconds=since),
            )
        assert [seconds[(await claimed(desk, 1))[0].endpoint_id] for _ in seconds] == [40, 30, 20, 10]

    async def test_an_endpoint_that_hangs_leaves_room_for_the_others(self, desk: Desk, receiver: Receiver) -> None:
        over = threading.Event()
        with Receiver() as hanging:
            hanging.answer = lambda handler: over.wait(BOUND_SECONDS) and answer_with(handler, 200)
            await desk.endpoint(hanging.url())
            for _ in range(2 * outbox.SENT_AT_ONCE):
                await desk.announce()
            await dispatch(desk.work, 1_000)
            await desk.endpoint(receiver.url())
            event_id = await desk.announce()
            running = asyncio.create_task(desk.worker().run())
            try:
                await eventually(lambda: len(hanging.heard) == outbox.OF_ONE_ENDPOINT)
                await eventually(lambda: [heard.event_id for heard in receiver.heard] == [event_id])
                assert len(hanging.heard) == outbox.OF_ONE_ENDPOINT
            finally:
                over.set()
                running.cancel()
                await asyncio.gather(running, return_exceptions=True)

    async def test_one_round_is_over_when_nothing_is_due(
        self, desk: Desk, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Also where the place that a delivery waits for is left while the worker looks for what is due."""
        over = threading.Event()
        worker = desk.worker()

        async def slowly(*arguments: Any, **more: Any) -> Any:
            found = await claim(*arguments, **more)
            if not found and not over.is_set():
                over.set()
                await eventually(lambda: not worker._sending)
            return found

        monkeypatch.setattr(outbox, "claim", slowly)
        with Receiver() as hanging:
            hanging.answer = lambda handler: over.wait(BOUND_SECONDS) and answer_with(handler, 200)
            await desk.endpoint(hanging.url(), "topup.paid")
            await desk.endpoint(receiver.url(), "topup.failed")
            for _ in range(outbox.OF_ONE_ENDPOINT + 1):
                await desk.announce("topup.paid")
            await desk.announce("topup.failed")
            assert await worker.once() == outbox.OF_ONE_ENDPOINT + 2

    async def test_shares_hold_over_several_claims(self, desk: Desk) -> None:
        one, _ = await desk.endpoint("https://one.example/")
        two, _ = await desk.endpoint("https://two.example/")
        for _ in range(5):
            await desk.announce()
        await dispatch(desk.work, 10)

        async def take(limit: int, **busy: int) -> list[str]:
            found = await claim(
                desk.work, limit, busy={{"one": one, "two": two}[name]: n for name, n in busy.items()},
                of_one_endpoint=3, lease=LEASE,
            )  # fmt: skip
            return sorted(errand.endpoint_id for errand in found)

        assert await take(10) == [one] * 3 + [two] * 3
        assert await take(10, one=3, two=2) == [two]
        assert await take(1, one=3) == [two]
        assert await take(10, one=5, two=3) == []
        assert await take(10) == [one] * 2


class TestSecrets:
    async def test_after_a_rotation_both_sign_until_the_old_one_has_had_its_time(
        self, desk: Desk, receiver: Receiver
    ) -> None:
        endpoint_id, old = await desk.endpoint(receiver.url())
        new = webhook_secret = "whsec_" + "bmV3IHNlY3JldCBvZiB0aGUgdGVzdHM="
        before = await desk.owner.fetchval("SELECT clock_timestamp()")
        made = await webhooks.rotate(desk.work, endpoint_id, new)
        after = await desk.owner.fetchval("SELECT clock_timestamp()")
        assert before + DAY <= made.previous_until <= after + DAY
        await desk.announce()
        await desk.worker().once()
        (heard,) = receiver.heard
        assert len(heard.headers["webhook-signature"].split(" ")) == 2
        assert heard.verified(old) == heard.verified(webhook_secret)

        await desk.owner.execute("UPDATE webhook_endpoint SET previous_until = clock_timestamp()")
        await desk.announce()
        await desk.worker().once()
        heard = receiver.heard[1]
        assert len(heard.headers["webhook-signature"].split(" ")) == 1
        assert heard.verified(new)
        with pytest.raises(WebhookVerificationError):
            heard.verified(old)

    async def test_never_three(self, desk: Desk, receiver: Receiver) -> None:
        endpoint_id, first = await desk.endpoint(receiver.url())
        await webhooks.rotate(desk.work, endpoint_id, "whsec_c2Vjb25k")
        await webhooks.rotate(desk.work, endpoint_id, "whsec_dGhpcmQ=")
        await desk.announce()
        await desk.worker().once()
        (heard,) = receiver.heard
        assert heard.verified("whsec_c2Vjb25k") == heard.verified("whsec_dGhpcmQ=")
        with pytest.raises(WebhookVerificationError):
            heard.verified(first)

    async def test_are_in_no_log(
        self,
        desk: Desk,
        receiver: Receiver,
        monkeypatch: pytest.MonkeyPatch,
        caplog: pytest.LogCaptureFixture,
        capfd: pytest.CaptureFixture[str],
    ) -> None:
        """Neither when it goes well, nor when a receiver refuses, nor when what we do ourselves breaks."""
        caplog.set_level("DEBUG")
        endpoint_id, secret = await desk.endpoint(receiver.url("/?key=in-the-url"), EVERY)
        await webhooks.rotate(desk.work, endpoint_id, "whsec_bmV3")
        worker = desk.worker()
        await desk.announce()
        await worker.once()
        receiver.answer = 410
        await desk.announce()
        await worker.once()
        await webhooks.change(desk.work, endpoint_id, {"enabled": True})
        await desk.announce()
        await dispatch(desk.work, 10)

        def broken(*arguments: Any) -> Any:
            raise RuntimeError("broken")

        monkeypatch.setattr(outbox.message, "body", broken)
        await worker.once()
        monkeypatch.undo()
        await desk.pass_time(LEASE)
        (errand,) = await claimed(desk)
        assert errand.secrets == ("whsec_bmV3", secret)
        out, err = capfd.readouterr()
        said = caplog.text + out + err + repr(errand)
        assert "webhook given up" in said
        assert "webhook failed" in said
        assert secret.removeprefix("whsec_") not in said
        assert "bmV3" not in said


class TestRunning:
    async def test_until_cancelled_and_what_is_on_its_way_is_recorded(self, desk: Desk, receiver: Receiver) -> None:
        await desk.endpoint(receiver.url())
        running = asyncio.create_task(desk.worker().run())
        first = await desk.announce()
        await eventually(lambda: [heard.event_id for heard in receiver.heard] == [first])
        over = threading.Event()

        def wait(handler: BaseHTTPRequestHandler) -> None:
            over.wait(BOUND_SECONDS)
            answer_with(handler, 200)

        receiver.answer = wait
        second = await desk.announce()
        await eventually(lambda: len(receiver.heard) == 2)
        running.cancel()
        await asyncio.sleep(0)
        over.set()
        with pytest.raises(asyncio.CancelledError):
            await running
        assert [await desk.state(event_id) for event_id in (first, second)] == ["delivered", "delivered"]

    async def test_lost_sessions_are_no_end(self, desk: Desk, receiver: Receiver) -> None:
        await desk.endpoint(receiver.url())
        running = asyncio.create_task(desk.worker().run())
        first = await desk.announce()
        await eventually(lambda: [heard.event_id for heard in receiver.heard] == [first])
        await desk.owner.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'billing work' AND datname = current_database()"
        )
        second = await desk.announce()
        await eventually(lambda: second in [heard.event_id for heard in receiver.heard])
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)

    async def test_more_than_one_set_of_announcements(
        self, desk: Desk, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(outbox, "DISPATCHED_AT_ONCE", 2)
        await desk.endpoint(receiver.url())
        ids = [await desk.announce() for _ in range(5)]
        assert await desk.worker().once() == 5
        assert {heard.event_id for heard in receiver.heard} == set(ids)


class TestReplay:
    async def test_of_everything_since_a_time_in_parts(
        self, desk: Desk, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(deliveries, "REPLAYED_AT_ONCE", 2)
        start = datetime(2026, 3, 1, tzinfo=UTC)
        endpoint_id, _ = await desk.endpoint(receiver.url(), "topup.paid", account_id="acme")
        at = {n: await desk.announce(account_id="acme", at=start + n * HOUR) for n in (4, 1, 3, 0, 2)}
        ids = [at[n] for n in range(5)]
        await desk.announce("topup.failed", "acme", at=start + 3 * HOUR)
        await desk.announce("topup.paid", "other", at=start + 3 * HOUR)
        assert await desk.worker().once() == 0  # all of it was before the endpoint was made
        since: datetime | None = start + HOUR
        parts = []
        while since is not None:
            count, since = await deliveries.replay_since(desk.work, endpoint_id, since)
            parts.append((count, since))
        assert parts == [(2, start + 2 * HOUR), (2, start + 3 * HOUR), (2, start + 4 * HOUR), (1, None)]
        assert await desk.worker().once() == 4
        assert {heard.event_id for heard in receiver.heard} == set(ids[1:])

    async def test_for_a_disabled_endpoint_waits_until_it_is_enabled(self, desk: Desk, receiver: Receiver) -> None:
        endpoint_id, _ = await desk.endpoint(receiver.url())
        await webhooks.change(desk.work, endpoint_id, {"enabled": False})
        one, two = await desk.announce(), await desk.announce()
        worker = desk.worker()
        await worker.once()
        await deliveries.replay(desk.work, one, None)  # nobody listens
        assert await desk.owner.fetchval("SELECT count(*) FROM webhook_delivery") == 0
        await deliveries.replay(desk.work, one, endpoint_id)
        assert (await deliveries.replay_since(desk.work, endpoint_id, datetime(2026, 1, 1, tzinfo=UTC)))[0] == 2
        assert await worker.once() == 0
        await webhooks.change(desk.work, endpoint_id, {"enabled": True})
        assert await worker.once() == 2
        assert {heard.event_id for heard in receiver.heard} == {one, two}


async def test_events_of_one_instant_are_listed_once_each(desk: Desk) -> None:
    """One batch has one clock: pages must not lose or repeat what happened together."""
    moment = datetime(2026, 3, 1, tzinfo=UTC)
    ids = {await desk.announce(account_id=account_id, at=moment) for account_id in ("b", "a", "c", "a", "b")}
    seen: list[deliveries.WebhookEvent] = []
    after = None
    while found := await deliveries.events(desk.work, kind=None, account_id=None, after=after, limit=2):
        seen += found
        last = found[-1].announcement
        after = (last.created_at, last.account_id, last.position)
    assert len(seen) == len(ids)
    assert {event.announcement.event_id for event in seen} == ids
