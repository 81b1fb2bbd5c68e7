"""Price books and quotes over HTTP."""

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field

from billing.core.commands import N_MAX
from billing.core.prices import PUBLISHED
from billing.http.models.charges import Word
from billing.http.models.common import Body, Shown, Time


class NewPriceBook(Body):
    """A new version of all prices. `models` is as GET /v1/price-books/current shows it; `prices` may be one number."""

    model_config = ConfigDict(
        json_schema_extra={"example": {"effective_from": "2030-01-01T00:00:00Z", "models": dict(PUBLISHED)}}
    )
    effective_from: Time
    """RFC 3339, at least 60 s ahead, so that every process knows it in time"""
    models: dict[str, Any]
    """by name: size tiers by their longest edge in pixels, sizes, qualities, and whole credits for each image"""


class PriceBookShown(Shown):
    version: int
    """from 1, without gaps"""
    effective_from: datetime
    """RFC 3339 in UTC: it applies from then on to what is authorized, until the next does"""
    models: dict[str, Any] = Field(validation_alias="documents")
    """by name: size tiers by their longest edge in pixels, sizes, qualities, and whole credits for each image"""


class NewQuote(Body):
    model: Word
    """as the price book in force names it"""
    operation: Literal["generation", "edit"] = "generation"
    """both cost the same"""
    n: Annotated[int, Field(ge=1, le=N_MAX)] = 1
    """images, 1 to 10"""
    size: Word = "auto"
    """`auto`, a tier (`1K`, `2K`, `4K`) or WIDTHxHEIGHT in pixels"""
    quality: Word = "auto"
    """of those that the price book knows; `auto` is billed as `high`"""
    overage: Literal["bill", "cap"] = "bill"
    """the account's: `cap`: no output costs more than it was quoted"""


class QuoteShown(Shown):
    """What a request costs under one price book, in whole credits."""

    credits: int
    """whole credits for all images, 0 or more"""
    credits_per_image: int
    """whole credits for each, 0 or more"""
    n: int
    """images, 1 to 10"""
    model: str
    """as it was asked for"""
    billed_quality: str
    """the quality whose prices apply"""
    size_tier: str
    """the tier whose prices apply"""
    price_version: int
    """of the price book in force: send it along with a charge to bind it"""
    max_credits: int
    """whole credits that the request can come to at most: the dearest tier × n, or the quote under `cap`"""
