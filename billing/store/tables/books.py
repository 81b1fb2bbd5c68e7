"""What the books keep beside the journal: which months are closed, and what was recognised of each grant."""

from datetime import datetime

from sqlalchemy import BigInteger
from sqlmodel import SQLModel

from billing.store.tables.column import TIME, column, maybe, text


class ClosingRow(SQLModel, table=True):
    __tablename__ = "closing"
    period: str = text(key=True)
    closed_at: datetime = column(TIME, key=True)
    ends_at: datetime = column(TIME)
    closed_by: str = text()
    totals: str = text()
    reopened_at: datetime | None = maybe(TIME)
    reopened_by: str | None = maybe()
    reopen_reason: str | None = maybe()


class RecognitionRow(SQLModel, table=True):
    __tablename__ = "recognition"
    account_id: str = text(key=True)
    grant_id: str = text(key=True)
    used: int = column(BigInteger)
    expired: int = column(BigInteger)
    moved: int = column(BigInteger)
    revoked: int = column(BigInteger)
    returned_micros: int = column(BigInteger)
    usage_micros: int = column(BigInteger)
    breakage_micros: int = column(BigInteger)
