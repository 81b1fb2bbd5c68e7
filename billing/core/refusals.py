"""Refusals: what the ledger may say no to, with the facts a caller needs to act.

Refusal
├── NotFound
│   └── AccountNotFound · ChargeNotFound · PriceBookNotFound · PackNotFound · TopupNotFound · AutoRechargeNotFound
├── Invalid                        the body or a parameter is not what the contract says
├── IdReused                       this id already names something else
├── AccountSuspended               new authorizations only
├── UnknownModel · SizeNotAllowed · SizeNotPriced · QualityNotSupported · PriceChanged
├── ChargeNotOpen · RefundExceedsBill · NothingToCorrect · TopupNotPaid
├── InsufficientCredits
└── Unavailable                    nothing was decided: repeat the call with the same id

What a room or a shelf refuses by itself stands there: `http/refusals`, `store/refusals`, `funding/refusals`,
`books/periods/refusals`, a shelf's `report`. A refusal records nothing.
The HTTP status of each lives in one table, in `billing.http.problems`.
"""

from dataclasses import dataclass, fields
from typing import Any, ClassVar, Final, Literal

Repeat = Literal["never", "later", "same_id"]
REPEATS: Final[dict[Repeat, str]] = {
    "never": "as it is the call will be refused again: change it, or ask for something else",
    "later": "nothing was done, and the same call can succeed once what `detail` names has changed: time, credits, what "
    "others do",
    "same_id": "repeat the very same call with the same id: whether or not it has taken effect, it does so once",
}
"""Whether a repeat of a call can help: the word of each problem, and what it means."""


@dataclass(eq=False)
class Refusal(Exception):
    """Why a command was not carried out. `facts()` are its fields, by name."""

    code: ClassVar[str] = "refused"
    title: ClassVar[str] = "The request was refused"
    retry: ClassVar[Repeat] = "never"

    @property
    def detail(self) -> str:
        return self.title

    def facts(self) -> dict[str, Any]:
        return {field.name: getattr(self, field.name) for field in fields(self)}

    def __str__(self) -> str:
        return self.detail


@dataclass(eq=False)
class NotFound(Refusal):
    code = "not_found"
    title = "Not found"


@dataclass(eq=False)
class AccountNotFound(NotFound):
    account_id: str
    code = "account_not_found"
    title = "No such account"

    @property
    def detail(self) -> str:
        return "There is no account of this id that your key may see."


@dataclass(eq=False)
class ChargeNotFound(NotFound):
    request_id: str
    code = "charge_not_found"
    title = "No such charge"

    @property
    def detail(self) -> str:
        return f"The account has no charge `{self.request_id}`; authorize it first."


@dataclass(eq=False)
class PriceBookNotFound(NotFound):
    version: int
    code = "price_book_not_found"
    title = "No such price book"


@dataclass(eq=False)
class PackNotFound(NotFound):
    pack_id: str
    code = "pack_not_found"
    title = "No such pack on sale"

    @property
    def detail(self) -> str:
        return "GET /v1/packs lists the packs that can be bought."


@dataclass(eq=False)
class TopupNotFound(NotFound):
    topup_id: str
    code = "topup_not_found"
    title = "No such top-up"


@dataclass(eq=False)
class AutoRechargeNotFound(NotFound):
    code = "auto_recharge_not_found"
    title = "The account has no auto-recharge"


@dataclass(eq=False)
class Invalid(Refusal):
    """`errors`: one `{"field", "message"}` for each thing that is wrong. The input is never echoed."""

    errors: list[dict[str, str]]
    code = "validation_error"
    title = "The request is not valid"

    @classmethod
    def of(cls, field: str, message: str) -> "Invalid":
        return cls([{"field": field, "message": message}])

    @property
    def detail(self) -> str:
        return "; ".join(f"{error['field']}: {error['message']}" for error in self.errors[:5])


