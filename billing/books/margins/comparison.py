"""The comparison: what the provider made and took, beside what was billed and what was paid for it, cell by cell.

By day in UTC, model, size tier and billed quality. The provider does not tell qualities apart, and often no sizes: what
it took is then shared among the images it was taken for, by their number, and the cells say so.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from billing.books.margins.shares import rounded, shared
from billing.books.margins.worth import BilledDays
from billing.books.provider_reports.line_items import Catalogue, LineItem
from billing.books.provider_reports.report import CURRENCY

Name = tuple[datetime, str, str, str]  # day, model, size tier, quality


@dataclass(slots=True)
class Cell:
    """Images of one name, or the sum of several cells. `credits` before `returned_credits`; money in micros.

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

    @property
    def rank(self) -> tuple[bool, int]:
        """What loses most first; what is not known last."""
        return self.margin_micros is None, self.margin_micros or 0

    def add(self, other: "Cell") -> None:
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


def cells_of(ours: BilledDays, costed: set[datetime]) -> dict[Name, Cell]:
    """What was billed, its revenue in whole micros that sum to the whole micros of each currency."""
    cells = {one[:4]: Cell(one.images, one.failed_images, one.credits, one.returned_credits) for one in ours.cells}
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


def share(
    cells: Mapping[Name, Cell], costs: Iterable[tuple[datetime, str, int, LineItem]]
) -> list[tuple[datetime, str, int, LineItem]]:
    """Gives each cost to the cells that it was taken for, by their images; returns those that were taken for none."""
    by_day: defaultdict[datetime, list[tuple[Name, Cell]]] = defaultdict(list)
    for name, cell in cells.items():
        if cell.images:
            by_day[name[0]].append((name, cell))
    left = []
    for cost in costs:
        day, _, micros, item = cost
        found = [
            cell
            for name, cell in by_day[day]
            if item.model is not None and all(want in (None, have) for want, have in zip(item, name[1:], strict=True))
        ]
        if not found:
            left.append(cost)
            continue
        for cell, part in zip(found, shared(micros, [cell.images for cell in found]), strict=True):
            cell.cost_micros = (cell.cost_micros or 0) + part
            cell.shared_cost |= len(found) > 1
    return left


def differences(
    cells: Mapping[Name, Cell],
    usage: Iterable[tuple[datetime, str, str, int]],
    days: set[datetime],
    catalogue: Catalogue,
) -> list[tuple[datetime, str, str | None, int, int, int]]:
    """Where images differ, on days of which the provider has reported: by tier where it tells all sizes of a model.

    (day, model, tier, images of the provider, billed and failed ones.)
    """
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
                found.append((*key, tier, told.get(tier, 0), images, failed))
    return found
