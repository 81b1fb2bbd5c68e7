"""Revenue in the database: found by SQL as the core finds it, posted once by any number of runs, and verified."""

import asyncio
from collections import Counter
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import asyncpg
import pytest

from billing.books.revenue import recognition
from billing.books.revenue.recognition import DailyRecognition, Recognised, RecognisedAmount, recognise
from billing.books.verify import verify
from billing.core.commands import Authorize, IssueGrant, OpenAccount, Recognise
from billing.core.cost_basis import Movement, movements
from billing.core.grants import Fill, Grant
from billing.core.ledger import Transfer
from billing.core.prices import PriceBooks
from billing.embedded import EmbeddedPostgres
from billing.posting import Posting
from billing.store import recognition as store
from billing.store import rows
from billing.store.connection import connect
from billing.store.engine import read_engine
from tests.conftest import audit_with, copied, execute

from .test_any_sequence import A_CLOCK_TO_SET, START, Walk, take_step
from .world import SMALL, asked, delivered

BY_DAY = """
    SELECT account_id, grant_id, (effective_at AT TIME ZONE 'UTC')::date, split_part(kind, '_', 2),
        sum(CASE WHEN kind LIKE 'recognise%' THEN amount ELSE -amount END)::bigint
    FROM transfer WHERE kind LIKE 'recognise%' OR kind LIKE 'reverse%' GROUP BY 1, 2, 3, 4
    HAVING sum(CASE WHEN kind LIKE 'recognise%' THEN amount ELSE -amount END) <> 0 ORDER BY 1, 2, 3, 4"""


async def run(dsn: str, books: PriceBooks) -> Recognised:
    engine = read_engine(dsn, size=2)
    try:
        async with Posting(dsn, lambda: books) as posting:
            return await recognise(engine, posting)
    finally:
        await engine.dispose()


async def asking(dsn: str, query: str, *arguments: Any) -> list[Any]:
    owner = await asyncpg.connect(dsn)
    try:
        return [tuple(row) for row in await owner.fetch(query, *arguments)]
    finally:
        await owner.close()


async def walked(dsn: str, books: PriceBooks, seed: int, steps: int) -> None:
    """Days of everything that moves credits and money, at which nobody has looked."""
    walk, owner = Walk(seed), await asyncpg.connect(dsn)
    walk._recognise = list  # type: ignore[method-assign]
    walk._WEIGHTS = (*Walk._WEIGHTS[:-1], 0)  # type: ignore[misc]
    try:
        for statement in A_CLOCK_TO_SET:
            await owner.execute(statement)
        async with Posting(dsn, lambda: books) as posting:
            await posting.post(OpenAccount("acme", credit_limit=20))
            for step in range(steps):
                await take_step(owner, posting, walk, step)
    finally:
        await owner.close()


def runs(found: list[Movement]) -> list[tuple[Any, ...]]:
    """Consecutive movements of a grant and day, summed."""
    summed: dict[str, list[list[Any]]] = {}
    for one in sorted(found, key=lambda one: one.seq):
        of_grant = summed.setdefault(one.grant_id, [])
        if not of_grant or of_grant[-1][3].date() != one.effective_at.date():
            of_grant.append([one.account_id, one.grant_id, one.seq, one.effective_at, 0, 0, 0, 0])
        last = of_grant[-1]
        last[2:4] = one.seq, max(last[3], one.effective_at)
        last[4:] = [a + b for a, b in zip(last[4:], one[4:], strict=True)]
    return sorted(tuple(each) for of_grant in summed.values() for each in of_grant)


