"""Margins: what was billed and paid for images, beside what the provider took for them."""

from collections import defaultdict
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any, Final, Literal

from billing.books.margins.comparison import Cell, Name, cells_of, differences, share
from billing.books.margins.worth import BilledDays, billed_days
from billing.books.provider_reports.line_items import Catalogue
from billing.books.provider_reports.report import CURRENCY, ProviderDays, provider_days
from billing.core.document import DOCUMENT
from billing.core.refusals import Invalid
from billing.core.usage import day_of
from billing.store.clock import time_in
from billing.store.engine import Engine
from billing.store.price_books import books_within
from billing.store.snapshot import snapshot

MOST_DAYS: Final = 92


@dataclass(frozen=True, slots=True)
class MarginRevenue:
    """What was paid for the credits that images took and kept."""

    __pydantic_config__ = DOCUMENT
    currency: str
    """ISO 4217"""
    micros: int
    """0 or more"""


@dataclass(frozen=True, slots=True)
class Margin:
    """Of images of one kind, or of several."""

    __pydantic_config__ = DOCUMENT
    model: str | None
    """null: of all models"""
    size_tier: str | None
    """null: of all size tiers"""
    quality: str | None
    """as it is billed; null: of all qualities"""
    images: int
    """that were delivered; 0 or more"""
    failed_images: int
    """in the tier that was asked for; 0 or more"""
    credits: int
    """whole credits that they cost, corrections included, before `returned_credits`"""
    returned_credits: int
    """whole credits that were refunded; 0 or more"""
    revenue: list[MarginRevenue]
    """by currency; empty where nothing was paid for the credits"""
    cost_micros: int | None
    """that the provider took; null: no costs of these days are known"""
    margin_micros: int | None
    """of days whose costs are known, in the currency of the costs; null: no costs of these days are known"""
    loses: bool
    """it cost more than it brought; never where there is revenue in another currency"""
    shared_cost: bool
    """at least a part of the cost was shared among several cells, by their images"""
    uncosted_images: int
    """images of days whose costs are not known; 0 or more"""


@dataclass(frozen=True, slots=True, kw_only=True)
class DayMargin(Margin):
    """Of images of one kind and day: nothing of the kind is null."""

    day: date
    """of their settlement, in UTC"""


@dataclass(frozen=True, slots=True)
class CountDifference:
    """The provider counts other images than were billed."""

    __pydantic_config__ = DOCUMENT
    day: date
    """in UTC"""
    model: str | None
    """null: the provider names none"""
    size_tier: str | None
    """null: it tells no sizes of the model's"""
    provider_images: int
    """that it says it made; 0 or more"""
    billed_images: int
    """that were delivered; 0 or more"""
    failed_images: int
    """that were billed as failed; 0 or more"""


@dataclass(frozen=True, slots=True)
class Unattributed:
    """What the provider took for a model that no price book knows, or for images of which none was billed."""

    __pydantic_config__ = DOCUMENT
    day: date
    """in UTC"""
    line_item: str | None
    """as it names it; null: it does not"""
    cost_micros: int
    """above 0"""
    reason: Literal["unknown_model", "no_images"]
    """`no_images`: none was billed that it could be for"""


@dataclass(frozen=True, slots=True)
class ProviderTotals:
    """What the provider says in all."""

    __pydantic_config__ = DOCUMENT
    images: int
    """that it made; 0 or more"""
    cost_micros: int
    """that it took; 0 or more"""
    unattributed_micros: int
    """the part of it that belongs to no cell"""
    usage_days: int
    """of how many days its images are known"""
    cost_days: int
    """of how many days its costs are known"""


@dataclass(frozen=True, slots=True)
class Margins:
    """Revenue is what was paid for the credits that images took and kept, on the day of their settlement: nothing for
    `unpaid_credits` and `free_credits`. Cells sum to the total, to the micro."""

    __pydantic_config__ = DOCUMENT
    start: datetime
    """the first day's beginning, in UTC"""
    end: datetime
    """the last day's end; exclusive"""
    as_of: datetime
    """when this was read, in one snapshot"""
    model: str | None
    """of this one only; null: of all"""
    currency: str
    """ISO 4217, of costs and margins"""
    total: Margin
    """of all cells"""
    provider: ProviderTotals
    """what it says in all"""
    unpaid_credits: int
    """whole credits of these images that are owed; 0 or more"""
    free_credits: int
    """whole credits of these images from grants for which nothing was paid; 0 or more"""
    losing: list[DayMargin]
    """cells that lose money, those that lose most before others"""
    differences: list[CountDifference]
    """on days of which the provider has told its images"""
    unattributed: list[Unattributed]
    """by day and line item"""
    kinds: list[Margin]
    """sums over the days, those that lose most before others"""
    cells: list[DayMargin]
    """all of them, by day, model, size tier and quality"""


