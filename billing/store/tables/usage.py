"""Usage: what was billed, by the quarter of an hour."""

from datetime import datetime

from sqlalchemy import ARRAY, BigInteger, SmallInteger
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


class UsageDayRow(SQLModel, table=True):
    __tablename__ = "usage_day"
    account_id: str = text(key=True)
    day: datetime = column(TIME, key=True)
    model: str = text(key=True)
    operation: str = text(key=True)
    size_tier: str = text(key=True)
    quality: str = text(key=True)
    api_key_id: str = text(key=True)
    quarters: list[int] = column(ARRAY(SmallInteger))
    requests: list[int] = column(ARRAY(BigInteger))
    images: list[int] = column(ARRAY(BigInteger))
    failed_images: list[int] = column(ARRAY(BigInteger))
    credits: list[int] = column(ARRAY(BigInteger))
