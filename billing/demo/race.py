"""Two hundred at once on a balance for seven."""

from __future__ import annotations

import asyncio

from billing.client import Problem
from billing.demo.gateway import ImageRequest
from billing.demo.scene import Scene, asked
from billing.demo.stage import Stage

RACERS, CREDITS = 200, 7


async def race(stage: Stage) -> None:
    """Exactly as many are let in as can pay; then these are served."""
    scene = Scene(
        stage,
        f"{RACERS} at once on a balance of {CREDITS}",
        "Each asks for one image of 1 credit at the same moment. Whoever holds a credit will get the image.",
    )
    purse = stage.purses["crowd"]
    requests = [scene.request("crowd", size="1024x1024", quality="low", output_format="jpeg") for _ in range(RACERS)]
    answers = await asyncio.gather(*(stage.gateway.authorize(request) for request in requests), return_exceptions=True)
    won: list[ImageRequest] = []
    refusals: list[Problem] = []
    for request, answer in zip(requests, answers, strict=True):
        if isinstance(answer, Problem):
            refusals.append(answer)
        elif isinstance(answer, BaseException):
            raise answer
        else:
            won.append(request)

    short = [problem for problem in refusals if (problem.status, problem.code) == (402, "insufficient_credits")]
    scene.add_check(
        f"{RACERS} × {asked(requests[0])}",
        "",
        f"{CREDITS} held, {RACERS - CREDITS} refused (402)",
        f"{len(won)} held, {len(short)} refused (402)",
        (len(won), len(short)) == (CREDITS, RACERS - CREDITS),
    )
    await _check(stage, scene, "balance meanwhile", posted=CREDITS, held=CREDITS, available=0)

    deliveries = await asyncio.gather(*(stage.gateway.deliver(request) for request in won))
    purse.billed += CREDITS
    total = sum(delivery.charge["settled_credits"] for delivery in deliveries)
    images = sum(len(delivery.images) for delivery in deliveries)
    scene.add_check(
        "the winners are served",
        f"{images} × jpeg 1024x1024",
        f"{CREDITS}: {CREDITS} × 1K low",
        f"{total}: {len(deliveries)} charges",
        (total, images) == (CREDITS, CREDITS),
    )
    await _check(stage, scene, "balance afterwards", posted=0, held=0, available=0)
    scene.show()


async def _check(stage: Stage, scene: Scene, what: str, **expected: int) -> None:
    balance = await stage.billing.balance(stage.purses["crowd"].account_id)
    found = {"posted": balance["posted"], "held": balance["held"], "available": balance["available"]}
    scene.add_check(what, "", _words(expected), _words(found), expected == found)


def _words(amounts: dict[str, int]) -> str:
    return ", ".join(f"{amount} {name}" for name, amount in amounts.items())
