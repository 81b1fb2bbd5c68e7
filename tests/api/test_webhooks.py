"""Webhooks over HTTP: endpoints and their secrets, what was announced, and what became of it."""

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest
from standardwebhooks.webhooks import WebhookVerificationError

from billing.core.announcements import BY_DEFAULT, TYPES
from billing.embedded import EmbeddedPostgres
from billing.http.gauges import ServiceGauges
from billing.store.engine import read_engine
from tests.conftest import copied
from tests.outbox.receiver import Receiver

from .service import MODEL, Api, ask, created, image, problem, replayed, serving, time_of, until

SHOWN = {
    "endpoint_id", "url", "events", "account_id", "description", "enabled", "previous_secret_until", "created_at",
    "deleted_at",
}  # fmt: skip
AT = "/v1/webhook-endpoints"


@pytest.fixture(scope="module")
def hooks(server: EmbeddedPostgres, template: str) -> Iterator[Api]:
    """A running application that may send to loopback, on a database of the module's own."""
    with copied(server, template, "billing_hooks") as dsn, serving(dsn, webhook_allow_private=True) as api:
        yield api


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver() as receiver:
        yield receiver


def endpoint(api: Api, url: str = "http://127.0.0.1:9/", **more: Any) -> dict[str, Any]:
    return created(api.post(AT, {"url": url, **more}))


def depleted(api: Api) -> tuple[str, str]:
    """The id of a new account that has spent its last credit, and that of the event that says so."""
    account_id = api.account(14)
    body = {"request_id": "r", "model": MODEL, "size": "1K", "outputs": [image()]}
    created(api.post(f"/v1/accounts/{account_id}/charges", body, "gateway"))
    (event,) = api.get("/v1/webhook-events", account_id=account_id, type="balance.depleted").json()["data"]
    return account_id, event["event_id"]


def deliveries(api: Api, endpoint_id: str, **query: Any) -> list[dict[str, Any]]:
    answer = api.get(f"{AT}/{endpoint_id}/deliveries", **query)
    assert answer.status_code == 200, answer.text
    found = answer.json()["data"]
    assert isinstance(found, list)
    return found


def heard(receiver: Receiver, event_id: str) -> int:
    return sum(one.event_id == event_id for one in receiver.heard)


