"""A gateway as they should not be: it measures nothing, loses images and gives up too early. The books find out."""

from __future__ import annotations

from typing import Any

import httpx

from billing.client import BillingClient, Output
from billing.demo.gateway import Gateway, HandedOver, ImageRequest, read
from billing.demo.orders import ProviderOrders
from billing.demo.scene import Expected, Scene
from billing.demo.stage import Stage, StagedDifference

SOLD, PRICE_MICROS = 700, 5_000_000
"""What `kiosk` has bought: a credit cost 0.714285… cents, so that its revenue does not come out even."""


class CarelessGateway(Gateway):
    """Bills n images of the size that the answer claims, whatever came. Those in `lost` it reports as failed, though the
    customer has got them. If it is `hasty` it voids the hold before the provider has answered.
    """

    def __init__(
        self,
        billing: BillingClient,
        provider: httpx.AsyncClient,
        *,
        lost: frozenset[int] = frozenset(),
        hasty: bool = False,
    ) -> None:
        super().__init__(billing, provider)
        self._lost = lost
        self._hasty = hasty

    async def serve(self, request: ImageRequest) -> HandedOver:
        """The whole way of a request, as wrong as can be. Raises `Problem`."""
        name = request.account_id, request.request_id
        await self.authorize(request)
        if self._hasty:
            charge = await self._billing.void(*name, reason="took too long")
            images, answer = read(await self.ask(request))
        else:
            images, answer = read(await self.ask(request))
            charge = await self._billing.settle(*name, self._believed(request, answer))
        return HandedOver(charge, images, answer)

    def _believed(self, request: ImageRequest, answer: dict[str, Any]) -> list[Output]:
        width, _, height = answer["size"].partition("x")
        outputs: list[Output] = []
        for index in range(request.n):
            if index in self._lost:
                outputs.append(Output(index=index, status="failed", width=None, height=None, reason="lost"))
            else:
                size = int(width), int(height)
                outputs.append(Output(index=index, status="succeeded", width=size[0], height=size[1], reason=None))
        return outputs


async def careless(stage: Stage) -> None:
    """Four bills that are wrong, and nobody knows yet."""
    scene = Scene(
        stage,
        "A careless gateway",
        "`kiosk` has a gateway that bills what the provider's answer claims, loses images and gives up early. Its bills"
        " are wrong, and the service cannot know: see the last scenes.",
    )
    await stage.sell("kiosk", "by-wire", SOLD, paid_micros=PRICE_MICROS)
    delivery = await scene.order(
        "kiosk",
        Expected(67, "claimed 2K high"),
        gateway=_gateway(stage),
        size="2048x2048",
        quality="high",
        output_format="jpeg",
        orders=ProviderOrders(sizes=("1024x1024",)),
    )
    _leave(stage, delivery, 0, "wrong_size_tier", -53, "1024 ≤ 1536 → 1K high 14, not 67")
    delivery = await scene.order(
        "kiosk",
        Expected(8, "2 × 1K medium, whatever came"),
        gateway=_gateway(stage),
        n=2,
        size="1024x1024",
        quality="medium",
        orders=ProviderOrders(fail=frozenset({0})),
    )
    _leave(stage, delivery, 0, "failed_yet_billed", -4, "failed: 0, not 4")
    delivery = await scene.order(
        "kiosk",
        Expected(4, "1K medium, and one lost"),
        gateway=_gateway(stage, lost=frozenset({1})),
        n=2,
        size="1024x1024",
        quality="medium",
    )
    _leave(stage, delivery, 1, "delivered_not_charged", 4, "delivered: 1K medium 4, not 0")
    delivery = await scene.order(
        "kiosk",
        Expected(0, "given up", status="voided"),
        gateway=_gateway(stage, hasty=True),
        size="1024x1024",
        quality="high",
    )
    _leave(stage, delivery, 0, "delivered_not_charged", 14, "delivered: 1K high 14, void or not", charged=False)
    scene.show()


def _gateway(stage: Stage, *, lost: frozenset[int] = frozenset(), hasty: bool = False) -> CarelessGateway:
    return CarelessGateway(stage.billing, stage.provider, lost=lost, hasty=hasty)


def _leave(
    stage: Stage, delivery: HandedOver, index: int, kind: str, credits: int, because: str, *, charged: bool = True
) -> None:
    request_id = delivery.charge["request_id"]
    stage.differences.append(StagedDifference("kiosk", request_id, index, kind, credits, because, charged))
