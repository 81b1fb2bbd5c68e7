"""Statements: what a month did to an account's wallet, in a form that anybody can verify without us.

A month's movements are the transfers of the wallet book that were posted in it (`posted_at`, from `start` up to but
not including `end`, in UTC). `posted_at` never falls from one seq to the next, so they are one unbroken range of seqs,
and statements of consecutive months connect: one's closing balance, last hash and last seq are where the next begins.
What was due in a month but posted later (an expiry) is a movement of the later month; its `effective_at` says when.

The movements are hashed as `billing.core.ledger` says. Everything else is the statement's header. What is signed,
with Ed25519, are the header's canonical bytes: UTF-8 text, one field after another, each ended by a line feed, written
as in `billing.core.ledger` (text `5:acc-1`, integer `i-42`, time as an integer of microseconds since 1970, bytes `x…`,
list `l` and how many, nothing `-`; true is `i1` and false `i0`). The fields in order:

    `billing.statement.1` (text), account_id, month, start, end, complete, issued_at, asset,
    opening_balance, closing_balance, first_seq, last_seq, count, hash_before, hash_after,
    totals (list: kind, movements, change), subtotals (list: model, size_tier, quality, images, failed_images,
    settled_credits, refunded_credits, credits)

`tests/usage/test_statements.py` holds a test vector.
"""

import re
from dataclasses import asdict, astuple, dataclass
from datetime import UTC, datetime
from typing import Any, ClassVar, Final

from billing.books.statements.document.fields import fields_of, written
from billing.core.document import DOCUMENT, describe
from billing.core.ledger import CONSUMED, WALLET, Transfer, microseconds

FORMAT: Final = "billing.statement.1"
ALGORITHM: Final = "Ed25519"
MONTH: Final = "^(19[7-9][0-9]|[2-9][0-9]{3})-(0[1-9]|1[0-2])$"


@dataclass(frozen=True, slots=True)
class MovementTotal:
    """All movements of one kind."""

    __pydantic_config__ = DOCUMENT
    kind: str
    """as the journal names it, such as `settle`"""
    movements: int
    """how many, 1 or more"""
    change: int
    """what they did to the balance, in whole credits, signed"""


@dataclass(frozen=True, slots=True)
class Subtotal:
    """Images of one model, size tier and billed quality.

    What the month corrected of bills of whatever month is among what it settled, and the images that were found to be of
    another tier, or to have failed, are taken away where they had been counted: so all figures may be negative.
    """

    __pydantic_config__ = DOCUMENT
    model: str
    """as the charge names it"""
    size_tier: str | None
    """as measured; null for outputs that failed"""
    quality: str
    """as billed: auto counts as what it was read as"""
    images: int
    """outputs that were delivered"""
    failed_images: int
    """outputs that failed: they cost nothing"""
    settled_credits: int
    """whole credits that were billed in the month, with what it corrected"""
    refunded_credits: int
    """whole credits that were returned in it, of bills of whatever month"""
    credits: int
    """settled less refunded"""


def _as_signed(schema: dict[str, Any], of: type) -> None:
    """A file may say anything; what is issued says this."""
    describe(schema, of)
    schema["properties"]["algorithm"]["const"] = ALGORITHM


@dataclass(frozen=True, slots=True)
class Signature:
    """By which key the header was signed."""

    __pydantic_config__: ClassVar = {"json_schema_extra": _as_signed}
    algorithm: str
    """of the key and the signature: `Ed25519`"""
    kid: str
    """the key's thumbprint (RFC 7638)"""
    public_key: str
    """32 bytes, base64url without padding"""
    value: str
    """the signature over the header's canonical bytes: 64 bytes, base64url without padding"""


def _hashes_as_text(schema: dict[str, Any], of: type) -> None:
    """In JSON a hash is hexadecimal text."""
    describe(schema, of)
    for one in schema["properties"].values():
        one.pop("contentMediaType", None)


