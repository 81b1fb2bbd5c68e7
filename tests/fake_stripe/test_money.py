"""The balance: every movement is one balance transaction, and every payout takes each along once."""

from typing import Any

import pytest
import stripe
from stripe import StripeClient

from tests.fake_stripe import FakeStripe
from tests.fake_stripe.balance import fee_of
from tests.fake_stripe.orders import LIBRARY_WARNING, paid, session_of

pytestmark = pytest.mark.filterwarnings(LIBRARY_WARNING)


def movements(fake: FakeStripe) -> list[tuple[str, int, int, int]]:
    """Type, amount, fee, net; oldest first."""
    return [(one["type"], one["amount"], one["fee"], one["net"]) for one in fake.objects("balance_transaction")]


@pytest.mark.parametrize(("amount", "fee"), [(1000, 59), (50, 31), (52, 32), (517, 45), (500, 45), (9_999, 320)])
def test_the_fee_is_rounded_half_up(amount: int, fee: int) -> None:
    assert fee_of(amount) == fee


async def test_a_charge_brings_its_net(fake: FakeStripe, client: StripeClient) -> None:
    transaction = (await paid(client)).latest_charge.balance_transaction
    assert (transaction.amount, transaction.fee, transaction.net, transaction.currency) == (1000, 59, 941, "usd")
    assert transaction.source == fake.objects("charge")[0]["id"]


async def test_refunds_in_parts_until_nothing_is_left(fake: FakeStripe, client: StripeClient) -> None:
    intent = await paid(client)
    part: Any = {"payment_intent": intent.id, "amount": 400}
    first = await client.v1.refunds.create_async({**part, "expand": ["balance_transaction"]})
    assert (first.status, first.balance_transaction.net, first.balance_transaction.fee) == ("succeeded", -400, 0)
    assert not fake.objects("charge")[0]["refunded"]
    with pytest.raises(stripe.InvalidRequestError) as refused:
        await client.v1.refunds.create_async({**part, "amount": 601})
    assert refused.value.param == "amount"
    rest = await client.v1.refunds.create_async({"charge": intent.latest_charge.id})
    with pytest.raises(stripe.InvalidRequestError) as refused:
        await client.v1.refunds.create_async({"payment_intent": intent.id})
    assert refused.value.code == "charge_already_refunded"

    charge = fake.objects("charge")[0]
    assert (rest.amount, charge["amount_refunded"], charge["refunded"]) == (600, 1000, True)
    assert fake.events("charge.refunded")[0]["data"]["previous_attributes"] == {"amount_refunded": 0}
    listed = await client.v1.refunds.list_async({"payment_intent": intent.id})
    assert [one.id for one in listed.data] == [rest.id, first.id]


async def test_a_failed_refund_brings_the_money_back(fake: FakeStripe, client: StripeClient) -> None:
    refund = fake.refund((await paid(client)).id, 400)
    failed = fake.fail_refund(refund["id"])

    assert (failed["status"], failed["failure_reason"]) == ("failed", "lost_or_stolen_card")
    assert fake.object(failed["failure_balance_transaction"])["net"] == 400
    assert fake.objects("charge")[0]["amount_refunded"] == 0
    types = [event["type"] for event in fake.events()]
    assert types[-4:] == ["refund.failed", "refund.updated", "charge.refund.updated", "charge.updated"]
    assert fake.events("refund.failed")[0]["data"]["previous_attributes"]["status"] == "succeeded"


async def test_a_bank_s_refund_waits(fake: FakeStripe, client: StripeClient) -> None:
    session = await session_of(client)
    fake.pay(session.id, "pm_usBankAccount")
    fake.settle(session.id)
    refund = fake.refund(session.id)
    assert refund["status"] == "pending"
    assert fake.settle_refund(refund["id"])["status"] == "succeeded"


@pytest.mark.parametrize("won", [True, False])
async def test_a_dispute_takes_the_money_and_a_fee(fake: FakeStripe, client: StripeClient, won: bool) -> None:
    intent = await paid(client)
    dispute = fake.dispute(intent.id, amount=300)
    assert [one["net"] for one in dispute["balance_transactions"]] == [-1800]
    assert (dispute["status"], fake.objects("charge")[0]["disputed"]) == ("needs_response", True)
    with pytest.raises(stripe.InvalidRequestError) as refused:
        await client.v1.refunds.create_async({"payment_intent": intent.id})
    assert refused.value.code == "charge_disputed"

    closed = fake.win_dispute(dispute["id"]) if won else fake.lose_dispute(dispute["id"])

    assert closed["status"] == ("won" if won else "lost")
    assert [one["net"] for one in closed["balance_transactions"]] == ([-1800, 300] if won else [-1800])
    assert (await client.v1.disputes.retrieve_async(dispute["id"])).to_dict() == closed
    types = [event["type"] for event in fake.events("charge.dispute.*")]
    last = ["charge.dispute.closed", "charge.dispute.funds_reinstated"]
    assert types == ["charge.dispute.created", "charge.dispute.funds_withdrawn", *(last if won else last[:1])]
    with pytest.raises(Exception, match="not needs_response"):
        fake.lose_dispute(dispute["id"])