async def margins(
    engine: Engine,
    start: datetime,
    end: datetime,
    *,
    model: str | None = None,
    provider: str = "openai",
    seconds: float | None = None,
) -> Margins:
    """The margins of the whole days in UTC of [start, end), at most 92.

    Raises Invalid, also where it takes longer than `seconds`.
    """
    if start != day_of(start) or end != day_of(end):
        raise Invalid.of("start", "and end must be the beginning of a day in UTC: the provider reports by day")
    if not start < end <= start + timedelta(days=MOST_DAYS):
        raise Invalid.of("end", f"must be after start, by at most {MOST_DAYS} days")
    async with snapshot(engine) as connection:
        as_of = await time_in(connection, engine)
        catalogue = Catalogue(await books_within(connection))
        ours = await billed_days(connection, start, end, model, seconds=seconds)
        theirs = await provider_days(connection, provider, start, end)
    return _compared(start, end, as_of, ours, theirs, catalogue, model)


def _compared(
    start: datetime,
    end: datetime,
    as_of: datetime,
    ours: BilledDays,
    theirs: ProviderDays,
    catalogue: Catalogue,
    model: str | None,
) -> Margins:
    """Costs and images of other models than `model` are left out, if one is named."""
    cells = cells_of(ours, {day for day, *_ in theirs.costs})
    costs = [(day, line_item, micros, catalogue.item(line_item)) for day, line_item, micros in theirs.costs]
    costs = [one for one in costs if one[2] and model in (None, one[3].model)]
    left = share(cells, costs)
    usage = [(day, catalogue.model(name) if name else "", size, images) for day, name, size, images in theirs.usage]
    days = {day for day, *_ in usage}
    usage = [one for one in usage if one[1] == model or (model is None and (one[1] or one[3]))]
    kinds: defaultdict[tuple[str, str, str], Cell] = defaultdict(Cell)
    total = Cell()
    for (_, *kind), cell in cells.items():
        kinds[kind[0], kind[1], kind[2]].add(cell)
        total.add(cell)
    losing = sorted((name for name, cell in cells.items() if cell.loses), key=lambda name: (cells[name].rank, name))
    return Margins(
        start=start,
        end=end,
        as_of=as_of,
        model=model,
        currency=CURRENCY,
        total=Margin(None, None, None, **_figures(total)),
        provider=ProviderTotals(
            images=sum(images for *_, images in usage),
            cost_micros=sum(micros for _, _, micros, _ in costs),
            unattributed_micros=sum(micros for _, _, micros, _ in left),
            usage_days=len(days),
            cost_days=len({day for day, *_ in theirs.costs}),
        ),
        unpaid_credits=ours.unpaid_credits,
        free_credits=ours.free_credits,
        losing=[_of_day(name, cells[name]) for name in losing],
        differences=[
            CountDifference(day.date(), name or None, tier, told, billed, failed)
            for day, name, tier, told, billed, failed in differences(cells, usage, days, catalogue)
        ],
        unattributed=[
            Unattributed(day.date(), line_item or None, micros, "no_images" if item.model else "unknown_model")
            for day, line_item, micros, item in left
        ],
        kinds=[
            Margin(*kind, **_figures(cell))
            for kind, cell in sorted(kinds.items(), key=lambda one: (one[1].rank, one[0]))
        ],
        cells=[_of_day(name, cell) for name, cell in cells.items()],
    )


def _of_day(name: Name, cell: Cell) -> DayMargin:
    day, model, size_tier, quality = name
    return DayMargin(model, size_tier, quality, day=day.date(), **_figures(cell))


def _figures(cell: Cell) -> dict[str, Any]:
    return {
        "images": cell.images,
        "failed_images": cell.failed_images,
        "credits": cell.credits,
        "returned_credits": cell.returned_credits,
        "revenue": [MarginRevenue(currency, micros) for currency, micros in sorted(cell.revenue.items())],
        "cost_micros": cell.cost_micros,
        "margin_micros": cell.margin_micros,
        "loses": cell.loses,
        "shared_cost": cell.shared_cost,
        "uncosted_images": cell.uncosted_images,
    }
