"""One context manager around a provider's call, against a real service: what becomes of the hold, whatever happens."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator

import httpx
import openai
import pytest

from billing.client import (
    AlreadyCharged,
    BillingClient,
    ChargeClosed,
    Charging,
    NotUnderstood,
    OutcomeUnknown,
    Problem,
    SyncBillingClient,
)

from .blocks import ASKED, WAYS, run_block
from .pictures import picture
from .scripted_server import closed_port
from .served import Served

BIG, SMALL = picture(2048, 2048), picture(1024, 1024)


def deliver_both(charge: Charging) -> None:
    charge.deliver([BIG, SMALL])


async def test_what_was_delivered_is_billed(service: Served) -> None:
    account = service.account(1_000)
    async with BillingClient(service.url, service.key) as billing:
        async with billing.charging(account, "r1", **ASKED) as charge:
            assert service.balance(account) == (1_000, 134)
            assert charge.outcome == "open"
            with pytest.raises(RuntimeError, match="no bill: the charge is open"):
                _ = charge.bill
            charge.deliver([BIG, SMALL])
        assert charge.outcome == "settled"
        assert charge.quote["credits"] == charge.hold["held_credits"] == 134
        assert charge.quote["price_version"] == charge.hold["price_version"]
        assert charge.bill["settled_credits"] == 67 + 14
    assert service.balance(account) == (919, 0)


def test_the_same_without_async(service: Served) -> None:
    account = service.account(1_000)
    with SyncBillingClient(service.url, service.key) as billing:
        with billing.charging(account, "r1", **ASKED) as charge:
            charge.deliver([BIG, SMALL])
        assert charge.bill["settled_credits"] == 81
        assert billing.read_charge(account, "r1")["settled_credits"] == 81
        assert billing.balance(account)["posted"] == 919
        assert [row["amount"] for row in billing.transfers(account)] == [1_000, 81]
        assert [row["request_id"] for row in billing.charges(account)] == ["r1"]
        assert billing.explain(account, "r1")
        assert billing.quote(model="gpt-image-2")["credits"] == 14
        assert billing.authorize(account, "r2", model="gpt-image-2")["status"] == "authorized"
        assert billing.void(account, "r2")["status"] == "voided"
        output = charge.outputs[0]
        assert billing.charge(account, "r3", [output], model="gpt-image-2")["settled_credits"] == 67
        assert billing.settle(account, "r1", charge.outputs)["replayed"] is True


CAUSED = RuntimeError("the gateway's own words")
CAUSED.__cause__ = httpx.ReadTimeout("silence")

UNKNOWN = [
    TimeoutError(),
    ConnectionResetError(),
    httpx.ReadTimeout("silence"),
    httpx.WriteError("broken"),
    httpx.RemoteProtocolError("half an answer"),
    OutcomeUnknown("the task was lost"),
    ExceptionGroup("both", [ValueError(), TimeoutError()]),
    CAUSED,
    asyncio.CancelledError(),
    KeyboardInterrupt(),
    SystemExit(),
    GeneratorExit(),
]
CERTAIN = [
    ValueError("the answer makes no sense"),
    httpx.ConnectError("refused"),
    httpx.ConnectTimeout("nobody there"),
    ConnectionRefusedError(),
    ExceptionGroup("both", [ValueError(), KeyError()]),
]


def raising(error: BaseException, *delivered: bytes) -> object:
    def block(charge: Charging) -> None:
        charge.deliver(list(delivered))
        raise error

    return block


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("error", CERTAIN, ids=repr)
def test_an_error_that_says_that_nothing_came_voids(service: Served, way: str, error: Exception) -> None:
    account = service.account(134)
    charge, raised = run_block(way, service.url, service.key, (account, "r1"), raising(error))
    assert raised is error
    assert charge is not None
    assert (charge.outcome, charge.bill["status"]) == ("voided", "voided")
    assert service.balance(account) == (134, 0)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("error", UNKNOWN, ids=repr)
def test_an_unknown_outcome_leaves_the_hold_and_says_so(
    service: Served, way: str, error: BaseException, caplog: pytest.LogCaptureFixture
) -> None:
    account = service.account(134)
    with caplog.at_level(logging.WARNING, "billing.client"):
        charge, raised = run_block(way, service.url, service.key, (account, "r1"), raising(error))
    assert type(raised) is type(error)
    assert charge is not None
    assert charge.outcome == "left_to_expire"
    assert charge.expires_at == service.charge(account)["expires_at"]
    assert f"charge {account} r1: left to expire at {charge.expires_at}" in caplog.text
    assert service.balance(account) == (134, 134)

    # A repeat with the same id takes the same hold up, though there is no credit for another one.
    charge, raised = run_block(way, service.url, service.key, (account, "r1"), deliver_both)
    assert raised is None
    assert charge is not None
    assert charge.hold["replayed"] is True
    assert service.balance(account) == (134 - 81, 0)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("error", [*CERTAIN, *UNKNOWN], ids=repr)
def test_what_was_delivered_before_an_error_is_billed(service: Served, way: str, error: BaseException) -> None:
    account = service.account(134)
    charge, raised = run_block(way, service.url, service.key, (account, "r1"), raising(error, SMALL))
    assert type(raised) is type(error)
    assert charge is not None
    assert (charge.outcome, charge.bill["settled_credits"]) == ("settled", 14)
    found = service.charge(account)
    assert [(one["status"], one["credits"]) for one in found["outputs"]] == [("succeeded", 14), ("failed", 0)]
    assert service.balance(account) == (120, 0)


@pytest.mark.parametrize("way", WAYS)
def test_nothing_told_is_settled_at_nothing_with_a_warning(
    service: Served, way: str, caplog: pytest.LogCaptureFixture
) -> None:
    account = service.account(134)
    charge, raised = run_block(way, service.url, service.key, (account, "r1"), lambda charge: None)
    assert raised is None
    assert charge is not None
    assert (charge.outcome, charge.bill["settled_credits"]) == ("settled", 0)
    assert "nothing was delivered: settled at 0" in caplog.text
    assert [one["status"] for one in service.charge(account)["outputs"]] == ["failed", "failed"]
    assert service.balance(account) == (134, 0)


@pytest.mark.parametrize("way", WAYS)
def test_reported_failures_cost_nothing(service: Served, way: str, caplog: pytest.LogCaptureFixture) -> None:
    account = service.account(134)

    def block(charge: Charging) -> None:
        charge.fail(1, "moderation")
        charge.deliver({"error": {"code": "overloaded", "message": "try later"}})

    charge, raised = run_block(way, service.url, service.key, (account, "r1"), block)
    assert raised is None
    assert charge is not None
    reasons = [one["reason"] for one in service.charge(account)["outputs"]]
    assert reasons == ["overloaded: try later", "moderation"]
    assert not caplog.records
    assert service.balance(account) == (134, 0)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("take", ["deliver", "deliver_at", "list"])
def test_an_object_that_is_no_image_may_stand_for_one_so_the_hold_stays(service: Served, way: str, take: str) -> None:
    """A mistake of the gateway's, after the provider was paid."""
    account = service.account(134)
    response = httpx.Response(200, request=httpx.Request("GET", "https://provider.example/"))

    def block(charge: Charging) -> None:
        if take == "deliver_at":
            charge.deliver_at(0, response)
        else:
            charge.deliver(response if take == "deliver" else [response])

    charge, raised = run_block(way, service.url, service.key, (account, "r1"), block)
    assert isinstance(raised, NotUnderstood)
    assert charge is not None
    assert charge.outcome == "left_to_expire"


