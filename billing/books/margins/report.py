"""Margins: what the provider made and took, beside what was billed and what was paid for it.

By day in UTC, model, size tier and billed quality. The provider does not tell qualities apart, and often no sizes: what
it took is then shared among the images it was taken for, by their number, and the cells say so.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

from billing.books.margins.line_items import Catalogue, Item
from billing.books.margins.pages import CURRENCY
from billing.books.margins.provider_reports import Reported, reported
from billing.books.margins.shares import rounded, shared
from billing.books.margins.sql import Billed, Cell, billed
from billing.core.prices import PriceBooks
from billing.core.refusals import Invalid
from billing.core.usage import day_of
from billing.store.clock import time_in
from billing.store.engine import Engine
from billing.store.snapshot import snapshot

MOST_DAYS: Final = 92
Name = tuple[datetime, str, str, str]  # day, model, size tier, quality
Kind = tuple[str, str, str]  # model, size tier, quality


@dataclass(slots=True)
class Margin:
    """A cell, or the sum of several. `credits` before `returned_credits`; money in micros.

    `cost_micros` is None where the provider's costs of the day are not known, and then there is no margin. `shared_cost`:
    at least a part of it was shared among several cells. `uncosted_images`: those of days without costs.
    """

    images: int = 0
    failed_images: int = 0
    credits: int = 0
    returned_credits: int = 0
    revenue: dict[str, int] = field(default_factory=dict)
    cost_micros: int | None = None
    shared_cost: bool = False
    uncosted_images: int = 0
    costed_revenue_micros: int = 0

    @property
    def margin_micros(self) -> int | None:
        """Revenue in the currency of the costs, less costs."""
        return None if self.cost_micros is None else self.costed_revenue_micros - self.cost_micros

    @property
    def loses(self) -> bool:
        """Whether it cost more than it brought. Revenue in another currency cannot be weighed, so nothing is said."""
        margin = self.margin_micros
        return margin is not None and margin < 0 and all(currency == CURRENCY for currency in self.revenue)

    def add(self, other: "Margin") -> None:
        self.images += other.images
        self.failed_images += other.failed_images
        self.credits += other.credits
        self.returned_credits += other.returned_credits
        for currency, micros in other.revenue.items():
            self.revenue[currency] = self.revenue.get(currency, 0) + micros
        if other.cost_micros is not None:
            self.cost_micros = (self.cost_micros or 0) + other.cost_micros
        self.shared_cost |= other.shared_cost
        self.uncosted_images += other.uncosted_images
        self.costed_revenue_micros += other.costed_revenue_micros


@dataclass(frozen=True, slots=True)
class Difference:
    """The provider counts other images than were billed. Without a tier: of the model's, where sizes are not told."""

    day: datetime
    model: str
    size_tier: str | None
    provider_images: int
    billed_images: int
    failed_images: int


@dataclass(frozen=True, slots=True)
class Unattributed:
    """What the provider took for nothing that we know: `reason` is `unknown_model` or `no_images`."""

    day: datetime
    line_item: str
    amount_micros: int
    reason: str


@dataclass(frozen=True, slots=True)
class Margins:
    """Cells in order of day and name; `kinds` are their sums over all days, those that lose most first."""

    start: datetime
    end: datetime
    as_of: datetime
    cells: Mapping[Name, Margin]
    kinds: Mapping[Kind, Margin]
    total: Margin
    losing: Sequence[Name]
    differences: Sequence[Difference]
    unattributed: Sequence[Unattributed]
    provider_images: int
    provider_micros: int
    usage_days: int
    cost_days: int
    unpaid_credits: int
    free_credits: int

    @property
    def unattributed_micros(self) -> int:
        return sum(one.amount_micros for one in self.unattributed)


async def margins(
    engine: Engine,
    books: PriceBooks,
    start: datetime,
    end: datetime,
    *,
    model: str | None = None,
    provider: str = "openai",
    seconds: float | None = None,
) -> Margins:
    """The margins of the whole days in UTC of [start, end), at most 92. Raises Invalid."""
    day = timedelta(days=1)
    if start != day_of(start) or end != day_of(end):
        raise Invalid.of("start", "and end must be the beginning of a day in UTC: the provider reports by day")
    if not start < end <= start + MOST_DAYS * day:
        raise Invalid.of("end", f"must be after start, by at most {MOST_DAYS} days")
    async with snapshot(engine) as connection:
        as_of = await time_in(connection, engine)
        ours = await billed(connection, start, end, model, seconds=seconds)
        theirs = await reported(connection, provider, start, end)
    return compared(start, end, as_of, ours, theirs, Catalogue(books), model)


