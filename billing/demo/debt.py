"""Delivered is delivered: a bill above the balance becomes debt, and the next grant pays it first."""

from __future__ import annotations

from billing.client.documents import Balance
from billing.demo.orders import ProviderOrders
from billing.demo.scene import Expected, Scene
from billing.demo.stage import Stage


async def debt(stage: Stage) -> None:
    """A balance of 20 meets an image of 133."""
    scene = Scene(
        stage,
        "A larger image than the account can pay",
        "It was delivered, so it is billed in full. What no grant covers is debt: new requests are refused"
        " until a grant has made it good.",
    )
    await scene.order(
        "slim",
        Expected(133, "4K high, on a balance of 20", flags=("overdrawn",)),
        size="1024x1024",
        quality="high",
        output_format="avif",
        orders=ProviderOrders(sizes=("3840x2160",)),
    )
    account_id = stage.purses["slim"].account_id
    _check(scene, "balance", await stage.billing.balance(account_id), posted=-113, available=-113, debt=113)
    await scene.refuse(
        "slim",
        402,
        "insufficient_credits",
        "debt comes first",
        facts={"available": -113, "required": 1},
        size="1024x1024",
        quality="low",
    )
    await stage.sell("slim", "top-up", 200)
    _check(
        scene,
        "a purchase of 200, by wire",
        await stage.billing.balance(account_id),
        posted=87,
        available=87,
        debt=0,
    )
    scene.show()


def _check(scene: Scene, what: str, balance: Balance, *, posted: int, available: int, debt: int) -> None:
    found = (balance["posted"], balance["available"], balance["debt"])
    expected = (posted, available, debt)
    scene.add_check(what, "", _words(*expected), _words(*found), expected == found)


def _words(posted: int, available: int, debt: int) -> str:
    return f"{posted} posted, {available} available, {debt} debt"
