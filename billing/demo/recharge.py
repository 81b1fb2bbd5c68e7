"""Auto-recharge: requests that cross the threshold together buy once."""

import asyncio

from billing.demo.patience import until
from billing.demo.purchases import STARTER, pack_id, paid_by_hand
from billing.demo.scene import Scene
from billing.demo.stage import Stage

THRESHOLD, REQUESTS = 400, 3


async def recharge(stage: Stage) -> None:
    """Three images at once take 500 to 299; the saved card is charged once."""
    scene = Scene(
        stage,
        "Below the threshold, a saved card is charged",
        f"`magazine` has 500 and buys a Starter pack whenever fewer than {THRESHOLD} are available. {REQUESTS} requests"
        " cross that line together.",
    )
    account_id = stage.purses["magazine"].account_id
    await stage.office.set_auto_recharge(
        account_id, threshold=THRESHOLD, pack_id=pack_id(stage, STARTER), monthly_limit=1_000
    )
    await asyncio.gather(*(scene.order("magazine", "2048x2048 high jpeg", 67, "2K high") for _ in range(REQUESTS)))
    paid_by_hand(stage, "magazine", STARTER)

    async def posted() -> str:
        return f"{(await stage.billing.balance(account_id))['posted']} posted"

    await scene.compare_in_time("balance of magazine", "", "799 posted: 500 - 3 × 67 + 500", posted)
    # Until the service has looked again whether one pack was enough.
    terms = await until(lambda: stage.office.auto_recharge(account_id), lambda terms: terms["due_at"] is None)
    bought = [topup async for topup in stage.billing.topups(account_id) if topup["via"] == "recharge"]
    asked = await stage.stripe.order("requests", method="POST", path="/v1/payment_intents")
    found = f"{len(bought)} top-up, {len(asked)} payment, {terms['status']}"
    scene.compare("how often was it charged?", "", "1 top-up, 1 payment, active", found)
    scene.show()
