"""The client against a real HTTP server: what it sends, what it repeats, when it gives up."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta, timezone
from email.utils import format_datetime
from typing import Any, get_args

import pytest

from billing.client import NO_RETRY, BillingClient, Problem, Retry
from billing.client.problem import Repeat
from billing.client.request import path_of
from billing.core.refusals import REPEATS

from .scripted_server import HangUp, Reply, ScriptedServer, Silence, closed_port

CHARGE = {"account_id": "acme", "request_id": "r1", "status": "authorized", "held_credits": 17}
BUSY = {"code": "overloaded", "status": 503, "detail": "queue full"}
SHORT = {
    "type": "about:blank",
    "title": "Insufficient credits",
    "status": 402,
    "detail": "3 of 17 credits",
    "code": "insufficient_credits",
    "available": 3,
    "required": 17,
    "shortfall": 14,
}

Play = Callable[[BillingClient, ScriptedServer], Awaitable[None]]


class Pauses(list[float]):
    """Stands where `asyncio.sleep` would: notes the seconds and returns at once."""

    async def __call__(self, seconds: float) -> None:
        self.append(seconds)


def play(script: list[Reply | HangUp | Silence], scene: Play, **options: Any) -> tuple[ScriptedServer, Pauses]:
    pauses = Pauses()

    async def run() -> ScriptedServer:
        async with (
            ScriptedServer(script).listening() as server,
            BillingClient(server.url, "bk_test", sleep=pauses, **options) as billing,
        ):
            await scene(billing, server)
        return server

    return asyncio.run(run()), pauses


async def authorize(billing: BillingClient, server: ScriptedServer) -> None:
    charge = await billing.authorize("acme", "r1", model="gpt-image-2", size="2048x2048", quality="medium")
    assert charge["held_credits"] == 17


def test_a_call_carries_the_key_and_leaves_defaults_to_the_service() -> None:
    server, pauses = play([Reply(201, CHARGE)], authorize)
    (request,) = server.requests
    assert (request.method, request.target) == ("POST", "/v1/accounts/acme/charges")
    assert request.headers["authorization"] == "Bearer bk_test"
    assert request.document == {
        "request_id": "r1",
        "model": "gpt-image-2",
        "operation": "generation",
        "mode": "sync",
        "n": 1,
        "size": "2048x2048",
        "quality": "medium",
    }
    assert pauses == []


def test_replayed_says_whether_the_id_was_known() -> None:
    async def scene(billing: BillingClient, server: ScriptedServer) -> None:
        assert (await billing.void("acme", "r1"))["replayed"] is False
        assert (await billing.void("acme", "r1"))["replayed"] is True

    play([Reply(200, CHARGE), Reply(200, CHARGE, {"Idempotent-Replayed": "true"})], scene)


TOO_SLOW = {"code": "body_too_slow", "status": 408, "detail": "the body did not come in time"}


@pytest.mark.parametrize(
    "trouble", [Reply(503, BUSY), Reply(408, TOO_SLOW), Reply(502, text="<html>"), Reply(504, text=""), HangUp()]
)
def test_a_failed_call_is_repeated_with_the_same_id_and_body(trouble: Reply | HangUp) -> None:
    server, pauses = play([trouble, trouble, Reply(201, CHARGE)], authorize)
    assert len(server.requests) == 3
    assert len({(request.target, request.body) for request in server.requests}) == 1
    assert len(pauses) == 2


def test_a_call_that_is_never_answered_is_repeated() -> None:
    server, _ = play([Silence(), Reply(201, CHARGE)], authorize, timeout_seconds=0.2, retry=Retry(attempts=20))
    assert len(server.requests) >= 2
    assert len({request.body for request in server.requests}) == 1


def test_retry_after_is_a_floor() -> None:
    script: list[Reply | HangUp | Silence] = [Reply(503, BUSY, {"Retry-After": "2"}), Reply(201, CHARGE)]
    _, pauses = play(script, authorize)
    assert pauses == [2.0]


def test_retry_after_may_be_a_date() -> None:
    at = format_datetime(datetime.now(UTC) + timedelta(seconds=600), usegmt=True)
    script: list[Reply | HangUp | Silence] = [Reply(503, BUSY, {"Retry-After": at}), Reply(201, CHARGE)]
    _, (pause,) = play(script, authorize, retry=Retry(longest_pause_seconds=3_600, longest_seconds=3_600))
    assert 1 < pause <= 600


@pytest.mark.parametrize(
    "header",
    [
        *("soon", "-3", "Sat, 01 Jan 2000 00:00:00 GMT", "Sat, 01 Jan 2000 00:00:00 -0000"),
        "Sat, 01 Jan 99999999999999999999 00:00:00 GMT",
    ],
)
def test_a_retry_after_without_use_leaves_the_own_pause(header: str) -> None:
    script: list[Reply | HangUp | Silence] = [Reply(503, BUSY, {"Retry-After": header}), Reply(201, CHARGE)]
    _, (pause,) = play(script, authorize)
    assert 0.05 <= pause <= 0.1


def test_it_does_not_knock_before_a_long_retry_after() -> None:
    async def scene(billing: BillingClient, server: ScriptedServer) -> None:
        with pytest.raises(Problem) as caught:
            await billing.balance("acme")
        assert (caught.value.status, caught.value.code) == (503, "overloaded")

    server, pauses = play([Reply(503, BUSY, {"Retry-After": "3600"})], scene)
    assert len(server.requests) == 1
    assert pauses == []


def test_repeats_are_bounded() -> None:
    async def scene(billing: BillingClient, server: ScriptedServer) -> None:
        with pytest.raises(Problem, match="queue full") as caught:
            await authorize(billing, server)
        assert (caught.value.status, caught.value.code) == (503, "overloaded")

    server, pauses = play([Reply(503, BUSY)], scene, retry=Retry(attempts=5))
    assert len(server.requests) == 5
    assert len(pauses) == 4


def test_no_repeat_begins_after_the_time_for_all_of_them() -> None:
    async def scene(billing: BillingClient, server: ScriptedServer) -> None:
        with pytest.raises(Problem, match="queue full"):
            await authorize(billing, server)

    server, pauses = play([Reply(503, BUSY, {"Retry-After": "2"})], scene, retry=Retry(longest_seconds=1))
    assert (len(server.requests), pauses) == (1, [])
    assert Retry().pause_seconds(1, spent_seconds=24) is not None
    assert Retry().pause_seconds(1, spent_seconds=25) is None


def test_no_answer_at_all_is_unreachable() -> None:
    async def scene(billing: BillingClient, server: ScriptedServer) -> None:
        with pytest.raises(Problem) as caught:
            await authorize(billing, server)
        assert (caught.value.status, caught.value.code) == (0, "unreachable")
        assert caught.value.__cause__ is not None

    server, _ = play([HangUp()], scene)
    assert len(server.requests) == 4


def test_nobody_listening_is_unreachable() -> None:
    pauses = Pauses()

    async def run() -> None:
        async with closed_port() as url, BillingClient(url, "bk_test", sleep=pauses) as billing:
            with pytest.raises(Problem, match="unreachable"):
                await billing.quote(model="gpt-image-2")

    asyncio.run(run())
    assert len(pauses) == 3


@pytest.mark.parametrize("status", [400, 401, 402, 403, 404, 409, 413, 422, 500])
def test_a_refusal_is_not_repeated(status: int) -> None:
    async def scene(billing: BillingClient, server: ScriptedServer) -> None:
        with pytest.raises(Problem) as caught:
            await authorize(billing, server)
        problem = caught.value
        assert (problem.status, problem.code, problem.detail) == (status, SHORT["code"], SHORT["detail"])
        assert problem.facts == {"available": 3, "required": 17, "shortfall": 14}

    server, pauses = play([Reply(status, SHORT)], scene)
    assert len(server.requests) == 1
    assert pauses == []


@pytest.mark.parametrize("word", REPEATS)
def test_a_problem_says_whether_a_repeat_can_help(word: str) -> None:
    async def scene(billing: BillingClient, server: ScriptedServer) -> None:
        with pytest.raises(Problem) as caught:
            await authorize(billing, server)
        assert caught.value.retry == word
        assert "retry" not in caught.value.facts

    play([Reply(402, SHORT | {"retry": word})], scene)


def test_the_words_for_a_repeat_are_the_services() -> None:
    assert get_args(Repeat) == tuple(REPEATS)


@pytest.mark.parametrize(("status", "word"), [(0, "same_id"), (502, "same_id"), (200, "never"), (404, "never")])
def test_what_no_service_said_may_be_repeated_where_nobody_knows(status: int, word: str) -> None:
    assert Problem(status, "unexpected_answer").retry == word


@pytest.mark.parametrize(
    "reply",
    [Reply(200, text="<html>hello"), Reply(404, text="<html>"), Reply(500, []), Reply(400, {"code": 7})],
)
def test_an_answer_of_somebody_else_is_a_problem_too(reply: Reply) -> None:
    async def scene(billing: BillingClient, server: ScriptedServer) -> None:
        with pytest.raises(Problem) as caught:
            await billing.balance("acme")
        assert (caught.value.status, caught.value.code) == (reply.status, "unexpected_answer")

    play([reply], scene)


def test_lists_are_read_page_after_page() -> None:
    pages: list[Reply | HangUp | Silence] = [
        Reply(200, {"data": [{"seq": 1}, {"seq": 2}], "has_more": True, "next_cursor": "c/2"}),
        Reply(503, BUSY),
        Reply(200, {"data": [{"seq": 3}], "has_more": False, "next_cursor": None}),
    ]

    async def scene(billing: BillingClient, server: ScriptedServer) -> None:
        assert [row["seq"] async for row in billing.transfers("acme", book="wallet")] == [1, 2, 3]

    server, _ = play(pages, scene)
    assert [request.target for request in server.requests] == [
        "/v1/accounts/acme/transfers?limit=200&book=wallet",
        "/v1/accounts/acme/transfers?limit=200&book=wallet&cursor=c%2F2",
        "/v1/accounts/acme/transfers?limit=200&book=wallet&cursor=c%2F2",
    ]


def test_instants_are_written_in_utc() -> None:
    async def scene(billing: BillingClient, server: ScriptedServer) -> None:
        at = datetime(2026, 3, 1, 1, 30, tzinfo=timezone(timedelta(hours=2)))
        await billing.grant("acme", "g1", kind="promotion", credits=5, expires_at=at)
        with pytest.raises(ValueError, match="names no instant"):
            await billing.balance("acme", at=datetime(2026, 3, 1))  # noqa: DTZ001

    server, _ = play([Reply(201, {})], scene)
    assert server.requests[0].document == {
        "grant_id": "g1",
        "kind": "promotion",
        "credits": 5,
        "expires_at": "2026-02-28T23:30:00Z",
    }


def test_a_list_without_pages_is_read_whole() -> None:
    async def scene(billing: BillingClient, server: ScriptedServer) -> None:
        assert [row["refund_id"] async for row in billing.refunds("acme", "r1")] == ["f1"]
        assert [row["credits"] async for row in billing.corrections("acme", "r1")] == [-14]
        assert server.requests[1].target.startswith("/v1/accounts/acme/charges/r1/corrections")

    play([Reply(200, {"data": [{"refund_id": "f1"}]}), Reply(200, {"data": [{"credits": -14}]})], scene)


def test_usage_is_read_page_after_page() -> None:
    """A bucket that goes on on the next page is one bucket."""
    pages: list[Reply | HangUp | Silence] = [
        Reply(200, {"data": [{"start_time": 0, "results": [1]}], "has_more": True, "next_page": "p2"}),
        Reply(
            200,
            {
                "data": [{"start_time": 0, "results": [2]}, {"start_time": 86400, "results": [3]}],
                "has_more": False,
                "next_page": None,
            },
        ),
    ]

    async def scene(billing: BillingClient, server: ScriptedServer) -> None:
        start = datetime(2026, 3, 1, tzinfo=UTC)
        buckets = await billing.usage(
            "acme", start=start, end=start + timedelta(days=2), group_by=("model", "size_tier"), quality=("low", "high")
        )
        assert [(bucket["start_time"], bucket["results"]) for bucket in buckets] == [(0, [1, 2]), (86400, [3])]

    server, _ = play(pages, scene)
    first, second = (request.target for request in server.requests)
    assert first == (
        "/v1/accounts/acme/usage?start_time=1772323200&end_time=1772496000&bucket_width=1d"
        "&group_by=model%2Csize_tier&tz=UTC&quality=low&quality=high"
    )
    assert second == first + "&page=p2"


def test_a_setting_can_be_cleared() -> None:
    """What a change names it sends, None too; what it does not name stays."""

    async def scene(billing: BillingClient, server: ScriptedServer) -> None:
        await billing.change_account("acme", name=None, credit_limit=500)

    server, _ = play([Reply(200, {})], scene)
    assert server.requests[0].document == {"name": None, "credit_limit": 500}


def test_a_batch_answers_each_operation() -> None:
    results = [{"status": 201, "replayed": False, "body": CHARGE}, {"status": 402, "body": SHORT}]

    async def scene(billing: BillingClient, server: ScriptedServer) -> None:
        operation = {"op": "void", "account_id": "acme", "request_id": "r1", "reason": None}
        assert await billing.batch([operation, operation]) == results

    server, _ = play([Reply(200, {"results": results})], scene)
    sent = {"op": "void", "account_id": "acme", "request_id": "r1"}
    assert server.requests[0].document == {"operations": [sent, sent]}


def test_two_hundred_calls_wait_for_few_connections() -> None:
    """A full pool is our own doing: no call may fail for it."""

    async def scene(billing: BillingClient, server: ScriptedServer) -> None:
        await asyncio.gather(*(authorize(billing, server) for _ in range(200)))

    server, pauses = play([Reply(201, CHARGE)], scene, connections=2, retry=NO_RETRY)
    assert len(server.requests) == 200
    assert pauses == []


def test_ids_cannot_lead_to_another_resource() -> None:
    assert path_of("accounts", "a:b_c-1.2", "charges") == "/v1/accounts/a:b_c-1.2/charges"
    assert path_of("accounts", "a/b?c") == "/v1/accounts/a%2Fb%3Fc"
    for segment in ("", ".", ".."):
        with pytest.raises(ValueError, match="cannot stand in a path"):
            path_of("accounts", segment, "balance")


@pytest.mark.parametrize(
    "options",
    [{"attempts": 0}, {"first_pause_seconds": -1}, {"longest_pause_seconds": -1}, {"longest_seconds": -1}],
)
def test_a_retry_that_makes_no_sense_does_not_exist(options: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="at least one attempt"):
        Retry(**options)  # type: ignore[arg-type]


PAGES = {"success_url": "https://shop.example/thanks", "cancel_url": "https://shop.example/cart"}


def test_what_customers_buy() -> None:
    """Paths and bodies of the calls about money in; defaults are left to the service."""

    async def scene(billing: BillingClient, server: ScriptedServer) -> None:
        await billing.publish_pack("p1", credits=1_000, price_micros=10_000_000, bonus_credits=250, bonus="dilutes")
        topup = await billing.open_topup("acme", "t1", pack_id="p1", **PAGES)
        assert topup["replayed"] is False
        await billing.topup("acme", "t1")
        await billing.set_auto_recharge("acme", threshold=400, pack_id="p1", monthly_limit=2_000)
        await billing.auto_recharge("acme")
        await billing.end_auto_recharge("acme")
        await billing.withdraw_pack("p1")

    server, _ = play([Reply(201, {})], scene)
    pack = {"pack_id": "p1", "credits": 1_000, "bonus_credits": 250, "bonus": "dilutes"}
    assert [(request.method, request.target, request.body and request.document) for request in server.requests] == [
        ("POST", "/v1/packs", {**pack, "price": {"micros": 10_000_000, "currency": "USD"}}),
        ("POST", "/v1/accounts/acme/topups", {"topup_id": "t1", "pack_id": "p1", **PAGES}),
        ("GET", "/v1/accounts/acme/topups/t1", b""),
        ("PUT", "/v1/accounts/acme/auto-recharge", {"threshold": 400, "pack_id": "p1", "monthly_limit": 2_000}),
        ("GET", "/v1/accounts/acme/auto-recharge", b""),
        ("DELETE", "/v1/accounts/acme/auto-recharge", b""),
        ("DELETE", "/v1/packs/p1", b""),
    ]


def test_an_order_that_was_known() -> None:
    async def scene(billing: BillingClient, server: ScriptedServer) -> None:
        assert (await billing.open_topup("acme", "t1", pack_id="p1", **PAGES))["replayed"] is True

    play([Reply(200, {"topup_id": "t1"}, {"Idempotent-Replayed": "true"})], scene)


def test_lists_of_what_was_bought_and_told() -> None:
    async def scene(billing: BillingClient, server: ScriptedServer) -> None:
        assert [row async for row in billing.packs()] == [{}]
        assert [row async for row in billing.packs(withdrawn=True)] == [{}]
        assert [row async for row in billing.topups("acme")] == [{}]
        assert [row async for row in billing.stripe_events(state="dead", type="payout.paid")] == [{}]

    server, _ = play([Reply(200, {"data": [{}], "has_more": False, "next_cursor": None})], scene)
    assert [request.target for request in server.requests] == [
        "/v1/packs?limit=200",
        "/v1/packs?limit=200&withdrawn=true",
        "/v1/accounts/acme/topups?limit=200",
        "/v1/stripe/events?limit=200&state=dead&type=payout.paid",
    ]


def test_an_endpoint_that_is_told() -> None:
    async def scene(billing: BillingClient, server: ScriptedServer) -> None:
        made = await billing.create_webhook_endpoint("https://shop.example/hook", events=("topup.paid",))
        assert made["secret"] == "whsec_x"
        await billing.delete_webhook_endpoint("we_1")

    server, _ = play([Reply(201, {"secret": "whsec_x"})], scene)
    made, ended = server.requests
    assert made.document == {"url": "https://shop.example/hook", "events": ["topup.paid"]}
    assert (ended.method, ended.target) == ("DELETE", "/v1/webhook-endpoints/we_1")
