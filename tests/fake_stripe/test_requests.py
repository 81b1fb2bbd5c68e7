"""What a request meets with: keys, parameters, errors, lists, expansion."""

import httpx
import pytest
import stripe
from stripe import StripeClient

from tests.fake_stripe import FakeStripe
from tests.fake_stripe.conftest import client_of
from tests.fake_stripe.form import decode
from tests.fake_stripe.orders import LIBRARY_WARNING, customer_of, paid, sale, session_of
from tests.fake_stripe.refusals import InvalidRequest

pytestmark = pytest.mark.filterwarnings(LIBRARY_WARNING)


@pytest.mark.parametrize(
    ("encoded", "fields"),
    [
        ("a=1&b=", {"a": "1", "b": ""}),
        ("a[b][0][c]=1&a[b][1][c]=2", {"a": {"b": {"0": {"c": "1"}, "1": {"c": "2"}}}}),
        ("types[]=x&types[]=y", {"types": {"0": "x", "1": "y"}}),
        ("metadata%5Bk%20%26%5D=%C3%A4+b", {"metadata": {"k &": "ä b"}}),
    ],
)
def test_form_fields_nest(encoded: str, fields: object) -> None:
    assert decode(encoded) == fields


@pytest.mark.parametrize("encoded", ["a[b=1", "a=1&a[b]=2", "[a]=1"])
def test_form_fields_that_contradict_themselves_are_refused(encoded: str) -> None:
    with pytest.raises(InvalidRequest):
        decode(encoded)


async def test_a_wrong_key_is_401_and_not_told_in_full(fake: FakeStripe) -> None:
    with pytest.raises(stripe.AuthenticationError) as refused:
        await customer_of(client_of(fake, "sk_test_stolen_from_another_account"))
    assert refused.value.http_status == 401
    assert "stolen" not in str(refused.value)
    assert fake.objects("customer") == []


def test_no_key_is_401(fake: FakeStripe) -> None:
    assert httpx.get(f"{fake.url}/v1/customers/cus_1", trust_env=False).status_code == 401


@pytest.mark.parametrize(
    ("change", "code", "param"),
    [
        ({"colour": "red"}, "parameter_unknown", "colour"),
        ({"payment_intent_data": {"colour": "red"}}, "parameter_unknown", "payment_intent_data[colour]"),
        ({"line_items": [{"quantity": 1}]}, "parameter_missing", "line_items[0][price_data]"),
        ({"mode": "barter"}, None, "mode"),
        ({"expires_at": "soon"}, "parameter_invalid_integer", "expires_at"),
        ({"client_reference_id": ""}, "parameter_invalid_empty", "client_reference_id"),
        ({"client_reference_id": "x" * 201}, "parameter_invalid_string", "client_reference_id"),
        ({"success_url": "shop.test"}, "url_invalid", "success_url"),
        ({"metadata": {"k" * 41: "v"}}, None, f"metadata[{'k' * 41}]"),
        ({"customer": "cus_nobody"}, "resource_missing", "customer"),
        ({"line_items": sale(49)["line_items"]}, "amount_too_small", None),
        ({"expires_at": 1}, None, "expires_at"),
        ({"expand": ["colour"]}, None, "expand"),
    ],
)
async def test_a_session_that_stripe_refuses(
    fake: FakeStripe, client: StripeClient, change: dict[str, object], code: str | None, param: str | None
) -> None:
    with pytest.raises(stripe.InvalidRequestError) as refused:
        await client.v1.checkout.sessions.create_async({**sale(), **change})
    assert (refused.value.http_status, refused.value.code, refused.value.param) == (400, code, param)
    assert refused.value.request_id == fake.requests()[-1]["id"]


async def test_what_the_path_names_and_is_not_there_is_404(client: StripeClient) -> None:
    with pytest.raises(stripe.InvalidRequestError) as refused:
        await client.v1.payment_intents.retrieve_async("pi_nothing")
    assert (refused.value.http_status, refused.value.code) == (404, "resource_missing")


