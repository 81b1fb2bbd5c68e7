"""Margins: what was billed and paid for images, beside what the provider took for them."""

from typing import Annotated

from fastapi import Query

from billing.books.margins.report import Margins, margins
from billing.core.months import MONTH, Month
from billing.core.refusals import Invalid
from billing.http.auth import Overseeing
from billing.http.parameters import Moment, clean
from billing.http.problems import responses
from billing.http.route import Router

router = Router(prefix="/v1/finance", tags=["finance"])
SECONDS = 45.0


@router.get("/margins", responses=responses())
async def get_margins(
    caller: Overseeing,
    start: Annotated[Moment | None, Query(description="RFC 3339: the beginning of a day in UTC, inclusive")] = None,
    end: Annotated[Moment | None, Query(description="RFC 3339: the beginning of a day in UTC, exclusive")] = None,
    period: Annotated[str | None, Query(pattern=MONTH, description="YYYY-MM, instead of start and end")] = None,
    model: Annotated[str | None, Query(max_length=64, description="of this model only; default: of all")] = None,
) -> Margins:
    """By day, model, size tier and quality; at most 92 days. Cells that lose money are named first."""
    clean(model=model)
    if period is not None:
        if start is not None or end is not None:
            raise Invalid.of("period", "stands instead of start and end")
        _, start, end = Month.of(period)
    if start is None or end is None:
        raise Invalid.of("start" if start is None else "end", "is needed, or a period")
    return await margins(caller.service.long_reads, start, end, model=model, seconds=SECONDS)