@dataclass(frozen=True, slots=True)
class Statement:
    """A month's movements are the transfers of the wallet posted in it: `first_seq` to `last_seq`, one unbroken range.

    `complete` is false while the month lasts. `hash_before` and `hash_after` are the chain's hashes before the first and
    after the last of them, and equal those of the statements before and after.
    """

    __pydantic_config__: ClassVar = {"json_schema_extra": _hashes_as_text}
    account_id: str
    """whose wallet it is"""
    month: str
    """YYYY-MM"""
    start: datetime
    """when the month begins, inclusive"""
    end: datetime
    """when the month ends, exclusive"""
    complete: bool
    """whether nothing can be posted in the month any more; otherwise it is the statement so far"""
    issued_at: datetime
    """when it was signed, by the database's clock"""
    asset: str
    """`CREDIT`"""
    opening_balance: int
    """whole credits, as `start` began; below 0 for debt"""
    closing_balance: int
    """whole credits, as `end` began, or so far; below 0 for debt"""
    first_seq: int
    """of the first movement, from 1"""
    last_seq: int
    """of the last; one below `first_seq` where there is none"""
    count: int
    """of the movements, 0 or more"""
    hash_before: bytes
    """SHA-256, 64 hexadecimal digits: of the movement before the first"""
    hash_after: bytes
    """SHA-256, 64 hexadecimal digits: of the last movement"""
    totals: tuple[MovementTotal, ...]
    """by kind of movement, those that there were"""
    subtotals: tuple[Subtotal, ...]
    """by model, size tier and quality, failed ones last"""

    @property
    def canonical_bytes(self) -> bytes:
        """What is signed, as this module's docstring defines it."""
        own = [getattr(self, field.name) for field in HEADER]
        return "".join(f"{part}\n" for part in _parts([FORMAT, *own, list(self.totals), list(self.subtotals)])).encode()

    @property
    def document(self) -> dict[str, Any]:
        """The header as JSON holds it."""
        return {
            "format": FORMAT,
            **{field.name: written(getattr(self, field.name)) for field in HEADER},
            "totals": [asdict(total) for total in self.totals],
            "subtotals": [asdict(subtotal) for subtotal in self.subtotals],
        }

    @property
    def consumed(self) -> int:
        """Credits billed less credits refunded, as the subtotals have it."""
        return sum(subtotal.credits for subtotal in self.subtotals)


# What the parts of a file hold, in the order in which they are written and signed.
HEADER: Final = tuple(field for field in fields_of(Statement) if field.name not in ("totals", "subtotals"))
TOTAL: Final = fields_of(MovementTotal)
SUBTOTAL: Final = fields_of(Subtotal)
SIGNATURE: Final = fields_of(Signature)
MOVEMENT: Final = fields_of(Transfer, free="external_id", always="balance_after")


def change(transfer: Transfer) -> int:
    """What a transfer of the wallet book did to the balance, signed."""
    return transfer.amount if transfer.credit == WALLET else -transfer.amount


def consumption(transfer: Transfer) -> int:
    """What a transfer says was consumed: positive for a bill, negative for a refund, 0 for everything else."""
    return transfer.amount if transfer.credit == CONSUMED else -transfer.amount if transfer.debit == CONSUMED else 0


def is_month(text: str) -> bool:
    return re.fullmatch(MONTH.strip("^$"), text) is not None


def month_of(moment: datetime) -> str:
    """`YYYY-MM` of `moment` in UTC."""
    return f"{moment.astimezone(UTC):%Y-%m}"


def month_after(month: str) -> str:
    year, number = (int(part) for part in month.split("-"))
    return f"{year + 1:04}-01" if number == 12 else f"{year:04}-{number + 1:02}"


def month_before(month: str) -> str:
    year, number = (int(part) for part in month.split("-"))
    return f"{year - 1:04}-12" if number == 1 else f"{year:04}-{number - 1:02}"


def start_of(month: str) -> datetime:
    """The instant with which `month` begins; it ends with the next one's. Raises ValueError."""
    return datetime.strptime(month, "%Y-%m").replace(tzinfo=UTC)


def _parts(values: list[Any]) -> list[str]:
    parts: list[str] = []
    for value in values:
        if value is None:
            parts.append("-")
        elif isinstance(value, str):
            parts.append(f"{len(value.encode())}:{value}")
        elif isinstance(value, datetime):
            parts.append(f"i{microseconds(value)}")
        elif isinstance(value, bytes):
            parts.append(f"x{value.hex()}")
        elif isinstance(value, list):
            parts += [f"l{len(value)}", *(part for item in value for part in _parts(list(astuple(item))))]
        else:
            parts.append(f"i{int(value)}")
    return parts
