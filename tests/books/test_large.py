"""A large account: it passes through a cursor and is never in memory as a whole."""

import asyncio
import tracemalloc

import pytest

from billing.books.verify import verify
from billing.books.verify.reading import ROWS_AT_ONCE
from billing.core.commands import OpenAccount
from billing.core.prices import PriceBooks
from billing.posting import Posting
from billing.store.price_books import publish_first

from .world import SMALL, asked, delivered

FEW, MANY = 2 * ROWS_AT_ONCE, 6 * ROWS_AT_ONCE


@pytest.fixture
def large(fresh_database: str, books: PriceBooks) -> str:
    """Two accounts, one with three times as many charges as the other."""

    async def fill() -> None:
        await publish_first(fresh_database)
        async with Posting(fresh_database, lambda: books) as posting:
            for account, charges in (("few", FEW), ("many", MANY)):
                await posting.post(OpenAccount(account, credit_limit=10**9))
                commands = [asked(account, f"r{number}", outputs=delivered(SMALL)) for number in range(charges)]
                results = await posting.post_many(commands, slice_size=1_000)
                assert not any(isinstance(result, Exception) for result in results)

    asyncio.run(fill())
    return fresh_database


def test_rows_come_a_batch_at_a_time(large: str) -> None:
    steps: list[int] = []

    def progress(name: str, done: int, total: int) -> None:
        if name == "I10" and total > ROWS_AT_ONCE:
            steps.append(done)

    report = asyncio.run(verify(large, "many", progress))
    assert report.ok
    assert report.transfers == MANY
    assert steps == list(range(ROWS_AT_ONCE, MANY + 1, ROWS_AT_ONCE))


def test_memory_does_not_grow_with_the_account(large: str) -> None:
    peaks = []
    for account in ("few", "few", "many"):  # the first warms up what is kept anyway
        tracemalloc.start()
        assert asyncio.run(verify(large, account)).ok
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[2] < 1.25 * peaks[1], peaks
