"""Payments as customers make them: in Checkout, off-session, with cards that do what their names say."""

from collections.abc import Callable
from typing import Any

import pytest
import stripe
from stripe import StripeClient

from tests.fake_stripe import FakeStripe
from tests.fake_stripe.orders import LIBRARY_WARNING, customer_of, paid, session_of

pytestmark = pytest.mark.filterwarnings(LIBRARY_WARNING)

SAVING: Any = {"setup_future_usage": "off_session", "metadata": {"account_id": "acme"}}


def types(fake: FakeStripe) -> list[str]:
    return [event["type"] for event in fake.events()]


async def test_a_session_is_paid_and_the_card_saved(fake: FakeStripe, client: StripeClient) -> None:
    customer = (await customer_of(client)).id
    session = await session_of(client, customer=customer, client_reference_id="acme", payment_intent_data=SAVING)
    assert (session.status, session.payment_status, session.payment_intent) == ("open", "unpaid", None)

    told = fake.pay(session.id)

    assert (told["status"], told["payment_status"], told["client_reference_id"]) == ("complete", "paid", "acme")
    intent = await client.v1.payment_intents.retrieve_async(told["payment_intent"], {"expand": ["latest_charge"]})
    assert (intent.status, intent.amount_received, intent.metadata.to_dict()) == ("succeeded", 1000, SAVING["metadata"])
    assert intent.latest_charge.metadata.to_dict() == SAVING["metadata"]
    (saved,) = (await client.v1.customers.payment_methods.list_async(customer)).data
    assert (saved.id, saved.customer) == (intent.payment_method, customer)
    assert types(fake) == [
        "customer.created",
        "payment_intent.created",
        "payment_method.attached",
        "charge.succeeded",
        "payment_intent.succeeded",
        "checkout.session.completed",
    ]
    assert (await paid(client, saved.id, customer=customer)).status == "succeeded"


@pytest.mark.parametrize(("asked", "save", "saved"), [(False, None, 0), (False, True, 1), (True, False, 0)])
async def test_the_customer_may_choose_to_save_the_card(
    fake: FakeStripe, client: StripeClient, asked: bool, save: bool | None, saved: int
) -> None:
    customer = (await customer_of(client)).id
    session = await session_of(client, customer=customer, **({"payment_intent_data": SAVING} if asked else {}))
    fake.pay(session.id, save=save)
    assert len((await client.v1.payment_methods.list_async({"customer": customer})).data) == saved


async def test_a_declined_card_leaves_the_session_open_for_another(fake: FakeStripe, client: StripeClient) -> None:
    session = await session_of(client)

    refused = fake.pay(session.id, "pm_card_chargeDeclinedInsufficientFunds")
    assert (refused["status"], refused["payment_status"]) == ("open", "unpaid")
    assert fake.object(refused["payment_intent"])["last_payment_error"]["decline_code"] == "insufficient_funds"
    told = fake.pay(session.id)

    assert (told["payment_status"], told["payment_intent"]) == ("paid", refused["payment_intent"])
    assert [charge["status"] for charge in fake.objects("charge")] == ["failed", "succeeded"]
    assert types(fake)[1:3] == ["charge.failed", "payment_intent.payment_failed"]
    with pytest.raises(Exception, match="status of complete"):
        fake.pay(session.id)


@pytest.mark.parametrize("succeed", [True, False])
async def test_3d_secure_in_checkout(fake: FakeStripe, client: StripeClient, succeed: bool) -> None:
    session = await session_of(client)
    waiting = fake.pay(session.id, "pm_card_authenticationRequired")
    assert waiting["status"] == "open"
    assert fake.object(waiting["payment_intent"])["status"] == "requires_action"
    assert fake.objects("charge") == []

    told = fake.authenticate(session.id, succeed=succeed)

    assert (told["status"], told["payment_status"]) == (("complete", "paid") if succeed else ("open", "unpaid"))
    intent = fake.object(told["payment_intent"])
    assert intent["status"] == ("succeeded" if succeed else "requires_payment_method")
    assert types(fake)[-1] == ("checkout.session.completed" if succeed else "payment_intent.payment_failed")


