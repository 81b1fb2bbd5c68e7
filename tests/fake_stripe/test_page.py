"""The hosted page: what it shows, and where each button leads."""

import httpx
import pytest
from stripe import StripeClient

from tests.fake_stripe import FakeStripe
from tests.fake_stripe.orders import LIBRARY_WARNING, session_of
from tests.fake_stripe.page import money

pytestmark = pytest.mark.filterwarnings(LIBRARY_WARNING)


def look(url: str) -> httpx.Response:
    return httpx.get(url, trust_env=False)


def press(url: str, **fields: str) -> httpx.Response:
    return httpx.post(url, data=fields, trust_env=False)


@pytest.mark.parametrize(
    ("amount", "currency", "text"), [(123_405, "usd", "1,234.05 USD"), (500, "jpy", "500 JPY"), (7, "eur", "0.07 EUR")]
)
def test_amounts_are_shown_in_major_units(amount: int, currency: str, text: str) -> None:
    assert money(amount, currency) == text


async def test_it_shows_what_is_sold_and_takes_the_money(fake: FakeStripe, client: StripeClient) -> None:
    price = {"currency": "usd", "unit_amount": 1999, "product_data": {"name": "<b>5,000</b> credits"}}
    session = await session_of(client, line_items=[{"price_data": price, "quantity": 2}])
    assert session.url

    shown = look(session.url).text
    assert "&lt;b&gt;5,000&lt;/b&gt; credits × 2" in shown
    assert "39.98 USD" in shown
    answer = press(session.url, card="pm_card_visa")

    assert (answer.status_code, answer.headers["location"]) == (303, f"https://shop.test/done?session={session.id}")
    assert fake.object(session.id)["payment_status"] == "paid"
    assert "This Checkout Session is complete" in look(session.url).text


async def test_a_declined_card_is_said_and_another_may_follow(fake: FakeStripe, client: StripeClient) -> None:
    url = str((await session_of(client)).url)
    declined = press(url, card="pm_card_chargeDeclined")
    assert (declined.status_code, "Your card was declined." in declined.text) == (200, True)
    assert press(url, card="pm_usBankAccount").status_code == 303
    assert [one["payment_status"] for one in fake.objects("checkout.session")] == ["unpaid"]


async def test_the_bank_asks(fake: FakeStripe, client: StripeClient) -> None:
    url = str((await session_of(client)).url)
    assert "is it you?" in press(url, card="pm_card_authenticationRequired").text
    assert "is it you?" in look(url).text
    assert "unable to authenticate" in press(url, secure="fail").text
    press(url, card="pm_card_authenticationRequired")
    assert press(url, secure="complete").status_code == 303
    assert [one["payment_status"] for one in fake.objects("checkout.session")] == ["paid"]


async def test_cancelling_changes_nothing(fake: FakeStripe, client: StripeClient) -> None:
    answer = press(str((await session_of(client)).url), card="cancel")
    assert answer.headers["location"] == "https://shop.test/cancelled"
    assert fake.objects("checkout.session")[0]["status"] == "open"


def test_no_such_session(fake: FakeStripe) -> None:
    assert httpx.get(f"{fake.url}/c/pay/cs_test_nothing", trust_env=False).status_code == 404


def test_orders_over_http(fake: FakeStripe) -> None:
    def order(name: str, **arguments: object) -> httpx.Response:
        return httpx.post(f"{fake.url}/_fake/{name}", json=arguments, trust_env=False)

    assert order("stripe_fee", amount=100).json()["net"] == -100
    assert httpx.get(f"{fake.url}/_fake/objects?kind=balance_transaction", trust_env=False).json()[0]["net"] == -100
    assert order("pay", session="cs_test_nothing").json()["error"]["code"] == "resource_missing"
    assert [order("pay").status_code, order("fault", kind="flood").status_code] == [400, 400]
    assert [order("_world").status_code, order("rob").status_code] == [404, 404]
