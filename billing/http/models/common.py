"""What all bodies share: strict fields, amounts, identifiers, times, pages and the problem document."""

from datetime import UTC, datetime
from typing import Annotated, Any, Generic, Self, TypeVar

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field

from billing.core.amounts import MAX_AMOUNT
from billing.core.cursors import decode_cursor as decode_cursor
from billing.core.cursors import encode_cursor
from billing.core.cursors import not_ours as _not_ours
from billing.core.refusals import REPEATS, Repeat
from billing.core.text import IDENTIFIER

T = TypeVar("T")
_EARLIEST = datetime(1970, 1, 1, tzinfo=UTC)  # there is nothing before it, and arithmetic near year 1 overflows
PRINTABLE = r"^[ -~]*$"
POSITIONS = 2**31 - 1  # what the column of a place among those of one instant holds


class Body(BaseModel):
    """A request: unknown fields are refused, and numbers and booleans are what they say they are."""

    model_config = ConfigDict(extra="forbid", strict=True)


class Shown(BaseModel):
    """A response."""

    model_config = ConfigDict(frozen=True)

    @classmethod
    def like(cls, thing: Any, **other: Any) -> Self:
        """Shows `thing` field by field, by the same names, but for `other`."""
        return cls(**{name: getattr(thing, name) for name in cls.model_fields if name not in other}, **other)


def _clean(text: str) -> str:
    if "\x00" in text:
        raise ValueError("must not contain NUL")
    return text


def parse_time(value: Any) -> Any:
    """JSON has no times: text in RFC 3339, with its zone, and nothing else."""
    if not isinstance(value, str) or len(value) < 20:
        raise ValueError("must be an RFC 3339 time such as 2026-01-31T12:00:00Z")
    try:
        moment = datetime.fromisoformat(value)
        if moment.tzinfo is None:
            raise ValueError
        moment = moment.astimezone(UTC)
        if moment < _EARLIEST:
            raise ValueError
        return moment
    except (ValueError, OverflowError):
        raise ValueError("must be an RFC 3339 time such as 2026-01-31T12:00:00Z") from None


Identifier = Annotated[str, Field(pattern=IDENTIFIER, max_length=64, description="1-64 of A-Z a-z 0-9 _ . : -")]
Text = Annotated[str, Field(max_length=512), AfterValidator(_clean)]
Time = Annotated[datetime, BeforeValidator(parse_time)]
Credits = Annotated[int, Field(ge=1, le=MAX_AMOUNT, description="whole credits, at least 1")]
Amount = Annotated[int, Field(ge=0, le=MAX_AMOUNT)]
Labels = Annotated[
    dict[str, str | int | float | bool | None],
    Field(description="up to 50 labels of yours: text, numbers, booleans or null"),
]


class Problem(Shown):
    """RFC 9457. The facts of the refusal stand beside these as fields of their own."""

    model_config = ConfigDict(
        extra="allow",
        json_schema_extra={
            "example": {
                "type": "urn:billing:problem:insufficient_credits",
                "title": "Not enough credits",
                "status": 402,
                "detail": "The request needs 28 credits and 7 are available. Nothing was recorded: "
                "top up and send the same request again.",
                "code": "insufficient_credits",
                "retry": "later",
                "available": 7,
                "required": 28,
                "shortfall": 21,
            }
        },
    )
    type: str
    title: str
    status: int
    detail: str
    code: str
    retry: Annotated[
        Repeat,
        Field(description="; ".join(f"`{word}`: {meaning}" for word, meaning in REPEATS.items())),
    ]


class Page(Shown, Generic[T]):
    """One page of a list; `next_cursor` fetches the next."""

    data: list[T]
    has_more: bool
    next_cursor: str | None


def page(items: list[Any], limit: int, cursor_of: Any, show: Any = lambda item: item) -> dict[str, Any]:
    """A page of at most `limit` of `items`, which were fetched one beyond it."""
    shown = items[:limit]
    more = len(items) > limit
    return {
        "data": [show(item) for item in shown],
        "has_more": more,
        "next_cursor": encode_cursor(cursor_of(shown[-1])) if more else None,
    }


def decode_moment(text: str) -> datetime:
    """A time that stands in a cursor. Raises Invalid."""
    try:
        moment: datetime = parse_time(text)
    except ValueError:
        raise _not_ours() from None
    return moment


def decode_position(position: int) -> int:
    """A position that stands in a cursor, as far as its column holds it."""
    return max(-POSITIONS, min(position, POSITIONS))