@pytest.mark.parametrize("settled", [True, False])
async def test_a_bank_debit_is_complete_before_it_is_paid(
    fake: FakeStripe, client: StripeClient, settled: bool
) -> None:
    session = await session_of(client)
    told = fake.pay(session.id, "pm_usBankAccount")
    assert (told["status"], told["payment_status"]) == ("complete", "unpaid")
    assert fake.events()[-1]["data"]["object"]["payment_status"] == "unpaid"
    assert fake.objects("balance_transaction") == []

    told = fake.settle(session.id) if settled else fake.bounce(session.id)

    assert (told["status"], told["payment_status"]) == ("complete", "paid" if settled else "unpaid")
    outcome = "succeeded" if settled else "failed"
    assert types(fake)[-1] == f"checkout.session.async_payment_{outcome}"
    assert fake.objects("charge")[0]["status"] == outcome
    assert len(fake.objects("balance_transaction")) == settled


async def test_sessions_expire_in_their_time_or_before(fake: FakeStripe, client: StripeClient) -> None:
    soon = await session_of(client, expires_at=fake.now() + 1800)
    later = await session_of(client)
    fake.pay(soon.id, "pm_card_chargeDeclined")

    fake.advance(1801)
    assert [one["status"] for one in fake.objects("checkout.session")] == ["expired", "open"]
    assert types(fake)[-2:] == ["payment_intent.canceled", "checkout.session.expired"]
    expired = await client.v1.checkout.sessions.expire_async(later.id)
    assert (expired.status, expired.url) == ("expired", None)
    with pytest.raises(stripe.InvalidRequestError):
        await client.v1.checkout.sessions.expire_async(later.id)


@pytest.mark.parametrize(
    ("card", "code", "decline_code"),
    [
        ("pm_card_chargeDeclined", "card_declined", "generic_decline"),
        ("pm_card_chargeDeclinedInsufficientFunds", "card_declined", "insufficient_funds"),
        ("pm_card_visa_chargeDeclinedLostCard", "card_declined", "lost_card"),
        ("pm_card_chargeDeclinedExpiredCard", "expired_card", None),
        ("pm_card_authenticationRequired", "authentication_required", "authentication_required"),
    ],
)
async def test_off_session_declines(
    fake: FakeStripe, client: StripeClient, card: str, code: str, decline_code: str | None
) -> None:
    customer = (await customer_of(client)).id
    saved = fake.save_card(customer, card)["id"]

    with pytest.raises(stripe.CardError) as refused:
        await paid(client, saved, customer=customer)

    error = refused.value.json_body["error"]
    assert (refused.value.http_status, error["code"], error.get("decline_code")) == (402, code, decline_code)
    assert error["payment_intent"]["status"] == "requires_payment_method"
    assert error["payment_intent"]["latest_charge"] == error["charge"] == fake.objects("charge")[0]["id"]
    assert error["payment_method"]["id"] == saved
    assert types(fake)[-3:] == ["payment_intent.created", "charge.failed", "payment_intent.payment_failed"]
    assert fake.objects("balance_transaction") == []


async def test_authentication_that_was_given_once_lasts(fake: FakeStripe, client: StripeClient) -> None:
    customer = (await customer_of(client)).id
    session = await session_of(client, customer=customer, payment_intent_data=SAVING)
    fake.pay(session.id, "pm_card_authenticationRequiredOnSetup")
    method = fake.object(fake.authenticate(session.id)["payment_intent"])["payment_method"]

    assert (await paid(client, method, customer=customer)).status == "succeeded"


async def test_a_saved_card_changes_and_goes(fake: FakeStripe, client: StripeClient) -> None:
    customer = (await customer_of(client)).id
    saved = fake.save_card(customer)["id"]
    with pytest.raises(stripe.InvalidRequestError, match="belongs to"):
        await paid(client, saved)

    fake.change_card(saved, "pm_card_chargeDeclined")
    with pytest.raises(stripe.CardError):
        await paid(client, saved, customer=customer)
    fake.remove_card(saved)
    with pytest.raises(stripe.InvalidRequestError):
        await paid(client, saved, customer=customer)
    assert (await client.v1.payment_methods.list_async({"customer": customer})).data == []


