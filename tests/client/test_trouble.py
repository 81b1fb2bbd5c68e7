"""What a charging does when billing itself is in trouble, or has changed its prices meanwhile."""

from __future__ import annotations

import asyncio
import json
import logging
import sys
import threading
from dataclasses import replace
from typing import Any

import pytest

from billing.client import BillingClient, ChargeClosed, Charging, Problem, SyncBillingClient, Unsettled

from .blocks import ASKED, WAYS, run_block
from .pictures import picture
from .scripted_server import HangUp, Reply, Request, ScriptedServer
from .served import Served

IDS = ("acme", "r1")
BUSY = Reply(503, {"code": "overloaded", "status": 503, "detail": "queue full"})
HELD = {
    "account_id": "acme",
    "request_id": "r1",
    "status": "authorized",
    "mode": "sync",
    "n": 2,
    "price_version": 1,
    "expires_at": "2026-03-01T00:15:00Z",
}
SETTLED = {**HELD, "status": "settled", "settled_credits": 81}


def quoted(version: int) -> Reply:
    return Reply(200, {"credits": 134, "max_credits": 266, "price_version": version})


def problem(status: int, code: str, **facts: Any) -> Reply:
    return Reply(status, {"code": code, "status": status, "detail": code, **facts})


def play(
    way: str, script: list[Reply | HangUp], block: Any
) -> tuple[list[Request], Charging | None, BaseException | None]:
    """What was asked of a service that answers by the script, the charging, and what was raised."""

    async def run() -> tuple[list[Request], Charging | None, BaseException | None]:
        async with ScriptedServer(script).listening() as server:
            charge, raised = await asyncio.to_thread(run_block, way, server.url, "bk_x", IDS, block)
            return server.requests, charge, raised

    return asyncio.run(run())


def deliver(charge: Charging) -> None:
    charge.deliver([picture(2048, 2048), picture(1024, 1024)])


def never(charge: Charging) -> None:
    raise AssertionError("the provider was called")


def versions(requests: list[Request]) -> list[Any]:
    """The price versions that authorizations were bound to."""
    return [one.document.get("price_version") for one in requests if one.target.endswith("/charges")]


@pytest.mark.parametrize("way", WAYS)
def test_a_price_that_changed_is_quoted_again(way: str) -> None:
    changed = problem(409, "price_changed", current=2)
    script = [quoted(1), changed, quoted(2), Reply(201, HELD), Reply(200, SETTLED)]
    requests, charge, raised = play(way, script, deliver)
    assert raised is None
    assert versions(requests) == [1, 2]
    assert charge is not None
    assert charge.quote["price_version"] == 2


@pytest.mark.parametrize("way", WAYS)
def test_a_price_that_never_stops_changing_is_refused(way: str) -> None:
    script = [reply for version in (1, 2, 3) for reply in (quoted(version), problem(409, "price_changed", current=9))]
    requests, charge, raised = play(way, [*script, Reply(500)], never)
    assert charge is None
    assert isinstance(raised, Problem)
    assert raised.code == "price_changed"
    assert versions(requests) == [1, 2, 3]


@pytest.mark.parametrize("way", WAYS)
def test_a_repeat_after_a_price_change_keeps_its_old_hold(way: str) -> None:
    """The version is part of what the id names, so the repeat is known only by the old one."""
    reused = problem(409, "id_reused", id="r1", differs=["price_version"])
    again = Reply(200, HELD, {"Idempotent-Replayed": "true"})
    requests, charge, raised = play(way, [quoted(2), reused, Reply(200, HELD), again, Reply(200, SETTLED)], deliver)
    assert raised is None
    assert versions(requests) == [2, 1]
    assert charge is not None
    assert charge.hold["replayed"] is True


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(
    ("differs", "tried"), [(["price_version"], [2, 1, None]), (["n", "price_version"], [2]), (["n"], [2])]
)
def test_an_id_that_names_something_else_is_refused_and_tried_with_other_prices_where_only_they_differ(
    way: str, differs: list[str], tried: list[int | None]
) -> None:
    reused = problem(409, "id_reused", id="r1", differs=differs)
    requests, charge, raised = play(way, [quoted(2), reused, Reply(200, HELD), reused], never)
    assert charge is None
    assert isinstance(raised, Problem)
    assert (raised.code, raised.facts["differs"]) == ("id_reused", differs)
    assert versions(requests) == tried


