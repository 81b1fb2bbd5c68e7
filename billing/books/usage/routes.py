"""GET …/usage: what was billed, when and of which kind; exact at the moment of the call."""

import re
from datetime import UTC, date, datetime
from typing import Annotated, Any, Literal

from fastapi import Depends, Query
from pydantic import BeforeValidator, Field, TypeAdapter

from billing.books.usage.report import LATEST, UsagePage, UsageQuestion, usage_page
from billing.books.usage.sums import DIMENSIONS, Selection
from billing.core.buckets import Width, beginning
from billing.core.refusals import AccountNotFound, Invalid
from billing.core.zones import zone
from billing.http.auth import Overseeing, Reading
from billing.http.parameters import AccountId, clean
from billing.http.problems import responses
from billing.http.route import Router
from billing.http.service import Service

router = Router(tags=["usage"])
PAGE_BUCKETS = {"15m": 96, "1h": 168, "1d": 31, "1mo": 12}
_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_SECONDS = TypeAdapter(Annotated[int, Field(ge=0, le=LATEST)])


def _instant(text: Any) -> Any:
    try:
        if isinstance(text, str) and _DAY.fullmatch(text):
            day = date.fromisoformat(text)
            if 1970 <= day.year < 2100:
                return day
        else:
            return _SECONDS.validate_python(text)
    except ValueError:
        pass
    raise ValueError("must be Unix seconds, or a day such as 2026-01-31, from 1970 to the year 2100")


Instant = Annotated[int | date, BeforeValidator(_instant)]
Values = Annotated[list[str] | None, Query(max_length=100, description="one of these values; may be repeated")]


class UsageParameters:
    """The parameters that both routes take, understood."""

    def __init__(
        self,
        start_time: Annotated[
            Instant,
            Query(description="Unix seconds that begin a quarter of an hour, or a day in `tz`: its first instant"),
        ],
        end_time: Annotated[
            Instant | None, Query(description="the same, exclusive (a day: until it begins); left out: until now")
        ] = None,
        bucket_width: Annotated[Width, Query(description="of a bucket, by the clocks of `tz`")] = "1d",
        group_by: Annotated[
            list[str] | None,
            Query(
                max_length=20,
                description="model, size_tier, quality, operation, api_key_id, end_user; separated by commas",
            ),
        ] = None,
        tz: Annotated[str, Query(max_length=64, description="an IANA time zone")] = "UTC",
        fill: Annotated[Literal["zero", "none"], Query(description="none: without buckets of no usage")] = "zero",
        limit: Annotated[int | None, Query(ge=1, le=3000, description="buckets to a page")] = None,
        page: Annotated[str | None, Query(max_length=2000, description="`next_page` of the page before")] = None,
        model: Values = None,
        size_tier: Values = None,
        quality: Values = None,
        operation: Values = None,
        api_key_id: Values = None,
        end_user: Values = None,
    ) -> None:
        self.start = _moment(start_time, tz)
        self.end = None if end_time is None else _moment(end_time, tz)
        self.width: Width = bucket_width
        self.group_by = _dimensions(group_by or ())
        self.tz = tz
        self.zero_filled = fill == "zero"
        self.limit = limit or PAGE_BUCKETS[bucket_width]
        self.page = page
        self.filters = {
            "model": model, "size_tier": size_tier, "quality": quality, "operation": operation, "api_key_id": api_key_id,
            "end_user": end_user,
        }  # fmt: skip

    async def answer(self, service: Service, account_id: str | None, among: list[str] | None = None) -> UsagePage:
        """Of one account, or of all that are `among` these. Raises AccountNotFound, Invalid."""
        filters = {name: given for name, given in {**self.filters, "account_id": among}.items() if given is not None}
        for name, values in filters.items():
            for value in values:
                clean(**{name: value})
        selected = Selection(account_id, self.group_by, filters)
        asked = UsageQuestion(selected, self.start, self.end, self.width, self.tz, self.zero_filled)
        return await usage_page(service.long_reads, asked, page=self.page, limit=self.limit)


Asking = Annotated[UsageParameters, Depends()]


@router.get("/v1/accounts/{account_id}/usage", responses=responses(AccountNotFound))
async def account_usage(account_id: AccountId, caller: Reading, asked: Asking) -> UsagePage:
    """What the account used, in buckets of a time zone.

    A charge counts when it is settled, a refund and a correction when they are made.
    """
    if "account_id" in asked.group_by:
        raise Invalid.of("group_by", "must be some of model, size_tier, quality, operation, api_key_id, end_user")
    return await asked.answer(caller.service, account_id)


@router.get("/v1/usage", responses=responses())
async def usage(caller: Overseeing, asked: Asking, account_id: Values = None) -> UsagePage:
    """What all accounts used, or those that are named; may be grouped by `account_id` too."""
    if account_id is not None and len(account_id) == 1 and "account_id" not in asked.group_by:
        return await asked.answer(caller.service, account_id[0])
    return await asked.answer(caller.service, None, among=account_id)


def _dimensions(group_by: list[str] | tuple[()]) -> tuple[str, ...]:
    names = [name.strip() for given in group_by for name in given.split(",")]
    if unknown := [name for name in names if name not in DIMENSIONS]:
        raise Invalid.of(
            "group_by", f"knows no `{unknown[0][:40]}`: some of {', '.join(DIMENSIONS)}".replace("\x00", "")
        )
    return tuple(dict.fromkeys(names))


def _moment(given: int | date, tz: str) -> datetime:
    """Raises Invalid (an unknown zone)."""
    return datetime.fromtimestamp(given, UTC) if isinstance(given, int) else beginning(given, zone(tz))
