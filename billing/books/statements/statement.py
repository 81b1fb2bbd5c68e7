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
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final, NamedTuple

from billing.books.statements.fields import Field, flag, integer, moment, octets, plain, text, written
from billing.core.ledger import CONSUMED, WALLET, Transfer, microseconds

FORMAT: Final = "billing.statement.1"
MONTH: Final = "^(19[7-9][0-9]|[2-9][0-9]{3})-(0[1-9]|1[0-2])$"


class Total(NamedTuple):
    """All movements of one kind: how many, and what they did to the balance, signed."""

    kind: str
    movements: int
    change: int


class Subtotal(NamedTuple):
    """Images of one model, size tier and billed quality; failed ones have no tier and cost nothing.

    `settled_credits` were billed in the month; what it corrected of bills of whatever month is among them, and the images
    that were found to be of another tier, or to have failed, are taken away where they had been counted. So all figures
    may be negative. `refunded_credits` were returned in it, of bills of whatever month. `credits` is the one less the other.
    """

    model: str
    size_tier: str | None
    quality: str
    images: int
    failed_images: int
    settled_credits: int
    refunded_credits: int
    credits: int


@dataclass(frozen=True, slots=True)
class Statement:
    """A statement's header. Balances in the asset's smallest unit; times in UTC.

    `complete`: the month was over and nothing can be posted in it any more; otherwise it is the statement so far.
    `first_seq` to `last_seq` are the movements, `count` of them: none when `last_seq` is one below `first_seq`.
    `hash_before` is the hash of the movement before the first, `hash_after` that of the last.
    """

    account_id: str
    month: str
    start: datetime
    end: datetime
    complete: bool
    issued_at: datetime
    asset: str
    opening_balance: int
    closing_balance: int
    first_seq: int
    last_seq: int
    count: int
    hash_before: bytes
    hash_after: bytes
    totals: tuple[Total, ...]
    subtotals: tuple[Subtotal, ...]

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
            "totals": [total._asdict() for total in self.totals],
            "subtotals": [subtotal._asdict() for subtotal in self.subtotals],
        }

    @property
    def consumed(self) -> int:
        """Credits billed less credits refunded, as the subtotals have it."""
        return sum(subtotal.credits for subtotal in self.subtotals)


# What the parts of a file hold, in the order in which they are written and signed.
HEADER: Final = (
    Field("account_id", plain), Field("month", plain), Field("start", moment), Field("end", moment),
    Field("complete", flag), Field("issued_at", moment), Field("asset", plain), Field("opening_balance", integer),
    Field("closing_balance", integer), Field("first_seq", integer), Field("last_seq", integer),
    Field("count", integer), Field("hash_before", octets), Field("hash_after", octets),
)  # fmt: skip
TOTAL: Final = (Field("kind", plain), Field("movements", integer), Field("change", integer))
SUBTOTAL: Final = (
    Field("model", plain), Field("size_tier", plain, True), Field("quality", plain), Field("images", integer),
    Field("failed_images", integer), Field("settled_credits", integer), Field("refunded_credits", integer),
    Field("credits", integer),
)  # fmt: skip
SIGNATURE: Final = (Field("algorithm", plain), Field("kid", plain), Field("public_key", plain), Field("value", plain))
MOVEMENT: Final = (
    Field("account_id", plain), Field("book", plain), Field("seq", integer), Field("kind", plain),
    Field("debit", plain), Field("credit", plain), Field("asset", plain), Field("amount", integer),
    Field("balance_after", integer), Field("request_id", plain, True), Field("grant_id", plain, True),
    Field("refund_id", plain, True), Field("external_id", text, True), Field("effective_at", moment),
    Field("posted_at", moment), Field("digest", octets, True), Field("hash", octets),
)  # fmt: skip


class Signature(NamedTuple):
    """`kid` is the thumbprint (RFC 7638) of `public_key`; it and `value` are base64url without padding."""

    algorithm: str
    kid: str
    public_key: str
    value: str


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
            parts += [f"l{len(value)}", *(part for item in value for part in _parts(list(item)))]
        else:
            parts.append(f"i{int(value)}")
    return parts
