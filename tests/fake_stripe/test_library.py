"""The fake against Stripe's own library: fields, values and parameters are those that its classes describe."""

import importlib
import typing
from typing import Any, Literal

import pytest
import stripe
from stripe import StripeClient
from stripe import params as library

from tests.fake_stripe import CARDS, FakeStripe, params
from tests.fake_stripe.annotations import RESOURCES, resource_problems
from tests.fake_stripe.endpoints import ENDPOINTS
from tests.fake_stripe.kinds import OneOf, Required
from tests.fake_stripe.orders import LIBRARY_WARNING, customer_of, paid, session_of

pytestmark = pytest.mark.filterwarnings(LIBRARY_WARNING)

PARAMS = {
    "CUSTOMER_CREATE": "CustomerCreateParams",
    "PAYMENT_METHOD_LIST": "PaymentMethodListParams",
    "CUSTOMER_PAYMENT_METHOD_LIST": "CustomerPaymentMethodListParams",
    "PAYMENT_METHOD_ATTACH": "PaymentMethodAttachParams",
    "PAYMENT_METHOD_DETACH": "PaymentMethodDetachParams",
    "SESSION_CREATE": "checkout.SessionCreateParams",
    "SESSION_LIST": "checkout.SessionListParams",
    "SESSION_EXPIRE": "checkout.SessionExpireParams",
    "LINE_ITEMS": "checkout.SessionLineItemListParams",
    "PAYMENT_INTENT_CREATE": "PaymentIntentCreateParams",
    "PAYMENT_INTENT_CONFIRM": "PaymentIntentConfirmParams",
    "PAYMENT_INTENT_CANCEL": "PaymentIntentCancelParams",
    "PAYMENT_INTENT_LIST": "PaymentIntentListParams",
    "CHARGE_LIST": "ChargeListParams",
    "REFUND_CREATE": "RefundCreateParams",
    "REFUND_LIST": "RefundListParams",
    "DISPUTE_LIST": "DisputeListParams",
    "BALANCE_TRANSACTION_LIST": "BalanceTransactionListParams",
    "PAYOUT_CREATE": "PayoutCreateParams",
    "PAYOUT_LIST": "PayoutListParams",
    "EVENT_LIST": "EventListParams",
    "RETRIEVE": "ChargeRetrieveParams",
}


async def everything_happens(fake: FakeStripe, client: StripeClient) -> None:
    """Makes every kind of object in every state, and every event."""
    customer = await customer_of(client)
    saving = {"setup_future_usage": "off_session"}
    for card in CARDS:
        session = await session_of(client, customer=customer.id, payment_intent_data=saving)
        fake.pay(session.id, card)
    for authenticated in (True, False):
        session = await session_of(client)
        fake.pay(session.id, "pm_card_authenticationRequired")
        fake.authenticate(session.id, succeed=authenticated)
    for happens in (fake.settle, fake.bounce):
        session = await session_of(client)
        fake.pay(session.id, "pm_usBankAccount")
        happens(session.id)
    fake.settle_refund(fake.refund(fake.objects("checkout.session")[-2]["id"])["id"])
    fake.expire((await session_of(client)).id)

    await client.v1.payment_intents.cancel_async(
        (await client.v1.payment_intents.create_async({"amount": 100, "currency": "usd"})).id
    )
    for amount in (400, 600):
        intent = await paid(client)
        fake.refund(intent.id, amount)
        fake.fail_refund(fake.refund(intent.id, 50)["id"])
    for happens in (fake.win_dispute, fake.lose_dispute):
        dispute = fake.dispute((await paid(client)).id, amount=300)
        fake.review_dispute(dispute["id"])
        happens(dispute["id"])
    fake.escalate_dispute(fake.dispute((await paid(client)).id, inquiry=True)["id"])
    fake.win_dispute(fake.dispute((await paid(client)).id, inquiry=True)["id"])

    fake.late_balance_transactions()
    await paid(client, amount=100_000)
    fake.book()
    for verdict in (fake.win_dispute, fake.lose_dispute):
        dispute = verdict(fake.dispute((await paid(client)).id)["id"])
        fake.review_dispute(fake.appeal_dispute(dispute["id"], withdraw=dispute["status"] == "won")["id"])
        fake.win_dispute(dispute["id"], 500)
    for withdraw in (False, True):
        fake.prevent_dispute(fake.dispute((await paid(client)).id, withdraw=withdraw)["id"], returned=withdraw)
    fake.stripe_fee(100)
    fake.move("payout_minimum_balance_hold", -100)
    fake.move("contribution", -10)
    await client.v1.payouts.create_async({"amount": 100, "currency": "usd"})
    fake.fail_payout(fake.pay_out()["id"])
    method = fake.objects("payment_method")[0]
    fake.remove_card(method["id"])


