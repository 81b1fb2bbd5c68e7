"""What Stripe's side of an account is made of."""

from datetime import datetime

from sqlalchemy import BigInteger, Integer
from sqlmodel import SQLModel

from billing.store.tables.column import TIME, column, maybe, text


class TopupRow(SQLModel, table=True):
    __tablename__ = "topup"
    account_id: str = text(key=True)
    topup_id: str = text(key=True)
    via: str = text()
    status: str = text()
    pack_id: str = text()
    credits: int = column(BigInteger)
    bonus_credits: int = column(BigInteger)
    bonus: str = text()
    price_micros: int = column(BigInteger)
    currency: str = text()
    expires_in_days: int | None = maybe(Integer)
    success_url: str | None = maybe()
    cancel_url: str | None = maybe()
    payment_method: str | None = maybe()
    checkout_id: str | None = maybe()
    checkout_url: str | None = maybe()
    payment_id: str | None = maybe()
    failure: str | None = maybe()
    problem: str | None = maybe()
    returned_micros: int = column(BigInteger)
    returned_deferred_micros: int = column(BigInteger)
    disputed_micros: int = column(BigInteger)
    created_at: datetime = column(TIME)
    paid_at: datetime | None = maybe(TIME)
    changed_at: datetime = column(TIME)


class CardRefundRow(SQLModel, table=True):
    __tablename__ = "card_refund"
    account_id: str = text(key=True)
    card_refund_id: str = text(key=True)
    topup_id: str = text()
    status: str = text()
    amount_micros: int = column(BigInteger)
    deferred_micros: int = column(BigInteger)
    created_at: datetime = column(TIME)
    changed_at: datetime = column(TIME)


class DisputeRow(SQLModel, table=True):
    __tablename__ = "dispute"
    account_id: str = text(key=True)
    dispute_id: str = text(key=True)
    topup_id: str = text()
    status: str = text()
    reason: str | None = maybe()
    amount_micros: int = column(BigInteger)
    deferred_micros: int = column(BigInteger)
    opened_at: datetime = column(TIME)
    closed_at: datetime | None = maybe(TIME)
    stripe_status: str | None = maybe()
    withdrawn_micros: int = column(BigInteger)
    reinstated_micros: int = column(BigInteger)
    undone: int = column(Integer)


class ClawbackRow(SQLModel, table=True):
    __tablename__ = "clawback"
    account_id: str = text(key=True)
    external_id: str = text(key=True)
    grant_id: str = text(key=True)
    revoked: int = column(BigInteger)
    owed: int = column(BigInteger)


class StripeTransactionRow(SQLModel, table=True):
    __tablename__ = "stripe_transaction"
    account_id: str = text(key=True)
    transaction_id: str = text(key=True)
    event: str = text()
    booked_as: str = text()
    amount_micros: int = column(BigInteger)
    fee_micros: int = column(BigInteger)
    currency: str = text()
    booked_at: datetime = column(TIME)
    booked_by: str | None = maybe()
    reason: str | None = maybe()


class StripeObjectRow(SQLModel, table=True):
    __tablename__ = "stripe_object"
    object_id: str = text(key=True)
    account_id: str = text()
    topup_id: str | None = maybe()


class StripeCustomerRow(SQLModel, table=True):
    __tablename__ = "stripe_customer"
    account_id: str = text(key=True)
    customer_id: str = text()
    created_at: datetime = column(TIME)


class StripeEventRow(SQLModel, table=True):
    __tablename__ = "stripe_event"
    event_id: str = text(key=True)
    type: str = text()
    created_at: datetime = column(TIME)
    received_at: datetime = column(TIME)
    received_by: str = text()
    payload: str = text()
    state: str = text()
    attempts: int = column(Integer)
    next_attempt_at: datetime | None = maybe(TIME)
    done_at: datetime | None = maybe(TIME)
    account_id: str | None = maybe()
    problem: str | None = maybe()


class PayoutItemRow(SQLModel, table=True):
    __tablename__ = "payout_item"
    payout_id: str = text(key=True)
    transaction_id: str = text(key=True)
    type: str = text()
    amount_micros: int = column(BigInteger)
    fee_micros: int = column(BigInteger)
    currency: str = text()


class AutoRechargeRow(SQLModel, table=True):
    __tablename__ = "auto_recharge"
    account_id: str = text(key=True)
    status: str = text()
    threshold: int = column(BigInteger)
    pack_id: str = text()
    monthly_limit: int = column(BigInteger)
    payment_method: str | None = maybe()
    stopped_reason: str | None = maybe()
    attempts: int = column(BigInteger)
    topup_id: str | None = maybe()
    declines: int = column(Integer)
    month: str = text()
    month_credits: int = column(BigInteger)
    due_at: datetime | None = maybe(TIME)
    changed_at: datetime = column(TIME)


class ExpiryNoticeRow(SQLModel, table=True):
    __tablename__ = "expiry_notice"
    account_id: str = text(key=True)
    grant_id: str = text(key=True)
    announced_at: datetime = column(TIME)