class TestEndpoints:
    def test_a_new_one(self, hooks: Api) -> None:
        made = endpoint(hooks, "http://127.0.0.1:9/in?tenant=7", description="the CRM")
        assert set(made) == SHOWN | {"secret"}
        assert made["endpoint_id"].startswith("we_")
        assert made["secret"].startswith("whsec_")
        assert (made["url"], made["description"]) == ("http://127.0.0.1:9/in?tenant=7", "the CRM")
        assert made["events"] == list(BY_DEFAULT)
        assert "charge.settled" not in made["events"]
        assert (made["account_id"], made["enabled"], made["deleted_at"]) == (None, True, None)
        assert made["previous_secret_until"] is None
        time_of(made["created_at"])
        assert endpoint(hooks)["secret"] != made["secret"]

    def test_the_secret_stands_in_no_other_answer(self, hooks: Api) -> None:
        made = endpoint(hooks, endpoint_id="quiet")
        rotated = hooks.post(f"{AT}/quiet/rotate").json()
        answers = [
            hooks.get(AT, limit=200),
            hooks.get(f"{AT}/quiet"),
            hooks.post(AT, {"url": made["url"], "endpoint_id": "quiet"}),
            hooks.call("PATCH", f"{AT}/quiet", {"description": "x"}),
            hooks.get(f"{AT}/quiet/deliveries"),
            hooks.get("/v1/webhook-events"),
            hooks.call("DELETE", f"{AT}/quiet"),
        ]
        for answer in answers:
            assert answer.status_code == 200
            assert made["secret"] not in answer.text
            assert rotated["secret"] not in answer.text
            assert "whsec_" not in answer.text
        assert set(answers[1].json()) == SHOWN

    def test_again_is_the_same_and_other_content_is_refused(self, hooks: Api) -> None:
        account_id = hooks.account()
        body = {"endpoint_id": "mine", "url": "http://127.0.0.1:9/", "events": ["topup.paid", "balance.low"]}
        body |= {"account_id": account_id, "description": "d"}
        made = created(hooks.post(AT, body))
        secret = made.pop("secret")
        assert made["events"] == ["balance.low", "topup.paid"]
        again = replayed(hooks.post(AT, body | {"events": ["balance.low", "topup.paid", "topup.paid"]}))
        assert again == made | {"secret": None}
        for change in (
            {"url": "http://127.0.0.1:9/other"},
            {"events": ["topup.paid"]},
            {"account_id": None},
            {"description": None},
        ):
            document = problem(hooks.post(AT, body | change), 409, "id_reused")
            assert (document["id"], document["differs"]) == ("mine", list(change))
        stored = ask(hooks.dsn, "SELECT secret FROM webhook_endpoint WHERE endpoint_id = 'mine'")
        assert stored == secret

    def test_again_after_a_change_shows_it_as_it_is_now(self, hooks: Api) -> None:
        body = {"endpoint_id": "changed", "url": "http://127.0.0.1:9/"}
        created(hooks.post(AT, body))
        hooks.call("PATCH", f"{AT}/changed", {"url": "http://127.0.0.1:9/new", "enabled": False})
        assert replayed(hooks.post(AT, body))["url"] == "http://127.0.0.1:9/new"
        hooks.call("DELETE", f"{AT}/changed")
        assert replayed(hooks.post(AT, body))["deleted_at"] is not None
        other = problem(hooks.post(AT, body | {"description": "another"}), 409, "id_reused")
        assert other["differs"] == ["description"]  # the address is that of the first call, and today's is another
        today = problem(hooks.post(AT, body | {"url": "http://127.0.0.1:9/new"}), 409, "id_reused")
        assert today["differs"] == []  # as it is now: nobody knows any more what it was

    @pytest.mark.parametrize("events", [["*"], ["topup.paid", "*"]])
    def test_all_events(self, hooks: Api, events: list[str]) -> None:
        assert endpoint(hooks, events=events)["events"] == ["*"]

    @pytest.mark.parametrize(
        ("change", "field"),
        [
            ({"events": []}, "events"),
            ({"events": ["topup.payed"]}, "events"),
            ({"events": "topup.paid"}, "events"),
            ({"events": [None]}, "events.0"),
            ({"url": None}, "url"),
            ({"url": "x" * 2_001}, "url"),
            ({"url": "ftp://127.0.0.1/"}, "url"),
            ({"url": "http://user:secret@127.0.0.1/"}, "url"),
            ({"url": "http://127.0.0.1/\x00"}, "url"),
            ({"endpoint_id": "a b"}, "endpoint_id"),
            ({"endpoint_id": ".."}, "endpoint_id"),
            ({"endpoint_id": ""}, "endpoint_id"),
            ({"account_id": "a/b"}, "account_id"),
            ({"description": "x" * 513}, "description"),
            ({"description": "\x00"}, "description"),
            ({"secret": "whsec_bXk="}, "secret"),
        ],
    )
    def test_bad_content(self, hooks: Api, change: dict[str, Any], field: str) -> None:
        rows = ask(hooks.dsn, "SELECT count(*) FROM webhook_endpoint")
        refused = problem(hooks.post(AT, {"url": "http://127.0.0.1:9/"} | change), 422, "validation_error")
        assert field in {error["field"] for error in refused["errors"]}
        assert ask(hooks.dsn, "SELECT count(*) FROM webhook_endpoint") == rows

    def test_of_an_account_that_does_not_exist(self, hooks: Api) -> None:
        problem(hooks.post(AT, {"url": "http://127.0.0.1:9/", "account_id": "nobody"}), 404, "account_not_found")

    @pytest.mark.parametrize(
        "url",
        [
            "http://1.1.1.1/", "https://127.0.0.1/", "https://[::1]/", "https://10.1.2.3:8443/", "https://localhost/",
            "https://169.254.169.254/latest/meta-data", "https://[::ffff:10.0.0.1]/", "https://[64:ff9b::a00:1]/",
            "https://2130706433/", "https://name.invalid/", "https://user@1.1.1.1/", "file:///etc/passwd",
        ],
    )  # fmt: skip
    def test_addresses_that_are_not_public(self, fresh: Api, url: str) -> None:
        """As the service is set up without BILLING_WEBHOOK_ALLOW_PRIVATE."""
        refused = problem(fresh.post(AT, {"url": url}), 422, "validation_error")
        assert [error["field"] for error in refused["errors"]] == ["url"]
        made = created(fresh.post(AT, {"url": "https://1.1.1.1/", "events": ["dispute.closed"]}))
        changed = fresh.call("PATCH", f"{AT}/{made['endpoint_id']}", {"url": url})
        assert [error["field"] for error in problem(changed, 422, "validation_error")["errors"]] == ["url"]
        assert fresh.get(f"{AT}/{made['endpoint_id']}").json()["url"] == "https://1.1.1.1/"

    def test_a_known_id_is_answered_before_addresses_are_looked_up(self, fresh: Api) -> None:
        body = {"endpoint_id": "e", "url": "https://1.1.1.1/", "events": ["dispute.closed"]}
        created(fresh.post(AT, body))
        problem(fresh.post(AT, body | {"url": "https://name.invalid/"}), 409, "id_reused")

    def test_changing(self, hooks: Api) -> None:
        made = endpoint(hooks, description="old")
        path = f"{AT}/{made['endpoint_id']}"
        del made["secret"]
        for change in (
            {"url": "http://127.0.0.1:9/new"},
            {"events": ["*"]},
            {"description": None},
            {"enabled": False},
            {},
        ):
            answer = hooks.call("PATCH", path, change)
            made |= change
            assert (answer.status_code, answer.json()) == (200, made)
        assert hooks.get(path).json() == made
        for bad in (
            {"account_id": "x"},
            {"enabled": None},
            {"enabled": "true"},
            {"events": []},
            {"events": ["x"]},
            {"url": "ftp://127.0.0.1/"},
            {"secret": "whsec_bXk="},
        ):
            problem(hooks.call("PATCH", path, bad), 422, "validation_error")
        assert hooks.get(path).json() == made

    def test_deleting(self, hooks: Api) -> None:
        made = endpoint(hooks)
        path = f"{AT}/{made['endpoint_id']}"
        deleted = hooks.call("DELETE", path)
        assert deleted.status_code == 200
        time_of(deleted.json()["deleted_at"])
        assert not deleted.json()["enabled"]
        assert hooks.call("DELETE", path).json() == deleted.json() == hooks.get(path).json()
        assert deleted.json() in hooks.get(AT, limit=200).json()["data"]
        for answer in (
            hooks.call("PATCH", path, {"enabled": True}),
            hooks.post(f"{path}/rotate"),
            hooks.post(f"{path}/replay", {"since": "2026-01-01T00:00:00Z"}),
        ):
            assert problem(answer, 404, "webhook_endpoint_not_found")["endpoint_id"] == made["endpoint_id"]

    def test_listing_by_pages(self, fresh: Api) -> None:
        ids = [
            endpoint_id
            for endpoint_id in ("c", "a", "b")
            if created(fresh.post(AT, {"endpoint_id": endpoint_id, "url": "https://1.1.1.1/"}))
        ]
        seen, cursor = [], None
        for more in (True, True, False):
            listed = fresh.get(AT, limit=1, **({} if cursor is None else {"cursor": cursor})).json()
            seen += [one["endpoint_id"] for one in listed["data"]]
            cursor = listed["next_cursor"]
            assert listed["has_more"] is more
        assert (seen, cursor) == (ids, None)


