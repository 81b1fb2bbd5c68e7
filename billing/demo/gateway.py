"""A small reference gateway: what stands between a customer and a model provider.

The whole way of a request is one context manager of the client's: quote and hold, call the provider, measure, settle;
and void, or leave to expire, when that went wrong. A repeat with the same id pays and bills nobody twice.
"""

from __future__ import annotations

import asyncio
import base64
from dataclasses import dataclass, field
from typing import Any, TypedDict
from weakref import WeakValueDictionary

import httpx

from billing.client import AlreadyCharged, BillingClient, OutcomeUnknown, image_of
from billing.client.documents import Charge, Operation, Quote
from billing.demo.orders import CLIENT_REQUEST_ID, HEADER, ProviderOrders

PROVIDER_SECONDS = 600.0
"""Providers take up to ten minutes; a hold lasts fifteen."""

_SIZES_OF_TIERS = {"1K": "1024x1024", "2K": "2048x2048", "4K": "3840x2160"}


class GatewayTerms(TypedDict):
    """What billing is told of a request."""

    model: str
    operation: Operation
    n: int
    size: str
    quality: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageRequest:
    """What a customer asks for. `request_id` names it for ever; `source` is the picture to edit."""

    account_id: str
    request_id: str
    prompt: str
    model: str = "gpt-image-2"
    operation: Operation = "generation"
    n: int = 1
    size: str = "auto"
    quality: str = "auto"
    output_format: str = "png"
    hold_seconds: int | None = None
    source: bytes | None = None
    orders: ProviderOrders = field(default_factory=ProviderOrders)

    @property
    def terms(self) -> GatewayTerms:
        return GatewayTerms(model=self.model, operation=self.operation, n=self.n, size=self.size, quality=self.quality)


@dataclass(frozen=True, slots=True)
class HandedOver:
    """What the customer gets: the charge, and the images by index. `answer` is what the provider said,
    None if it was not asked or did not answer.
    """

    charge: Charge
    images: dict[int, bytes]
    answer: dict[str, Any] | None


class Gateway:
    """Serves image requests with a billing client and a provider's client; owns neither.

    `provider_seconds` is how long the provider may stay silent. Requests of one id take turns, so that a repeat finds
    the first one's bill instead of ordering new images. The turns are in memory: a gateway in earnest keeps them, and
    the images, where all its processes find them.
    """

    def __init__(
        self,
        billing: BillingClient,
        provider: httpx.AsyncClient,
        *,
        provider_seconds: float = PROVIDER_SECONDS,
    ) -> None:
        self._billing = billing
        self._provider = provider
        self._provider_seconds = provider_seconds
        self._turns: WeakValueDictionary[tuple[str, str], asyncio.Lock] = WeakValueDictionary()

    async def quote(self, request: ImageRequest) -> Quote:
        """What the request will cost, before anything is held. Raises `Problem`."""
        return await self._billing.quote(**request.terms)

    async def serve(self, request: ImageRequest) -> HandedOver:
        """The whole way of a request. Raises `Problem`; then nothing was delivered, and calling it again
        with the same request is right.
        """
        name = request.account_id, request.request_id
        async with self._turns.setdefault(name, asyncio.Lock()):
            try:
                async with self._billing.charging(*name, **request.terms, hold_seconds=request.hold_seconds) as charge:
                    response = await self.ask(request)
                    charge.deliver_response(response)
            except AlreadyCharged as known:
                # The provider knows no ids: asking it again is a second generation, and somebody would have to pay.
                return HandedOver(known.charge, {}, None)
            except (httpx.TransportError, OutcomeUnknown):
                # No answer, or none that says what was made: no image. The charging has voided it, or left it to expire for a repeat to take up.
                return HandedOver(await self._billing.read_charge(*name), {}, None)
            return HandedOver(charge.bill, *read(response))

    async def authorize(self, request: ImageRequest) -> Charge:
        """Holds the quoted cost and does no more yet. Raises `Problem`, `insufficient_credits` above all."""
        return await self._billing.authorize(
            request.account_id, request.request_id, **request.terms, hold_seconds=request.hold_seconds
        )

    async def deliver(self, request: ImageRequest) -> HandedOver:
        """The rest of the way of a request that was authorized before. Raises `Problem`."""
        async with self._billing.resume(request.account_id, request.request_id) as charge:
            response = await self.ask(request)
            charge.deliver_response(response)
        return HandedOver(charge.bill, *read(response))

    async def ask(self, request: ImageRequest) -> httpx.Response:
        """The provider's answer, whatever it is. Raises `httpx.TransportError` if there is none."""
        body: dict[str, Any] = {
            "model": request.model,
            "prompt": request.prompt,
            "n": request.n,
            "size": _SIZES_OF_TIERS.get(request.size, request.size),
            "quality": request.quality,
            "output_format": request.output_format,
        }
        if request.source is not None:
            encoded = base64.b64encode(request.source).decode("ascii")
            body["images"] = [{"image_url": f"data:image/png;base64,{encoded}"}]
        return await self._provider.post(
            "/v1/images/edits" if request.operation == "edit" else "/v1/images/generations",
            json=body,
            headers={HEADER: str(request.orders), CLIENT_REQUEST_ID: f"{request.account_id}/{request.request_id}"},
            timeout=self._provider_seconds,
        )


def read(response: httpx.Response) -> tuple[dict[int, bytes], dict[str, Any]]:
    """The images of the demo's provider by index, and all that it said."""
    answer: dict[str, Any] = response.json()
    items = answer.get("data") or []
    return {index: image for index, item in enumerate(items) if (image := image_of(item)) is not None}, answer
