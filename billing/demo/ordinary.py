"""Scenes in which everything goes as asked: operations, models, the whole price list, sizes."""

from __future__ import annotations

import asyncio

from rich import box
from rich.table import Table

from billing.demo.orders import ProviderOrders
from billing.demo.scene import Expected, Scene, headline
from billing.demo.stage import Stage


async def first_pictures(stage: Stage) -> None:
    """Text to image and edit, both models."""
    scene = Scene(
        stage,
        "Text to image, and an edit of it",
        "gpt-image-2 is priced by tier and quality; gpt-image-1.5 costs 1 credit an image.",
    )
    day = await scene.order("studio", Expected(4, "1K medium"), size="1024x1024", quality="medium", output_format="png")
    await scene.order(
        "studio",
        Expected(14, "1536 ≤ 1536 → 1K high"),
        operation="edit",
        size="1536x1024",
        quality="high",
        output_format="jpeg",
        source=day.images.get(0),
    )
    await scene.order(
        "studio",
        Expected(3, "3 × 1, flat"),
        model="gpt-image-1.5",
        n=3,
        size="1024x1536",
        quality="medium",
        output_format="webp",
    )
    await scene.order(
        "studio",
        Expected(1, "1 × 1, flat"),
        model="gpt-image-1.5",
        operation="edit",
        output_format="avif",
        source=day.images.get(0),
    )
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
            scene.order(
                "studio",
                Expected(credits, f"{tier} {quality}"),
                size=size,
                quality=quality,
                output_format=_QUALITIES[quality],
            )
            for size, tier, quality, credits in cells
        )
    )
    found = {
        (tier, quality): delivery.charge["settled_credits"]
        for (_, tier, quality, _), delivery in zip(cells, deliveries, strict=True)
    }
    headline(stage, scene.title, scene.about)
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1))
    table.add_column("asked and delivered")
    for quality, format in _QUALITIES.items():
        table.add_column(f"{quality} ({format})", justify="right")
    for (size, tier), prices in _PRICES.items():
        texts = []
        for quality, credits in prices.items():
            billed = found[tier, quality]
            agrees = billed == credits
            texts.append(f"{billed}{'' if agrees else f' for {credits}'} {stage.mark(agrees)}")
        table.add_row(f"{tier}  {size}", *texts)
    stage.console.print(table)


async def sizes(stage: Stage) -> None:
    """`auto`, tier names, custom sizes, and sizes that are refused."""
    scene = Scene(
        stage,
        "auto, tier names and custom sizes",
        "auto is quoted at 1K and billed by the pixels that come. Tiers end at 1536, 2048 and 3840 pixels"
        " of the long edge.",
    )
    await scene.order(
        "studio",
        Expected(14, "1254 ≤ 1536 → 1K; auto → high"),
        output_format="webp",
        orders=ProviderOrders(sizes=("1254x1254",), claims="auto"),
    )
    await scene.order(
        "studio",
        Expected(2, "1672 ≤ 2048 → 2K low"),
        quality="low",
        output_format="png",
        orders=ProviderOrders(sizes=("1672x941",), claims="auto"),
    )
    await scene.order("studio", Expected(17, "2K medium"), size="2K", quality="medium", output_format="jpeg")
    await scene.order("studio", Expected(4, "1536 ≤ 1536 → 1K medium"), size="1536x864", quality="medium")
    await scene.order("studio", Expected(17, "1552 > 1536 → 2K medium"), size="1552x1024", quality="medium")
    await scene.order("studio", Expected(4, "2304 > 2048 → 4K low"), size="2304x1024", quality="low")
    await scene.refuse("studio", 422, "size_not_allowed", "1000 is not 16 × k", size="1000x1000")
    await scene.refuse("studio", 422, "size_not_allowed", "4:1 is past 3:1", size="2560x640")
    await scene.refuse("studio", 422, "size_not_priced", "3856 is past 4K", size="3856x1296")
    await scene.refuse("studio", 422, "quality_not_supported", "no such quality", quality="ultra")
    await scene.refuse("studio", 422, "unknown_model", "no such model", model="gpt-image-9")
    scene.show()
