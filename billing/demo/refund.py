"""Giving back: one output, the same refund again, and more than is left."""

from __future__ import annotations

from billing.client import Problem
from billing.client.documents import Charge
from billing.demo.scene import Scene
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
    account_id, request_id = charge["account_id"], charge["request_id"]
    before = await stage.billing.balance(account_id)
    for attempt in ("refund output 2", "the same, same id"):
        await stage.office.refund(account_id, request_id, f"refund-{request_id}", outputs=[2], reason="blurred")
        after = await stage.billing.read_charge(account_id, request_id)
        scene.add_check(
            attempt,
            "",
            "34 billed, 17 refunded",
            f"{after['settled_credits']} billed, {after['refunded_credits']} refunded",
            (after["settled_credits"], after["refunded_credits"]) == (34, 17),
        )
    purse.refunded += 17
    # The charge took the last 30 of the gifts, and then 4 that were paid for: those come back first, and 13 gifts.
    purse.gifts_left += 13
    try:
        await stage.office.refund(account_id, request_id, f"again-{request_id}", credits=18, reason="greed")
    except Problem as problem:
        scene.add_refusal("refund 18 more", problem, 409, "refund_exceeds_bill", "17 are left", {"refundable": 17})
    else:
        scene.add_check("refund 18 more", "", "409 refund_exceeds_bill", "accepted", False)
    back = (await stage.billing.balance(account_id))["posted"] - before["posted"]
    scene.add_check("balance of studio", "", "17 more", f"{back} more", back == 17)
    scene.show()
