"""A local stand-in for Stripe: the fake that the tests use, as a process of the demo's own. No money moves.

`python -m billing.demo.processor` takes the fake's options and ends when its standard input does, so that it never
outlives the process that started it. The fake lives in `tests/fake_stripe`; a wheel has it beside this module.
"""

from __future__ import annotations

import asyncio
import importlib
import os
import secrets
import signal
import sys
import threading
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

import billing.demo

_IN_A_WHEEL = Path(__file__).parent / "fake_stripe"
_IN_A_CHECKOUT = Path(__file__).parents[2] / "tests" / "fake_stripe"

PATIENCE_SECONDS = 20.0
"""How long the story waits for what follows from a payment; far more than it takes."""


@dataclass(frozen=True, slots=True)
class StandIn:
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
        deadline = asyncio.get_running_loop().time() + PATIENCE_SECONDS
        while await self.order("under_way"):
            if asyncio.get_running_loop().time() > deadline:
                raise ProcessorFailed("its events do not reach the service")
            await asyncio.sleep(0.02)


def is_there() -> bool:
    """Whether the fake can be started from here."""
    return any((place / "command.py").is_file() for place in (_IN_A_WHEEL, _IN_A_CHECKOUT))


def main() -> None:
    """Runs the fake until standard input ends."""
    if not _IN_A_WHEEL.is_dir():
        billing.demo.__path__.append(str(_IN_A_CHECKOUT.parent))
    # Not by an import statement: in a checkout the fake is the tests' and no part of this package.
    command = importlib.import_module("billing.demo.fake_stripe.command")
    threading.Thread(target=_end_with_input, daemon=True).start()
    command.main()


def _end_with_input() -> None:
    while os.read(sys.stdin.fileno(), 4096):
        pass
    os.kill(os.getpid(), signal.SIGTERM)


if __name__ == "__main__":
    main()
