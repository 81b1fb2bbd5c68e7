"""Two hundred at once on a balance for seven."""

import asyncio
from itertools import islice

from billing.demo.counter import Receipt
from billing.demo.patience import PATIENCE_SECONDS
from billing.demo.scene import Scene
from billing.demo.stage import Stage

RACERS, CREDITS = 200, 7
GATE = "race"
"""Where the provider keeps the winners waiting until it is opened."""


async def race(stage: Stage) -> None:
    """Exactly as many are let in as can pay; then these are served."""
    scene = Scene(
        stage,
        f"{RACERS} at once on a balance of {CREDITS}",
        "Each asks for one image of 1 credit at the same moment. Whoever holds a credit will get the image.",
    )
    orders = [scene.ask("crowd", f"1024x1024 low jpeg [wait={GATE}]") for _ in range(RACERS)]
    calls = [asyncio.create_task(stage.serve(order)) for order in orders]
    losers = islice(asyncio.as_completed(calls, timeout=PATIENCE_SECONDS), RACERS - CREDITS)
    refused = 0
    try:
        for answer in losers:
            refused += (await answer).refusal.startswith("402 insufficient_quota")
    except TimeoutError:
        pass  # too many were let in: the figures say so
    held = sum(not call.done() for call in calls)
    expected = f"{CREDITS} held, {RACERS - CREDITS} refused (402)"
    scene.compare(f"{RACERS} × {orders[0].words}", "", expected, f"{held} held, {refused} refused (402)")
    await scene.balance("balance meanwhile", "crowd", f"{CREDITS} posted, {CREDITS} held, 0 available")

    (await stage.street.provider.post(f"/stand-in/gates/{GATE}")).raise_for_status()
    served: list[Receipt] = [one for one in await asyncio.gather(*calls) if one.images]
    stage.purses["crowd"].billed += CREDITS
    total = sum(one.bill["settled_credits"] for one in served)
    expected = f"{CREDITS} credits for {CREDITS} images: {CREDITS} × 1K low"
    scene.compare("the winners are served", "", expected, f"{total} credits for {len(served)} images")
    await scene.balance("balance afterwards", "crowd", "0 posted, 0 held, 0 available")
    scene.show()