async def test_a_payment_on_session_needs_somewhere_to_return_to(client: StripeClient) -> None:
    params: Any = {"amount": 500, "currency": "usd", "payment_method": "pm_card_visa", "confirm": True}
    with pytest.raises(stripe.InvalidRequestError, match="return_url"):
        await client.v1.payment_intents.create_async(params)
    intent = await client.v1.payment_intents.create_async({**params, "return_url": "https://shop.test"})
    assert intent.status == "succeeded"


async def test_a_payment_can_be_confirmed_later_or_canceled_once(fake: FakeStripe, client: StripeClient) -> None:
    params: Any = {"amount": 500, "currency": "usd"}
    first = await client.v1.payment_intents.create_async(params)
    confirmation: Any = {"payment_method": "pm_card_visa", "off_session": True}
    assert (await client.v1.payment_intents.confirm_async(first.id, confirmation)).status == "succeeded"
    second = await client.v1.payment_intents.create_async(params)
    canceled = await client.v1.payment_intents.cancel_async(second.id, {"cancellation_reason": "abandoned"})
    assert (canceled.status, canceled.cancellation_reason) == ("canceled", "abandoned")

    act: Callable[[str], Any] = client.v1.payment_intents.cancel_async
    for over in (first.id, second.id):
        with pytest.raises(stripe.InvalidRequestError) as refused:
            await act(over)
        assert refused.value.code == "payment_intent_unexpected_state"


async def test_what_checkout_made_only_checkout_cancels(fake: FakeStripe, client: StripeClient) -> None:
    session = await session_of(client)
    intent = fake.pay(session.id, "pm_card_chargeDeclined")["payment_intent"]
    with pytest.raises(stripe.InvalidRequestError, match="created by Checkout"):
        await client.v1.payment_intents.cancel_async(intent)


async def test_what_is_told_may_differ_from_what_was_asked(fake: FakeStripe, client: StripeClient) -> None:
    charged = fake.pay((await session_of(client)).id, amount=10, currency="eur")
    assert (charged["amount_total"], charged["currency"]) == (10, "eur")
    assert fake.objects("charge")[0]["amount"] == 10

    session = await session_of(client)
    fake.tamper(session.id, amount_total=1)
    fake.pay(session.id)
    assert fake.objects("charge")[1]["amount"] == 1000
    assert fake.events("checkout.session.completed")[-1]["data"]["object"]["amount_total"] == 1
    assert (await client.v1.checkout.sessions.retrieve_async(session.id)).amount_total == 1
    assert fake.restore(session.id)["amount_total"] == 1000


async def test_only_the_types_allowed_may_pay(fake: FakeStripe, client: StripeClient) -> None:
    cards_only: Any = {"allowed_payment_method_types": ["card"]}
    session = await session_of(client, **cards_only)
    with pytest.raises(Exception, match="not allowed"):
        fake.pay(session.id, "pm_usBankAccount")
    with pytest.raises(stripe.InvalidRequestError, match="not allowed"):
        await paid(client, "pm_usBankAccount", **cards_only)
    assert fake.objects("payment_intent") == []
    assert fake.pay(session.id)["payment_status"] == "paid"


async def test_what_was_shown_is_the_caller_s_to_change(fake: FakeStripe, client: StripeClient) -> None:
    intent = await paid(client, metadata={"account_id": "acme"})
    fake.object(intent.id)["metadata"]["account_id"] = "eve"
    fake.events()[-1]["data"]["object"]["metadata"]["account_id"] = "eve"
    assert fake.object(intent.id)["metadata"] == {"account_id": "acme"}
    assert fake.events()[-1]["data"]["object"]["metadata"] == {"account_id": "acme"}
