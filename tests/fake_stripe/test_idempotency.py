"""Idempotency keys, and the trouble they are for."""

import asyncio

import pytest
import stripe
from stripe import StripeClient

from tests.fake_stripe import FakeStripe
from tests.fake_stripe.conftest import client_of
from tests.fake_stripe.orders import LIBRARY_WARNING, paid

pytestmark = pytest.mark.filterwarnings(LIBRARY_WARNING)

KEY = {"idempotency_key": "k1"}


async def create(client: StripeClient, email: str = "ada@example.com") -> stripe.Customer:
    return await client.v1.customers.create_async({"email": email}, KEY)  # type: ignore[arg-type]


async def until(condition: object) -> None:
    """Waits, ten seconds at most, until `condition()` holds."""
    async with asyncio.timeout(10):
        while not condition():  # type: ignore[operator]  # noqa: ASYNC110
            await asyncio.sleep(0.005)


async def test_the_same_request_gets_the_same_answer_and_does_nothing(fake: FakeStripe, client: StripeClient) -> None:
    first, second = await create(client), await create(client)

    assert first.to_dict() == second.to_dict()
    assert "idempotent-replayed" not in first.last_response.headers
    assert second.last_response.headers["idempotent-replayed"] == "true"
    assert len(fake.objects("customer")) == len(fake.events()) == 1


async def test_the_answer_is_what_was_true_then(fake: FakeStripe, client: StripeClient) -> None:
    key = {"idempotency_key": "sale"}
    params = {"amount": 500, "currency": "usd"}
    intent = await client.v1.payment_intents.create_async(params, key)
    await client.v1.payment_intents.cancel_async(intent.id)

    assert (await client.v1.payment_intents.create_async(params, key)).status == "requires_payment_method"


async def test_another_request_with_the_same_key_is_refused(fake: FakeStripe, client: StripeClient) -> None:
    await create(client)
    with pytest.raises(stripe.IdempotencyError) as refused:
        await create(client, "eve@example.com")
    assert refused.value.http_status == 400
    with pytest.raises(stripe.IdempotencyError):
        await client.v1.payment_intents.create_async({"amount": 100, "currency": "usd"}, KEY)
    assert len(fake.objects("customer")) == 1


async def test_a_request_under_way_keeps_its_key(fake: FakeStripe, client: StripeClient) -> None:
    fake.fault("hold", method="POST")
    first = asyncio.create_task(create(client))
    await until(fake.requests)

    with pytest.raises(stripe.APIError) as refused:
        await create(client_of(fake))
    assert refused.value.http_status == 409
    assert refused.value.json_body["error"]["code"] == "idempotency_key_in_use"  # the library leaves `code` None
    assert refused.value.headers["stripe-should-retry"] == "true"

    await until(fake.release_requests)
    assert (await create(client_of(fake))).id == (await first).id
    assert len(fake.objects("customer")) == 1


async def test_a_decline_is_kept(fake: FakeStripe, client: StripeClient) -> None:
    params = {"amount": 500, "currency": "usd", "payment_method": "pm_card_chargeDeclined", "confirm": True}
    for _ in "12":
        with pytest.raises(stripe.CardError) as refused:
            await client.v1.payment_intents.create_async({**params, "off_session": True}, KEY)
        assert refused.value.http_status == 402
    assert refused.value.headers["idempotent-replayed"] == "true"
    assert len(fake.objects("charge")) == 1


async def test_a_refusal_that_was_executed_is_kept_one_of_parameters_is_not(
    fake: FakeStripe, client: StripeClient
) -> None:
    for params in ({"customer": "cus_later"}, {"customer": "cus_later", "colour": "red"}):
        with pytest.raises(stripe.InvalidRequestError):
            await client.v1.payment_intents.create_async(
                {"amount": 500, "currency": "usd", **params},
                {"idempotency_key": "-".join(params)},
            )
    await client.v1.payment_intents.create_async(
        {"amount": 500, "currency": "usd"}, {"idempotency_key": "customer-colour"}
    )
    with pytest.raises(stripe.IdempotencyError):
        await client.v1.payment_intents.create_async(
            {"amount": 500, "currency": "usd"}, {"idempotency_key": "customer"}
        )


@pytest.mark.parametrize(
    ("kind", "error", "done"),
    [
        ("429", stripe.RateLimitError, False),
        ("500", stripe.APIError, False),
        ("reset", stripe.APIConnectionError, False),
        ("reset_after", stripe.APIConnectionError, True),
    ],
)
async def test_trouble_once_then_the_same_key_does_it_once(
    fake: FakeStripe, client: StripeClient, kind: str, error: type[Exception], done: bool
) -> None:
    fake.fault(kind, method="POST", path="/v1/customers")

    with pytest.raises(error):
        await create(client)
    assert len(fake.objects("customer")) == done
    again = await create(client)

    assert [one["id"] for one in fake.objects("customer")] == [again.id]
    assert [one["replayed"] for one in fake.requests()] == [False, done]


@pytest.mark.parametrize(("kind", "done"), [("500_after", 1), ("500_kept", 0)])
async def test_a_500_that_is_kept(fake: FakeStripe, client: StripeClient, kind: str, done: int) -> None:
    fake.fault(kind)
    for _ in "12":
        with pytest.raises(stripe.APIError) as refused:
            await create(client)
        assert refused.value.http_status == 500
        assert refused.value.headers["stripe-should-retry"] == "false"
    assert len(fake.objects("customer")) == done


@pytest.mark.parametrize(("kind", "done"), [("timeout", 0), ("timeout_after", 1)])
async def test_silence(fake: FakeStripe, kind: str, done: int) -> None:
    impatient = StripeClient(
        fake.key,
        base_addresses={"api": fake.url},
        max_network_retries=0,
        http_client=stripe.HTTPXClient(timeout=0.2, allow_sync_methods=False),
    )
    fake.fault(kind, method="POST")

    with pytest.raises(stripe.APIConnectionError):
        await create(impatient)

    assert len(fake.objects("customer")) == done
    assert fake.requests()[0]["status"] is None


async def test_trouble_meets_only_whom_it_was_ordered_for(fake: FakeStripe, client: StripeClient) -> None:
    fake.fault("500", times=2, method="POST", path="/v1/payment_intents")
    await create(client)
    for _ in "12":
        with pytest.raises(stripe.APIError):
            await paid(client)
    assert (await paid(client)).status == "succeeded"