async def test_requests_are_noted_without_the_key(fake: FakeStripe, client: StripeClient) -> None:
    await client.v1.customers.create_async({"metadata": {"account_id": "acme"}}, {"idempotency_key": "k1"})

    (noted,) = fake.requests("POST", "/v1/customers")

    assert noted["params"] == {"metadata": {"account_id": "acme"}}
    assert (noted["idempotency_key"], noted["status"], noted["version"]) == ("k1", 200, stripe.api_version)
    assert fake.key not in str(fake.requests())


async def test_lists_go_newest_first_and_page_both_ways(client: StripeClient) -> None:
    customer = (await customer_of(client)).id
    method = {"customer": customer}
    made = [(await client.v1.payment_intents.create_async({"amount": 100, "currency": "usd", **method})).id]
    made += [
        (await client.v1.payment_intents.create_async({"amount": 100, "currency": "usd", **method})).id for _ in "1234"
    ]
    newest_first = made[::-1]
    await paid(client)  # another's

    first = await client.v1.payment_intents.list_async({**method, "limit": 2})
    last = await client.v1.payment_intents.list_async({**method, "limit": 2, "starting_after": newest_first[2]})
    back = await client.v1.payment_intents.list_async({**method, "limit": 2, "ending_before": newest_first[3]})
    whole = [one.id async for one in first.auto_paging_iter()]

    assert ([one.id for one in first.data], first.has_more) == (newest_first[:2], True)
    assert ([one.id for one in last.data], last.has_more) == (newest_first[3:], False)
    assert ([one.id for one in back.data], back.has_more) == (newest_first[1:3], True)
    assert whole == newest_first
    assert first.url == "/v1/payment_intents"


async def test_lists_keep_to_the_period_asked_for(fake: FakeStripe, client: StripeClient) -> None:
    await customer_of(client)
    then = fake.advance(100)
    await paid(client)

    young = await client.v1.events.list_async({"created": {"gte": then}, "limit": 100})
    old = await client.v1.events.list_async({"created": {"lt": then}})

    assert "customer.created" not in [event.type for event in young.data]
    assert [event.type for event in old.data] == ["customer.created"]


@pytest.mark.parametrize("params", [{"limit": 0}, {"limit": 101}, {"starting_after": "evt_nothing"}])
async def test_a_page_that_is_none_is_refused(client: StripeClient, params: dict[str, object]) -> None:
    await customer_of(client)
    with pytest.raises(stripe.InvalidRequestError) as refused:
        await client.v1.events.list_async(params)  # type: ignore[arg-type]
    assert refused.value.param == next(iter(params))


async def test_events_by_type(client: StripeClient) -> None:
    await paid(client)

    chosen = await client.v1.events.list_async({"types": ["charge.succeeded", "payment_intent.created"]})
    some = await client.v1.events.list_async({"type": "payment_intent.*"})

    assert [event.type for event in chosen.data] == ["charge.succeeded", "payment_intent.created"]
    assert [event.type for event in some.data] == ["payment_intent.succeeded", "payment_intent.created"]


async def test_expansion_follows_a_path_through_lists(fake: FakeStripe, client: StripeClient) -> None:
    session = await session_of(client)
    payment = fake.pay(session.id)["payment_intent"]

    (found,) = (
        await client.v1.checkout.sessions.list_async(
            {"payment_intent": payment, "expand": ["data.payment_intent.latest_charge.balance_transaction"]}
        )
    ).data
    whole = await client.v1.checkout.sessions.retrieve_async(session.id, {"expand": ["line_items"]})
    plain = await client.v1.checkout.sessions.retrieve_async(session.id)

    assert found.to_dict()["payment_intent"]["latest_charge"]["balance_transaction"]["amount"] == 1000
    assert whole.to_dict()["line_items"]["data"][0]["description"] == "1,000 credits"
    assert plain.payment_intent == payment
    assert "line_items" not in plain
