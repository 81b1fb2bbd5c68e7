"""A small reference gateway: what stands between a customer and a model provider.

Quote, authorize, call the provider, measure, settle or void; and the same again, without paying or
billing twice, when a request is repeated with its id.
"""

from __future__ import annotations

import asyncio
import base64
from dataclasses import dataclass, field
from typing import Any

import httpx

from billing.client import BillingClient, Output, Problem, image_of, read_outputs
from billing.client.documents import Charge, Operation, Quote
from billing.demo.orders import HEADER, Orders

PROVIDER_SECONDS = 600.0
"""Providers take up to ten minutes; a hold lasts fifteen."""

_SIZES_OF_TIERS = {"1K": "1024x1024", "2K": "2048x2048", "4K": "3840x2160"}


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
    orders: Orders = field(default_factory=Orders)


@dataclass(frozen=True, slots=True)
class Delivery:
    """What the customer gets: the charge, and the images by index. `answer` is what the provider said,
    None if it was not asked or did not answer.
    """

    charge: Charge
    images: dict[int, bytes]
    answer: dict[str, Any] | None


@dataclass(frozen=True, slots=True)
class _Result:
    answer: dict[str, Any]
    outputs: list[Output]


class Gateway:
    """Serves image requests with a billing client and a provider's client; owns neither.

    `provider_seconds` is how long the provider may stay silent. Calls of the provider are remembered until
    they are settled, so that a repeat of a request reports the same images instead of ordering new ones. They
    are kept in memory: a gateway in earnest writes their results down.
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
        self._calls: dict[tuple[str, str], asyncio.Task[_Result]] = {}

    async def quote(self, request: ImageRequest) -> Quote:
        """What the request will cost, before anything is held. Raises `Problem`."""
        return await self._billing.quote(
            model=request.model,
            n=request.n,
            size=request.size,
            quality=request.quality,
            operation=request.operation,
        )

    async def serve(self, request: ImageRequest) -> Delivery:
        """The whole way of a request. Raises `Problem`; then nothing was delivered, and calling it again
        with the same request is right.
        """
        await self.quote(request)
        return await self.deliver(request, await self.authorize(request))

    async def authorize(self, request: ImageRequest) -> Charge:
        """Holds the quoted cost. Raises `Problem`, `insufficient_credits` above all.

        The quote's price version is not sent along: it would be part of the content, and a repeat after a
        price change would then be another request under the same id.
        """
        return await self._billing.authorize(
            request.account_id,
            request.request_id,
            model=request.model,
            operation=request.operation,
            n=request.n,
            size=request.size,
            quality=request.quality,
            hold_seconds=request.hold_seconds,
        )

    async def deliver(self, request: ImageRequest, charge: Charge) -> Delivery:
        """From an authorized charge to a settled or voided one. Raises `Problem`."""
        name = request.account_id, request.request_id
        if charge["status"] != "authorized" and name not in self._calls:
            # A repeat of a request that is over. The provider knows no ids: asking it again is a second
            # generation, and somebody would have to pay for it.
            return Delivery(charge, {}, None)
        if name not in self._calls:
            self._calls[name] = asyncio.create_task(self._call(request))
        try:
            # Shielded: when one customer hangs up, a twin may still wait for the same images.
            result = await asyncio.shield(self._calls[name])
        except httpx.TransportError as error:
            charge = await self._give_up(request, error)
            self._calls.pop(name, None)
            return Delivery(charge, {}, None)
        charge = await self._settle(request, result.outputs)
        self._calls.pop(name, None)
        return Delivery(charge, _images(result), result.answer)

    async def _call(self, request: ImageRequest) -> _Result:
        answer = await self.ask(request)
        return _Result(answer, read_outputs(answer, request.n))

    async def ask(self, request: ImageRequest) -> dict[str, Any]:
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
        response = await self._provider.post(
            "/v1/images/edits" if request.operation == "edit" else "/v1/images/generations",
            json=body,
            headers={HEADER: str(request.orders)},
            timeout=self._provider_seconds,
        )
        try:
            answer = response.json()
        except ValueError:
            answer = None
        # An error of the provider is an answer too: no image came, so every output failed and costs nothing.
        return answer if isinstance(answer, dict) else {"error": f"the provider answered {response.status_code}"}

    async def _give_up(self, request: ImageRequest, error: httpx.TransportError) -> Charge:
        """Voids: the customer gets nothing and pays nothing. Should it turn out later that the images were
        made and delivered after all, `settle` with `force` bills them.
        """
        if isinstance(error, httpx.TimeoutException):
            reason = f"the provider did not answer within {self._provider_seconds:g} s"
        else:
            reason = "the provider could not be reached"
        return await self._billing.void(request.account_id, request.request_id, reason=reason)

    async def _settle(self, request: ImageRequest, outputs: list[Output]) -> Charge:
        try:
            return await self._billing.settle(request.account_id, request.request_id, outputs)
        except Problem as problem:
            if problem.code != "charge_not_open":
                raise
            # A twin of this request was quicker. The charge is billed once, by what the twin delivered.
            return await self._billing.read_charge(request.account_id, request.request_id)


def _images(result: _Result) -> dict[int, bytes]:
    delivered = [output["index"] for output in result.outputs if output["status"] == "succeeded"]
    return {index: image for index in delivered if (image := image_of(result.answer["data"][index])) is not None}
