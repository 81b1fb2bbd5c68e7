"""Events on their way to webhook endpoints: signed as Stripe signs them, in the order and number that a test orders.

Each endpoint has one messenger, so what is released in an order arrives in it. What an endpoint does not take with a
2xx is tried again after a short pause, while later events go on: that is how the real ones overtake each other.
"""

import asyncio
import json
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import httpx
from stripe import WebhookSignature

from .endpoints import matches
from .ids import characters, new_id
from .world import Object, World

MODES = ("immediately", "hold", "drop")
TRIES = 5
PAUSE_SECONDS = 0.05  # before the second try; twice as long before each further one
TIMEOUT_SECONDS = 10.0


@dataclass
class WebhookEndpoint:
    id: str
    url: str
    secret: str
    types: Sequence[str] = ("*",)
    queue: asyncio.Queue[Object] = field(default_factory=asyncio.Queue, repr=False)


@dataclass(frozen=True)
class Policy:
    """What becomes of new events whose type matches: see `Control.deliver`."""

    mode: str = "immediately"
    times: int = 1
    types: Sequence[str] = ("*",)
    together: bool = False


@dataclass
class Attempt:
    """One try: `status` is None if there was no answer, then `error` says why."""

    event: str
    type: str
    endpoint: str
    number: int
    status: int | None = None
    error: str | None = None


def body_of(event: Object) -> bytes:
    return json.dumps(event, indent=2).encode()


def signed(event: Object, secret: str) -> tuple[bytes, dict[str, str]]:
    """Body and headers of a delivery that happens now."""
    body = body_of(event)
    signature = WebhookSignature.generate_signature_header(body.decode(), secret, timestamp=int(time.time()))
    return body, {
        "Content-Type": "application/json; charset=utf-8",
        "User-Agent": "Stripe/1.0 (+https://stripe.com/docs/webhooks)",
        "Stripe-Signature": signature,
    }


class Deliveries:
    """Lives on the server's loop, between `start` and `stop`."""

    def __init__(self, world: World) -> None:
        self._world = world
        self.endpoints: dict[str, WebhookEndpoint] = {}
        self.attempts: list[Attempt] = []
        self.under_way = 0
        self.held: list[Object] = []
        self._tasks: set[asyncio.Task[None]] = set()
        self._messengers: dict[str, asyncio.Task[None]] = {}
        self.policies: list[Policy] = [Policy()]
        world.heard = self._heard

    async def start(self) -> None:
        self._client = httpx.AsyncClient(timeout=TIMEOUT_SECONDS, trust_env=False)

    async def stop(self) -> None:
        """Gives up on whatever is still under way."""
        tasks = [*self._messengers.values(), *self._tasks]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self._client.aclose()

    def add(self, url: str, secret: str | None, types: Sequence[str]) -> WebhookEndpoint:
        endpoint = WebhookEndpoint(new_id("webhook_endpoint"), url, secret or f"whsec_{characters(32)}", types)
        self.endpoints[endpoint.id] = endpoint
        self._world.endpoints = len(self.endpoints)
        self._messengers[endpoint.id] = asyncio.create_task(self._carry(endpoint))
        return endpoint

    def remove(self, endpoint_id: str) -> None:
        endpoint = self.endpoints.pop(endpoint_id)
        self._world.endpoints = len(self.endpoints)
        self.under_way -= endpoint.queue.qsize()
        self._messengers.pop(endpoint_id).cancel()

    def clear(self) -> None:
        for endpoint_id in list(self.endpoints):
            self.remove(endpoint_id)
        for task in self._tasks:
            task.cancel()
        self.attempts.clear()
        self.held.clear()
        self.policies = [Policy()]

    def _heard(self, event: Object) -> None:
        policy = self._policy(event)
        if policy.mode == "hold":
            self.held.append(event)
        elif policy.mode == "immediately":
            self.send(event, policy)

    def _policy(self, event: Object) -> Policy:
        """The latest that matches; the first one matches everything."""
        return next(one for one in reversed(self.policies) if matches(event["type"], tuple(one.types)))

    def send(self, event: Object, policy: Policy | None = None, endpoint_id: str | None = None) -> None:
        """To every endpoint that listens to the type, or to one; as often as the policy says."""
        policy = policy or Policy()
        for endpoint in list(self.endpoints.values()):
            if endpoint_id in (None, endpoint.id) and matches(event["type"], tuple(endpoint.types)):
                for _ in range(policy.times):
                    self._enqueue(endpoint, event, together=policy.together)

    def _enqueue(self, endpoint: WebhookEndpoint, event: Object, *, together: bool) -> None:
        self.under_way += 1
        if together:
            self._start(self._finish(endpoint, event, 1))
        else:
            endpoint.queue.put_nowait(event)

    def release(self, order: str | Sequence[str]) -> list[Object]:
        """Sends what was held: `in order`, `reversed`, or those events, by id or type, that `order` names, in it."""
        if order == "in order":
            released = list(self.held)
        elif order == "reversed":
            released = self.held[::-1]
        else:
            released = []
            for name in [order] if isinstance(order, str) else order:
                found = [one for one in self.held if name in (one["id"], one["type"]) and one not in released]
                if not found:
                    raise LookupError(f"No event {name} is held")
                released.extend(found)
        for event in released:
            self.held.remove(event)
            times = self._policy(event)
            self.send(event, Policy(times=times.times, together=times.together))
        return released

    async def _carry(self, endpoint: WebhookEndpoint) -> None:
        while True:
            event = await endpoint.queue.get()
            taken = True  # so far: if the endpoint is removed meanwhile, nothing is tried again
            try:
                taken = await self._attempt(endpoint, event, 1)
            finally:
                self.under_way -= taken
            if not taken:
                self._start(self._finish(endpoint, event, 2))

    async def _finish(self, endpoint: WebhookEndpoint, event: Object, number: int) -> None:
        """Tries from the try `number` on, until it is taken or was tried often enough."""
        while number <= TRIES:
            if number > 1:
                await asyncio.sleep(PAUSE_SECONDS * 2 ** (number - 2))
            if await self._attempt(endpoint, event, number):
                return
            number += 1

    def _start(self, work: Any) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        self.under_way -= 1

    async def _attempt(self, endpoint: WebhookEndpoint, event: Object, number: int) -> bool:
        attempt = Attempt(event["id"], event["type"], endpoint.id, number)
        self.attempts.append(attempt)
        body, headers = signed(event, endpoint.secret)
        try:
            response = await self._client.post(endpoint.url, content=body, headers=headers)
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            attempt.error = repr(error)
            return False
        attempt.status = response.status_code
        return response.is_success

    def shown(self) -> list[dict[str, Any]]:
        return [asdict(attempt) for attempt in self.attempts]
