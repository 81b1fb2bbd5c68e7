"""What the books keep beside the journal: which months are closed."""

from datetime import datetime

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
