"""Scenes in which the provider delivers something else than was asked: the bill follows the pixels."""

from billing.client.documents import Charge
from billing.demo.scene import Scene
from billing.demo.stage import Difference, Stage


async def failures(stage: Stage) -> Charge:
    """Some outputs fail, or all. Returns the charge of which two images were delivered."""
    scene = Scene(
        stage,
        "Some fail, all fail",
        "Only outputs that succeeded cost anything; the rest of the hold is released.",
    )
    ordered = "4 × 2048x2048 medium avif [fail=1,3]"
    some = await scene.order("studio", ordered, 34, "2 of 4 came, 2 × 2K medium")
    await scene.order("studio", "2 × 2048x2048 high [fail=0,1]", 0, "none of 2 came")
    await scene.order("studio", "3 × 1024x1024 high [refuse]", 0, "the prompt was refused", status="voided")
    scene.show()
    return some.bill


async def other_sizes(stage: Stage) -> Charge:
    """Smaller, larger, unreadable. Returns the charge that asked for 4K and got 1672x941."""
    scene = Scene(
        stage,
        "Smaller and larger than asked",
        "Each image is priced from its own measured size. The account `studio` pays what really came;"
        " `thrifty` has overage cap and never pays more than was quoted for an image.",
    )
    await scene.order("studio", "2048x2048 high [sizes=1024x1024]", 14, "1024 ≤ 1536 → 1K high, not 67")
    ordered = "3840x2160 high jpeg [sizes=1672x941; claims=absent]"
    fallen_short = await scene.order("studio", ordered, 67, "1672 ≤ 2048 → 2K high, not 133")
    larger = "1024x1024 medium webp [sizes=2048x2048]"
    await scene.order("studio", larger, 17, "2048 ≤ 2048 → 2K medium, not 4")
    await scene.order("thrifty", larger, 4, "1K medium as quoted, not 17", flags=("capped",))
    mixed = "2 × 1024x1024 medium [sizes=1024x1024,2048x1152]"
    await scene.order("thrifty", mixed, 8, "1K medium + 2K capped at it", flags=("capped",))
    cut_off = "2048x2048 medium [sizes=1024x1024; truncate=0]"
    unreadable = await scene.order("studio", cut_off, 17, "unreadable: 2K medium as quoted", flags=("unmeasured",))
    request_id, because = unreadable.bill["request_id"], "1024 ≤ 1536 → 1K medium 4, not 17"
    stage.differences.append(Difference("studio", request_id, 0, "unmeasured_now_measured", -13, because))
    scene.show()
    return fallen_short.bill