@pytest.mark.parametrize("way", WAYS)
def test_an_expired_hold_holds_nothing(way: str) -> None:
    _, charge, raised = play(way, [quoted(1), Reply(200, {**HELD, "status": "expired"})], never)
    assert charge is None
    assert type(raised) is ChargeClosed
    assert raised.facts == {"charge_status": "expired"}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(
    "trouble", [BUSY, HangUp(), Reply(200, text="<html>"), problem(401, "unauthenticated")], ids=repr
)
@pytest.mark.parametrize("quotes", [0, 1])
def test_without_a_hold_the_provider_is_not_called(
    way: str, trouble: Reply | HangUp, quotes: int, caplog: pytest.LogCaptureFixture
) -> None:
    _, charge, raised = play(way, [quoted(1)] * quotes + [trouble], never)
    assert charge is None
    assert isinstance(raised, Problem)
    nobody_knows = quotes == 1 and trouble in (BUSY, HangUp())
    assert ("authorized or not, nobody knows" in caplog.text) == nobody_knows


@pytest.mark.parametrize("way", WAYS)
def test_a_settlement_is_repeated_with_the_same_content(way: str) -> None:
    requests, _, raised = play(way, [quoted(1), Reply(201, HELD), BUSY, HangUp(), Reply(200, SETTLED)], deliver)
    assert raised is None
    assert len({request.body for request in requests[2:]}) == 1
    assert len(requests) == 5


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("trouble", [BUSY, HangUp(), problem(401, "unauthenticated")], ids=repr)
def test_what_could_not_be_settled_can_be_settled_later(
    service: Served, way: str, trouble: Reply | HangUp, caplog: pytest.LogCaptureFixture
) -> None:
    account = service.account(134)
    with SyncBillingClient(service.url, service.key) as billing:
        held = dict(billing.authorize(account, "r1", **ASKED))
    script = [quoted(1), Reply(201, held), trouble]

    async def run() -> tuple[Charging | None, BaseException | None]:
        async with ScriptedServer(script).listening() as server:
            return await asyncio.to_thread(run_block, way, server.url, "bk_x", (account, "r1"), deliver)

    charge, raised = asyncio.run(run())
    assert isinstance(raised, Unsettled)
    assert charge is not None
    assert (charge.outcome, charge.unsettled) == ("unsettled", raised)
    assert raised.expires_at == held["expires_at"]
    assert isinstance(raised.__cause__, Problem)
    kept = json.dumps(raised.settle_again())
    assert kept in caplog.text
    assert service.balance(account) == (134, 134)

    with SyncBillingClient(service.url, service.key) as billing:
        assert billing.settle(**json.loads(kept))["settled_credits"] == 81
        assert billing.settle(**json.loads(kept))["replayed"] is True
    assert service.balance(account) == (53, 0)


@pytest.mark.parametrize("way", WAYS)
def test_an_error_of_the_block_is_not_hidden_by_one_of_billing(way: str, caplog: pytest.LogCaptureFixture) -> None:
    error = ValueError("of the gateway")

    def block(charge: Charging) -> None:
        deliver(charge)
        raise error

    _, charge, raised = play(way, [quoted(1), Reply(201, HELD), BUSY], block)
    assert raised is error
    assert charge is not None
    assert charge.outcome == "unsettled"
    assert charge.unsettled is not None
    assert charge.unsettled.settle_again() == {"account_id": "acme", "request_id": "r1", "outputs": charge.outputs}
    assert "delivered, not settled" in caplog.text


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("error", [None, ValueError("of the gateway")], ids=repr)
def test_a_hold_that_could_not_be_released_expires(
    way: str, error: Exception | None, caplog: pytest.LogCaptureFixture
) -> None:
    def block(charge: Charging) -> None:
        charge.fail(0, "moderation")
        if error:
            raise error

    with caplog.at_level(logging.WARNING, "billing.client"):
        _, charge, raised = play(way, [quoted(1), Reply(201, HELD), HangUp()], block)
    assert raised is error
    assert charge is not None
    assert charge.outcome == "left_to_expire"
    assert "left to expire at 2026-03-01T00:15:00Z" in caplog.text


