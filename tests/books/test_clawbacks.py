"""Clawbacks that went wrong once: each is told as short as it can be, and its books are verified."""

import asyncpg
import pytest

from billing.books.verify import verify
from billing.core.commands import Refund
from billing.core.funding_commands import OpenTopup, PayTopup, ReportCardRefund
from billing.core.packs import Pack
from billing.posting import Posting

from .world import SMALL, asked, delivered

PAID = 10_000_000
PACK = Pack.of("ten", "Ten", 100, PAID, "USD", bonus_credits=10)


async def topped_up(posting: Posting, account: str, topup: str = "t", pack: Pack = PACK) -> None:
    await posting.post(OpenTopup(account, topup, pack.pack_id, pack, "https://shop/paid", "https://shop/left"))
    await posting.post(PayTopup(account, topup, f"pi-{account}-{topup}", pack.price_micros, pack.currency))


async def test_unspent_credits_are_revoked_and_restored(
    posting: Posting, account: str, owner: asyncpg.Connection
) -> None:
    """At no time may the tables say that more was revoked than was clawed back."""

    async def parts() -> list[tuple[int, ...]]:
        query = 'SELECT remaining, revoked, clawed FROM "grant" WHERE account_id = $1 ORDER BY seq'
        return [tuple(row) for row in await owner.fetch(query, account)]

    await topped_up(posting, account)
    await posting.post(ReportCardRefund(account, "t", "re", PAID // 2, "USD", "succeeded"))
    assert await parts() == [(50, 50, 50), (5, 5, 5)]
    await posting.post(ReportCardRefund(account, "t", "re", PAID // 2, "USD", "failed"))
    assert await parts() == [(100, 0, 0), (10, 0, 0)]


@pytest.mark.parametrize("topup", ["x" * 64, "2026:07:1", "a:b:" + "c" * 60])
async def test_names_of_ours_hold_whole_ids(posting: Posting, account: str, database: str, topup: str) -> None:
    """A top-up's id may be as long as any, and have colons: its grants' names are longer, and are in refunds' papers."""
    await topped_up(posting, account, topup)
    await posting.post(asked(account, "first", outputs=delivered(SMALL, SMALL), n=2))
    await posting.post(Refund(account, "first", "r", "blurred"))
    await posting.post(ReportCardRefund(account, topup, "re", PAID, "USD", "succeeded"))
    assert [found.finding for found in (await verify(database, account)).invariants if found.finding] == []
