"""Usage: a month of one account with very many outputs, beside the same sum over the outputs themselves.

The month is loaded by the server: two images to a charge, over sizes, qualities, operations, keys and end users, so
that nearly every quarter of an hour has nearly every kind. Then other accounts get as much each, and it is asked again.
"""

import os
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg

from billing.bench import database
from billing.bench.cpu import Meter
from billing.bench.measurement import Measurement, Side, Target, Turn
from billing.bench.options import Options
from billing.bench.progress import Progress
from billing.books.usage.report import UsageQuestion, usage_page
from billing.books.usage.sums import Selection
from billing.core.buckets import Width, buckets
from billing.core.zones import zone
from billing.embedded import EmbeddedPostgres
from billing.store.connection import plain_dsn
from billing.store.engine import Engine, read_engine
from billing.store.usage import sum_up

ACCOUNT = "acct_month"
SINCE, UNTIL = datetime(2026, 3, 1, tzinfo=UTC), datetime(2026, 4, 1, tzinfo=UTC)
OTHERS = 4
END_USERS = 100_000
_IMAGES = 2  # to a charge
_STEP = 50_000

_EACH = f"""
    SELECT '{ACCOUNT}' AS account_id, format('req_%s', left(md5(i::text), 24)) AS request_id,
        timestamptz '{SINCE.isoformat()}' + (i::double precision / $3) * interval '31 days' AS moment,
        (ARRAY['1K', '2K', '4K'])[1 + (h & 1023) % 3] AS tier, (ARRAY['low', 'medium', 'high'])[1 + (h >> 10 & 1023) % 3] AS quality,
        CASE WHEN (h >> 20 & 7) = 0 THEN 'edit' ELSE 'generation' END AS operation, format('key_%s', h >> 23 & 7) AS key,
        format('user_%s', h % {END_USERS}) AS end_user
    FROM generate_series($1::bigint, $2::bigint - 1) i,
        LATERAL (SELECT ('x' || left(md5('kind ' || i), 8))::bit(32)::bigint AS h) hashed"""
_CHARGES = f"""
    INSERT INTO charge SELECT account_id, request_id, 'settled', 'gpt-image-2', operation, 'sync', {_IMAGES}, tier, quality,
        quality, tier, 10, 20, 20, 20, 0, 1, NULL, 'bill', false, false, '{{}}', NULL, key, end_user, NULL, 900, 0, 20, 1,
        moment, moment + interval '900 seconds', moment, 1, 1, moment
    FROM ({_EACH}) each"""
_OUTPUTS = f"""
    INSERT INTO output SELECT account_id, request_id, index, 'succeeded', 1024, 1024, tier, 10, 0, '{{}}', NULL
    FROM ({_EACH}) each, generate_series(0, {_IMAGES - 1}) index"""
_QUARTERS = """
    INSERT INTO usage_bucket
    SELECT c.account_id, date_bin('15 minutes', c.resolved_at, 'epoch'::timestamptz), c.model, c.operation, o.size_tier,
        c.billed_quality, c.api_key_id, sum((o.index = 0)::integer), count(*), 0, sum(o.credits)
    FROM charge c JOIN output o USING (account_id, request_id) GROUP BY 1, 2, 3, 4, 5, 6, 7"""
_OPENED = """
    INSERT INTO account SELECT $1, 'CREDIT', NULL, 'active', 0, 'bill', 'quote', NULL, $2, '', 0, 0, 0, 0, 1, '', 0, '', $2"""
_OTHER = """
    INSERT INTO usage_bucket SELECT $1, quarter_hour, model, operation, size_tier, quality, api_key_id, requests, images,
        failed_images, credits FROM usage_bucket WHERE account_id = $2"""

_RAW = """
    SELECT width_bucket(c.resolved_at, $2::timestamptz[]), c.model, o.size_tier, c.billed_quality, sum((o.index = 0)::integer),
        sum((o.status = 'succeeded')::integer), sum((o.status = 'failed')::integer), sum(o.credits)
    FROM charge c JOIN output o ON o.account_id = c.account_id AND o.request_id = c.request_id
    WHERE c.account_id = $1 AND c.status = 'settled' AND c.resolved_at >= $3 AND c.resolved_at < $4
    GROUP BY 1, 2, 3, 4"""
_KINDS = ("model", "size_tier", "quality")


@dataclass(frozen=True, slots=True)
class UsageCase:
    """A question, and whether summing up the outputs would answer it."""

    name: str
    question: UsageQuestion
    raw: bool = False


def _question(width: Width, tz: str, **selected: Any) -> UsageQuestion:
    return UsageQuestion(Selection(ACCOUNT, **selected), SINCE, UNTIL, width, tz)