def compared(
    start: datetime,
    end: datetime,
    as_of: datetime,
    ours: Billed,
    theirs: Reported,
    catalogue: Catalogue,
    model: str | None,
) -> Margins:
    """The comparison itself; costs and images of other models than `model` are left out, if one is named."""
    cells = _cells(ours, {day for day, *_ in theirs.costs})
    costs = [(day, line_item, micros, catalogue.item(line_item)) for day, line_item, _, micros in theirs.costs]
    costs = [one for one in costs if one[2] and model in (None, one[3].model)]
    unattributed = _share(cells, costs)
    usage = [(day, catalogue.model(name) if name else "", size, images) for day, name, size, images in theirs.usage]
    days = {day for day, *_ in usage}
    usage = [one for one in usage if one[1] == model or (model is None and (one[1] or one[3]))]
    kinds: defaultdict[Kind, Margin] = defaultdict(Margin)
    total = Margin()
    for (_, *kind), cell in cells.items():
        kinds[kind[0], kind[1], kind[2]].add(cell)
        total.add(cell)
    return Margins(
        start,
        end,
        as_of,
        cells,
        dict(sorted(kinds.items(), key=lambda one: (_rank(one[1]), one[0]))),
        total,
        sorted((name for name, cell in cells.items() if cell.loses), key=lambda name: (_rank(cells[name]), name)),
        _differences(cells, usage, days, catalogue),
        unattributed,
        sum(images for *_, images in usage),
        sum(micros for _, _, micros, _ in costs),
        len(days),
        len({day for day, *_ in theirs.costs}),
        ours.unpaid_credits,
        ours.free_credits,
    )


def _rank(margin: Margin) -> tuple[bool, int]:
    """What loses most first; what is not known last."""
    return margin.margin_micros is None, margin.margin_micros or 0


def _cells(ours: Billed, costed: set[datetime]) -> dict[Name, Margin]:
    """What was billed, its revenue in whole micros that sum to the whole micros of each currency."""
    cells = {_name(one): Margin(one.images, one.failed_images, one.credits, one.returned_credits) for one in ours.cells}
    for currency in sorted({one.currency for one in ours.worth}):
        parts = [one for one in ours.worth if one.currency == currency]
        for part, micros in zip(parts, rounded([part.micros for part in parts]), strict=True):
            if micros:
                cells[part[0], part[1], part[2], part[3]].revenue[currency] = micros
    for (day, *_), cell in cells.items():
        if day in costed:
            cell.cost_micros, cell.costed_revenue_micros = 0, cell.revenue.get(CURRENCY, 0)
        else:
            cell.uncosted_images = cell.images
    return cells


def _name(cell: Cell) -> Name:
    return cell.day, cell.model, cell.size_tier, cell.quality


def _share(cells: Mapping[Name, Margin], costs: Iterable[tuple[datetime, str, int, Item]]) -> list[Unattributed]:
    """Gives each cost to the cells that it was taken for, by their images; returns what was taken for none."""
    by_day: defaultdict[datetime, list[tuple[Name, Margin]]] = defaultdict(list)
    for name, cell in cells.items():
        if cell.images:
            by_day[name[0]].append((name, cell))
    left = []
    for day, line_item, micros, item in costs:
        wanted = (item.model, item.size_tier, item.quality)
        found = [
            cell
            for name, cell in by_day[day]
            if item.model is not None and all(want in (None, have) for want, have in zip(wanted, name[1:], strict=True))
        ]
        if not found:
            left.append(Unattributed(day, line_item, micros, "no_images" if item.model else "unknown_model"))
            continue
        for cell, part in zip(found, shared(micros, [cell.images for cell in found]), strict=True):
            cell.cost_micros = (cell.cost_micros or 0) + part
            cell.shared_cost |= len(found) > 1
    return left


def _differences(
    cells: Mapping[Name, Margin],
    usage: Iterable[tuple[datetime, str, str, int]],
    days: set[datetime],
    catalogue: Catalogue,
) -> list[Difference]:
    """Where images differ, on days of which the provider has reported: by tier where it tells all sizes of a model."""
    theirs: defaultdict[tuple[datetime, str], dict[str | None, int]] = defaultdict(dict)
    for day, model, size, images in usage:
        tiers = theirs[day, model]
        tier = catalogue.tier(model, size) if size else None
        tiers[tier] = tiers.get(tier, 0) + images
    ours: defaultdict[tuple[datetime, str], dict[str | None, tuple[int, int]]] = defaultdict(dict)
    for (day, model, tier, _), cell in cells.items():
        if day in days:
            images, failed = ours[day, model].get(tier, (0, 0))
            ours[day, model][tier] = images + cell.images, failed + cell.failed_images
    found = []
    for key in sorted({*theirs, *ours}):
        told: dict[str | None, int] = theirs.get(key, {})
        counted = ours.get(key, {})
        if None in told:
            told = {None: sum(told.values())}
            counted = {None: (sum(i for i, _ in counted.values()), sum(f for _, f in counted.values()))}
        for tier in sorted({*told, *counted}, key=str):
            images, failed = counted.get(tier, (0, 0))
            if told.get(tier, 0) != images:
                found.append(Difference(*key, tier, told.get(tier, 0), images, failed))
    return found
