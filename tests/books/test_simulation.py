"""Price changes before they happen: beside a reckoning of this file's own, output by output."""

import asyncio
from copy import deepcopy
from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg
import pytest

from billing.books.simulation.report import Simulation, simulate
from billing.core.prices import PUBLISHED
from billing.core.refusals import Invalid
from billing.store.engine import read_engine

LONG_AGO, LATER = datetime(2020, 1, 1, tzinfo=UTC), datetime(2200, 1, 1, tzinfo=UTC)
EDGES = {"1K": 1536, "2K": 2048, "4K": 3840}


def simulated(dsn: str, models: Any, start: datetime = LONG_AGO, end: datetime = LATER, **more: Any) -> Simulation:
    async def asked() -> Simulation:
        engine = read_engine(dsn, size=1)
        try:
            return await simulate(engine, models, start, end, **more)
        finally:
            await engine.dispose()

    return asyncio.run(asked())


def query(dsn: str, sql: str, *arguments: Any) -> list[Any]:
    async def asked() -> list[Any]:
        connection = await asyncpg.connect(dsn)
        try:
            return [tuple(row) for row in await connection.fetch(sql, *arguments)]
        finally:
            await connection.close()

    return asyncio.run(asked())


def test_the_book_in_force_makes_no_difference(healthy: str) -> None:
    """Everything that can happen to a bill has happened there: corrections, caps, refunds, failures, debts."""
    found = simulated(healthy, PUBLISHED)
    assert found.total.difference == 0
    assert not any(cell.difference for cell in found.cells)
    assert (found.winners, found.losers, found.unpriced) == ([], [], [])
    (billed,) = query(
        healthy,
        """SELECT coalesce(sum(amount) FILTER (WHERE kind IN ('settle', 'supplement')), 0)::bigint
               - coalesce(sum(amount) FILTER (WHERE kind = 'reduction'), 0)::bigint FROM transfer""",
    )[0]
    assert found.total.credits_now == found.total.credits_then == billed > 0


def test_another_book_is_reckoned_output_by_output(healthy: str) -> None:
    """Prices of its own, tiers of its own, and the quality `auto` billed as low; corrected charges aside."""
    candidate = deepcopy(dict(PUBLISHED))
    model = candidate["gpt-image-2"] = deepcopy(candidate["gpt-image-2"])
    model["tiers"] = [{"name": "S", "max_edge": 1023}, {"name": "M", "max_edge": 2048}, {"name": "L", "max_edge": 3000}]
    model["auto_tier"] = "M"
    model["qualities"] = {"low": "low", "medium": "medium", "high": "high", "auto": "low"}
    model["prices"] = {
        "low": {"S": 1, "M": 2, "L": 3},
        "medium": {"S": 10, "M": 20, "L": 30},
        "high": {"S": 11, "M": 22, "L": 99},
    }
    query(healthy, "DELETE FROM correction")
    rows = query(
        healthy,
        """SELECT c.account_id, c.size, c.quality, c.overage, c.n, o.status, o.width, o.height, o.credits + o.corrected_credits,
               count(*) FILTER (WHERE o.status = 'succeeded') OVER (PARTITION BY c.account_id, c.request_id ORDER BY o.index)
           FROM charge c JOIN output o USING (account_id, request_id) WHERE c.status = 'settled'""",
    )
    customers: dict[str, int] = {}
    now = images = unpriced = 0
    for account, size, quality, overage, n, status, width, height, credits, place in rows:
        if status != "succeeded":
            continue
        if size in EDGES:  # the names of the tiers are others: a size that nobody knows
            unpriced += 1
            continue
        images, now = images + 1, now + credits
        row = model["prices"][model["qualities"][quality]]
        quoted = row["M"]
        edge = max(width or 0, height or 0)
        cost = quoted if width is None else row["S"] if edge <= 1023 else row["M"] if edge <= 2048 else row["L"]
        cost = min(cost, quoted) if overage == "cap" else cost
        customers[account] = customers.get(account, 0) + (cost if place <= n else 0) - credits
    found = simulated(healthy, candidate)
    assert (found.unpriced_images, {one.code for one in found.unpriced}) == (unpriced, {"size_not_allowed"})
    assert (found.total.images, found.total.credits_now) == (images, now)
    assert found.total.difference == sum(customers.values())
    changed = {one.account_id: one.difference for one in (*found.winners, *found.losers)}
    assert changed == {account: difference for account, difference in customers.items() if difference}
    for shown in (found.winners, found.losers):
        assert shown == sorted(shown, key=lambda one: (-abs(one.difference), one.account_id))


