"""The tables, as queries see them. Columns stand in the order of the core's tuples; the migrations are the law.

Rows are never trusted as domain values: SQLModel does not validate tables. The core's constructors do.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import ARRAY, BigInteger, Boolean, ColumnElement, DateTime, Integer, LargeBinary, Text
from sqlmodel import Field, SQLModel

metadata = SQLModel.metadata


def _column(kind: Any, *, key: bool = False, null: bool = False) -> Any:
    return Field(sa_type=kind, primary_key=key, nullable=null)


def _text(*, key: bool = False) -> Any:
    return _column(Text, key=key)


def _maybe(kind: Any = Text) -> Any:
    return _column(kind, null=True)


_TIME = DateTime(timezone=True)


class AccountRow(SQLModel, table=True):
    __tablename__ = "account"
    account_id: str = _text(key=True)
    asset: str = _text()
    name: str | None = _maybe()
    status: str = _text()
    credit_limit: int = _column(BigInteger)
    overage: str = _text()
    hold: str = _text()
    metadata_: str | None = Field(default=None, sa_column_kwargs={"name": "metadata"}, sa_type=Text, nullable=True)
    created_at: datetime = _column(_TIME)
    opening_digest: bytes = _column(LargeBinary)
    posted: int = _column(BigInteger)
    held: int = _column(BigInteger)
    frozen: int = _column(BigInteger)
    debt: int = _column(BigInteger)
    wallet_seq: int = _column(BigInteger)
    wallet_head: bytes = _column(LargeBinary)
    money_seq: int = _column(BigInteger)
    money_head: bytes = _column(LargeBinary)
    last_at: datetime = _column(_TIME)
    due_at: datetime | None = _maybe(_TIME)
    low_balance: list[int] | None = _maybe(ARRAY(BigInteger))
    recharge_below: int | None = _maybe(BigInteger)


class AccountChangeRow(SQLModel, table=True):
    __tablename__ = "account_change"
    account_id: str = _text(key=True)
    changed_at: datetime = _column(_TIME, key=True)
    position: int = _column(Integer, key=True)
    setting: str = _text()
    old: str | None = _maybe()
    new: str = _text()
    actor: str = _text()


class GrantRow(SQLModel, table=True):
    __tablename__ = "grant"
    account_id: str = _text(key=True)
    grant_id: str = _text(key=True)
    kind: str = _text()
    granted: int = _column(BigInteger)
    remaining: int = _column(BigInteger)
    used: int = _column(BigInteger)
    expired: int = _column(BigInteger)
    revoked: int = _column(BigInteger)
    moved: int = _column(BigInteger)
    priority: int = _column(Integer)
    expires_at: datetime | None = _maybe(_TIME)
    frozen: bool = _column(Boolean)
    open: bool = _column(Boolean)
    paid_micros: int | None = _maybe(BigInteger)
    currency: str | None = _maybe()
    funding: str | None = _maybe()
    reference: str | None = _maybe()
    origin_grant_id: str | None = _maybe()
    seq: int = _column(BigInteger)
    created_at: datetime = _column(_TIME)
    clawed: int = _column(BigInteger)


class ChargeRow(SQLModel, table=True):
    __tablename__ = "charge"
    account_id: str = _text(key=True)
    request_id: str = _text(key=True)
    status: str = _text()
    model: str = _text()
    operation: str = _text()
    mode: str = _text()
    n: int = _column(Integer)
    size: str = _text()
    quality: str = _text()
    billed_quality: str = _text()
    quoted_tier: str = _text()
    credits_per_image: int = _column(BigInteger)
    quoted_credits: int = _column(BigInteger)
    held_credits: int = _column(BigInteger)
    settled_credits: int = _column(BigInteger)
    refunded_credits: int = _column(BigInteger)
    price_version: int = _column(Integer)
    asked_price_version: int | None = _maybe(Integer)
    overage: str = _text()
    one_step: bool = _column(Boolean)
    forced: bool = _column(Boolean)
    flags: list[str] = _column(ARRAY(Text))
    void_reason: str | None = _maybe()
    api_key_id: str | None = _maybe()
    end_user: str | None = _maybe()
    metadata_: str | None = Field(default=None, sa_column_kwargs={"name": "metadata"}, sa_type=Text, nullable=True)
    hold_seconds: int = _column(Integer)
    credit_limit: int = _column(BigInteger)
    available_credits: int = _column(BigInteger)
    authorized_seq: int = _column(BigInteger)
    authorized_at: datetime = _column(_TIME)
    expires_at: datetime = _column(_TIME)
    resolved_at: datetime | None = _maybe(_TIME)
    first_seq: int | None = _maybe(BigInteger)
    last_seq: int | None = _maybe(BigInteger)
    released_at: datetime | None = _maybe(_TIME)


class HoldRow(SQLModel, table=True):
    __tablename__ = "hold"
    account_id: str = _text(key=True)
    expires_at: datetime = _column(_TIME, key=True)
    request_id: str = _text(key=True)
    authorized_at: datetime = _column(_TIME)
    credits: int = _column(BigInteger)


class OutputRow(SQLModel, table=True):
    __tablename__ = "output"
    account_id: str = _text(key=True)
    request_id: str = _text(key=True)
    index: int = _column(Integer, key=True)
    status: str = _text()
    width: int | None = _maybe(Integer)
    height: int | None = _maybe(Integer)
    size_tier: str | None = _maybe()
    credits: int = _column(BigInteger)
    refunded_credits: int = _column(BigInteger)
    flags: list[str] = _column(ARRAY(Text))
    reason: str | None = _maybe()


class TransferRow(SQLModel, table=True):
    __tablename__ = "transfer"
    account_id: str = _text(key=True)
    book: str = _text(key=True)
    seq: int = _column(BigInteger, key=True)
    kind: str = _text()
    debit: str = _text()
    credit: str = _text()
    asset: str = _text()
    amount: int = _column(BigInteger)
    balance_after: int | None = _maybe(BigInteger)
    request_id: str | None = _maybe()
    grant_id: str | None = _maybe()
    refund_id: str | None = _maybe()
    external_id: str | None = _maybe()
    effective_at: datetime = _column(_TIME)
    posted_at: datetime = _column(_TIME)
    digest: bytes | None = _maybe(LargeBinary)
    hash: bytes = _column(LargeBinary)


class DebtRow(SQLModel, table=True):
    __tablename__ = "debt"
    account_id: str = _text(key=True)
    seq: int = _column(BigInteger, key=True)
    request_id: str | None = _maybe()
    credits: int = _column(BigInteger)
    outstanding: int = _column(BigInteger)


class FillRow(SQLModel, table=True):
    __tablename__ = "fill"
    account_id: str = _text(key=True)
    seq: int = _column(BigInteger, key=True)
    paid_by_seq: int = _column(BigInteger, key=True)
    grant_id: str = _text()
    credits: int = _column(BigInteger)


class RefundTable(SQLModel, table=True):
    __tablename__ = "refund"
    account_id: str = _text(key=True)
    refund_id: str = _text(key=True)
    request_id: str = _text()
    asked_credits: int | None = _maybe(BigInteger)
    asked_outputs: list[int] | None = _maybe(ARRAY(Integer))
    reason: str = _text()
    credits: int = _column(BigInteger)
    outputs: str = _text()
    returns: str = _text()
    created_at: datetime = _column(_TIME)
    first_seq: int = _column(BigInteger)
    last_seq: int = _column(BigInteger)


class PriceBookRow(SQLModel, table=True):
    __tablename__ = "price_book"
    version: int = _column(Integer, key=True)
    effective_from: datetime = _column(_TIME)
    models: str = _text()
    published_at: datetime = _column(_TIME)
    published_by: str = _text()


class ApiKeyRow(SQLModel, table=True):
    __tablename__ = "api_key"
    key_id: str = _text(key=True)
    hash: bytes = _column(LargeBinary)
    role: str = _text()
    account_id: str | None = _maybe()
    name: str = _text()
    created_at: datetime = _column(_TIME)
    revoked_at: datetime | None = _maybe(_TIME)


class PackRow(SQLModel, table=True):
    __tablename__ = "pack"
    pack_id: str = _text(key=True)
    name: str = _text()
    credits: int = _column(BigInteger)
    bonus_credits: int = _column(BigInteger)
    bonus: str = _text()
    price_micros: int = _column(BigInteger)
    currency: str = _text()
    expires_in_days: int | None = _maybe(Integer)
    published_at: datetime = _column(_TIME)
    published_by: str = _text()
    withdrawn_at: datetime | None = _maybe(_TIME)


class TopupRow(SQLModel, table=True):
    __tablename__ = "topup"
    account_id: str = _text(key=True)
    topup_id: str = _text(key=True)
    via: str = _text()
    status: str = _text()
    pack_id: str = _text()
    credits: int = _column(BigInteger)
    bonus_credits: int = _column(BigInteger)
    bonus: str = _text()
    price_micros: int = _column(BigInteger)
    currency: str = _text()
    expires_in_days: int | None = _maybe(Integer)
    success_url: str | None = _maybe()
    cancel_url: str | None = _maybe()
    payment_method: str | None = _maybe()
    checkout_id: str | None = _maybe()
    checkout_url: str | None = _maybe()
    payment_id: str | None = _maybe()
    failure: str | None = _maybe()
    problem: str | None = _maybe()
    returned_micros: int = _column(BigInteger)
    returned_deferred_micros: int = _column(BigInteger)
    disputed_micros: int = _column(BigInteger)
    created_at: datetime = _column(_TIME)
    paid_at: datetime | None = _maybe(_TIME)
    changed_at: datetime = _column(_TIME)


class CardRefundRow(SQLModel, table=True):
    __tablename__ = "card_refund"
    account_id: str = _text(key=True)
    card_refund_id: str = _text(key=True)
    topup_id: str = _text()
    status: str = _text()
    amount_micros: int = _column(BigInteger)
    deferred_micros: int = _column(BigInteger)
    clawed: str = _text()
    created_at: datetime = _column(_TIME)
    changed_at: datetime = _column(_TIME)


class DisputeRow(SQLModel, table=True):
    __tablename__ = "dispute"
    account_id: str = _text(key=True)
    dispute_id: str = _text(key=True)
    topup_id: str = _text()
    status: str = _text()
    reason: str | None = _maybe()
    amount_micros: int = _column(BigInteger)
    deferred_micros: int = _column(BigInteger)
    clawed: str = _text()
    opened_at: datetime = _column(_TIME)
    closed_at: datetime | None = _maybe(_TIME)


class StripeTransactionRow(SQLModel, table=True):
    __tablename__ = "stripe_transaction"
    account_id: str = _text(key=True)
    transaction_id: str = _text(key=True)
    event: str = _text()
    booked_as: str = _text()
    amount_micros: int = _column(BigInteger)
    fee_micros: int = _column(BigInteger)
    currency: str = _text()
    booked_at: datetime = _column(_TIME)


class StripeObjectRow(SQLModel, table=True):
    __tablename__ = "stripe_object"
    object_id: str = _text(key=True)
    account_id: str = _text()
    topup_id: str | None = _maybe()


class StripeCustomerRow(SQLModel, table=True):
    __tablename__ = "stripe_customer"
    account_id: str = _text(key=True)
    customer_id: str = _text()
    created_at: datetime = _column(_TIME)


class StripeEventRow(SQLModel, table=True):
    __tablename__ = "stripe_event"
    event_id: str = _text(key=True)
    type: str = _text()
    created_at: datetime = _column(_TIME)
    received_at: datetime = _column(_TIME)
    received_by: str = _text()
    payload: str = _text()
    state: str = _text()
    attempts: int = _column(Integer)
    next_attempt_at: datetime | None = _maybe(_TIME)
    done_at: datetime | None = _maybe(_TIME)
    account_id: str | None = _maybe()
    problem: str | None = _maybe()


class PayoutItemRow(SQLModel, table=True):
    __tablename__ = "payout_item"
    payout_id: str = _text(key=True)
    transaction_id: str = _text(key=True)
    type: str = _text()
    amount_micros: int = _column(BigInteger)
    fee_micros: int = _column(BigInteger)
    currency: str = _text()


class AutoRechargeRow(SQLModel, table=True):
    __tablename__ = "auto_recharge"
    account_id: str = _text(key=True)
    status: str = _text()
    threshold: int = _column(BigInteger)
    pack_id: str = _text()
    monthly_limit: int = _column(BigInteger)
    payment_method: str | None = _maybe()
    stopped_reason: str | None = _maybe()
    attempts: int = _column(BigInteger)
    topup_id: str | None = _maybe()
    declines: int = _column(Integer)
    month: str = _text()
    month_credits: int = _column(BigInteger)
    due_at: datetime | None = _maybe(_TIME)
    changed_at: datetime = _column(_TIME)


class ExpiryNoticeRow(SQLModel, table=True):
    __tablename__ = "expiry_notice"
    account_id: str = _text(key=True)
    grant_id: str = _text(key=True)
    announced_at: datetime = _column(_TIME)


class OutboxRow(SQLModel, table=True):
    __tablename__ = "outbox"
    account_id: str = _text(key=True)
    created_at: datetime = _column(_TIME, key=True)
    position: int = _column(Integer, key=True)
    event_id: str = _text()
    type: str = _text()
    data: str = _text()
    dispatched: bool = _column(Boolean)


class WebhookEndpointRow(SQLModel, table=True):
    __tablename__ = "webhook_endpoint"
    endpoint_id: str = _text(key=True)
    url: str = _text()
    account_id: str | None = _maybe()
    events: list[str] = _column(ARRAY(Text))
    description: str | None = _maybe()
    secret: str = _text()
    previous_secret: str | None = _maybe()
    previous_until: datetime | None = _maybe(_TIME)
    enabled: bool = _column(Boolean)
    created_at: datetime = _column(_TIME)
    deleted_at: datetime | None = _maybe(_TIME)
    content_digest: bytes = _column(LargeBinary)


class WebhookDeliveryRow(SQLModel, table=True):
    __tablename__ = "webhook_delivery"
    account_id: str = _text(key=True)
    event_id: str = _text(key=True)
    endpoint_id: str = _text(key=True)
    state: str = _text()
    attempts: int = _column(Integer)
    next_attempt_at: datetime | None = _maybe(_TIME)
    last_attempt_at: datetime | None = _maybe(_TIME)
    last_status: int | None = _maybe(Integer)
    problem: str | None = _maybe()
    created_at: datetime = _column(_TIME)


def columns_of(table: type[SQLModel], names: Sequence[str]) -> list[ColumnElement[Any]]:
    """The columns `names` of `table`, in that order: a SELECT list whose rows fill a core tuple."""
    columns = metadata.tables[str(table.__tablename__)].c
    return [columns[name] for name in names]
