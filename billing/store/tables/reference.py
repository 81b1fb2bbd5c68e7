"""Reference tables: what belongs to no account."""

from datetime import datetime

from sqlalchemy import BigInteger, Integer, LargeBinary
from sqlmodel import SQLModel

from billing.store.tables.column import TIME, column, maybe, text


class PriceBookRow(SQLModel, table=True):
    __tablename__ = "price_book"
    version: int = column(Integer, key=True)
    effective_from: datetime = column(TIME)
    models: str = text()
    published_at: datetime = column(TIME)
    published_by: str = text()


class ApiKeyRow(SQLModel, table=True):
    __tablename__ = "api_key"
    key_id: str = text(key=True)
    hash: bytes = column(LargeBinary)
    role: str = text()
    account_id: str | None = maybe()
    name: str = text()
    created_at: datetime = column(TIME)
    revoked_at: datetime | None = maybe(TIME)


class PackRow(SQLModel, table=True):
    __tablename__ = "pack"
    pack_id: str = text(key=True)
    name: str = text()
    credits: int = column(BigInteger)
    bonus_credits: int = column(BigInteger)
    bonus: str = text()
    price_micros: int = column(BigInteger)
    currency: str = text()
    expires_in_days: int | None = maybe(Integer)
    published_at: datetime = column(TIME)
    published_by: str = text()
    withdrawn_at: datetime | None = maybe(TIME)


class SigningKeyRow(SQLModel, table=True):
    __tablename__ = "signing_key"
    key_id: str = text(key=True)
    seed: bytes | None = maybe(LargeBinary)
    public_key: bytes = column(LargeBinary)
    created_at: datetime = column(TIME)
    retired_at: datetime | None = maybe(TIME)


class SessionRow(SQLModel, table=True):
    __tablename__ = "session"
    digest: bytes = column(LargeBinary, key=True)
    key_hash: bytes = column(LargeBinary)
    created_at: datetime = column(TIME)
    expires_at: datetime = column(TIME)


class MachineRow(SQLModel, table=True):
    __tablename__ = "machine"
    boot_id: str = text(key=True)
    started_at: datetime = column(TIME)
    believed_at: datetime = column(TIME)
    ahead_micros: int = column(BigInteger)
    acceptance: int = column(BigInteger)


class ClockAcceptanceRow(SQLModel, table=True):
    __tablename__ = "clock_acceptance"
    acceptance: int = column(BigInteger, key=True)
    accepted_at: datetime = column(TIME)
    ahead_micros: int = column(BigInteger)
    accepted_by: str = text()
    reason: str = text()
