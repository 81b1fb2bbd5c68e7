"""The ledger's tables: accounts, grants, charges and the journal."""

from datetime import datetime

from sqlalchemy import ARRAY, BigInteger, Boolean, Integer, LargeBinary, Text
from sqlmodel import Field, SQLModel

from billing.store.tables.column import TIME, column, maybe, text


class AccountRow(SQLModel, table=True):
    __tablename__ = "account"
    account_id: str = text(key=True)
    asset: str = text()
    name: str | None = maybe()
    status: str = text()
    credit_limit: int = column(BigInteger)
    overage: str = text()
    hold: str = text()
    metadata_: str | None = Field(default=None, sa_column_kwargs={"name": "metadata"}, sa_type=Text, nullable=True)
    created_at: datetime = column(TIME)
    opening_digest: bytes = column(LargeBinary)
    posted: int = column(BigInteger)
    held: int = column(BigInteger)
    frozen: int = column(BigInteger)
    debt: int = column(BigInteger)
    wallet_seq: int = column(BigInteger)
    wallet_head: bytes = column(LargeBinary)
    money_seq: int = column(BigInteger)
    money_head: bytes = column(LargeBinary)
    last_at: datetime = column(TIME)
    due_at: datetime | None = maybe(TIME)
    low_balance: list[int] | None = maybe(ARRAY(BigInteger))
    recharge_below: int | None = maybe(BigInteger)
    recognised_seq: int = column(BigInteger)
    recognised_at: datetime | None = maybe(TIME)


class AccountChangeRow(SQLModel, table=True):
    __tablename__ = "account_change"
    account_id: str = text(key=True)
    changed_at: datetime = column(TIME, key=True)
    position: int = column(Integer, key=True)
    setting: str = text()
    old: str | None = maybe()
    new: str = text()
    actor: str = text()


class GrantRow(SQLModel, table=True):
    __tablename__ = "grant"
    account_id: str = text(key=True)
    grant_id: str = text(key=True)
    kind: str = text()
    granted: int = column(BigInteger)
    remaining: int = column(BigInteger)
    used: int = column(BigInteger)
    expired: int = column(BigInteger)
    revoked: int = column(BigInteger)
    moved: int = column(BigInteger)
    priority: int = column(Integer)
    expires_at: datetime | None = maybe(TIME)
    frozen: bool = column(Boolean)
    open: bool = column(Boolean)
    paid_micros: int | None = maybe(BigInteger)
    currency: str | None = maybe()
    funding: str | None = maybe()
    reference: str | None = maybe()
    origin_grant_id: str | None = maybe()
    seq: int = column(BigInteger)
    created_at: datetime = column(TIME)
    clawed: int = column(BigInteger)


class ChargeRow(SQLModel, table=True):
    __tablename__ = "charge"
    account_id: str = text(key=True)
    request_id: str = text(key=True)
    status: str = text()
    model: str = text()
    operation: str = text()
    mode: str = text()
    n: int = column(Integer)
    size: str = text()
    quality: str = text()
    billed_quality: str = text()
    quoted_tier: str = text()
    credits_per_image: int = column(BigInteger)
    quoted_credits: int = column(BigInteger)
    held_credits: int = column(BigInteger)
    settled_credits: int = column(BigInteger)
    refunded_credits: int = column(BigInteger)
    price_version: int = column(Integer)
    asked_price_version: int | None = maybe(Integer)
    overage: str = text()
    one_step: bool = column(Boolean)
    forced: bool = column(Boolean)
    flags: list[str] = column(ARRAY(Text))
    void_reason: str | None = maybe()
    api_key_id: str | None = maybe()
    end_user: str | None = maybe()
    metadata_: str | None = Field(default=None, sa_column_kwargs={"name": "metadata"}, sa_type=Text, nullable=True)
    hold_seconds: int = column(Integer)
    credit_limit: int = column(BigInteger)
    available_credits: int = column(BigInteger)
    authorized_seq: int = column(BigInteger)
    authorized_at: datetime = column(TIME)
    expires_at: datetime = column(TIME)
    resolved_at: datetime | None = maybe(TIME)
    first_seq: int | None = maybe(BigInteger)
    last_seq: int | None = maybe(BigInteger)
    released_at: datetime | None = maybe(TIME)
    corrected_credits: int = column(BigInteger)