async def test_sql_sums_what_the_core_sees(fresh_database: str, books: PriceBooks) -> None:
    await walked(fresh_database, books, seed=5, steps=150)
    journal = [
        Transfer(*row)
        for row in await asking(
            fresh_database, f"SELECT {rows.TRANSFER} FROM transfer t WHERE book = 'wallet' ORDER BY seq"
        )
    ]
    fills = [
        Fill(*row) for row in await asking(fresh_database, f"SELECT {rows.columns(Fill._fields, 'f')} FROM fill f")
    ]
    grants = {row[1]: Grant(*row) for row in await asking(fresh_database, f'SELECT {rows.GRANT} FROM "grant" g')}
    last = journal[-1].seq
    assert {"settle", "supplement", "refund", "reduction", "expire", "revoke", "restore"} < {
        row.kind for row in journal
    }
    session = await connect(fresh_database)
    try:
        for after, until in ((0, last), (0, last // 3), (last // 3, last)):
            expected = movements([row for row in journal if after < row.seq <= until], fills, grants)
            found = await session.fetch(store._MOVEMENTS, ["acme"], [after], [until])
            assert sorted(tuple(row) for row in found) == runs(list(expected))
    finally:
        await session.close()


def test_any_number_of_runs_come_to_the_same(
    server: EmbeddedPostgres, fresh_database: str, books: PriceBooks, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At one go, four transfers at a time, and three runs at once: every grant's days are the same to the micro."""
    asyncio.run(walked(fresh_database, books, seed=8, steps=150))
    [name] = asyncio.run(asking(fresh_database, "SELECT current_database()"))[0]
    found = []
    for at_once, many in ((10_000, 1), (4, 1), (50, 3)):
        monkeypatch.setattr(store, "TRANSFERS_AT_ONCE", at_once)
        monkeypatch.setattr(recognition, "TRANSFERS_AT_ONCE", at_once)
        with copied(server, name) as dsn:
            asyncio.run(execute(dsn, next(one for one in A_CLOCK_TO_SET if "ALTER DATABASE" in one)))
            found.append(asyncio.run(looked_at(dsn, books, many)))
    assert found[0] == found[1] == found[2]


async def looked_at(dsn: str, books: PriceBooks, many: int) -> tuple[Counter[tuple[str, str]], list[Any]]:
    """By so many runs at once: what they say they recognised, and what the journal says."""
    said: Counter[tuple[str, str]] = Counter()
    for one in await asyncio.gather(*(run(dsn, books) for _ in range(many))):
        for amount in one.amounts:
            said[amount.currency, "usage"] += amount.usage_micros
            said[amount.currency, "breakage"] += amount.breakage_micros
    by_day = await asking(dsn, BY_DAY)
    assert len({row[2] for row in by_day}) > 5
    assert [checked.finding for checked in (await verify(dsn)).invariants if checked.finding] == []
    owner = await asyncpg.connect(dsn)
    try:
        await audit_with(owner, "acme")
    finally:
        await owner.close()
    again = await run(dsn, books)
    assert (again.accounts, again.transfers, again.amounts) == (0, 0, [])
    return said, by_day


async def test_what_follows_in_the_same_transaction_is_found_by_the_next_run(
    fresh_database: str, books: PriceBooks
) -> None:
    async with Posting(fresh_database, lambda: books, lanes=1) as posting:
        await posting.post(OpenAccount("acme"))
        await posting.post(IssueGrant("acme", "g", "purchase", 100, paid_micros=1_000, currency="USD"))
        await posting.post_many(
            [Recognise("acme"), asked("acme", "r", outputs=delivered(SMALL)), Recognise("nobody"), Recognise("acme")]
        )
        await posting.post_many([Recognise("acme"), asked("acme", "r2", outputs=delivered(SMALL))])
    assert await asking(fresh_database, "SELECT wallet_seq - recognised_seq, recognised_at < last_at FROM account") == [
        (1, True)
    ]
    found = await run(fresh_database, books)
    assert (found.accounts, found.transfers, found.amounts) == (1, 1, [RecognisedAmount("USD", 140, 0)])
    assert await asking(fresh_database, "SELECT wallet_seq - recognised_seq, recognised_at = last_at FROM account") == [
        (0, True)
    ]


async def test_one_account_that_cannot_be_recognised_keeps_no_other_from_its_revenue(
    fresh_database: str, books: PriceBooks, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An account whose rows the database refuses: the first of three."""
    monkeypatch.setattr(recognition, "SLICE", 1)
    names = ("aaa", "bbb", "ccc")
    async with Posting(fresh_database, lambda: books, lanes=1) as posting:
        for name in names:
            await posting.post(OpenAccount(name))
            await posting.post(IssueGrant(name, "g", "purchase", 100, paid_micros=1_000, currency="USD"))
            await posting.post(asked(name, "r", outputs=delivered(SMALL)))
    await execute(
        fresh_database,
        "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'no room for it'; END $$",
        "CREATE TRIGGER refuse BEFORE INSERT ON transfer FOR EACH ROW"
        " WHEN (NEW.account_id = 'aaa' AND NEW.book = 'money') EXECUTE FUNCTION refuse()",
    )
    with pytest.raises(asyncpg.RaiseError, match="no room for it"):
        await run(fresh_database, books)
    assert [row[0] for row in await asking(fresh_database, BY_DAY)] == ["bbb", "ccc"]
    await execute(fresh_database, "DROP TRIGGER refuse ON transfer")
    assert (await run(fresh_database, books)).accounts == 1
    assert [row[0] for row in await asking(fresh_database, BY_DAY)] == ["aaa", "bbb", "ccc"]


async def test_every_day_what_the_days_before_have_left(fresh_database: str, books: PriceBooks) -> None:
    owner = await asyncpg.connect(fresh_database)
    engine = read_engine(fresh_database, size=2)
    noon = START.replace(hour=12)

    async def at(moment: datetime, *commands: Any) -> tuple[int, list[Any]] | None:
        await owner.execute("UPDATE clock.reading SET at = $1", moment)
        for command in commands:
            await posting.post(command)
        found = await daily.once()
        return found and (found.transfers, found.amounts)

    def bill(request: str) -> Authorize:
        return asked("acme", request, outputs=delivered(SMALL))

    try:
        for statement in A_CLOCK_TO_SET:
            await owner.execute(statement)
        async with Posting(fresh_database, lambda: books) as posting:
            daily = DailyRecognition(engine, posting)
            grant = IssueGrant("acme", "g", "purchase", 100, paid_micros=1_000, currency="USD")
            # The first day has nothing from before. What it brings waits for the next, and that for five minutes.
            assert await at(noon, OpenAccount("acme"), grant, bill("r1")) is None
            assert await at(noon + timedelta(hours=12, minutes=4)) is None
            assert await at(noon + timedelta(hours=12, minutes=5)) == (1, [RecognisedAmount("USD", 140, 0)])
            assert await at(noon + timedelta(hours=13), bill("r2")) is None
            # A process that starts in the middle of a day does what was missed.
            assert await DailyRecognition(engine, posting).once() is None
            await owner.execute("UPDATE clock.reading SET at = $1", noon + timedelta(days=3))
            late = await DailyRecognition(engine, posting).once()
            assert late is not None
            assert late.amounts == [RecognisedAmount("USD", 140, 0)]
            assert await at(noon + timedelta(days=3)) is None
    finally:
        await owner.close()
        await engine.dispose()
    assert [row[2:] for row in await asking(fresh_database, BY_DAY)] == [
        (noon.date(), "usage", 140),
        (noon.date() + timedelta(days=1), "usage", 140),
    ]


@pytest.mark.parametrize(
    ("statement", "table", "key", "problem"),
    [
        (
            "UPDATE recognition SET usage_micros = usage_micros + 1 WHERE grant_id = 'pack:dear:1'",
            "account",
            "earning",
            "micros EUR by its transfers, but",
        ),
        (
            "UPDATE recognition SET usage_micros = usage_micros + 1, breakage_micros = breakage_micros - 1 WHERE grant_id = 'pack:dear:1'",
            "recognition",
            "earning/pack:dear:1",
            "are recognised, but transfers make",
        ),
        (
            "UPDATE transfer SET kind = 'recognise_breakage' WHERE kind = 'recognise_usage' AND account_id = 'earning'",
            "recognition",
            "earning/pack:dear:1",
            "are recognised, but transfers make",
        ),
        (
            "UPDATE recognition SET expired = expired + 1 WHERE grant_id = 'pack:dear:1'",
            "recognition",
            "earning/pack:dear:1",
            "are recognised, but it should be",
        ),
        (
            "UPDATE recognition SET moved = moved - 1, used = used + 1 WHERE grant_id = 'pack:dear:1'",
            "grant",
            "earning/pack:dear:1",
            "are recognised, with 2 micros returned, but they are",
        ),
        (
            "UPDATE account SET recognised_seq = wallet_seq + 1 WHERE account_id = 'earning'",
            "account",
            "earning",
            "its wallet is recognised up to",
        ),
    ],
)
def test_what_is_recognised_wrongly_is_found(
    healthy: str, spoil: Callable[..., None], statement: str, table: str, key: str, problem: str
) -> None:
    spoil(statement)
    report = asyncio.run(verify(healthy))
    found = {checked.name: checked.finding for checked in report.invariants if checked.finding}
    assert "I12" in found
    finding = found["I12"]
    assert (finding.table, finding.key) == (table, key), finding
    assert problem in finding.problem
