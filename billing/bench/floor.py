"""The floor: COPY of the very rows that our own code writes, into tables with nothing but their primary keys.

One connection, one commit for each batch, rows built before the clock starts: what PostgreSQL and the driver
take at least to keep the same charges, whoever decides about them.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import count
from random import Random

import asyncpg

from billing.bench.cpu import Meter
from billing.bench.measurement import Turn
from billing.bench.workload import BATCH, Workload, books, opening
from billing.core.charges import Charge, Output
from billing.core.decide import decide
from billing.core.effects import WalletEffects
from billing.core.ledger import Transfer
from billing.core.noted import Noted
from billing.core.wallet import Wallet
from billing.store.connection import plain_dsn

_TABLES = """
    CREATE TABLE floor_charge (LIKE charge INCLUDING DEFAULTS, PRIMARY KEY (account_id, request_id));
    CREATE TABLE floor_output (LIKE output INCLUDING DEFAULTS, PRIMARY KEY (account_id, request_id, index));
    CREATE TABLE floor_transfer (LIKE transfer, PRIMARY KEY (account_id, book, seq))"""
_PATTERN_BATCHES = 10
_rounds = count(1_000)
_NOW = datetime(2026, 1, 1, 12, 0, 0, 123456, tzinfo=UTC)


@dataclass(slots=True)
class Rows:
    """What one batch of charges leaves in the three tables."""

    charges: list[Charge] = field(default_factory=list)
    outputs: list[Output] = field(default_factory=list)
    transfers: list[Transfer] = field(default_factory=list)

    def again(self, random: Random, later: int) -> "Rows":
        """The same rows under new keys: other request ids, and `later` seqs."""
        ids = {charge.request_id: f"req_{random.getrandbits(96):024x}" for charge in self.charges}
        return Rows(
            [charge._replace(request_id=ids[charge.request_id]) for charge in self.charges],
            [output._replace(request_id=ids[output.request_id]) for output in self.outputs],
            [
                transfer._replace(seq=transfer.seq + later, request_id=ids[transfer.request_id or ""])
                for transfer in self.transfers
            ],
        )


class Floor:
    """The COPY of one workload's rows."""

    def __init__(self, connection: asyncpg.Connection, workload: Workload) -> None:
        self._connection = connection
        self._pattern = pattern_of(workload)
        self._random = Random()

    @classmethod
    async def open(cls, dsn: str, workload: Workload) -> "Floor":
        """Over one connection to the database at `dsn`, which must have the tables."""
        return cls(await asyncpg.connect(plain_dsn(dsn)), workload)

    async def close(self) -> None:
        await self._connection.close()

    async def turn(self, charges: int, meter: Meter) -> Turn:
        """Copies about `charges` charges, a thousand to a commit."""
        batches = self._batches(max(1, charges // BATCH))
        copied = sum(len(rows.charges) for rows in batches)
        before, started = meter.read(), time.perf_counter()
        for rows in batches:
            await self._copy(rows)
        seconds = time.perf_counter() - started
        return Turn(copied, seconds, meter.read() - before)

    def _batches(self, count: int) -> list[Rows]:
        found: list[Rows] = []
        while len(found) < count:
            # Past whatever the pattern, a stored load and earlier rounds have used of each account's seqs.
            later = next(_rounds) * _PATTERN_BATCHES * BATCH
            found += [rows.again(self._random, later) for rows in self._pattern]
        return found[:count]

    async def _copy(self, rows: Rows) -> None:
        copy = self._connection.copy_records_to_table
        await self._connection.execute("BEGIN")
        await copy("floor_charge", records=rows.charges, columns=Charge._fields)
        await copy("floor_output", records=rows.outputs, columns=Output._fields)
        await copy("floor_transfer", records=rows.transfers, columns=Transfer._fields)
        await self._connection.execute("COMMIT")


async def make_tables(dsn: str) -> None:
    connection = await asyncpg.connect(plain_dsn(dsn))
    try:
        await connection.execute(_TABLES)
    finally:
        await connection.close()


def pattern_of(workload: Workload) -> list[Rows]:
    """Some batches' rows, as the core decides them in memory."""
    known = books()
    wallets = _wallets(workload.accounts)
    pattern = []
    for _ in range(_PATTERN_BATCHES):
        rows = Rows()
        touched: dict[str, Wallet] = {}
        for commands in workload.batch():
            for command in commands:
                wallet = touched[command.account_id] = wallets[command.account_id]
                decide(wallet, command, known, _NOW)
        for wallet in touched.values():
            rows.charges += wallet.charges.new
            for outputs in wallet.outputs.new:
                rows.outputs += outputs
            rows.transfers += wallet.effects.transfers
            wallet.charges, wallet.outputs, wallet.effects = Noted(), Noted(), WalletEffects()
        pattern.append(rows)
    return pattern


def _wallets(accounts: Sequence[str]) -> dict[str, Wallet]:
    known = books()
    wallets = {account: Wallet(account) for account in accounts}
    for commands in opening(accounts):
        for command in commands:
            decide(wallets[command.account_id], command, known, _NOW)
    for wallet in wallets.values():
        wallet.effects = WalletEffects()
    return wallets
