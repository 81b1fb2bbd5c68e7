"""Scenes in which the provider delivers something else than was asked: the bill follows the pixels."""

from __future__ import annotations

from billing.client.documents import Charge
from billing.demo.orders import ProviderOrders
from billing.demo.scene import Expected, Scene
from billing.demo.stage import Stage, StagedDifference


async def failures(stage: Stage) -> Charge:
    """Some outputs fail, or all. Returns the charge of which two images were delivered."""
    scene = Scene(
        stage,
        "Some fail, all fail",
        "Only outputs that succeeded cost anything; the rest of the hold is released.",
    )
    some = await scene.order(
        "studio",
        Expected(34, "2 of 4 came, 2 × 2K medium"),
        n=4,
        size="2048x2048",
        quality="medium",
        output_format="avif",
        orders=ProviderOrders(fail=frozenset({1, 3})),
    )
    await scene.order(
        "studio",
        Expected(0, "none of 2 came"),
        n=2,
        size="2048x2048",
        quality="high",
        orders=ProviderOrders(fail=frozenset({0, 1})),
    )
    await scene.order(
        "studio",
        Expected(0, "the prompt was refused"),
        n=3,
        size="1024x1024",
        quality="high",
        orders=ProviderOrders(refuse=True),
    )
    scene.show()
    return some.charge


async def other_sizes(stage: Stage) -> Charge:
    """Smaller, larger, unreadable. Returns the charge that asked for 4K and got 1672x941."""
    scene = Scene(
        stage,
        "Smaller and larger than asked",
        "Each image is priced from its own measured size. The account `studio` pays what really came;"
        " `thrifty` has overage cap and never pays more than was quoted for an image.",
    )
    await scene.order(
        "studio",
        Expected(14, "1024 ≤ 1536 → 1K high, not 67"),
        size="2048x2048",
        quality="high",
        orders=ProviderOrders(sizes=("1024x1024",)),
    )
    fallen_short = await scene.order(
        "studio",
        Expected(67, "1672 ≤ 2048 → 2K high, not 133"),
        size="3840x2160",
        quality="high",
        output_format="jpeg",
        orders=ProviderOrders(sizes=("1672x941",), claims="absent"),
    )
    larger = ProviderOrders(sizes=("2048x2048",))
    await scene.order(
        "studio",
        Expected(17, "2048 ≤ 2048 → 2K medium, not 4"),
        size="1024x1024",
        quality="medium",
        output_format="webp",
        orders=larger,
    )
    await scene.order(
        "thrifty",
        Expected(4, "1K medium as quoted, not 17", flags=("capped",)),
        size="1024x1024",
        quality="medium",
        output_format="webp",
        orders=larger,
    )
    await scene.order(
        "thrifty",
        Expected(8, "1K medium + 2K capped at it", flags=("capped",)),
        n=2,
        size="1024x1024",
        quality="medium",
        orders=ProviderOrders(sizes=("1024x1024", "2048x1152")),
    )
    unreadable = await scene.order(
        "studio",
        Expected(17, "unreadable: 2K medium as quoted", flags=("unmeasured",)),
        size="2048x2048",
        quality="medium",
        orders=ProviderOrders(sizes=("1024x1024",), truncate=frozenset({0})),
    )
    request_id = unreadable.charge["request_id"]
    because = "1024 ≤ 1536 → 1K medium 4, not 17"
    stage.differences.append(StagedDifference("studio", request_id, 0, "unmeasured_now_measured", -13, because))
    scene.show()
    return fallen_short.charge
