"""A hold that nobody settles in time: taken early in the story, due at its end."""

import asyncio
from dataclasses import dataclass
from datetime import datetime

from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from billing.client import Problem
from billing.client.documents import Balance, Charge
from billing.demo.counter import Order, Receipt
from billing.demo.scene import Scene, as_told, came_back, refusal
from billing.demo.stage import Stage

HOLD_SECONDS = 30
"""The shortest hold that the service gives."""


@dataclass(frozen=True, slots=True)
class Sleeper:
    """The request whose gateway fell asleep after the hold, and its charge; the balance then, and the `refusal` of
    another request, in words.
    """

    order: Order
    charge: Charge
    balance: Balance
    refusal: str


async def fall_asleep(stage: Stage) -> Sleeper:
    """Holds 17 of 20, asks for as much once more, and does no more. Nothing is shown yet: see `tell`."""
    order, another = (stage.ask("sleepy", "2048x2048 medium", "an evening over the hills, asleep") for _ in range(2))
    charge = await stage.billing.authorize(order.account_id, order.request_id, **order.terms, hold_seconds=HOLD_SECONDS)
    balance = await stage.billing.balance(order.account_id)
    try:
        await stage.billing.authorize(another.account_id, another.request_id, **another.terms)
    except Problem as problem:
        return Sleeper(order, charge, balance, refusal(problem, "available", "required", "shortfall"))
    return Sleeper(order, charge, balance, "accepted")


def tell(stage: Stage, sleeper: Sleeper) -> None:
    """Shows how it fell asleep."""
    scene = Scene(
        stage,
        "A gateway fell asleep after the hold",
        f"Before the first scene 17 of 20 credits were held for {HOLD_SECONDS} s, and nobody settles. A later scene comes"
        " back.",
    )
    expected = "20 posted, 17 held, 3 available"
    scene.compare("hold 2K medium", "", expected, as_told(expected, sleeper.balance))
    expected = "402 insufficient_credits, available 3, required 17, shortfall 14: 3 available, 17 needed"
    scene.compare(f"sleepy: {sleeper.order.words}", "not asked", expected, sleeper.refusal)
    scene.show()


async def wake_up(stage: Stage, sleeper: Sleeper) -> None:
    """The hold is due: its credits are free; and the images that came after all are billed late."""
    order = sleeper.order
    await _until_due(stage, sleeper.charge)
    scene = Scene(
        stage,
        "The hold expires, and the images come after all",
        "From the moment it is due a hold holds nothing, job or no job. What is delivered within a day can"
        " still be settled, flagged late.",
    )
    charge = await stage.billing.read_charge(order.account_id, order.request_id)
    scene.bill("the hold of the sleeper", "", charge, 0, "expired", status="expired")
    await scene.balance("balance", "sleepy", "20 posted, 0 held, 20 available")
    async with stage.billing.resume(order.account_id, order.request_id) as charging:
        answer = await order.ask(stage.street.provider)
        charging.deliver_response(answer)
    stage.purses["sleepy"].billed += 17
    delivery = Receipt(order, answer, charging.bill)
    scene.bill("settle it now", came_back(delivery), charging.bill, 17, "2K medium", flags=("late",))
    await scene.balance("balance", "sleepy", "3 posted, 0 held, 3 available")
    scene.show()


async def _until_due(stage: Stage, charge: Charge) -> None:
    """Waits by the service's clock, which alone decides when a hold is due."""
    due = datetime.fromisoformat(charge["expires_at"])
    stage.console.print("\nThe sleeper's hold is not due yet; waiting for the rest of it.", style="dim")
    with Progress(
        TextColumn("until it is due"),
        BarColumn(),
        TimeRemainingColumn(),
        console=stage.console,
        transient=True,
        disable=not stage.console.is_terminal,
    ) as progress:
        task = progress.add_task("", total=float(HOLD_SECONDS))
        while True:
            as_of = (await stage.billing.balance(charge["account_id"]))["as_of"]
            left = (due - datetime.fromisoformat(as_of)).total_seconds()
            progress.update(task, completed=HOLD_SECONDS - max(left, 0.0))
            if left <= 0:
                return
            await asyncio.sleep(min(left + 0.01, 0.5))
