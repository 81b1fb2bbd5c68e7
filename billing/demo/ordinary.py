"""Scenes in which everything goes as asked: operations, models, the whole price list, sizes."""

import asyncio

from billing.demo.scene import Scene, headline, table
from billing.demo.stage import Stage


async def first_pictures(stage: Stage) -> None:
    """Text to image and edit, both models."""
    scene = Scene(
        stage,
        "Text to image, and an edit of it",
        "gpt-image-2 is priced by tier and quality; gpt-image-1.5 costs 1 credit an image.",
    )
    day = await scene.order("studio", "1024x1024 medium png", 4, "1K medium")
    source = day.images[0] if day.images else None
    await scene.order("studio", "edit 1536x1024 high jpeg", 14, "1536 ≤ 1536 → 1K high", source=source)
    await scene.order("studio", "gpt-image-1.5 3 × 1024x1536 medium webp", 3, "3 × 1, flat")
    await scene.order("studio", "gpt-image-1.5 edit auto auto avif", 1, "1 × 1, flat", source=source)
    scene.show()


# The published table, copied by hand: nothing here is asked of the service.
_PRICES = {
    ("1024x1024", "1K"): {"low": 1, "medium": 4, "high": 14, "auto": 14},
    ("2048x2048", "2K"): {"low": 2, "medium": 17, "high": 67, "auto": 67},
    ("3840x2160", "4K"): {"low": 4, "medium": 34, "high": 133, "auto": 133},
}
_QUALITIES = {"low": "png", "medium": "jpeg", "high": "webp", "auto": "avif"}


async def price_list(stage: Stage) -> None:
    """Every tier in every quality, twelve requests at a time."""
    scene = Scene(
        stage,
        "The whole price list of gpt-image-2",
        "One image of each tier and quality; `auto` is billed as high though the provider reports medium.",
    )
    cells = [
        (size, tier, quality, credits)
        for (size, tier), prices in _PRICES.items()
        for quality, credits in prices.items()
    ]
    deliveries = await asyncio.gather(
        *(
            scene.order("studio", f"{size} {quality} {_QUALITIES[quality]}", credits, f"{tier} {quality}")
            for size, tier, quality, credits in cells
        )
    )
    billed = [delivery.charge["settled_credits"] if delivery.charge else 0 for delivery in deliveries]
    found = {(tier, quality): credits for (_, tier, quality, _), credits in zip(cells, billed, strict=True)}
    headline(stage, scene.title, scene.about)
    shown = table("asked and delivered", *(f">{quality} ({format})" for quality, format in _QUALITIES.items()))
    for (size, tier), prices in _PRICES.items():
        texts = []
        for quality, credits in prices.items():
            agrees = found[tier, quality] == credits
            texts.append(f"{found[tier, quality]}{'' if agrees else f' for {credits}'} {stage.mark(agrees)}")
        shown.add_row(f"{tier}  {size}", *texts)
    stage.console.print(shown)


async def sizes(stage: Stage) -> None:
    """`auto`, tier names, custom sizes, and sizes that are refused."""
    scene = Scene(
        stage,
        "auto, tier names and custom sizes",
        "auto is quoted at 1K and billed by the pixels that come. Tiers end at 1536, 2048 and 3840 pixels"
        " of the long edge.",
    )
    ordered = "auto auto webp [sizes=1254x1254; claims=auto]"
    await scene.order("studio", ordered, 14, "1254 ≤ 1536 → 1K; auto → high")
    await scene.order("studio", "auto low png [sizes=1672x941; claims=auto]", 2, "1672 ≤ 2048 → 2K low")
    await scene.order("studio", "2K medium jpeg", 17, "2K medium")
    await scene.order("studio", "1536x864 medium", 4, "1536 ≤ 1536 → 1K medium")
    await scene.order("studio", "1552x1024 medium", 17, "1552 > 1536 → 2K medium")
    await scene.order("studio", "2304x1024 low", 4, "2304 > 2048 → 4K low")
    await scene.refuse("studio", "1000x1000", "400 size_not_allowed: 1000 is not 16 × k")
    await scene.refuse("studio", "2560x640", "400 size_not_allowed: 4 to 1 is past 3 to 1")
    await scene.refuse("studio", "3856x1296", "400 size_not_priced: 3856 is past 4K")
    await scene.refuse("studio", "auto ultra", "400 quality_not_supported: no such quality")
    await scene.refuse("studio", "gpt-image-9", "400 model_not_found: no such model")
    scene.show()