@pytest.mark.parametrize("way", WAYS)
def test_without_credits_the_provider_is_not_called(service: Served, way: str) -> None:
    account = service.account(133)
    charge, raised = run_block(way, service.url, service.key, (account, "r1"), deliver_both)
    assert charge is None
    assert isinstance(raised, Problem)
    assert (raised.status, raised.code, raised.facts["shortfall"]) == (402, "insufficient_credits", 1)


@pytest.mark.parametrize("way", WAYS)
def test_a_limit_of_the_caller_is_kept(service: Served, way: str) -> None:
    account = service.account(1_000)
    charge, raised = run_block(way, service.url, service.key, (account, "r1"), deliver_both, max_credits=265)
    assert charge is None
    assert isinstance(raised, Problem)
    assert (raised.status, raised.code) == (402, "over_max_credits")
    assert raised.facts == {"max_credits": 265, "required": 266, "quoted": 134}
    assert service.balance(account) == (1_000, 0)
    charge, raised = run_block(way, service.url, service.key, (account, "r1"), deliver_both, max_credits=266)
    assert raised is None


@pytest.mark.parametrize("way", WAYS)
async def test_without_billing_the_provider_is_not_called(way: str) -> None:
    async with closed_port() as url:
        charge, raised = await asyncio.to_thread(run_block, way, url, "bk_x", ("acme", "r1"), deliver_both)
    assert charge is None
    assert isinstance(raised, Problem)
    assert raised.code == "unreachable"