_BY_DAY = UsageCase("by day and kind, Madrid", _question("1d", "Europe/Madrid", group_by=_KINDS), raw=True)
CASES = (
    _BY_DAY,
    UsageCase("in all, Kathmandu", _question("1mo", "Asia/Kathmandu")),
    UsageCase("by day and key, UTC", _question("1d", "UTC", group_by=("api_key_id",))),
    UsageCase(f"one of {END_USERS:,} end users, by day", _question("1d", "UTC", filters={"end_user": ("user_77",)})),
)


async def measure(server: EmbeddedPostgres, options: Options, progress: Progress) -> list[Measurement]:
    """Every question; then the first again with the others' months beside it."""
    name = "bench_usage"
    dsn = await database.new_database(server, name)
    await _load(dsn, options.usage_outputs, progress)
    engine = read_engine(dsn, size=1)
    bench = _UsageBench(engine, dsn, Meter(server.pid or 0, os.getpid()), options, progress)
    found = [await bench.measured(case, case.name) for case in CASES]
    await _load_others(dsn, progress)
    found.append(await bench.measured(_BY_DAY, f"the same beside {OTHERS} other such accounts"))
    await engine.dispose()
    await database.drop_database(server, name)
    return found


@dataclass(slots=True)
class _UsageBench:
    engine: Engine
    dsn: str
    meter: Meter
    options: Options
    progress: Progress

    async def measured(self, case: UsageCase, name: str) -> Measurement:
        ours, floor = Side("usage"), Side("sum of outputs") if case.raw else None
        await database.settle_down(self.dsn)
        await self._answer(case)
        turns = self.options.turns
        with self.progress.step(name, total=turns) as step:
            for _ in range(turns):
                if floor is not None:
                    floor.turns.append(await self._turn(lambda: self._raw(case), 0.0))
                ours.turns.append(await self._turn(lambda: self._answer(case), (self.options.seconds or 0.0) / turns))
                step.advance()
        found = Measurement(f"a month of {self.options.usage_outputs:,} outputs, {name}", "answers/s", ours, floor)
        found.targets = [Target("p50 ms", ours.percentile_ms(50) or 0.0, at_most=20.0)]
        return found

    async def _turn(self, ask: Callable[[], Awaitable[None]], seconds: float) -> Turn:
        """Asks one after the other, at least once."""
        waits: list[float] = []
        before, began = self.meter.read(), time.perf_counter()
        while not waits or time.perf_counter() - began < seconds:
            asked = time.perf_counter()
            await ask()
            waits.append((time.perf_counter() - asked) * 1000)
        return Turn(len(waits), time.perf_counter() - began, self.meter.read() - before, waits)

    async def _answer(self, case: UsageCase) -> None:
        await usage_page(self.engine, case.question, limit=3_000)

    async def _raw(self, case: UsageCase) -> None:
        asked = case.question
        spans = list(buckets(SINCE, UNTIL, asked.width, zone(asked.tz)))
        connection = await asyncpg.connect(plain_dsn(self.dsn), server_settings={"jit": "off", "work_mem": "32MB"})
        try:
            await connection.fetch(_RAW, ACCOUNT, [since for since, _ in spans], SINCE, UNTIL)
        finally:
            await connection.close()


async def _load(dsn: str, outputs: int, progress: Progress) -> None:
    charges = outputs // _IMAGES
    connection = await asyncpg.connect(plain_dsn(dsn))
    try:
        with progress.step(f"storing a month of {outputs:,} outputs", total=charges) as step:
            for first in range(0, charges, _STEP):
                past = min(first + _STEP, charges)
                async with connection.transaction():
                    for statement in (_CHARGES, _OUTPUTS):
                        await connection.execute(statement, first, past, float(charges))
                step.advance(past - first)
        await connection.execute(_OPENED, ACCOUNT, UNTIL)
        await connection.execute(_QUARTERS)
        await _sum_up(connection, ACCOUNT)
    finally:
        await connection.close()


async def _load_others(dsn: str, progress: Progress) -> None:
    connection = await asyncpg.connect(plain_dsn(dsn))
    try:
        with progress.step(f"storing {OTHERS} other months", total=OTHERS) as step:
            for number in range(OTHERS):
                other = f"acct_other_{number}"
                await connection.execute(_OPENED, other, UNTIL)
                await connection.execute(_OTHER, other, ACCOUNT)
                await _sum_up(connection, other)
                step.advance()
    finally:
        await connection.close()


async def _sum_up(connection: asyncpg.Connection, account_id: str) -> None:
    for day in range((UNTIL - SINCE).days):
        await sum_up(connection, [(account_id, SINCE + timedelta(days=day))])
