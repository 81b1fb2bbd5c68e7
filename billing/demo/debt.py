"""Delivered is delivered: a bill above the balance becomes debt, and the next grant pays it first."""

from billing.demo.scene import Scene
from billing.demo.stage import Stage


async def debt(stage: Stage) -> None:
    """A balance of 20 meets an image of 133."""
    scene = Scene(
        stage,
        "A larger image than the account can pay",
        "It was delivered, so it is billed in full. What no grant covers is debt: new requests are refused"
        " until a grant has made it good.",
    )
    larger = "1024x1024 high avif [sizes=3840x2160]"
    await scene.order("slim", larger, 133, "4K high, on a balance of 20", flags=("overdrawn",))
    await scene.balance("balance", "slim", "-113 posted, -113 available, 113 debt")
    expected = "402 insufficient_quota, 1 needed, -113 available: debt comes first"
    await scene.refuse("slim", "1024x1024 low", expected)
    await stage.sell("slim", "top-up", 200)
    await scene.balance("a purchase of 200, by wire", "slim", "87 posted, 87 available, 0 debt")
    scene.show()