@dataclass(eq=False)
class IdReused(Refusal):
    """`differs`: the fields that are not what they were when the id was taken, by the names of the call's body.

    Empty only where that is not known any more: see `billing.core.content`.
    """

    id: str
    differs: list[str]
    code = "id_reused"
    title = "This id already names something else"

    @property
    def detail(self) -> str:
        other = f"another {', '.join(f'`{name}`' for name in self.differs)}" if self.differs else "other content"
        return f"`{self.id}` was used before with {other}. Nothing changed; take a new id."


@dataclass(eq=False)
class AccountSuspended(Refusal):
    code = "account_suspended"
    title = "The account is suspended"
    retry = "later"

    @property
    def detail(self) -> str:
        return "New authorizations are refused until the account is active; open charges still settle."


@dataclass(eq=False)
class UnknownModel(Refusal):
    model: str
    code = "unknown_model"
    title = "No price for this model"

    @property
    def detail(self) -> str:
        return "The price book in force has no such model; GET /v1/price-books/current lists them."


@dataclass(eq=False)
class SizeNotAllowed(Refusal):
    rule: str
    code = "size_not_allowed"
    title = "The model does not make images of this size"

    @property
    def detail(self) -> str:
        return f"The size breaks the model's rule `{self.rule}`."


@dataclass(eq=False)
class SizeNotPriced(Refusal):
    long_edge: int
    max_edge: int
    code = "size_not_priced"
    title = "No price for this size"

    @property
    def detail(self) -> str:
        return f"The long edge is {self.long_edge} px and prices end at {self.max_edge} px."


@dataclass(eq=False)
class QualityNotSupported(Refusal):
    supported: list[str]
    code = "quality_not_supported"
    title = "The model has no such quality"

    @property
    def detail(self) -> str:
        return f"Use one of: {', '.join(self.supported)}."


@dataclass(eq=False)
class PriceChanged(Refusal):
    current: int
    code = "price_changed"
    title = "Another price book applies by now"

    @property
    def detail(self) -> str:
        return f"Price version {self.current} is in force; ask for a new quote."


@dataclass(eq=False)
class ChargeNotOpen(Refusal):
    charge_status: str
    code = "charge_not_open"
    title = "The charge's state does not allow that"

    @property
    def detail(self) -> str:
        return f"The charge is {self.charge_status}."


@dataclass(eq=False)
class TopupNotPaid(Refusal):
    """What was reported can only follow a payment that we have not heard of yet."""

    topup_id: str
    code = "topup_not_paid"
    title = "The top-up is not paid"
    retry = "later"


@dataclass(eq=False)
class RefundExceedsBill(Refusal):
    refundable: int
    code = "refund_exceeds_bill"
    title = "More than is left of the bill"

    @property
    def detail(self) -> str:
        return f"At most {self.refundable} credits can still be refunded here."


@dataclass(eq=False)
class NothingToCorrect(Refusal):
    code = "nothing_to_correct"
    title = "The bill is what these outputs cost"

    @property
    def detail(self) -> str:
        return "What was delivered costs what is billed, or what is billed beyond it has been refunded."


@dataclass(eq=False)
class InsufficientCredits(Refusal):
    """Credits, all three; `shortfall = required - available`."""

    available: int
    required: int
    code = "insufficient_credits"
    title = "Not enough credits"
    retry = "later"

    @property
    def detail(self) -> str:
        return (
            f"The request needs {self.required} credits and {self.available} are available. "
            "Nothing was recorded: top up and send the same request again."
        )

    def facts(self) -> dict[str, Any]:
        return {**super().facts(), "shortfall": self.required - self.available}


@dataclass(eq=False)
class Unavailable(Refusal):
    """The outcome is unknown or was not sought. `retry_after_seconds` is a hint."""

    retry_after_seconds: int = 1
    code = "unavailable"
    title = "Try again"
    retry: ClassVar[Repeat] = "same_id"

    @property
    def detail(self) -> str:
        return f"{self.title}: repeat the call with the same id; it takes effect at most once."