@pytest.mark.parametrize("way", WAYS)
def test_a_charge_that_was_settled_is_not_served_again(service: Served, way: str) -> None:
    account = service.account(1_000)
    run_block(way, service.url, service.key, (account, "r1"), deliver_both)
    charge, raised = run_block(way, service.url, service.key, (account, "r1"), deliver_both)
    assert charge is None
    assert isinstance(raised, AlreadyCharged)
    assert raised.charge["settled_credits"] == 81
    assert (raised.status, raised.code) == (409, "charge_not_open")
    assert service.balance(account) == (919, 0)


@pytest.mark.parametrize("way", WAYS)
def test_a_charge_that_was_voided_is_not_served_again(service: Served, way: str) -> None:
    account = service.account(1_000)
    run_block(way, service.url, service.key, (account, "r1"), raising(ValueError()))
    charge, raised = run_block(way, service.url, service.key, (account, "r1"), deliver_both)
    assert charge is None
    assert type(raised) is ChargeClosed
    assert raised.facts == {"charge_status": "voided"}


@pytest.mark.parametrize("way", WAYS)
def test_another_request_under_a_known_id_is_refused(service: Served, way: str) -> None:
    account = service.account(1_000)
    run_block(way, service.url, service.key, (account, "r1"), raising(TimeoutError()))
    charge, raised = run_block(way, service.url, service.key, (account, "r1"), deliver_both, quality="low")
    assert charge is None
    assert isinstance(raised, Problem)
    assert raised.code == "id_reused"
    assert service.balance(account) == (1_000, 134)


@pytest.mark.parametrize("way", WAYS)
def test_a_hold_that_was_bound_to_no_price_is_taken_up(service: Served, way: str) -> None:
    account = service.account(134)
    with SyncBillingClient(service.url, service.key) as billing:
        billing.authorize(account, "r1", **ASKED)
    _, raised = run_block(way, service.url, service.key, (account, "r1"), deliver_both)
    assert raised is None
    assert service.balance(account) == (53, 0)


@pytest.mark.parametrize("way", WAYS)
def test_what_was_voided_by_somebody_else_and_delivered_is_billed(
    service: Served, way: str, caplog: pytest.LogCaptureFixture
) -> None:
    account = service.account(1_000)

    def block(charge: Charging) -> None:
        service.call("POST", f"/v1/accounts/{account}/charges/r1/void", {"reason": "an operator"})
        charge.deliver([BIG, SMALL])

    charge, raised = run_block(way, service.url, service.key, (account, "r1"), block)
    assert raised is None
    assert charge is not None
    assert (charge.outcome, charge.bill["settled_credits"], charge.bill["flags"]) == ("settled", 81, ["forced"])
    assert "was voided meanwhile" in caplog.text


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("error", [None, ValueError()], ids=repr)
def test_what_was_settled_by_somebody_else_stands(
    service: Served, way: str, error: Exception | None, caplog: pytest.LogCaptureFixture
) -> None:
    account = service.account(1_000)
    outputs = {"outputs": [{"index": 0, "status": "succeeded", "width": 1024, "height": 1024}]}

    def block(charge: Charging) -> None:
        service.call("POST", f"/v1/accounts/{account}/charges/r1/settle", outputs)
        if error:
            raise error
        charge.deliver([BIG, SMALL])

    charge, raised = run_block(way, service.url, service.key, (account, "r1"), block)
    assert raised is error
    assert charge is not None
    assert (charge.outcome, charge.bill["settled_credits"]) == ("settled", 14)
    assert "that stands" in caplog.text
    assert service.balance(account) == (986, 0)


async def test_twins_are_billed_once(service: Served) -> None:
    account = service.account(134)

    async def twin(billing: BillingClient) -> Charging:
        async with billing.charging(account, "r1", **ASKED) as charge:
            await asyncio.sleep(0)
            charge.deliver([BIG, SMALL])
        return charge

    async with BillingClient(service.url, service.key) as billing:
        found = await asyncio.gather(*(twin(billing) for _ in range(20)), return_exceptions=True)
    served = [one for one in found if isinstance(one, Charging)]
    assert served
    assert all(isinstance(one, AlreadyCharged) for one in found if not isinstance(one, Charging))
    assert {one.bill["settled_credits"] for one in served} == {81}
    assert service.balance(account) == (53, 0)


async def test_a_customer_who_hangs_up_again_and_again_is_billed_for_what_came(service: Served) -> None:
    """Cancelled in the block, and again at every turn of the loop while it is being settled."""
    account = service.account(134)
    delivered = asyncio.Event()

    async def route(billing: BillingClient) -> None:
        async with billing.charging(account, "r1", **ASKED) as charge:
            charge.deliver(SMALL)
            delivered.set()
            await asyncio.Event().wait()

    async with BillingClient(service.url, service.key) as billing:
        task = asyncio.create_task(route(billing))
        await delivered.wait()
        while not task.done():
            task.cancel()
            await asyncio.sleep(0)
        assert task.cancelled()
    assert service.balance(account) == (120, 0)


