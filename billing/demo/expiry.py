"""A hold that nobody settles in time: taken early in the story, due at its end."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace
from datetime import datetime

from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from billing.client import Problem
from billing.client.documents import Balance, Charge
from billing.demo.gateway import ImageRequest
from billing.demo.scene import Expected, Scene, asked, came_back
from billing.demo.stage import Stage

HOLD_SECONDS = 30
"""The shortest hold that the service gives."""


@dataclass(frozen=True, slots=True)
class Sleeper:
    """The request whose gateway fell asleep after the hold, and its charge; the balance then, and the `refusal` of
    another request, or None if there was none.
    """

    request: ImageRequest
    charge: Charge
    balance: Balance
    refusal: Problem | None


async def fall_asleep(stage: Stage) -> Sleeper:
    """Holds 17 of 20, asks for as much once more, and does no more. Nothing is shown yet: see `tell`."""
    request = ImageRequest(
        account_id=stage.purses["sleepy"].account_id,
        request_id=stage.request_id(),
        prompt="an evening over the hills, asleep",
        size="2048x2048",
        quality="medium",
        hold_seconds=HOLD_SECONDS,
    )
    charge = await stage.gateway.authorize(request)
    balance = await stage.billing.balance(request.account_id)
    try:
        await stage.gateway.authorize(replace(request, request_id=stage.request_id()))
    except Problem as problem:
        return Sleeper(request, charge, balance, problem)
    return Sleeper(request, charge, balance, None)


def tell(stage: Stage, sleeper: Sleeper) -> None:
    """Shows how it fell asleep."""
    scene = Scene(
        stage,
        "A gateway fell asleep after the hold",
        f"Before the first scene 17 of 20 credits were held for {HOLD_SECONDS} s, and nobody settles. A later scene comes"
        " back.",
    )
    _check(scene, "hold 2K medium", sleeper.balance, posted=20, held=17, available=3)
    if sleeper.refusal is None:
        scene.add_check("another", "", "402 insufficient_credits", "accepted", False)
    else:
        facts = {"available": 3, "required": 17, "shortfall": 14}
        because = "3 available, 17 needed"
        what = f"sleepy: {asked(sleeper.request)}"
        scene.add_refusal(what, sleeper.refusal, 402, "insufficient_credits", because, facts)
    scene.show()


async def wake_up(stage: Stage, sleeper: Sleeper) -> None:
    """The hold is due: its credits are free; and the images that came after all are billed late."""
    account_id, request_id = sleeper.request.account_id, sleeper.request.request_id
    await _until_due(stage, sleeper.charge)
    scene = Scene(
        stage,
        "The hold expires, and the images come after all",
        "From the moment it is due a hold holds nothing, job or no job. What is delivered within a day can"
        " still be settled, flagged late.",
    )
    charge = await stage.billing.read_charge(account_id, request_id)
    scene.add("the hold of the sleeper", "", Expected(0, "expired", status="expired"), charge)
    balance = await stage.billing.balance(account_id)
    _check(scene, "balance", balance, posted=20, held=0, available=20)

    delivery = await stage.gateway.deliver(sleeper.request)
    stage.purses["sleepy"].billed += 17
    delivered = came_back(sleeper.request, delivery)
    scene.add("settle it now", delivered, Expected(17, "2K medium", flags=("late",)), delivery.charge)
    balance = await stage.billing.balance(account_id)
    _check(scene, "balance", balance, posted=3, held=0, available=3)
    scene.show()


async def _until_due(stage: Stage, charge: Charge) -> None:
    """Waits by the service's clock, which alone decides when a hold is due."""
    assert charge["expires_at"] is not None
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


def _check(scene: Scene, what: str, balance: Balance, *, posted: int, held: int, available: int) -> None:
    found = (balance["posted"], balance["held"], balance["available"])
    expected = (posted, held, available)
    scene.add_check(what, "", _words(*expected), _words(*found), expected == found)


def _words(posted: int, held: int, available: int) -> str:
    return f"{posted} posted, {held} held, {available} available"