class TestEvents:
    def test_from_the_ledger_to_the_receiver(self, hooks: Api, receiver: Receiver) -> None:
        """The service's own worker: nobody starts it."""
        made = endpoint(hooks, receiver.url())
        account_id, event_id = depleted(hooks)
        until(lambda: [d["state"] for d in deliveries(hooks, made["endpoint_id"])] == ["delivered"], "delivered")
        (one,) = receiver.heard
        document = one.verified(made["secret"])
        assert (one.event_id, document["type"]) == (event_id, "balance.depleted")
        assert document["data"]["account_id"] == account_id

        where = {"account_id": account_id, "type": "balance.depleted"}
        (event,) = hooks.get("/v1/webhook-events", "finance", **where).json()["data"]
        assert (event["event_id"], event["type"], event["dispatched"]) == (event_id, "balance.depleted", True)
        assert event["data"] == document["data"]
        assert event["created_at"] == document["timestamp"]
        (delivery,) = [d for d in event["deliveries"] if d["endpoint_id"] == made["endpoint_id"]]
        assert delivery == deliveries(hooks, made["endpoint_id"])[0]
        assert {name: delivery[name] for name in ("event_id", "account_id", "state", "attempts", "last_status")} == {
            "event_id": event_id,
            "account_id": account_id,
            "state": "delivered",
            "attempts": 1,
            "last_status": 200,
        }
        assert (delivery["next_attempt_at"], delivery["problem"]) == (None, None)
        time_of(delivery["last_attempt_at"])

    def test_a_rotated_secret(self, hooks: Api, receiver: Receiver) -> None:
        made = endpoint(hooks, receiver.url())
        path = f"{AT}/{made['endpoint_id']}"
        rotated = hooks.post(f"{path}/rotate").json()
        assert set(rotated) == SHOWN | {"secret"}
        assert rotated["secret"] != made["secret"]
        until_when = time_of(rotated["previous_secret_until"])
        assert until_when == time_of(hooks.get(path).json()["previous_secret_until"])
        depleted(hooks)
        until(lambda: receiver.heard, "told")
        assert receiver.heard[0].verified(made["secret"]) == receiver.heard[0].verified(rotated["secret"])
        ask(hooks.dsn, "UPDATE webhook_endpoint SET previous_until = now() WHERE endpoint_id = $1", made["endpoint_id"])
        depleted(hooks)
        until(lambda: len(receiver.heard) == 2, "told")
        assert receiver.heard[1].verified(rotated["secret"])
        with pytest.raises(WebhookVerificationError):
            receiver.heard[1].verified(made["secret"])

    def test_lists_are_newest_first_and_by_type_and_account(self, hooks: Api) -> None:
        account_id = hooks.account(100)
        levels = hooks.call("PATCH", f"/v1/accounts/{account_id}", {"low_balance": [90, 50]})
        assert levels.status_code == 200
        for request_id in ("r1", "r2", "r3", "r4"):
            body = {"request_id": request_id, "model": MODEL, "size": "1K", "outputs": [image()]}
            created(hooks.post(f"/v1/accounts/{account_id}/charges", body, "gateway"))
        depleted(hooks)
        where = {"account_id": account_id, "type": "balance.low"}
        listed = hooks.get("/v1/webhook-events", **where).json()
        assert [event["data"]["threshold"] for event in listed["data"]] == [50, 90]
        first = hooks.get("/v1/webhook-events", **where, limit=1).json()
        second = hooks.get("/v1/webhook-events", **where, limit=1, cursor=first["next_cursor"]).json()
        assert (first["has_more"], second["has_more"], second["next_cursor"]) == (True, False, None)
        assert first["data"] + second["data"] == listed["data"]
        everything = hooks.get("/v1/webhook-events", limit=200).json()["data"]
        moments = [event["created_at"] for event in everything]
        assert moments == sorted(moments, reverse=True)
        assert {event["type"] for event in everything} <= set(TYPES)
        assert len({event["account_id"] for event in everything}) > 1
        assert hooks.get("/v1/webhook-events", type="no.such").json()["data"] == []
        assert hooks.get("/v1/webhook-events", account_id="nobody").json()["data"] == []

    @pytest.mark.parametrize("query", [{"cursor": "!"}, {"cursor": "WzFd"}, {"limit": 0}, {"account_id": "\x00"}])
    def test_bad_queries(self, hooks: Api, query: dict[str, Any]) -> None:
        problem(hooks.get("/v1/webhook-events", **query), 422, "validation_error")

    def test_deliveries_by_state_and_page(self, hooks: Api, receiver: Receiver) -> None:
        endpoint_id = endpoint(hooks, receiver.url())["endpoint_id"]
        accounts = [depleted(hooks) for _ in range(3)]
        until(lambda: len(deliveries(hooks, endpoint_id, state="delivered")) == 3, "delivered")
        receiver.answer = 500
        _, failing = depleted(hooks)
        until(lambda: [d["last_status"] for d in deliveries(hooks, endpoint_id, state="pending")] == [500], "failed")
        (waiting,) = deliveries(hooks, endpoint_id, state="pending")
        assert (waiting["event_id"], waiting["attempts"], waiting["problem"]) == (failing, 1, "answered 500")
        assert time_of(waiting["next_attempt_at"]) > time_of(waiting["last_attempt_at"])
        assert deliveries(hooks, endpoint_id, state="dead") == []
        everything = deliveries(hooks, endpoint_id)
        assert everything[0]["event_id"] == failing  # the newest first; of one instant, in any order
        assert {d["event_id"] for d in everything[1:]} == {event_id for _, event_id in accounts}
        assert len(everything) == 1 + len(accounts)
        seen, cursor = [], None
        for _ in range(2):
            listed = hooks.get(f"{AT}/{endpoint_id}/deliveries", limit=2, **({"cursor": cursor} if cursor else {}))
            seen += listed.json()["data"]
            cursor = listed.json()["next_cursor"]
        assert (seen, cursor) == (everything, None)
        problem(hooks.get(f"{AT}/{endpoint_id}/deliveries", state="lost"), 422, "validation_error")
        problem(hooks.get(f"{AT}/nobody/deliveries"), 404, "webhook_endpoint_not_found")

    def test_metrics_tell_what_was_not_told(self, fresh: Api) -> None:
        def figures() -> dict[str, float]:
            async def computed() -> dict[str, float]:
                engine = read_engine(fresh.dsn, size=1)
                gauges = ServiceGauges(engine)
                await gauges.once()
                await engine.dispose()
                return {family.name: family.samples[0].value for family in gauges.collect()}

            return {name: value for name, value in asyncio.run(computed()).items() if "_webhooks_" in name}

        assert figures() == dict.fromkeys(
            ("billing_webhooks_undispatched", "billing_webhooks_waiting", "billing_webhooks_dead"), 0
        )
        ask(
            fresh.dsn,
            """INSERT INTO webhook_delivery (account_id, event_id, endpoint_id, state, attempts, next_attempt_at, created_at)
               SELECT 'a', 'e', n::text, CASE WHEN n > 2 THEN 'dead' ELSE 'pending' END, 1,
                   CASE WHEN n <= 2 THEN now() + interval '1 day' END, now()
               FROM generate_series(1, 5) n""",
        )
        assert figures() == {
            "billing_webhooks_undispatched": 0, "billing_webhooks_waiting": 2, "billing_webhooks_dead": 3,
        }  # fmt: skip


