"""Giving back: one output, the same refund again, and more than is left."""

from billing.client import Problem
from billing.client.documents import Charge
from billing.demo.scene import Scene, refusal
from billing.demo.stage import Stage


async def refund(stage: Stage, charge: Charge) -> None:
    """`charge` was billed 34 for the outputs 0 and 2."""
    scene = Scene(
        stage,
        "A refund, and the same refund again",
        "Of the charge with two images at 17, one is given back. A repeated refund is paid once; more than"
        " is left is refused.",
    )
    purse = stage.purses["studio"]
    name = charge["account_id"], charge["request_id"]
    before = await stage.billing.balance(purse.account_id)
    for attempt in ("refund output 2", "the same, same id"):
        await stage.office.refund(*name, f"refund-{name[1]}", outputs=[2], reason="blurred")
        after = await stage.billing.read_charge(*name)
        found = f"{after['settled_credits']} billed, {after['refunded_credits']} refunded"
        scene.compare(attempt, "", "34 billed, 17 refunded", found)
    purse.refunded += 17
    # The charge took the last 30 of the gifts, and then 4 that were paid for: those come back first, and 13 gifts.
    purse.gifts_left += 13
    found = "accepted"
    try:
        await stage.office.refund(*name, f"again-{name[1]}", credits=18, reason="greed")
    except Problem as problem:
        found = refusal(problem, "refundable")
    scene.compare("refund 18 more", "", "409 refund_exceeds_bill, refundable 17: 17 are left", found)
    await scene.balance("balance of studio", "studio", f"{before['posted'] + 17:,} posted: 17 more")
    scene.show()