async def test_a_generator_that_outlives_its_event_loop() -> None:
    """Nobody can settle any more; what to settle is in the charging, and in the log."""
    async with ScriptedServer([quoted(1), Reply(201, HELD)]).listening() as server:
        billing = BillingClient(server.url, "bk_x")
        scope = billing.charging(*IDS, **ASKED)
        charge = await scope.__aenter__()
        deliver(charge)
        await billing.close()
    with pytest.raises(StopIteration):
        await_outside_of_a_loop(scope.__aexit__(GeneratorExit, GeneratorExit(), None))
    assert charge.outcome == "unsettled"


def test_a_block_that_ends_in_the_last_moment_of_its_event_loop(caplog: pytest.LogCaptureFixture) -> None:
    """A loop that ends cancels its tasks: also the one that would have settled, before it made its first step."""
    begun: list[Charging] = []

    async def serve() -> None:
        parting = {"Connection": "close"}  # nobody will be there to close it
        script = [replace(quoted(1), headers=parting), Reply(201, HELD, headers=parting)]
        async with ScriptedServer(script).listening() as server:
            await asyncio.to_thread(asyncio.run, work(server.url))

    async def work(url: str) -> None:
        inside, end = asyncio.Event(), asyncio.Event()

        async def block() -> None:
            async with BillingClient(url, "bk_x").charging(*IDS, **ASKED) as charge:
                begun.append(charge)
                deliver(charge)
                inside.set()
                await end.wait()

        working = asyncio.create_task(block())
        await inside.wait()
        end.set()  # the block ends when nothing but this coroutine's end is left to be done
        assert not working.done()

    asyncio.run(serve())
    assert begun[0].outcome == "unsettled"
    assert "settle again" in caplog.text


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("answer", [{**HELD, "request_id": "r2"}, {**HELD, "account_id": "other"}, {}, [], None])
def test_an_answer_about_something_else_is_no_hold(way: str, answer: Any) -> None:
    _, _, raised = play(way, [quoted(1), Reply(201, answer)], never)
    assert isinstance(raised, Problem)
    assert raised.code == "unexpected_answer"


@pytest.mark.parametrize("way", WAYS)
def test_an_answer_about_something_else_is_no_bill(way: str) -> None:
    script: list[Reply | HangUp] = [quoted(1), Reply(201, HELD), Reply(200, {**SETTLED, "request_id": "r2"})]
    _, charge, raised = play(way, script, deliver)
    assert isinstance(raised, Unsettled)
    assert charge is not None
    assert charge.outcome == "unsettled"


FORKS = """
import os, sys
from billing.client import SyncBillingClient
with SyncBillingClient(sys.argv[1], "bk_x") as billing:
    billing.quote(model="m")
    if child := os.fork():
        assert os.waitpid(child, 0)[1] == 0
        billing.quote(model="m")
    else:
        billing.quote(model="m")
        os._exit(0)
"""


async def test_a_process_that_forks_shares_no_connection_with_its_child() -> None:
    """Or one would be given what was answered to the other."""
    async with ScriptedServer([quoted(1)]).listening() as server:
        process = await asyncio.create_subprocess_exec(sys.executable, "-c", FORKS, server.url)
        assert await process.wait() == 0
        assert (len(server.requests), server.connections) == (3, 2)


def await_outside_of_a_loop(coroutine: Any) -> None:
    """Steps a coroutine where no loop runs, as the collector of a dropped generator does."""
    error: list[BaseException] = []

    def step() -> None:
        try:
            coroutine.send(None)
        except BaseException as stopped:
            error.append(stopped)

    thread = threading.Thread(target=step)
    thread.start()
    thread.join()
    raise error[0]
