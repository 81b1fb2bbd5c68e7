"""Usage over HTTP, in the shape of OpenAI's organization usage."""

from typing import Literal

from pydantic import Field

from billing.http.models.common import Shown


class UsageResult(Shown):
    """What was billed in a bucket, of one group. What was not grouped by is null; so are values that are not there:
    the size tier of outputs that failed, the key and end user of requests that named none.

    Counts are signed: refunds and corrections count when they are made. What turned out to be of another size, or not to
    be there, is taken away where it had been counted. A request counts once, on its first output.
    """

    object: Literal["usage.images.result"] = "usage.images.result"
    requests: int
    images: int = Field(description="outputs that were delivered")
    failed_images: int = Field(description="outputs that failed: never charged")
    credits: int
    account_id: str | None = None
    model: str | None = None
    size_tier: str | None = None
    quality: str | None = Field(default=None, description="as billed: auto counts as what it was read as")
    operation: str | None = None
    api_key_id: str | None = None
    end_user: str | None = None


class UsageBucket(Shown):
    """[start_time, end_time) in Unix seconds. The first and the last may be parts of their day or month."""

    object: Literal["bucket"] = "bucket"
    start_time: int
    end_time: int
    local_start: str = Field(description="start_time as clocks in `tz` show it: 2026-12-01T00:00:00-07:00")
    results: list[UsageResult]


class UsagePage(Shown):
    """`next_page` goes on where this page ends. A bucket with very many groups goes on there too."""

    object: Literal["page"] = "page"
    data: list[UsageBucket]
    has_more: bool
    next_page: str | None
    as_of: int = Field(description="Unix seconds: exact at this moment")