EXPECTED_EVENTS = """
    charge.dispute.closed charge.dispute.created charge.dispute.funds_reinstated charge.dispute.funds_withdrawn
    charge.dispute.updated charge.failed charge.pending charge.refund.updated charge.refunded charge.succeeded
    charge.updated checkout.session.async_payment_failed checkout.session.async_payment_succeeded
    checkout.session.completed checkout.session.expired customer.created payment_intent.canceled
    payment_intent.created payment_intent.payment_failed payment_intent.processing payment_intent.requires_action
    payment_intent.succeeded payment_method.attached payment_method.detached payout.created payout.failed payout.paid
    payout.reconciliation_completed payout.updated refund.created refund.failed refund.updated
"""


async def test_every_object_and_event_is_as_the_library_describes_it(fake: FakeStripe, client: StripeClient) -> None:
    await everything_happens(fake, client)

    made = [one for kind in RESOURCES for one in fake.objects(kind)]
    snapshots = [event["data"]["object"] for event in fake.events()]
    lines = (await client.v1.checkout.sessions.line_items.list_async(made_sessions(made)[0])).to_dict()["data"]
    found = [
        problem
        for one in [*made, *snapshots]
        for problem in resource_problems(one, RESOURCES[one["object"]], one["object"])
    ]

    assert sorted(set(found)) == []
    assert [*resource_problems(lines[0], stripe.LineItem, "item")] == []
    assert {event["type"] for event in fake.events()} == set(EXPECTED_EVENTS.split())
    assert {event["api_version"] for event in fake.events()} == {stripe.api_version}


def made_sessions(made: list[dict[str, Any]]) -> list[str]:
    return [one["id"] for one in made if one["object"] == "checkout.session"]


async def test_what_the_library_does_not_describe_is_found(fake: FakeStripe, client: StripeClient) -> None:
    intent = fake.object((await paid(client)).id)
    charge = fake.object(intent["latest_charge"])
    broken = {
        **intent, "status": "paid", "amount": "1000", "colour": "red", "latest_charge": {**charge, "disputed": None},
    }  # fmt: skip
    del broken["currency"]

    found = " ".join(resource_problems(broken, stripe.PaymentIntent, "intent"))

    assert all(
        f"intent.{name}" in found for name in ("status", "amount:", "colour", "latest_charge.disputed", "currency")
    )


@pytest.mark.parametrize("name", PARAMS)
def test_parameters_are_among_the_library_s(name: str) -> None:
    module, _, class_name = PARAMS[name].rpartition(".")
    holder = getattr(library, module) if module else library
    assert [*differences(getattr(params, name), getattr(holder, class_name), name)] == []


def test_every_specification_is_checked() -> None:
    checked = [getattr(params, name) for name in PARAMS]
    assert [one.path for one in ENDPOINTS if not any(one.specification is known for known in checked)] == []


def differences(specification: dict[str, Any], described: Any, where: str) -> typing.Iterator[str]:
    """Where the fake takes what the library's TypedDict does not have, or leaves out what it must have."""
    module = vars(importlib.import_module(described.__module__))
    for name in described.__required_keys__:
        if not isinstance(specification.get(name), Required):
            yield f"{where}.{name} is required there"
    for name, kind in specification.items():
        kind = kind.kind if isinstance(kind, Required) else kind
        if name not in described.__annotations__:
            yield f"{where}.{name} is unknown there"
            continue
        there = described.__annotations__[name]
        if isinstance(kind, dict | OneOf) or (isinstance(kind, list) and isinstance(kind[0], dict | OneOf)):
            item = kind[0] if isinstance(kind, list) else kind
            members = [*_members(there, module)]
            if isinstance(item, OneOf):
                if not set(item.allowed) <= {one for one in members if isinstance(one, str)}:
                    yield f"{where}.{name}: {item.allowed} are not all among {members}"
            else:
                (nested,) = [one for one in members if hasattr(one, "__required_keys__")]
                yield from differences(item, nested, f"{where}.{name}")


def _members(kind: Any, module: dict[str, Any]) -> typing.Iterator[Any]:
    """The Literals' values and the TypedDicts that stand anywhere in an annotation."""
    if isinstance(kind, typing.ForwardRef):
        kind = kind.__forward_arg__
    if isinstance(kind, str):
        # Bars between strings are no unions at run time, so the parts are taken one by one.
        for part in kind.split("|"):
            yield from _members(eval(part, {}, dict(module)), module)
    elif typing.get_origin(kind) is Literal:
        yield from typing.get_args(kind)
    elif typing.get_args(kind):
        for argument in typing.get_args(kind):
            yield from _members(argument, module)
    else:
        yield kind