class HoldRow(SQLModel, table=True):
    __tablename__ = "hold"
    account_id: str = text(key=True)
    expires_at: datetime = column(TIME, key=True)
    request_id: str = text(key=True)
    authorized_at: datetime = column(TIME)
    credits: int = column(BigInteger)


class OutputRow(SQLModel, table=True):
    __tablename__ = "output"
    account_id: str = text(key=True)
    request_id: str = text(key=True)
    index: int = column(Integer, key=True)
    status: str = text()
    width: int | None = maybe(Integer)
    height: int | None = maybe(Integer)
    size_tier: str | None = maybe()
    credits: int = column(BigInteger)
    refunded_credits: int = column(BigInteger)
    flags: list[str] = column(ARRAY(Text))
    reason: str | None = maybe()
    corrected_credits: int = column(BigInteger)


class TransferRow(SQLModel, table=True):
    __tablename__ = "transfer"
    account_id: str = text(key=True)
    book: str = text(key=True)
    seq: int = column(BigInteger, key=True)
    kind: str = text()
    debit: str = text()
    credit: str = text()
    asset: str = text()
    amount: int = column(BigInteger)
    balance_after: int | None = maybe(BigInteger)
    request_id: str | None = maybe()
    grant_id: str | None = maybe()
    refund_id: str | None = maybe()
    external_id: str | None = maybe()
    effective_at: datetime = column(TIME)
    posted_at: datetime = column(TIME)
    digest: bytes | None = maybe(LargeBinary)
    hash: bytes = column(LargeBinary)


class DebtRow(SQLModel, table=True):
    __tablename__ = "debt"
    account_id: str = text(key=True)
    seq: int = column(BigInteger, key=True)
    request_id: str | None = maybe()
    credits: int = column(BigInteger)
    outstanding: int = column(BigInteger)


class FillRow(SQLModel, table=True):
    __tablename__ = "fill"
    account_id: str = text(key=True)
    seq: int = column(BigInteger, key=True)
    paid_by_seq: int = column(BigInteger, key=True)
    grant_id: str = text()
    credits: int = column(BigInteger)


class RefundTable(SQLModel, table=True):
    __tablename__ = "refund"
    account_id: str = text(key=True)
    refund_id: str = text(key=True)
    request_id: str = text()
    asked_credits: int | None = maybe(BigInteger)
    asked_outputs: list[int] | None = maybe(ARRAY(Integer))
    reason: str = text()
    credits: int = column(BigInteger)
    created_at: datetime = column(TIME)
    first_seq: int = column(BigInteger)
    last_seq: int = column(BigInteger)


class RefundOutputRow(SQLModel, table=True):
    __tablename__ = "refund_output"
    account_id: str = text(key=True)
    refund_id: str = text(key=True)
    index: int = column(Integer, key=True)
    credits: int = column(BigInteger)
    size_tier: str | None = maybe()


class ReturnedRow(SQLModel, table=True):
    __tablename__ = "returned"
    account_id: str = text(key=True)
    seq: int = column(BigInteger, key=True)
    request_id: str = text()
    drawn_from: str | None = maybe()
    credits: int = column(BigInteger)
    returned_to: str | None = maybe()


class CorrectionTable(SQLModel, table=True):
    __tablename__ = "correction"
    account_id: str = text(key=True)
    correction_id: str = text(key=True)
    request_id: str = text()
    reason: str = text()
    actor: str = text()
    credits: int = column(BigInteger)
    created_at: datetime = column(TIME)
    first_seq: int = column(BigInteger)
    last_seq: int = column(BigInteger)


class CorrectionReportRow(SQLModel, table=True):
    __tablename__ = "correction_report"
    account_id: str = text(key=True)
    correction_id: str = text(key=True)
    index: int = column(Integer, key=True)
    status: str = text()
    width: int | None = maybe(Integer)
    height: int | None = maybe(Integer)
    reason: str | None = maybe()


class CorrectionOutputRow(SQLModel, table=True):
    __tablename__ = "correction_output"
    account_id: str = text(key=True)
    correction_id: str = text(key=True)
    index: int = column(Integer, key=True)
    status: str = text()
    width: int | None = maybe(Integer)
    height: int | None = maybe(Integer)
    size_tier: str | None = maybe()
    credits_before: int = column(BigInteger)
    credits_after: int = column(BigInteger)
    status_before: str = text()
    size_tier_before: str | None = maybe()
