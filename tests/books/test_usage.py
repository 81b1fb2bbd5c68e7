"""I11 over days: a healthy week, and lies about it in buckets, in days and in what they count."""

import asyncio
from datetime import UTC, datetime, timedelta

import asyncpg
import pytest

from billing.books.verify import verify
from billing.core.charges import Reported
from billing.core.commands import Authorize, IssueGrant, OpenAccount, Refund
from billing.posting import Posting
from billing.store.price_books import publish_first
from tests.api.service import with_a_clock

from .world import LARGE, SMALL, delivered

MONDAY = datetime(2026, 1, 5, 10, 20, tzinfo=UTC)  # at 10:15, quarter-hour 41 of its day


@pytest.fixture
def week(fresh_database, books):
    """The DSN of a database in which `acme` has used something on two days and been written to on a third."""

    async def live():
        await publish_first(fresh_database)
        owner = await asyncpg.connect(fresh_database)
        async with Posting(fresh_database, lambda: books, lanes=1) as posting:

            async def at(moment, *commands):
                await owner.execute("UPDATE clock.reading SET at = $1", moment)
                for command in commands:
                    await posting.post(command)

            await at(MONDAY, OpenAccount("acme"), IssueGrant("acme", "g", "purchase", 1_000))
            await at(MONDAY, used("r1", delivered(SMALL, None)))
            await at(MONDAY + timedelta(hours=1), used("r2", delivered(SMALL, LARGE)))
            await at(
                MONDAY + timedelta(days=1),
                used("r3", delivered(SMALL)),
                Refund("acme", "r2", "f1", "sorry", outputs=(1,)),
            )
            await at(MONDAY + timedelta(days=3), used("r4", delivered(SMALL)))
        await owner.close()

    with_a_clock(fresh_database)
    asyncio.run(live())
    return fresh_database


def used(request_id: str, outputs: tuple[Reported, ...]) -> Authorize:
    return Authorize("acme", request_id, "gpt-image-2", n=2, size="1K", quality="high", outputs=outputs)


def test_a_week_holds(week):
    report = asyncio.run(verify(week))
    assert report.ok, report
    (usage,) = [checked for checked in report.invariants if checked.name == "I11"]
    assert usage.checked_rows > 10


LINE = "acme/2026-01-05T10:15:00Z/gpt-image-2/generation/1K/high/"
DAY = "acme/2026-01-05T00:00:00Z/gpt-image-2/generation/1K/high/"
OF_MONDAY = "day = '2026-01-05' AND size_tier = '1K'"
LIES = {
    "a bucket counts too many": (
        "UPDATE usage_bucket SET images = 2 WHERE quarter_hour = '2026-01-05 10:15Z' AND size_tier = '1K'",
        "usage_bucket",
        LINE,
        "1 requests, 2 images, 0 failed images and 14 credits are counted, but 1 requests, 1 images, 0 failed images and 14",
    ),
    "a bucket is gone": (
        "DELETE FROM usage_bucket WHERE quarter_hour = '2026-01-05 10:15Z' AND size_tier = '1K'",
        "usage_bucket",
        LINE,
        "nothing are counted, but 1 requests",
    ),
    "a bucket of nothing": (
        """INSERT INTO usage_bucket SELECT account_id, '2026-01-08 11:00Z', model, operation, size_tier, quality, api_key_id,
           1, 1, 0, 5 FROM usage_bucket LIMIT 1""",
        "usage_bucket",
        "acme/2026-01-08T11:00:00Z/",
        "1 requests, 1 images, 0 failed images and 5 credits are counted, but nothing were billed",
    ),
    "a refund at another time": (
        "UPDATE refund SET created_at = created_at + interval '1 hour'",
        "usage_bucket",
        "acme/2026-01-06T10:15:00Z/gpt-image-2/generation/2K/high/",
        "and -67 credits are counted, but nothing",
    ),
    "a day sums up too much": (
        f"UPDATE usage_day SET credits[2] = credits[2] + 1 WHERE {OF_MONDAY}",
        "usage_day",
        DAY,
        "up to and with quarter-hour 45, 2 requests, 2 images, 0 failed images and 29 credits are summed up",
    ),
    "a day forgets a quarter of an hour": (
        f"""UPDATE usage_day SET quarters = quarters[:1], requests = requests[:1], images = images[:1],
            failed_images = failed_images[:1], credits = credits[:1] WHERE {OF_MONDAY}""",
        "usage_day",
        DAY,
        "up to and with quarter-hour 45, nothing are summed up, but 2 requests",
    ),
    "a day that was not left": (
        """INSERT INTO usage_day SELECT account_id, '2026-01-08', model, operation, size_tier, quality, api_key_id, quarters,
           requests, images, failed_images, credits FROM usage_day LIMIT 1""",
        "usage_day",
        "acme/2026-01-08T00:00:00Z/",
        "but nothing were counted",
    ),
    "a day is gone": (f"DELETE FROM usage_day WHERE {OF_MONDAY}", "usage_day", DAY, "nothing are summed up"),
    "a day in disorder": (
        f"""UPDATE usage_day SET quarters = ARRAY[quarters[2], quarters[1]], requests = ARRAY[requests[2], requests[1]],
            images = ARRAY[images[2], images[1]], failed_images = ARRAY[failed_images[2], failed_images[1]],
            credits = ARRAY[credits[2], credits[1]] WHERE {OF_MONDAY}""",
        "usage_day",
        DAY,
        "not in order",
    ),
    "an output that is counted as another": (
        "UPDATE output SET size_tier = '4K' WHERE request_id = 'r4' AND index = 0",
        "usage_bucket",
        "acme/2026-01-08T10:15:00Z/gpt-image-2/generation/1K/high/",
        "but nothing were billed",
    ),
}


@pytest.mark.parametrize("lie", sorted(LIES))
def test_lies_about_usage_are_found_and_the_row_is_named(week, lie):
    statement, table, key, words = LIES[lie]

    async def spoil():
        owner = await asyncpg.connect(week)
        assert not (await owner.execute(statement)).endswith(" 0")
        await owner.close()

    asyncio.run(spoil())
    for account in (None, "acme"):
        found = {c.name: c.finding for c in asyncio.run(verify(week, account)).invariants if c.finding}
        assert found["I11"].table == table
        assert found["I11"].key.startswith(key)
        assert words in found["I11"].problem
