"""Scenes about what goes wrong between machines: silence, repeats, mistaken ids."""

from billing.client import Problem
from billing.demo.scene import Scene, came_back, refusal
from billing.demo.stage import Stage

IMPATIENT_SECONDS = "0.5"
"""How long this gateway waits for a provider that never answers."""

NOWHERE = "http://127.0.0.1:1"
"""Where no provider listens."""


async def silence(stage: Stage) -> None:
    """The provider hangs; the hold is left to expire, and a repeat takes it up. Or it is not there at all."""
    scene = Scene(
        stage,
        "The provider never answers, or is not there",
        f"This gateway waits {IMPATIENT_SECONDS} s (in earnest: 10 minutes). Whether images were made nobody knows, so the"
        " hold is left to expire, and the same request takes it up, also at another gateway. Where nothing was sent the"
        " hold is void.",
    )
    hanging = scene.ask("studio", "2048x2048 medium [hang; once]")
    async with stage.street.gateway(provider_seconds=IMPATIENT_SECONDS) as impatient:
        silent = await stage.serve(hanging, impatient)
    scene.bill(hanging.words, came_back(silent), silent.charge, 0, "left to expire", status="authorized")
    await scene.balance("balance of studio", "studio", "17 held")

    answered = await stage.serve(hanging)
    stage.purses["studio"].billed += 17
    scene.bill("the same, same id", came_back(answered), answered.charge, 17, "the same hold")

    async with stage.street.gateway(provider_url=NOWHERE) as lonely:
        nobody = "nothing was sent"
        await scene.order("studio", "3840x2160 high", 0, nobody, status="voided", gateway=lonely)
    await scene.balance("balance of studio", "studio", "0 held")
    scene.show()


async def repeats(stage: Stage) -> None:
    """The same request again, and another one under its id."""
    scene = Scene(
        stage,
        "The same request twice, and another one under its id",
        "A repeat gets the answer of the first and reaches neither the wallet nor the provider; other content under a"
        " known id is refused, by the gateway and by the service.",
    )
    first = await scene.order("studio", "2048x2048 low", 2, "2K low")
    request = first.order
    again = await stage.serve(request)
    same = came_back(again) if again.images == first.images else "another image"
    scene.bill("the same, same id", f"the same {same}", again.charge, 2, "the same 2, not 2 more")
    known = f"Idempotent-Replayed: {again.response.headers.get('Idempotent-Replayed', 'false')}"
    scene.compare("was it known?", "", "Idempotent-Replayed", known.partition(":")[0] if "true" in known else known)
    other = await stage.serve(request.but(quality="high"))
    scene.compare("high quality, same id", "", "422 request_id_reused: the id names the low one", other.refusal)
    found = "accepted"
    try:
        await stage.billing.authorize(request.account_id, request.request_id, **request.but(quality="high").terms)
    except Problem as problem:
        found = refusal(problem)
    scene.compare("… asked of the service", "", "409 id_reused: the id names the low one", found)
    await scene.balance("balance of studio", "studio", f"{stage.purses['studio'].posted:,} posted: as after the first")
    scene.show()
