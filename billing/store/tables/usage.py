"""Usage: what was billed, by the quarter of an hour."""

from datetime import datetime

from sqlalchemy import BigInteger
from sqlmodel import SQLModel

from billing.store.tables.column import TIME, column, text


class UsageRow(SQLModel, table=True):
    __tablename__ = "usage_bucket"
    account_id: str = text(key=True)
    quarter_hour: datetime = column(TIME, key=True)
    model: str = text(key=True)
    operation: str = text(key=True)
    size_tier: str = text(key=True)
    quality: str = text(key=True)
    api_key_id: str = text(key=True)
    requests: int = column(BigInteger)
    images: int = column(BigInteger)
    failed_images: int = column(BigInteger)
    credits: int = column(BigInteger)
