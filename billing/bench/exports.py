"""Exports: files of very many charges, beside PostgreSQL's own `COPY … TO` of the same columns to a file.

Each export is a command of its own, in a process of its own, so that its memory is known: what it takes beyond that of
a process that has only begun. The charges are loaded by the server, of 10,000 accounts, one image to each.
"""

import asyncio
import json
import os
import resource
import sys
import tempfile
import time
from pathlib import Path

import asyncpg
import uvloop

from billing.bench import database, stored
from billing.bench.cpu import Cpu, Meter
from billing.bench.measurement import Measurement, Side, Target, Turn
from billing.bench.options import Options
from billing.bench.progress import Progress
from billing.books.exports.file import write_file
from billing.books.exports.question import ExportQuestion
from billing.embedded import EmbeddedPostgres
from billing.store.connection import plain_dsn
from billing.store.engine import read_engine, work_engine

ACCOUNTS = 10_000
_STEP = 50_000
_JOURNAL = """
    SELECT account_id, book, seq, kind, debit, credit, asset, amount, balance_after, request_id, grant_id, refund_id,
        external_id, effective_at, effective_at, effective_at, posted_at, digest, hash FROM transfer"""
_USAGE = """
    SELECT 'settle', NULL, c.resolved_at, o.account_id, o.request_id, o.index, c.model, c.operation, c.mode, o.size_tier,
        c.billed_quality, o.status, o.width, o.height, 1, 1, 0, o.credits, c.price_version, c.api_key_id, c.end_user, o.flags
    FROM output o JOIN charge c ON c.account_id = o.account_id AND c.request_id = o.request_id"""
CASES = (
    ("journal", "csv", _JOURNAL),
    ("journal", "jsonl", _JOURNAL),
    ("journal", "parquet", _JOURNAL),
    ("journal", "beancount", _JOURNAL),
    ("journal", "hledger", _JOURNAL),
    ("usage", "csv", _USAGE),
    ("usage", "jsonl", _USAGE),
    ("usage", "parquet", _USAGE),
)


async def measure(server: EmbeddedPostgres, options: Options, progress: Progress) -> list[Measurement]:
    """Every table and ledger, taking turns with the COPY of its columns."""
    name = "bench_exports"
    dsn = await database.new_database(server, name)
    await _load(dsn, options.exported_charges, progress)
    await database.settle_down(dsn)
    idle = await _apart(dsn)
    found = []
    with tempfile.TemporaryDirectory(prefix="billing-bench-exports-", dir=_beside(server)) as place:
        for report, format, columns in CASES:
            meter = Meter(server.pid or 0, os.getpid())
            ours, floor, memory = Side("export"), Side("COPY … TO"), 0
            with progress.step(f"{report} as {format}", total=options.export_turns) as step:
                for _ in range(options.export_turns):
                    floor.turns.append(await _copy(dsn, columns, Path(place) / "floor", meter))
                    before = meter.read()
                    told = await _apart(dsn, report, format, str(Path(place) / "export"))
                    ours.turns.append(Turn(int(told["rows"]), told["seconds"], _machine(meter.read() - before)))
                    memory = max(memory, int(told["kilobytes"] - idle["kilobytes"]))
                    step.advance()
            one = Measurement(f"{options.exported_charges:,} charges, {report} as {format}", "rows/s", ours, floor)
            one.targets = [
                Target("of COPY", one.ratio or 0.0, at_least=0.5),
                Target("MB of memory", memory / 1024, at_most=400.0),
            ]
            found.append(one)
    await database.drop_database(server, name)
    return found


async def _copy(dsn: str, columns: str, path: Path, meter: Meter) -> Turn:
    connection = await asyncpg.connect(plain_dsn(dsn), server_settings={"max_parallel_workers_per_gather": "0"})
    try:
        before, began = meter.read(), time.perf_counter()
        status = await connection.copy_from_query(columns, output=path, format="csv")
        return Turn(int(status.split()[1]), time.perf_counter() - began, _machine(meter.read() - before))
    finally:
        await connection.close()


async def _apart(dsn: str, *what: str) -> dict[str, float]:
    """What an export took, in a process that did nothing else."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "billing.bench.exports", dsn, *what, stdout=asyncio.subprocess.PIPE
    )
    said, _ = await process.communicate()
    told: dict[str, float] = json.loads(said)
    return told


async def _write(dsn: str, report: str, format: str, path: str) -> int:
    engine, work = read_engine(dsn, size=4), work_engine(dsn, size=1)
    try:
        return (await write_file(engine, work, ExportQuestion(report, format), Path(path))).totals.rows
    finally:
        await engine.dispose()
        await work.dispose()


async def _load(dsn: str, charges: int, progress: Progress) -> None:
    connection = await asyncpg.connect(plain_dsn(dsn))
    try:
        with progress.step(f"storing {charges:,} charges", total=charges) as step:
            for first in range(0, charges, _STEP):
                past = min(first + _STEP, charges)
                async with connection.transaction():
                    for statement in stored.CHARGES:
                        await connection.execute(statement, first, past, min(ACCOUNTS, charges))
                step.advance(past - first)
    finally:
        await connection.close()


def _machine(cpu: Cpu) -> Cpu:
    """Sessions and processes that have ended are counted nowhere but in the whole machine's time."""
    return Cpu(idle=cpu.idle, others=cpu.postgres + cpu.python + cpu.load + cpu.others)


def _beside(server: EmbeddedPostgres) -> Path:
    """On the disk of the server's data."""
    return Path(server.data_dir).parent


def _alone(dsn: str, *what: str) -> None:
    began = time.perf_counter()
    rows = uvloop.run(_write(dsn, what[0], what[1], what[2])) if what else 0
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    print(json.dumps({"rows": rows, "seconds": time.perf_counter() - began, "kilobytes": memory}))


if __name__ == "__main__":
    _alone(*sys.argv[1:])
