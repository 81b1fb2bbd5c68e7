"""Statements over HTTP, and the keys that sign them."""

from datetime import datetime
from typing import Literal, Self

from pydantic import Field

from billing.books.statements.issue import Month
from billing.http.models.common import Shown
from billing.http.models.transfers import TransferShown


class MonthShown(Shown):
    """A month that has a statement. `complete`: it is over; otherwise the figures are those so far."""

    month: str
    start: datetime
    end: datetime
    complete: bool
    opening_balance: int
    closing_balance: int
    movements: int

    @classmethod
    def of(cls, month: Month) -> Self:
        return cls.like(month)


class TotalShown(Shown):
    """All movements of one kind: how many, and what they did to the balance, signed."""

    kind: str
    movements: int
    change: int


class SubtotalShown(Shown):
    """Images of one model, size tier (null: failed) and billed quality. `credits`: settled less refunded.

    What the month corrected of earlier bills is among what it settled, with its sign.
    """

    model: str
    size_tier: str | None
    quality: str
    images: int
    failed_images: int
    settled_credits: int
    refunded_credits: int
    credits: int


class SignatureShown(Shown):
    """By which key; base64url."""

    algorithm: Literal["Ed25519"]
    kid: str
    public_key: str
    value: str


class MovementShown(TransferShown):
    """A transfer with all fields that its hash covers."""

    account_id: str


class StatementShown(Shown):
    """A month's movements are the transfers of the wallet posted in it: `first_seq` to `last_seq`, one unbroken range.

    `complete` is false while the month lasts. `hash_before` and `hash_after` are the chain's hashes before the first and
    after the last of them, and equal those of the statements before and after.
    """

    format: Literal["billing.statement.1"]
    account_id: str
    month: str = Field(description="YYYY-MM")
    start: datetime = Field(description="inclusive")
    end: datetime = Field(description="exclusive")
    complete: bool
    issued_at: datetime
    asset: str
    opening_balance: int
    closing_balance: int
    first_seq: int
    last_seq: int
    count: int
    hash_before: str
    hash_after: str
    totals: list[TotalShown]
    subtotals: list[SubtotalShown]
    signature: SignatureShown
    movements: list[MovementShown]


class PublicKey(Shown):
    """A JWK (RFC 8037). `retired_at`: when another took its place; what it signed stays good."""

    kty: Literal["OKP"]
    crv: Literal["Ed25519"]
    x: str
    kid: str
    use: Literal["sig"]
    alg: Literal["EdDSA"]
    created_at: datetime
    retired_at: datetime | None


class PublicKeys(Shown):
    """A JWK set (RFC 7517)."""

    keys: list[PublicKey]