async def test_an_inquiry_moves_no_money_until_it_escalates(fake: FakeStripe, client: StripeClient) -> None:
    dispute = fake.dispute((await paid(client)).id, inquiry=True)
    assert (dispute["status"], dispute["balance_transactions"]) == ("warning_needs_response", [])
    assert dispute["is_charge_refundable"]

    fake.escalate_dispute(dispute["id"])

    assert movements(fake)[1:] == [("adjustment", -1000, 1500, -2500)]
    assert fake.objects("dispute")[0]["status"] == "needs_response"
    closed = fake.dispute((await paid(client)).id, inquiry=True)
    assert fake.win_dispute(closed["id"])["status"] == "warning_closed"
    assert len(movements(fake)) == 3


async def test_a_card_that_disputes_at_once(fake: FakeStripe, client: StripeClient) -> None:
    fake.pay((await session_of(client)).id, "pm_card_createDispute")
    types = [event["type"] for event in fake.events()]
    assert types.index("checkout.session.completed") < types.index("charge.dispute.created")


async def test_a_payout_takes_everything_once(fake: FakeStripe, client: StripeClient) -> None:
    intent = await paid(client)
    fake.refund(intent.id, 100)
    fake.stripe_fee(20)
    await paid(client, currency="eur")
    payout = fake.pay_out()
    assert payout["amount"] == 941 - 100 - 20
    with pytest.raises(Exception, match="nothing to pay out"):
        fake.pay_out()

    listed = await client.v1.balance_transactions.list_async({"payout": payout["id"]})

    assert [(one.type, one.net) for one in listed.data] == [
        ("payout", -821),
        ("stripe_fee", -20),
        ("refund", -100),
        ("charge", 941),
    ]
    assert sum(one.net for one in listed.data) == 0
    assert [event["type"] for event in fake.events("payout.*")] == [
        "payout.created",
        "payout.updated",
        "payout.paid",
        "payout.reconciliation_completed",
    ]
    assert fake.pay_out("eur")["amount"] == 941


async def test_a_failed_payout_is_paid_out_by_the_next(fake: FakeStripe, client: StripeClient) -> None:
    await paid(client)
    failed = fake.fail_payout(fake.pay_out()["id"])
    assert (failed["status"], failed["failure_code"]) == ("failed", "account_closed")
    again = fake.pay_out()

    assert again["amount"] == 941
    listed = await client.v1.balance_transactions.list_async({"payout": again["id"]})
    assert [one.type for one in listed.data] == ["payout", "payout_failure"]
    assert listed.data[1].id == failed["failure_balance_transaction"]


async def test_a_payout_made_by_hand(fake: FakeStripe, client: StripeClient) -> None:
    await paid(client)
    with pytest.raises(stripe.InvalidRequestError) as refused:
        await client.v1.payouts.create_async({"amount": 942, "currency": "usd"})
    assert refused.value.code == "balance_insufficient"
    payout = await client.v1.payouts.create_async({"amount": 900, "currency": "usd"})
    with pytest.raises(stripe.InvalidRequestError, match="only be filtered on automatic"):
        await client.v1.balance_transactions.list_async({"payout": payout.id})
    assert fake.pay_out()["amount"] == 41


async def test_a_balance_transaction_may_come_late(fake: FakeStripe, client: StripeClient) -> None:
    fake.late_balance_transactions()
    intent = await paid(client)
    prompt = await paid(client, capture_method="automatic")
    assert intent.latest_charge.balance_transaction is None
    assert prompt.latest_charge.balance_transaction is not None

    (charge,) = fake.book()

    assert fake.object(charge["balance_transaction"])["source"] == intent.latest_charge.id
    (event,) = fake.events("charge.updated")
    assert event["data"]["previous_attributes"] == {"balance_transaction": None}
    assert fake.book() == []


async def test_balance_transactions_by_type_and_source(fake: FakeStripe, client: StripeClient) -> None:
    intent = await paid(client)
    refund = fake.refund(intent.id)

    by_type = await client.v1.balance_transactions.list_async({"type": "refund"})
    by_source = await client.v1.balance_transactions.list_async({"source": refund["id"], "expand": ["data.source"]})

    assert [one.net for one in by_type.data] == [-1000]
    assert by_source.to_dict()["data"][0]["source"]["charge"] == intent.latest_charge.id
