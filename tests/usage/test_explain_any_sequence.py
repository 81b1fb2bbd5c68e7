"""After any walk through all that moves credits, every charge is explained, and its facts add up to the tables'."""

import asyncio
from typing import Any

import asyncpg
import pytest

from billing.books.explain.report import explain
from billing.core.commands import OpenAccount
from billing.core.languages import LANGUAGES
from billing.core.prices import PriceBooks
from billing.posting import Posting
from billing.store.engine import read_engine
from tests.books.test_any_sequence import A_CLOCK_TO_SET, Walk

STEPS = 150


@pytest.mark.parametrize("seed", range(3))
def test_every_charge_of_a_walk(fresh_database: str, books: PriceBooks, seed: int) -> None:
    asyncio.run(_walk(fresh_database, books, Walk(seed)))


async def _walk(dsn: str, books: PriceBooks, walk: Walk) -> None:
    owner = await asyncpg.connect(dsn)
    engine = read_engine(dsn, size=1)
    try:
        for statement in A_CLOCK_TO_SET:
            await owner.execute(statement)
        async with Posting(dsn, lambda: books) as posting:
            await posting.post(OpenAccount("acme", credit_limit=20))
            for _ in range(STEPS):
                commands = walk.batch()
                await owner.execute("UPDATE clock.reading SET at = $1", walk.now)
                await posting.post_many(commands)
        charges = await owner.fetch(
            "SELECT request_id, status, settled_credits, refunded_credits, corrected_credits FROM charge"
        )
        kinds: set[str] = set()
        for charge in charges:
            for language in LANGUAGES.values():
                explained = await explain(engine, books, "acme", charge["request_id"], language)
                assert all(step.text and step.title for step in explained.steps)
            kinds.update(step.kind for step in explained.steps)
            if explained.status == "settled":
                await _adds_up(owner, charge, [(step.kind, step.facts) for step in explained.steps])
        assert {
            "transfer",
            "debt_paid",
            "returned",
            "supplement",
            "corrected",
            "net",
        } <= kinds  # the walk went where it matters
    finally:
        await engine.dispose()
        await owner.close()


async def _adds_up(owner: asyncpg.Connection, charge: Any, steps: list[tuple[str, dict[str, Any]]]) -> None:
    def of(*kinds: str) -> list[dict[str, Any]]:
        return [facts for kind, facts in steps if kind in kinds]

    request_id = charge["request_id"]
    assert sum(facts["credits"] for facts in of("output")) == charge["settled_credits"]
    assert sum(facts["credits"] for facts in of("transfer")) == charge["settled_credits"]
    assert sum(facts["credits"] for facts in of("refund")) == charge["refunded_credits"]
    corrected = charge["corrected_credits"]
    assert sum(facts["corrected_credits"] for facts in of("correction")) == corrected
    assert sum(facts["credits_after"] - facts["credits_before"] for facts in of("corrected")) == corrected
    moved = sum(f["credits"] for f in of("supplement")) - sum(f["credits"] for f in of("returned"))
    assert moved == corrected - charge["refunded_credits"]
    net = charge["settled_credits"] + corrected - charge["refunded_credits"]
    assert [facts["credits"] for facts in of("net")] == ([net] if of("refund", "correction") else [])
    journal = await owner.fetch(
        """SELECT seq, amount, balance_after, grant_id FROM transfer
           WHERE account_id = 'acme' AND book = 'wallet' AND request_id = $1 ORDER BY seq""",
        request_id,
    )
    told = [
        (f["seq"], f["credits"], f["balance_after"], f["grant_id"]) for f in of("transfer", "supplement", "returned")
    ]
    assert told == [tuple(row) for row in journal]
    (balance,) = of("balance")
    assert balance["posted_before"] - balance["posted_after"] == charge["settled_credits"]
    owed = await owner.fetchval(
        "SELECT coalesce(sum(outstanding), 0)::bigint FROM debt WHERE request_id = $1", request_id
    )
    assert sum(facts["credits"] for facts in of("debt")) == owed
    fills = await owner.fetch(
        """SELECT f.seq, f.paid_by_seq, f.grant_id, f.credits FROM fill f
           JOIN debt d ON d.account_id = f.account_id AND d.seq = f.seq WHERE d.request_id = $1
           ORDER BY greatest(f.paid_by_seq, f.seq), f.paid_by_seq, f.seq""",
        request_id,
    )
    assert [(f["seq"], f["paid_by_seq"], f["grant_id"], f["credits"]) for f in of("debt_paid")] == [
        tuple(row) for row in fills
    ]
