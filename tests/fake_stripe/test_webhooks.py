"""Deliveries: signed, and in the order and number that was ordered."""

import json

import pytest
from stripe import StripeClient, Webhook, WebhookSignature

from tests.fake_stripe import FakeStripe
from tests.fake_stripe.orders import LIBRARY_WARNING, customer_of, paid
from tests.fake_stripe.receiver import Receiver

pytestmark = pytest.mark.filterwarnings(LIBRARY_WARNING)

SECRET = "whsec_test"
PAID = ["payment_intent.created", "charge.succeeded", "payment_intent.succeeded"]


async def test_events_come_at_once_in_order_and_signed(
    fake: FakeStripe, client: StripeClient, receiver: Receiver
) -> None:
    fake.add_endpoint(receiver.url, SECRET)
    await client.v1.customers.create_async({}, {"idempotency_key": "k1"})
    await paid(client)
    fake.wait_delivered()

    assert receiver.types == ["customer.created", *PAID]
    for body, signature in zip(receiver.bodies, receiver.signatures, strict=True):
        WebhookSignature.verify_header(body, signature, SECRET, tolerance=300)
    assert receiver.events == fake.events()
    event = Webhook.construct_event(receiver.bodies[0], receiver.signatures[0], SECRET)
    assert (event.request.idempotency_key, event.request.id) == ("k1", fake.requests()[0]["id"])


async def test_another_secret_does_not_verify(fake: FakeStripe, client: StripeClient, receiver: Receiver) -> None:
    fake.add_endpoint(receiver.url, "whsec_other")
    await customer_of(client)
    fake.wait_delivered()
    with pytest.raises(Exception, match="No signatures found"):
        WebhookSignature.verify_header(receiver.bodies[0], receiver.signatures[0], SECRET)


@pytest.mark.parametrize(
    ("order", "came"),
    [
        ("in order", PAID),
        ("reversed", PAID[::-1]),
        (["charge.succeeded", "payment_intent.created"], [PAID[1], PAID[0]]),
    ],
)
async def test_held_events_come_as_they_are_released(
    fake: FakeStripe, client: StripeClient, receiver: Receiver, order: str | list[str], came: list[str]
) -> None:
    fake.add_endpoint(receiver.url, SECRET)
    fake.deliver("hold")
    await paid(client)
    assert (fake.under_way(), receiver.types) == (0, [])

    fake.release(order)
    fake.wait_delivered()

    assert receiver.types == came
    assert len(fake.held()) == 3 - len(came)


async def test_an_event_may_come_often_and_others_never(
    fake: FakeStripe, client: StripeClient, receiver: Receiver
) -> None:
    fake.add_endpoint(receiver.url, SECRET)
    fake.deliver("drop")
    fake.deliver(times=3, types=["charge.*"], together=True)
    await paid(client)
    fake.wait_delivered()

    assert receiver.types == ["charge.succeeded"] * 3
    assert len({event["id"] for event in receiver.events}) == 1
    fake.resend(fake.events("payment_intent.created")[0]["id"])
    fake.wait_delivered()
    assert receiver.types[-1] == "payment_intent.created"


async def test_what_is_not_taken_comes_again_after_what_came_later(
    fake: FakeStripe, client: StripeClient, receiver: Receiver
) -> None:
    fake.add_endpoint(receiver.url, SECRET)
    receiver.statuses = [500]
    await paid(client)
    fake.wait_delivered()

    assert sorted(receiver.types) == sorted([PAID[0], *PAID])
    tries = [(one["number"], one["status"]) for one in fake.deliveries() if one["type"] == PAID[0]]
    assert tries == [(1, 500), (2, 200)]


async def test_it_is_given_up_in_the_end(fake: FakeStripe, client: StripeClient, receiver: Receiver) -> None:
    fake.add_endpoint(receiver.url, SECRET)
    receiver.statuses = [500] * 100
    await customer_of(client)
    fake.wait_delivered()
    assert [one["number"] for one in fake.deliveries()] == [1, 2, 3, 4, 5]


async def test_endpoints_have_secrets_and_types_of_their_own(
    fake: FakeStripe, client: StripeClient, receiver: Receiver
) -> None:
    every = fake.add_endpoint(receiver.url)
    some = fake.add_endpoint(receiver.url, types=["customer.*"])
    fake.add_endpoint("http://127.0.0.1:9/nobody", types=["payout.*"])
    await customer_of(client)
    await paid(client)
    fake.wait_delivered()

    assert every["secret"] != some["secret"]
    assert [one["type"] for one in fake.deliveries() if one["endpoint"] == some["id"]] == ["customer.created"]
    assert fake.events()[0]["pending_webhooks"] == 3
    fake.remove_endpoint(some["id"])
    before = len(receiver.bodies)
    await customer_of(client)
    fake.wait_delivered()
    assert len(receiver.bodies) == before + 1


async def test_who_is_removed_is_not_waited_for(fake: FakeStripe, client: StripeClient) -> None:
    silent = fake.add_endpoint(f"{fake.url}/v1/silent")["id"]
    fake.fault("timeout", path="/v1/silent")
    fake.add_endpoint("http://[no address", types=["customer.*"])
    await paid(client)
    assert fake.under_way() == len(PAID)
    fake.remove_endpoint(silent)
    fake.wait_delivered()

    fake.add_endpoint(f"{fake.url}/v1/silent", types=["charge.*"])
    fake.fault("timeout", times=2, path="/v1/silent")
    fake.deliver(times=2, together=True)
    await paid(client)
    fake.clear()
    fake.wait_delivered()
    assert fake.under_way() == 0


async def test_an_event_told_by_hand(fake: FakeStripe, client: StripeClient) -> None:
    intent = await paid(client)
    event = fake.emit("invoice.paid", intent.id, amount=1)
    made = fake.signed(event["id"], SECRET)

    WebhookSignature.verify_header(made["body"], made["headers"]["Stripe-Signature"], SECRET)
    assert json.loads(made["body"])["data"]["object"]["amount"] == 1
    assert fake.object(intent.id)["amount"] == 1000


async def test_a_snapshot_does_not_change_any_more(fake: FakeStripe, client: StripeClient) -> None:
    intent = await paid(client)
    fake.refund(intent.id)
    assert fake.events("charge.succeeded")[0]["data"]["object"]["amount_refunded"] == 0


async def test_all_is_forgotten(fake: FakeStripe, client: StripeClient, receiver: Receiver) -> None:
    fake.add_endpoint(receiver.url, SECRET)
    fake.fault("500")
    fake.deliver("drop")
    fake.clear()
    await client.v1.customers.create_async({}, {"idempotency_key": "k1"})
    fake.wait_delivered()
    assert (receiver.types, len(fake.objects("customer")), len(fake.requests())) == ([], 1, 1)
