"""What the provider reports: which files were imported, and what they say of each bucket."""

from datetime import datetime

from sqlalchemy import BigInteger
from sqlmodel import SQLModel

from billing.store.tables.column import TIME, column, text


class ProviderReportRow(SQLModel, table=True):
    __tablename__ = "provider_report"
    report_id: str = text(key=True)
    provider: str = text()
    imported_at: datetime = column(TIME)
    imported_by: str = text()
    files: str = text()
    pages: int = column(BigInteger)
    usage_lines: int = column(BigInteger)
    cost_lines: int = column(BigInteger)
    replaced: int = column(BigInteger)
    images: int = column(BigInteger)
    cost_micros: int = column(BigInteger)
    starts_at: datetime = column(TIME)
    ends_at: datetime = column(TIME)


class ProviderUsageRow(SQLModel, table=True):
    __tablename__ = "provider_usage"
    provider: str = text(key=True)
    starts_at: datetime = column(TIME, key=True)
    model: str = text(key=True)
    size: str = text(key=True)
    source: str = text(key=True)
    project_id: str = text(key=True)
    user_id: str = text(key=True)
    api_key_id: str = text(key=True)
    ends_at: datetime = column(TIME)
    images: int = column(BigInteger)
    requests: int = column(BigInteger)
    report_id: str = text()
    others: str = text(key=True)


class ProviderCostRow(SQLModel, table=True):
    __tablename__ = "provider_cost"
    provider: str = text(key=True)
    starts_at: datetime = column(TIME, key=True)
    line_item: str = text(key=True)
    project_id: str = text(key=True)
    api_key_id: str = text(key=True)
    ends_at: datetime = column(TIME)
    amount_micros: int = column(BigInteger)
    currency: str = text()
    report_id: str = text()
    others: str = text(key=True)
