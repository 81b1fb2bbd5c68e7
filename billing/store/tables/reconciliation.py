"""What was delivered beside what was charged: reconciliations, what they found, and manifests while they are compared."""

from datetime import datetime

from sqlalchemy import ARRAY, BigInteger, Boolean, Integer, LargeBinary, Text
from sqlmodel import SQLModel

from billing.store.tables.column import TIME, column, maybe, text


class ReconciliationRow(SQLModel, table=True):
    __tablename__ = "reconciliation"
    reconciliation_id: str = text(key=True)
    digest: bytes = column(LargeBinary)
    manifest: str = text()
    account_id: str | None = maybe()
    starts_at: datetime | None = maybe(TIME)
    ends_at: datetime | None = maybe(TIME)
    complete: bool = column(Boolean)
    state: str = text()
    totals: str = text()
    created_at: datetime = column(TIME)
    created_by: str = text()
    reason: str | None = maybe()
    asked_by: str | None = maybe()
    asked_at: datetime | None = maybe(TIME)
    approved_by: str | None = maybe()
    approved_at: datetime | None = maybe(TIME)
    approval_reason: str | None = maybe()
    applied_at: datetime | None = maybe(TIME)
    posted: str | None = maybe()


class ReconciliationLineRow(SQLModel, table=True):
    __tablename__ = "reconciliation_line"
    account_id: str = text(key=True)
    reconciliation_id: str = text(key=True)
    line: int = column(BigInteger, key=True)
    request_id: str = text()
    index: int | None = maybe(Integer)
    kind: str = text()
    action: str = text()
    charge_status: str | None = maybe()
    charged_status: str | None = maybe()
    charged_width: int | None = maybe(Integer)
    charged_height: int | None = maybe(Integer)
    charged_tier: str | None = maybe()
    charged_credits: int = column(BigInteger)
    delivered_status: str | None = maybe()
    delivered_width: int | None = maybe(Integer)
    delivered_height: int | None = maybe(Integer)
    delivered_tier: str | None = maybe()
    expected_credits: int = column(BigInteger)
    difference_credits: int = column(BigInteger)
    manifest_line: int | None = maybe(BigInteger)
    delivered_at: datetime | None = maybe(TIME)
    provider: str | None = maybe()
    provider_request_id: str | None = maybe()
    outcome: str | None = maybe()
    correction_id: str | None = maybe()
    posted_credits: int = column(BigInteger)
    problem: str | None = maybe()
    posted_at: datetime | None = maybe(TIME)
    says: list[str] = column(ARRAY(Text))
    facts: str = text()
    problem_facts: str | None = maybe()


class ManifestStagingRow(SQLModel, table=True):
    __tablename__ = "manifest"
    staging_id: str = text(key=True)
    heartbeat_at: datetime = column(TIME)


class ManifestRowRow(SQLModel, table=True):
    __tablename__ = "manifest_row"
    account_id: str = text(key=True)
    staging_id: str = text(key=True)
    request_id: str = text(key=True)
    index: int = column(Integer, key=True)
    line: int = column(BigInteger)
    status: str = text()
    width: int | None = maybe(Integer)
    height: int | None = maybe(Integer)
    size_tier: str | None = maybe()
    price_version: int | None = maybe(Integer)
    delivered_at: datetime | None = maybe(TIME)
    provider: str | None = maybe()
    provider_request_id: str | None = maybe()