async def test_a_stream_that_nobody_reads_to_its_end_is_billed_for_what_came(service: Served) -> None:
    account = service.account(268)
    charges: list[Charging] = []

    async def stream(billing: BillingClient, request_id: str) -> AsyncIterator[bytes]:
        async with billing.charging(account, request_id, **ASKED) as charge:
            charges.append(charge)
            for index, image in enumerate((SMALL, BIG)):
                charge.deliver_at(index, image)
                yield image

    async with BillingClient(service.url, service.key) as billing:
        closed = stream(billing, "closed")
        assert await anext(closed) == SMALL
        await closed.aclose()  # type: ignore[attr-defined]
        dropped = stream(billing, "dropped")
        assert await anext(dropped) == SMALL
        del dropped  # asyncio closes it, in a task of its own
        while charges[1].outcome == "open":  # noqa: ASYNC110 - asyncio tells nobody when
            await asyncio.sleep(0)
    assert [charge.outcome for charge in charges] == ["settled", "settled"]
    assert service.balance(account) == (268 - 28, 0)


def test_a_stream_without_async_that_nobody_reads_to_its_end(service: Served) -> None:
    account = service.account(134)
    with SyncBillingClient(service.url, service.key) as billing:

        def stream() -> object:
            with billing.charging(account, "r1", **ASKED) as charge:
                charge.deliver(SMALL)
                yield SMALL

        reader = stream()
        next(reader)  # type: ignore[call-overload]
        reader.close()  # type: ignore[attr-defined]
    assert service.balance(account) == (120, 0)


@pytest.mark.parametrize("way", WAYS)
def test_a_task_is_held_here_and_settled_there(service: Served, way: str) -> None:
    account = service.account(134)
    charge, raised = run_block(way, service.url, service.key, (account, "r1"), lambda charge: None, mode="async")
    assert (raised, charge and charge.outcome) == (None, "open")
    assert service.balance(account) == (134, 134)

    ids = (account, "r1")
    polled, raised = run_block(way, service.url, service.key, ids, lambda charge: None, resumed=True)
    assert (raised, polled and polled.outcome) == (None, "open")
    failed, raised = run_block(way, service.url, service.key, ids, raising(ValueError()), resumed=True)
    assert (type(raised), failed and failed.outcome) == (ValueError, "left_to_expire")
    assert service.balance(account) == (134, 134)

    called_back, raised = run_block(way, service.url, service.key, ids, deliver_both, resumed=True)
    assert raised is None
    assert called_back is not None
    assert called_back.bill["settled_credits"] == 81
    with pytest.raises(RuntimeError, match="quoted by who began it"):
        _ = called_back.quote
    again, raised = run_block(way, service.url, service.key, ids, deliver_both, resumed=True)
    assert again is None
    assert isinstance(raised, AlreadyCharged)


@pytest.mark.parametrize("way", WAYS)
def test_a_task_that_could_not_be_begun_is_void_and_cannot_be_resumed(service: Served, way: str) -> None:
    account = service.account(134)
    ids = (account, "r1")
    charge, _ = run_block(way, service.url, service.key, ids, raising(ValueError()), mode="async")
    assert charge is not None
    assert charge.outcome == "voided"
    resumed, raised = run_block(way, service.url, service.key, ids, deliver_both, resumed=True)
    assert resumed is None
    assert type(raised) is ChargeClosed
    unknown, raised = run_block(way, service.url, service.key, (account, "r2"), deliver_both, resumed=True)
    assert unknown is None
    assert isinstance(raised, Problem)
    assert raised.code == "charge_not_found"


async def test_openais_client_that_gets_no_answer(service: Served) -> None:
    """Its errors are known by what caused them; it repeats by itself, so that none of them is certain."""
    account = service.account(1_000)
    async with (
        closed_port() as nowhere,
        BillingClient(service.url, service.key) as billing,
        openai.AsyncOpenAI(api_key="sk-x", base_url=nowhere, max_retries=0) as provider,
    ):
        with pytest.raises(openai.APIConnectionError):
            async with billing.charging(account, "r1", **ASKED) as charge:
                await provider.images.generate(model="gpt-image-2", prompt="an evening")
        assert charge.outcome == "left_to_expire"
        with pytest.raises(openai.APITimeoutError):
            async with billing.charging(account, "r2", **ASKED) as charge:
                raise openai.APITimeoutError(request=None)  # type: ignore[arg-type]
        assert charge.outcome == "left_to_expire"
