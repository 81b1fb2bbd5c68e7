"""A local stand-in for Stripe: the fake that the tests use, as a process of the demo's own. No money moves."""

import secrets
from dataclasses import dataclass, field
from typing import Any

import httpx

from billing.demo.patience import until


@dataclass(frozen=True, slots=True)
class StripeStandIn:
    """Where the stand-in listens, and what it and the service know of each other."""

    url: str
    key: str = field(default_factory=lambda: f"sk_test_demo_{secrets.token_hex(12)}", repr=False)
    webhook_secret: str = field(default_factory=lambda: f"whsec_{secrets.token_hex(24)}", repr=False)

    @property
    def settings(self) -> dict[str, str]:
        """The service's settings."""
        return {
            "STRIPE_API_KEY": self.key,
            "STRIPE_API_BASE": self.url,
            "STRIPE_WEBHOOK_SECRET": self.webhook_secret,
        }


class ProcessorFailed(Exception):
    """The stand-in cannot do what a scene orders; the message says why."""


class FakeStripe:
    """What customers, banks and Stripe itself do, on order: `await stripe.order("pay", session=…, card=…)`."""

    def __init__(self, client: httpx.AsyncClient) -> None:
        self._client = client

    async def order(self, what: str, **arguments: Any) -> Any:
        """What came of it, as the stand-in shows it. Raises ProcessorFailed."""
        try:
            answer = await self._client.post(f"/_fake/{what}", json=arguments)
        except httpx.TransportError as error:
            raise ProcessorFailed(f"{what}: {str(error) or type(error).__name__}") from error
        document: Any = answer.json() if answer.content else None
        if not answer.is_success:
            raise ProcessorFailed(f"{what}: {document['error']['message']}")
        return document

    async def begin(self, webhook_url: str, secret: str) -> None:
        """Forgets whatever was before, and from now on tells `webhook_url` what happens. Raises ProcessorFailed."""
        await self.order("clear")
        await self.order("add_endpoint", url=webhook_url, secret=secret)

    async def pay(self, url: str, card: str) -> Any:
        """The checkout at `url` is paid with `card`, or tried to; returns its PaymentIntent."""
        session = await self.order("pay", session=url.rpartition("/")[2], card=card)
        return await self.order("object", id=session["payment_intent"])

    async def delivered(self) -> None:
        """Returns when no event is under way any more. Raises ProcessorFailed."""
        if await until(lambda: self.order("under_way"), lambda events: not events):
            raise ProcessorFailed("its events do not reach the service")
