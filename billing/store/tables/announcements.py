"""Events out, and who is told."""

from datetime import datetime

from sqlalchemy import ARRAY, Boolean, Integer, LargeBinary, Text
from sqlmodel import SQLModel

from billing.store.tables.column import TIME, column, maybe, text


class OutboxRow(SQLModel, table=True):
    __tablename__ = "outbox"
    account_id: str = text(key=True)
    created_at: datetime = column(TIME, key=True)
    position: int = column(Integer, key=True)
    event_id: str = text()
    type: str = text()
    data: str = text()
    dispatched: bool = column(Boolean)


class WebhookEndpointRow(SQLModel, table=True):
    __tablename__ = "webhook_endpoint"
    endpoint_id: str = text(key=True)
    url: str = text()
    account_id: str | None = maybe()
    events: list[str] = column(ARRAY(Text))
    description: str | None = maybe()
    secret: str = text()
    previous_secret: str | None = maybe()
    previous_until: datetime | None = maybe(TIME)
    enabled: bool = column(Boolean)
    created_at: datetime = column(TIME)
    deleted_at: datetime | None = maybe(TIME)
    content_digest: bytes = column(LargeBinary)


class WebhookDeliveryRow(SQLModel, table=True):
    __tablename__ = "webhook_delivery"
    account_id: str = text(key=True)
    event_id: str = text(key=True)
    endpoint_id: str = text(key=True)
    state: str = text()
    attempts: int = column(Integer)
    next_attempt_at: datetime | None = maybe(TIME)
    last_attempt_at: datetime | None = maybe(TIME)
    last_status: int | None = maybe(Integer)
    problem: str | None = maybe()
    created_at: datetime = column(TIME)