class TestReplay:
    def test_of_an_event_to_one_or_to_all_that_listen(self, hooks: Api, receiver: Receiver) -> None:
        with Receiver() as other:
            one = endpoint(hooks, receiver.url(), events=["balance.depleted"])["endpoint_id"]
            created(hooks.post(AT, {"url": other.url(), "events": ["balance.depleted"]}))
            _, event_id = depleted(hooks)
            until(lambda: (heard(receiver, event_id), heard(other, event_id)) == (1, 1), "told")
            until(lambda: deliveries(hooks, one, state="delivered"), "recorded")
            path = f"/v1/webhook-events/{event_id}/replay"
            answer = hooks.post(path, {"endpoint_id": one})
            assert answer.status_code == 200
            assert answer.json()["event_id"] == event_id
            until(lambda: (heard(receiver, event_id), heard(other, event_id)) == (2, 1), "told again")
            assert hooks.post(path).status_code == 200
            until(lambda: (heard(receiver, event_id), heard(other, event_id)) == (3, 2), "told again")
            assert len({one.body for one in receiver.heard if one.event_id == event_id}) == 1

    def test_of_one_that_was_given_up(self, hooks: Api, receiver: Receiver) -> None:
        endpoint_id = endpoint(hooks, receiver.url())["endpoint_id"]
        receiver.answer = 410
        _, event_id = depleted(hooks)
        until(lambda: deliveries(hooks, endpoint_id, state="dead"), "given up")
        assert hooks.get(f"{AT}/{endpoint_id}").json()["enabled"] is False
        receiver.answer = 200
        answer = hooks.post(f"/v1/webhook-events/{event_id}/replay", {"endpoint_id": endpoint_id})
        (again,) = [d for d in answer.json()["deliveries"] if d["endpoint_id"] == endpoint_id]
        assert (again["state"], again["attempts"], again["problem"]) == ("pending", 0, None)
        hooks.call("PATCH", f"{AT}/{endpoint_id}", {"enabled": True})
        until(lambda: deliveries(hooks, endpoint_id, state="delivered"), "delivered after all")

    def test_to_an_endpoint_of_another_account(self, hooks: Api, receiver: Receiver) -> None:
        other = endpoint(hooks, receiver.url(), account_id=hooks.account())["endpoint_id"]
        _, event_id = depleted(hooks)
        refused = hooks.post(f"/v1/webhook-events/{event_id}/replay", {"endpoint_id": other})
        assert problem(refused, 422, "validation_error")["errors"][0]["field"] == "endpoint_id"
        assert hooks.post(f"/v1/webhook-events/{event_id}/replay").status_code == 200
        assert deliveries(hooks, other) == []

    def test_of_everything_since(self, hooks: Api, receiver: Receiver) -> None:
        account_id, event_id = depleted(hooks)
        endpoint_id = endpoint(hooks, receiver.url(), account_id=account_id)["endpoint_id"]
        where = {"account_id": account_id, "type": "balance.depleted"}
        (event,) = hooks.get("/v1/webhook-events", **where).json()["data"]
        path = f"{AT}/{endpoint_id}/replay"
        assert hooks.post(path, {"since": "2090-01-01T00:00:00Z"}).json() == {
            "endpoint_id": endpoint_id,
            "events": 0,
            "next_since": None,
        }
        assert hooks.post(path, {"since": event["created_at"]}).json()["events"] == 1
        until(lambda: heard(receiver, event_id) == 1, "told")
        for bad in ({}, {"since": "yesterday"}, {"since": None}, {"since": event["created_at"], "until": "x"}):
            problem(hooks.post(path, bad), 422, "validation_error")

    def test_of_what_does_not_exist(self, hooks: Api) -> None:
        _, event_id = depleted(hooks)
        path = f"/v1/webhook-events/{event_id}/replay"
        missing = hooks.post("/v1/webhook-events/evt_nothing/replay", {})
        assert problem(missing, 404, "webhook_event_not_found")["event_id"] == "evt_nothing"
        problem(hooks.post(path, {"endpoint_id": "nobody"}), 404, "webhook_endpoint_not_found")
        problem(hooks.post(path, {"endpoint_id": "a b"}), 422, "validation_error")
        problem(hooks.post(path, {"extra": 1}), 422, "validation_error")
        since = {"since": "2026-01-01T00:00:00Z"}
        problem(hooks.post(f"{AT}/nobody/replay", since), 404, "webhook_endpoint_not_found")
        problem(hooks.post(f"{AT}/nobody/rotate"), 404, "webhook_endpoint_not_found")
