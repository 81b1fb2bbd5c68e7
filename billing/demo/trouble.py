"""Scenes about what goes wrong between machines: silence, repeats, mistaken ids."""

from __future__ import annotations

from dataclasses import replace

import httpx

from billing.client import Problem
from billing.demo.gateway import Gateway
from billing.demo.orders import ProviderOrders
from billing.demo.scene import Expected, Scene, asked, came_back
from billing.demo.stage import Stage

IMPATIENT_SECONDS = 0.5
"""How long this gateway waits for a provider that never answers."""

NOWHERE = "http://127.0.0.1:1"
"""Where no provider listens."""


async def silence(stage: Stage) -> None:
    """The provider hangs; the hold is left to expire, and a repeat takes it up. Or it is not there at all."""
    scene = Scene(
        stage,
        "The provider never answers, or is not there",
        f"The gateway waits {IMPATIENT_SECONDS:g} s (in earnest: 10 minutes). Whether images were made nobody knows, so the"
        " hold is left to expire, and a repeat with the same id takes it up. Where nothing was sent the hold is void.",
    )
    purse = stage.purses["studio"]
    hanging = scene.request("studio", size="2048x2048", quality="medium", orders=ProviderOrders(hang=True))
    impatient = Gateway(stage.billing, stage.provider, provider_seconds=IMPATIENT_SECONDS)
    silent = await impatient.serve(hanging)
    left = Expected(0, "left to expire", status="authorized")
    scene.add(asked(hanging), came_back(hanging, silent), left, silent.charge)
    await _check_held(stage, scene, 17)

    repeat = replace(hanging, orders=ProviderOrders())
    answered = await stage.gateway.serve(repeat)
    purse.billed += 17
    scene.add("the same, same id", came_back(repeat, answered), Expected(17, "the same hold"), answered.charge)

    async with httpx.AsyncClient(base_url=NOWHERE) as nobody:
        await scene.order(
            "studio",
            Expected(0, "nothing was sent", status="voided"),
            gateway=Gateway(stage.billing, nobody),
            size="3840x2160",
            quality="high",
        )
    await _check_held(stage, scene, 0)
    scene.show()


async def _check_held(stage: Stage, scene: Scene, held: int) -> None:
    balance = await stage.billing.balance(stage.purses["studio"].account_id)
    scene.add_check("balance of studio", "", f"held {held}", f"held {balance['held']}", balance["held"] == held)


async def repeats(stage: Stage) -> None:
    """The same request again, and another one under its id."""
    scene = Scene(
        stage,
        "The same request twice, and another one under its id",
        "A repeat gets the charge as it is now and reaches neither the wallet nor the provider; other content"
        " under a known id is refused.",
    )
    request = scene.request("studio", size="2048x2048", quality="low")
    purse = stage.purses["studio"]
    first = await stage.gateway.serve(request)
    purse.billed += 2
    scene.add(asked(request), came_back(request, first), Expected(2, "2K low"), first.charge)
    posted = first.charge["balance"]["posted"]

    again = await stage.gateway.serve(request)
    scene.add("the same, same id", "not asked again", Expected(2, "the same 2, not 2 more"), again.charge)
    replayed = again.charge["replayed"]
    scene.add_check(
        "was it known?",
        "",
        "Idempotent-Replayed: true",
        f"Idempotent-Replayed: {str(replayed).lower()}",
        replayed,
    )
    try:
        await stage.gateway.serve(replace(request, quality="high"))
    except Problem as problem:
        scene.add_refusal("high quality, same id", problem, 409, "id_reused", "the id names the low one")
    else:
        scene.add_check("high quality, same id", "an answer", "409 id_reused", "accepted", False)
    balance = await stage.billing.balance(purse.account_id)
    scene.add_check(
        "balance of studio",
        "",
        f"posted {posted}, as after the first",
        f"posted {balance['posted']}",
        balance["posted"] == posted,
    )
    scene.show()
