"""Totals over all accounts."""

from dataclasses import dataclass

from sqlalchemy.ext.asyncio import AsyncEngine

from billing.store.snapshot import reading

_TOTALS = """
    SELECT count(*), coalesce(sum(posted), 0), coalesce(sum(held), 0), coalesce(sum(frozen), 0), coalesce(sum(debt), 0),
        count(*) FILTER (WHERE debt > 0),
        (SELECT count(*) FROM hold), (SELECT count(*) FROM hold WHERE expires_at <= clock_timestamp()),
        count(*) FILTER (WHERE last_at > clock_timestamp() + interval '1 minute'),
        (SELECT coalesce(ceil(max(ahead_micros) / 1e6), 0) FROM machine
         WHERE acceptance = (SELECT coalesce(max(acceptance), 0) FROM clock_acceptance))
    FROM account"""


@dataclass(frozen=True, slots=True)
class LedgerTotals:
    """Credits, and counts of rows."""

    accounts: int
    posted: int
    held: int
    frozen: int
    debt: int
    owing_accounts: int
    open_holds: int
    due_holds: int
    accounts_ahead: int
    clock_ahead_seconds: int


async def totals(engine: AsyncEngine) -> LedgerTotals:
    async with reading(engine) as connection:
        row = (await connection.exec_driver_sql(_TOTALS)).one()
        return LedgerTotals(*map(int, row))