def sell(dsn: str) -> None:
    """1,000 customers with charges of each size, alike but for their number; written as they are stored."""
    statements = """
        INSERT INTO charge SELECT 'c' || to_char(a, 'FM0000'), 'r' || r, 'settled', 'gpt-image-2', 'generation', 'sync', 2, 'auto',
            CASE r % 2 WHEN 0 THEN 'high' ELSE 'low' END, CASE r % 2 WHEN 0 THEN 'high' ELSE 'low' END, '1K', 14, 28, 28, 28, 0, 1,
            NULL, 'bill', true, false, '{}', NULL, NULL, NULL, NULL, 900, 0, 28, 0, timestamptz '2026-01-01' + r * interval '1 day',
            '2027-01-01', timestamptz '2026-01-01' + r * interval '1 day', 1, 1, NULL
        FROM generate_series(1, 1000) a, generate_series(0, a % 5) r;
        INSERT INTO output SELECT account_id, request_id, i, 'succeeded', 800 + 100 * i, 900, '1K',
            CASE quality WHEN 'high' THEN 14 ELSE 1 END, 0, '{}', NULL
        FROM charge, generate_series(0, 1) i"""
    for statement in statements.split(";"):
        query(dsn, statement)


def test_customers_pass_by_and_those_that_change_most_are_kept(fresh_database: str) -> None:
    candidate = deepcopy(dict(PUBLISHED))
    candidate["gpt-image-2"] = deepcopy(candidate["gpt-image-2"])
    candidate["gpt-image-2"]["prices"]["high"]["1K"] = 15
    candidate["gpt-image-2"]["prices"]["low"]["1K"] = 0
    sell(fresh_database)
    found = simulated(fresh_database, candidate, limit=3)
    # Of a % 5 + 1 charges the even ones are of high quality: two images each, one credit more or less.
    assert (found.customers, found.winners_count, found.losers_count) == (1_000, 0, 600)
    assert [(one.account_id, one.difference, one.images) for one in found.losers] == [
        ("c0002", 2, 6),
        ("c0004", 2, 10),
        ("c0005", 2, 2),
    ]
    day = timedelta(days=1)
    start = datetime(2026, 1, 2, tzinfo=UTC)
    assert simulated(fresh_database, candidate, start, start + day).total.images == 800 * 2
    assert [one.difference for one in simulated(fresh_database, candidate, start, start + day).cells] == [-1_600]
    assert simulated(fresh_database, candidate, start, start + timedelta(microseconds=1)).total.images == 1_600
    assert simulated(fresh_database, candidate, start + day - timedelta(microseconds=1), start + day).customers == 0
    nobody = simulated(fresh_database, {"another": PUBLISHED["gpt-image-2"]})
    assert (nobody.total.images, nobody.unpriced_images, nobody.unpriced[0].code) == (0, 6_000, "unknown_model")


def test_what_is_no_candidate(fresh_database: str) -> None:
    for models in ({}, {"m": {}}, {"m": {**PUBLISHED["gpt-image-2"], "prices": -1}}):
        with pytest.raises(Invalid, match="models"):
            simulated(fresh_database, models)
    with pytest.raises(Invalid, match="later"):
        simulated(fresh_database, PUBLISHED, LATER, LATER)
