"""What the fake's own tests ask for again and again."""

from typing import Any

from stripe import Customer, PaymentIntent, StripeClient
from stripe.checkout import Session

# The library calls httpx as httpx would rather not be called any more.
LIBRARY_WARNING = "ignore:Use 'content=<...>':DeprecationWarning"


async def customer_of(client: StripeClient) -> Customer:
    return await client.v1.customers.create_async({"email": "ada@example.com", "name": "Ada"})


def sale(price: int = 1000, currency: str = "usd", **more: Any) -> Any:
    """Parameters of a session that sells one pack."""
    pack = {"currency": currency, "unit_amount": price, "product_data": {"name": "1,000 credits"}}
    return {
        "mode": "payment",
        "line_items": [{"price_data": pack, "quantity": 1}],
        "success_url": "https://shop.test/done?session={CHECKOUT_SESSION_ID}",
        "cancel_url": "https://shop.test/cancelled",
        **more,
    }


async def session_of(client: StripeClient, price: int = 1000, **more: Any) -> Session:
    return await client.v1.checkout.sessions.create_async(sale(price, **more))


async def paid(client: StripeClient, card: str = "pm_card_visa", amount: int = 1000, **more: Any) -> PaymentIntent:
    """An off-session payment. Raises CardError."""
    return await client.v1.payment_intents.create_async(
        {
            "amount": amount,
            "currency": "usd",
            "payment_method": card,
            "confirm": True,
            "off_session": True,
            "expand": ["latest_charge.balance_transaction"],
            **more,
        }
    )
