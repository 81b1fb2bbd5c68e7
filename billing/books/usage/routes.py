"""Usage: what was billed, when and of which kind; exact at the moment of the call."""

import re
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime
from typing import Annotated, Any, Literal
from urllib.parse import quote, unquote

from fastapi import Depends, Query
from pydantic import BeforeValidator, Field, TypeAdapter

from billing.books.usage.models import UsageBucket, UsagePage, UsageResult
from billing.books.usage.report import Page, Place, Question, page
from billing.core.buckets import Width, beginning, checked
from billing.core.refusals import AccountNotFound, Invalid
from billing.core.zones import zone
from billing.http.auth import Overseeing, Reading
from billing.http.models.common import decode_cursor, encode_cursor
from billing.http.parameters import AccountId, clean
from billing.http.problems import responses
from billing.http.route import Router
from billing.http.service import Service
from billing.store.clock import database_time
from billing.store.usage import DIMENSIONS, Used

router = Router(tags=["usage"])
LATEST = 4_102_444_800  # the year 2100
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


class Asked:
    """The parameters that both routes take, as they came."""

    def __init__(
        self,
        start_time: Annotated[
            Instant,
            Query(description="Unix seconds that begin a quarter of an hour, or a day in `tz`: its first instant"),
        ],
        end_time: Annotated[
            Instant | None, Query(description="the same, exclusive (a day: until it begins); left out: until now")
        ] = None,
        bucket_width: Annotated[Width, Query()] = "1d",
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
        given = {
            "model": model, "size_tier": size_tier, "quality": quality, "operation": operation, "api_key_id": api_key_id,
            "end_user": end_user,
        }  # fmt: skip
        self.filters = {name: values for name, values in given.items() if values is not None}

    async def question(
        self, service: Service, account_id: str | None, filters: Mapping[str, Sequence[str]]
    ) -> Question:
        """What is asked, by the database's clock. Raises Invalid."""
        every = {**self.filters, **filters}
        for name, values in every.items():
            for value in values:
                clean(**{name: value})
        now = await database_time(service.engine)
        start, end = checked(self.start, self.end or now, now)
        return Question(account_id, start, end, self.width, self.tz, self.group_by, every, self.zero_filled)

    def place(self, question: Question) -> Place | None:
        """Where the page begins. Raises Invalid for what no page of this question gave out."""
        if self.page is None:
            return None
        try:
            at, after = decode_cursor(self.page, int, str)
            group = tuple(map(unquote, decode_cursor(after, *(str for _ in self.group_by)))) if after else None
        except Invalid:
            raise _not_ours() from None
        moment = datetime.fromtimestamp(at, UTC) if 0 <= at <= LATEST and at % 900 == 0 else None
        if moment is None or not question.start <= moment < question.end or group == ():
            raise _not_ours()
        for value in group or ():
            clean(page=value)
        return Place(moment, group)


@router.get("/v1/accounts/{account_id}/usage", response_model=UsagePage, responses=responses(AccountNotFound))
async def account_usage(account_id: AccountId, caller: Reading, asked: Annotated[Asked, Depends()]) -> Any:
    """What the account used, in buckets of a time zone.

    A charge counts when it is settled, a refund and a correction when they are made.
    """
    if "account_id" in asked.group_by:
        raise Invalid.of("group_by", "must be some of model, size_tier, quality, operation, api_key_id, end_user")
    return await _answer(caller.service, asked, account_id)


@router.get("/v1/usage", response_model=UsagePage, responses=responses())
async def usage(caller: Overseeing, asked: Annotated[Asked, Depends()], account_id: Values = None) -> Any:
    """What all accounts used, or those that are named; may be grouped by `account_id` too."""
    if account_id is None:
        return await _answer(caller.service, asked, None)
    if len(account_id) == 1 and "account_id" not in asked.group_by:
        return await _answer(caller.service, asked, account_id[0])
    return await _answer(caller.service, asked, None, account_id)


async def _answer(
    service: Service, asked: Asked, account_id: str | None, accounts: Sequence[str] | None = None
) -> UsagePage:
    question = await asked.question(service, account_id, {} if accounts is None else {"account_id": accounts})
    return _shown(await page(service.long_reads, question, asked.place(question), asked.limit), question)


def _shown(found: Page, question: Question) -> UsagePage:
    tz = zone(question.tz)
    return UsagePage(
        data=[
            UsageBucket(
                start_time=int(bucket.start.timestamp()),
                end_time=int(bucket.end.timestamp()),
                local_start=bucket.start.astimezone(tz).isoformat(),
                results=[_result(used, question.group_by) for used in bucket.used or _nothing(question)],
            )
            for bucket in found.buckets
        ],
        has_more=found.following is not None,
        next_page=None if found.following is None else _cursor(found.following),
        as_of=int(found.as_of.timestamp()),
    )


def _result(used: Used, group_by: Sequence[str]) -> UsageResult:
    group: dict[str, Any] = {name: value or None for name, value in zip(group_by, used.group, strict=True)}
    return UsageResult(
        requests=used.requests, images=used.images, failed_images=used.failed_images, credits=used.credits, **group
    )


def _nothing(question: Question) -> list[Used]:
    """An empty bucket is zero; by groups it has none."""
    return [] if question.group_by else [Used(0, (), 0, 0, 0, 0)]


def _cursor(place: Place) -> str:
    group = "" if place.after is None else encode_cursor([quote(value) for value in place.after])
    return encode_cursor([int(place.at.timestamp()), group])


def _dimensions(group_by: Sequence[str]) -> tuple[str, ...]:
    names = [name.strip() for given in group_by for name in given.split(",")]
    if unknown := [name for name in names if name not in DIMENSIONS]:
        raise Invalid.of(
            "group_by", f"knows no `{unknown[0][:40]}`: some of {', '.join(DIMENSIONS)}".replace("\x00", "")
        )
    return tuple(dict.fromkeys(names))


def _moment(given: int | date, tz: str) -> datetime:
    """Raises Invalid (an unknown zone)."""
    return datetime.fromtimestamp(given, UTC) if isinstance(given, int) else beginning(given, zone(tz))


def _not_ours() -> Invalid:
    return Invalid.of("page", "is not one that this question gave out")
