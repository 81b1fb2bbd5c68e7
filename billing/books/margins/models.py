"""The provider's reports and the margins that follow from them, as they are shown."""

from collections.abc import Mapping
from datetime import date, datetime
from typing import Annotated, Literal

from pydantic import Field

from billing.books.margins.bringing import CURRENCY, Difference, Margin, Margins, Unattributed
from billing.books.margins.provider_reports import ProviderReport
from billing.http.models.common import Shown


class ReportFile(Shown):
    name: str
    sha256: str


class ProviderReportShown(Shown):
    """One import. `replaced`: lines of earlier imports in whose place this one's stand."""

    report_id: str
    provider: str
    imported_at: datetime
    imported_by: str
    files: list[ReportFile]
    pages: int
    usage_lines: int
    cost_lines: int
    replaced: int
    images: int
    cost_micros: int
    currency: str
    starts_at: datetime
    ends_at: datetime

    @classmethod
    def of(cls, report: ProviderReport) -> "ProviderReportShown":
        files = [ReportFile(name=name, sha256=digest) for name, digest in report.files]
        return cls.like(report, files=files, currency=CURRENCY)


class Revenue(Shown):
    currency: str
    micros: int


class MarginShown(Shown):
    """`credits` before `returned_credits`, which were refunded. Costs and margin are null where no costs are known.

    The margin is that of days with known costs, in the currency of the costs. `shared_cost`: at least a part of the
    cost was shared among several cells, by their images.
    """

    model: str | None
    size_tier: str | None
    quality: str | None
    images: int
    failed_images: int
    credits: int
    returned_credits: int
    revenue: list[Revenue]
    cost_micros: int | None
    margin_micros: int | None
    loses: bool
    shared_cost: bool
    uncosted_images: Annotated[int, Field(description="images of days whose costs are not known")]

    @staticmethod
    def facts(margin: Margin) -> dict[str, object]:
        revenue = [Revenue(currency=currency, micros=micros) for currency, micros in sorted(margin.revenue.items())]
        names = ("images", "failed_images", "credits", "returned_credits", "cost_micros", "margin_micros", "loses")
        facts = {name: getattr(margin, name) for name in (*names, "shared_cost", "uncosted_images")}
        return {**facts, "revenue": revenue}

    @classmethod
    def of(cls, margin: Margin, kind: tuple[str | None, str | None, str | None] = (None, None, None)) -> "MarginShown":
        model, size_tier, quality = kind
        return cls.model_validate({"model": model, "size_tier": size_tier, "quality": quality, **cls.facts(margin)})


class DayMarginShown(MarginShown):
    day: date

    @classmethod
    def on(cls, name: tuple[datetime, str, str, str], margin: Margin) -> "DayMarginShown":
        day, model, size_tier, quality = name
        kind = {"day": day.date(), "model": model, "size_tier": size_tier, "quality": quality}
        return cls.model_validate({**kind, **cls.facts(margin)})


class DifferenceShown(Shown):
    """The provider counts other images than were billed; `size_tier` is null where it tells no sizes."""

    day: date
    model: str | None
    size_tier: str | None
    provider_images: int
    billed_images: int
    failed_images: int

    @classmethod
    def of(cls, one: Difference) -> "DifferenceShown":
        return cls.like(one, day=one.day.date(), model=one.model or None)


class UnattributedShown(Shown):
    """What the provider took for a model that no price book knows, or for images of which none was billed."""

    day: date
    line_item: str | None
    cost_micros: int
    reason: Literal["unknown_model", "no_images"]

    @classmethod
    def of(cls, one: Unattributed) -> "UnattributedShown":
        reason: Literal["unknown_model", "no_images"] = (
            "unknown_model" if one.reason == "unknown_model" else "no_images"
        )
        return cls(day=one.day.date(), line_item=one.line_item or None, cost_micros=one.amount_micros, reason=reason)


class ProviderTotals(Shown):
    """`usage_days` and `cost_days`: of how many days the provider's images and costs are known."""

    images: int
    cost_micros: int
    unattributed_micros: int
    usage_days: int
    cost_days: int


class MarginsShown(Shown):
    """`losing` cells first, those that lose most before others; `kinds` are sums over the days; `cells` are all of them.

    Revenue is what was paid for the credits that images took and kept, on the day of their settlement: nothing for
    `unpaid_credits` (debt) and `free_credits` (grants without a cost basis). Cells sum to the total, to the micro.
    """

    start: datetime
    end: datetime
    as_of: datetime
    model: str | None
    currency: Annotated[str, Field(description="of costs and margins")]
    total: MarginShown
    provider: ProviderTotals
    unpaid_credits: int
    free_credits: int
    losing: list[DayMarginShown]
    differences: list[DifferenceShown]
    unattributed: list[UnattributedShown]
    kinds: list[MarginShown]
    cells: list[DayMarginShown]

    @classmethod
    def of(cls, found: Margins, model: str | None) -> "MarginsShown":
        cells: Mapping[tuple[datetime, str, str, str], Margin] = found.cells
        return cls(
            start=found.start,
            end=found.end,
            as_of=found.as_of,
            model=model,
            currency=CURRENCY,
            total=MarginShown.of(found.total),
            provider=ProviderTotals(
                images=found.provider_images,
                cost_micros=found.provider_micros,
                unattributed_micros=found.unattributed_micros,
                usage_days=found.usage_days,
                cost_days=found.cost_days,
            ),
            unpaid_credits=found.unpaid_credits,
            free_credits=found.free_credits,
            losing=[DayMarginShown.on(name, cells[name]) for name in found.losing],
            differences=[DifferenceShown.of(one) for one in found.differences],
            unattributed=[UnattributedShown.of(one) for one in found.unattributed],
            kinds=[MarginShown.of(margin, kind) for kind, margin in found.kinds.items()],
            cells=[DayMarginShown.on(name, margin) for name, margin in cells.items()],
        )
