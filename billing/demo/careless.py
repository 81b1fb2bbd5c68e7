"""A gateway as they should not be: it measures nothing, loses images and gives up too early. The books find out."""

from billing.client import Output
from billing.demo.counter import Receipt
from billing.demo.scene import Scene, came_back
from billing.demo.stage import Difference, Stage

SOLD, PRICE_MICROS = 700, 5_000_000
"""What `kiosk` has bought: a credit cost 0.714285… cents, so that its revenue does not come out even."""


async def careless(stage: Stage) -> None:
    """Four bills that are wrong, and nobody knows yet."""
    scene = Scene(
        stage,
        "A careless gateway",
        "`kiosk` has a gateway of its own that bills what the provider's answer claims, loses images and gives up early."
        " Its bills are wrong, and the service cannot know: see the last scenes.",
    )
    await stage.sell("kiosk", "by-wire", SOLD, paid_micros=PRICE_MICROS)
    bills = _Careless(stage, scene)
    await bills.order("2048x2048 high jpeg [sizes=1024x1024]", 67, "claimed 2K high")
    bills.leave(0, "wrong_size_tier", -53, "1024 ≤ 1536 → 1K high 14, not 67")
    await bills.order("2 × 1024x1024 medium [fail=0]", 8, "2 × 1K medium, whatever came")
    bills.leave(0, "failed_yet_billed", -4, "failed: 0, not 4")
    await bills.order("2 × 1024x1024 medium", 4, "1K medium, and one lost", lost=1)
    bills.leave(1, "delivered_not_charged", 4, "delivered: 1K medium 4, not 0")
    await bills.order("1024x1024 high", 0, "given up", hasty=True)
    bills.leave(0, "delivered_not_charged", 14, "delivered: 1K high 14, void or not", charged=False)
    scene.show()


class _Careless:
    """Bills n images of the size that the answer claims, whatever came. One that is `lost` it reports as failed, though
    the customer has got it. If it is `hasty` it voids the hold before the provider has answered.
    """

    def __init__(self, stage: Stage, scene: Scene) -> None:
        self._stage = stage
        self._scene = scene
        self._request_id = ""

    async def order(self, words: str, credits: int, because: str, *, lost: int = -1, hasty: bool = False) -> None:
        order = self._scene.ask("kiosk", words)
        name = order.account_id, order.request_id
        await self._stage.billing.authorize(*name, **order.terms)
        if hasty:
            await self._stage.billing.void(*name, reason="took too long")
        answer = await order.ask(self._stage.street.provider)
        if not hasty:
            width, height = map(int, answer.json()["size"].split("x"))
            outputs = [
                Output(index=index, status="failed", width=None, height=None, reason="lost")
                if index == lost
                else Output(index=index, status="succeeded", width=width, height=height, reason=None)
                for index in range(order.body.get("n", 1))
            ]
            await self._stage.billing.settle(*name, outputs)
        charge = await self._stage.billing.read_charge(*name)
        self._stage.purses["kiosk"].billed += credits
        self._request_id = order.request_id
        status = "voided" if hasty else "settled"
        got = came_back(Receipt(order, answer, None))
        self._scene.bill(f"kiosk: {order.words}", got, charge, credits, because, status=status)

    def leave(self, index: int, kind: str, credits: int, because: str, *, charged: bool = True) -> None:
        """What is wrong with the last bill, by hand."""
        self._stage.differences.append(Difference("kiosk", self._request_id, index, kind, credits, because, charged))
