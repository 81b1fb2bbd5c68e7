"""What all bodies share: strict fields, amounts, identifiers, times, pages and the problem document."""

from collections.abc import Callable
from datetime import datetime
from functools import cache
from operator import attrgetter
from typing import Annotated, Any, Generic, Self, TypeVar

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, GetJsonSchemaHandler
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema

from billing.core.amounts import MAX_AMOUNT
from billing.core.document import describe
from billing.core.instants import instant_of
from billing.core.refusals import REPEATS, Repeat
from billing.core.text import CURRENCY, IDENTIFIER

T = TypeVar("T")
PRINTABLE = r"^[ -~]*$"
POSITIONS = 2**31 - 1  # what the column of a place among those of one instant holds


class _Described(BaseModel):
    """Its properties are described by the words under its attributes (`billing.core.document`)."""

    @classmethod
    def __get_pydantic_json_schema__(cls, core: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        schema = handler(core)
        describe(handler.resolve_ref_schema(schema), cls)
        return schema


class Body(_Described):
    """A request: unknown fields are refused, and numbers and booleans are what they say they are."""

    model_config = ConfigDict(extra="forbid", strict=True)


class Shown(_Described):
    """A response. Where a row has its names, the route answers with the row: what is shown is read from it."""

    model_config = ConfigDict(frozen=True, from_attributes=True, validate_by_name=True)

    @classmethod
    def like(cls, thing: Any, **other: Any) -> Self:
        """Shows `thing` field by field, by the same names, but for `other`."""
        if not other:
            return cls.model_validate(thing)
        names, read = _reading(cls, tuple(other))
        other.update(zip(names, read(thing), strict=True))
        return cls.model_validate(other)


@cache
def _reading(shown: type[Shown], other: tuple[str, ...]) -> tuple[list[str], Callable[[Any], tuple[Any, ...]]]:
    """The names that are read from a row, at least two, and how. Once for each way: charges are shown by it."""
    names = [name for name in shown.model_fields if name not in other]
    return names, attrgetter(*names)


def _clean(text: str) -> str:
    if "\x00" in text:
        raise ValueError("must not contain NUL")
    return text


Identifier = Annotated[str, Field(pattern=IDENTIFIER, max_length=64, description="1-64 of A-Z a-z 0-9 _ . : -")]
Text = Annotated[str, Field(max_length=512), AfterValidator(_clean)]
Time = Annotated[datetime, BeforeValidator(instant_of)]
Credits = Annotated[int, Field(ge=1, le=MAX_AMOUNT, description="whole credits, at least 1")]
Amount = Annotated[int, Field(ge=0, le=MAX_AMOUNT)]
Labels = dict[str, str | int | float | bool | None]


class Money(Body):
    """An amount of money, as it is sent."""

    micros: Amount
    """millionths of the currency's unit, 0 or more: 12.50 USD is 12500000"""
    currency: Annotated[str, Field(pattern=CURRENCY, max_length=3)]
    """ISO 4217, three capital letters"""


class MoneyShown(Shown):
    """An amount of money."""

    micros: int
    """millionths of the currency's unit, 0 or more: 12.50 USD is 12500000"""
    currency: str
    """ISO 4217, three capital letters"""


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
    """`urn:billing:problem:` and the code"""
    title: str
    """what is refused, in English: the same for every refusal of this code"""
    status: int
    """the HTTP status: 400 to 599"""
    detail: str
    """why in this case, and what to do about it, in English"""
    code: str
    """for programs: see the description of each status for those that a route may answer with"""
    retry: Annotated[
        Repeat,
        Field(description="; ".join(f"`{word}`: {meaning}" for word, meaning in REPEATS.items())),
    ]


class Page(Shown, Generic[T]):
    """One page of a list; `next_cursor` fetches the next."""

    data: list[T]
    """at most `limit`, in the order that the route says"""
    has_more: bool
    """whether there are more behind the last of these"""
    next_cursor: str | None
    """send it as `cursor` to go on behind the last of these; null where there is nothing more"""
