"""Charges as they are read: with their outputs, and as they are by the database's time."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Boolean, ColumnElement, and_, any_, func, literal, literal_column, or_, select, tuple_
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from billing.core.charges import Charge, Output
from billing.core.needs import Needs
from billing.core.refusals import ChargeNotFound
from billing.core.wallet import CorrectionRow, RefundRow
from billing.store import rows
from billing.store.accounts import must_exist, reading_account
from billing.store.balances import AccountBalance, figures, known
from billing.store.clock import time_by
from billing.store.connection import Connection
from billing.store.gather import gather
from billing.store.snapshot import reading, snapshot
from billing.store.tables import ChargeRow, OutputRow, columns_of

_COLUMNS = columns_of(ChargeRow, Charge._fields)
_C = ChargeRow.__table__.c  # type: ignore[attr-defined]
_FLAGGED: ColumnElement[bool] = literal_column("charge.flags <> '{}'", Boolean)  # in the words of its index
_OF_CHARGE = "r WHERE r.account_id = $1 AND r.request_id = $2 AND r.first_seq > $3 ORDER BY r.first_seq LIMIT $4"
_EXISTS = "SELECT EXISTS (SELECT FROM charge WHERE account_id = $1 AND request_id = $2)"
_REFUNDS = f"SELECT {rows.REFUND} FROM refund {_OF_CHARGE}"
_CORRECTIONS = f"SELECT {rows.CORRECTION} FROM correction {_OF_CHARGE}"
_DESCENDING = (_C.account_id, _C.authorized_at.desc(), _C.request_id.desc())


@dataclass(frozen=True, slots=True)
class Filter:
    """Which charges to list. Times bound `authorized_at`: `start` inclusive, `end` exclusive."""

    account_id: str | None = None
    status: str | None = None
    model: str | None = None
    api_key_id: str | None = None
    end_user: str | None = None
    flag: str | None = None
    start: datetime | None = None
    end: datetime | None = None
    flagged: bool = False

    def conditions(self, now: datetime) -> list[ColumnElement[bool]]:
        wanted: list[ColumnElement[bool]] = []
        for column, value in (
            (_C.account_id, self.account_id),
            (_C.model, self.model),
            (_C.api_key_id, self.api_key_id),
            (_C.end_user, self.end_user),
        ):
            if value is not None:
                wanted.append(column == value)
        if self.flag is not None or self.flagged:
            wanted.append(_FLAGGED)
        if self.flag is not None:
            wanted.append(literal(self.flag) == any_(_C.flags))
        if self.start is not None:
            wanted.append(_C.authorized_at >= self.start)
        if self.end is not None:
            wanted.append(_C.authorized_at < self.end)
        if self.status == "authorized":  # a hold that is due has expired, job or no job
            wanted.append(and_(_C.status == "authorized", _C.expires_at > now))
        elif self.status == "expired":
            wanted.append(or_(_C.status == "expired", and_(_C.status == "authorized", _C.expires_at <= now)))
        elif self.status is not None:
            wanted.append(_C.status == self.status)
        return wanted


@dataclass(frozen=True, slots=True)
class ChargeView:
    charge: Charge
    outputs: Sequence[Output]


async def charge(engine: AsyncEngine, account_id: str, request_id: str) -> tuple[ChargeView, AccountBalance]:
    """One charge and its account's figures, at one instant. Raises AccountNotFound, ChargeNotFound."""
    key = (account_id, request_id)
    async with snapshot(engine) as connection:
        batch = await gather(connection, Needs(accounts={account_id}, charges={key}), lock=False, now=time_by(engine))
    wallet = known(batch, account_id)
    if request_id not in wallet.charges:
        raise ChargeNotFound(request_id)
    return ChargeView(wallet.charges[request_id], wallet.outputs.get(request_id, ())), AccountBalance(
        **figures(batch, wallet)
    )


async def charges(
    engine: AsyncEngine, where: Filter, *, of: str | None, after: tuple[str, datetime, str] | None, limit: int
) -> list[ChargeView]:
    """Charges by account, newest first; `after` is the (account_id, authorized_at, request_id) of the last one seen.

    `of` is the account whose they are, or None for a search. Raises AccountNotFound.
    """
    async with reading(engine) if of is None else reading_account(engine, of) as connection:
        now: datetime = time_by(engine)((await connection.execute(select(func.clock_timestamp()))).scalar_one())
        query = select(*_COLUMNS).where(*where.conditions(now)).order_by(*_DESCENDING).limit(limit)
        if after is not None:
            account_id, authorized_at, request_id = after
            later = tuple_(_C.authorized_at, _C.request_id) < (authorized_at, request_id)
            query = query.where(or_(_C.account_id > account_id, and_(_C.account_id == account_id, later)))
        found = [rows.charge(row).as_of(now) for row in await connection.execute(query)]
        outputs = await _outputs(connection, [c for c in found if c.status == "settled"])
    return [ChargeView(c, outputs.get((c.account_id, c.request_id), ())) for c in found]


async def refunds(engine: AsyncEngine, account_id: str, request_id: str, *, after: int, limit: int) -> list[RefundRow]:
    """A charge's refunds, oldest first, beyond the seq `after`. Raises AccountNotFound, ChargeNotFound."""
    async with _snapshot_of(engine, account_id, request_id) as connection:
        return [rows.refund(row) for row in await connection.fetch(_REFUNDS, account_id, request_id, after, limit)]


async def corrections(
    engine: AsyncEngine, account_id: str, request_id: str, *, after: int, limit: int
) -> list[CorrectionRow]:
    """A charge's corrections, oldest first, beyond the seq `after`. Raises AccountNotFound, ChargeNotFound."""
    async with _snapshot_of(engine, account_id, request_id) as connection:
        return [
            rows.correction(row) for row in await connection.fetch(_CORRECTIONS, account_id, request_id, after, limit)
        ]


@asynccontextmanager
async def _snapshot_of(engine: AsyncEngine, account_id: str, request_id: str) -> AsyncIterator[Connection]:
    """`snapshot`, where the charge is there. Raises AccountNotFound, ChargeNotFound."""
    async with snapshot(engine) as connection:
        await must_exist(connection, account_id)
        if not await connection.fetchval(_EXISTS, account_id, request_id):
            raise ChargeNotFound(request_id)
        yield connection


async def _outputs(connection: AsyncConnection, settled: Sequence[Charge]) -> dict[tuple[str, str], list[Output]]:
    if not settled:
        return {}
    columns = columns_of(OutputRow, Output._fields)
    keys = [(c.account_id, c.request_id) for c in settled]
    query = select(*columns).where(tuple_(columns[0], columns[1]).in_(keys)).order_by(columns[2])
    outputs: dict[tuple[str, str], list[Output]] = {}
    for row in await connection.execute(query):
        output = rows.output(row)
        outputs.setdefault((output.account_id, output.request_id), []).append(output)
    return outputs
