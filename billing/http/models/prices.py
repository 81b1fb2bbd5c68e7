"""Price books and quotes over HTTP."""

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field

from billing.core.commands import N_MAX
from billing.core.prices import PUBLISHED, PriceBook, Quote
from billing.http.models.common import PRINTABLE, Body, Shown, Time

Word = Annotated[str, Field(pattern=PRINTABLE, max_length=64)]


class NewPriceBook(Body):
    """A new version of all prices. `models` is as GET /v1/price-books/current shows it; `prices` may be one number."""

    model_config = ConfigDict(
        json_schema_extra={"example": {"effective_from": "2030-01-01T00:00:00Z", "models": dict(PUBLISHED)}}
    )
    effective_from: Annotated[Time, Field(description="at least 60 s ahead, so that every process knows it in time")]
    models: dict[str, Any]


class PriceBookShown(Shown):
    version: int
    effective_from: datetime
    models: dict[str, Any]

    @classmethod
    def of(cls, book: PriceBook) -> "PriceBookShown":
        return cls(version=book.version, effective_from=book.effective_from, models=book.documents())


class NewQuote(Body):
    model: Word
    operation: Literal["generation", "edit"] = "generation"
    n: Annotated[int, Field(ge=1, le=N_MAX)] = 1
    size: Word = "auto"
    quality: Word = "auto"
    overage: Literal["bill", "cap"] = "bill"


class QuoteShown(Shown):
    """Credits. `max_credits` is the most the request can come to: the dearest tier × n, or the quote under `cap`."""

    credits: int
    credits_per_image: int
    n: int
    model: str
    billed_quality: str
    size_tier: str
    price_version: int
    max_credits: int

    @classmethod
    def of(cls, quote: Quote) -> "QuoteShown":
        return cls(**quote._asdict())
