"""The demo's scenes about money, without the waiting of the others: they agree, and a difference would not be hidden."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import replace
from io import StringIO
from pathlib import Path

import httpx
import pytest
from rich.console import Console

from billing.client import BillingClient
from billing.demo import (
    accountant,
    books,
    careless,
    delivered,
    money_back,
    news,
    ordinary,
    purchases,
    recharge,
    revenue,
)
from billing.demo.accountant import Accountant
from billing.demo.cashbook import Cashbook, dollars
from billing.demo.listener import Listener
from billing.demo.processor import FakeStripe
from billing.demo.purse import Purchase, Purse
from billing.demo.scene import Scene
from billing.demo.stage import Stage
from billing.demo.theatre import Street, street
from billing.embedded import EmbeddedPostgres
from tests import fake_stripe
from tests.conftest import copied
from tests.faults.served import KEY
from tests.funding.town import SECRET, Town

ACCOUNTS = ("studio", "atelier", "gallery", "magazine", "thrifty", "crowd", "kiosk")


@pytest.fixture
def town(server: EmbeddedPostgres, template: str) -> Iterator[Town]:
    with copied(server, template) as dsn, fake_stripe.FakeStripe() as stripe:
        town = Town(dsn, stripe)
        try:
            yield town.open()
        finally:
            town.close()


@asynccontextmanager
async def staged(town: Town, console: Console) -> AsyncIterator[Stage]:
    async with (
        httpx.AsyncClient(base_url=town.stripe.url, timeout=30) as counter,
        BillingClient(town.url, KEY) as office,
        street(town.url, office) as gateways,
        gateways.gateway() as gateway,
        accountant.hired(town.url, office) as finance,
        news.listening(office) as listener,
    ):
        stripe = FakeStripe(counter)
        await stripe.begin(town.webhook, SECRET)
        stage = Stage(console, office, office, finance, gateways, gateway, stripe, listener)
        async for _ in books.house_rows(office):
            stage.house_rows += 1
        for name in ACCOUNTS:
            await stage.open_account(name)
        yield stage


async def play(town: Town, console: Console) -> Stage:
    """What is bought, what goes back, what is paid out and told, what was billed wrong and earned, and the books."""
    async with staged(town, console) as stage:
        await stage.promote("studio", 100)
        await purchases.packs(stage)
        await purchases.checkouts(stage)
        await purchases.bad_news(stage)
        await ordinary.price_list(stage)  # studio's gift is gone after it
        await careless.careless(stage)
        await recharge.recharge(stage)
        await money_back.card_refunds(stage)
        await money_back.disputes(stage)
        await money_back.payout(stage)
        await news.told(stage)
        await delivered.reconcile(stage)
        await revenue.revenue(stage)
        await books.balances(stage)
        await books.trial_balance(stage)
        return stage


def test_the_money_ties_out_however_often_the_story_is_told(town: Town) -> None:
    for _ in range(2):
        shown = StringIO()
        stage = asyncio.run(play(town, Console(file=shown, width=120)))
        assert stage.agrees, stage.disagreements
        assert "✗" not in shown.getvalue()
        assert "$27.31" in shown.getvalue()
    assert town.money()["bank"] == 2 * (27_310_000 + 1_070_000 + 5_000_000)
    assert town.money()["revenue_usage"] == -2 * (2_128_000 + 1_330_000 + 2_010_000 + 285_714)
    assert "stripe_clearing" not in town.money()
    town.books()
    asyncio.run(wrong_unsaid(town))


async def wrong_unsaid(town: Town) -> None:
    """A bill that is wrong though no scene has said so is shown, and one that is said to be wrong is missed."""
    shown = StringIO()
    async with staged(town, Console(file=shown, width=120)) as stage:
        await careless.careless(stage)
        unsaid = stage.differences.pop(0)
        stage.differences.append(replace(unsaid, request_id="never-asked"))
        await delivered.reconcile(stage)
    title = "2. What was really delivered"
    assert not stage.agrees
    assert stage.disagreements == [
        f"{title}: kiosk: wrong size tier: expected None, found ('kiosk', 'wrong_size_tier', -53)",
        f"{title}: kiosk: wrong_size_tier: expected -53, found nothing",
    ]
    assert shown.getvalue().count("✗") == 2


def test_a_difference_is_shown_and_remembered(tmp_path: Path) -> None:
    async def compared() -> tuple[Stage, str]:
        shown = StringIO()
        async with httpx.AsyncClient() as nobody, BillingClient("http://127.0.0.1:1", "nobody") as billing:
            console, finance = Console(file=shown, width=120), Accountant(nobody)
            empty = Street(tmp_path, "http://127.0.0.1:1", "nobody", nobody)
            stage = Stage(console, billing, billing, finance, empty, nobody, FakeStripe(nobody), Listener())
            scene = Scene(stage, "Sums", "by hand")
            scene.compare("two and two", "", "4: by hand", "4")
            assert stage.agrees
            scene.compare("and two", "", "6: by hand", "7")
            scene.show()
            return stage, shown.getvalue()

    stage, shown = asyncio.run(compared())
    assert not stage.agrees
    assert stage.disagreements == ["1. Sums: and two: expected 6: by hand, found 7"]
    assert (shown.count("✓"), shown.count("✗")) == (1, 1)


def test_the_purse() -> None:
    """Gifts are burnt first, then the purchases as they came; each is rounded by itself."""
    purse = Purse("kiosk", gifts=10, purchases=[Purchase(3, 1_000_000), Purchase(7, 2_000_000)], billed=15)
    assert [used for _, used in purse.used] == [3, 2]
    assert (purse.earned, purse.lapsed, purse.posted) == (1_000_000 + 571_428, 0, 5)
    purse.refunded, purse.gifts_left, purse.corrected = 4, 3, -1
    assert [used for _, used in purse.used] == [3, 0]
    assert (purse.earned, purse.posted) == (1_000_000, 10)
    lapsing = Purse("guest", purchases=[Purchase(30, 1_000_000)], billed=4, expired=26)
    assert (lapsing.earned, lapsing.lapsed, lapsing.posted) == (133_333, 866_667, 0)


def test_the_cashbook() -> None:
    """Each sum once on each side."""
    book = Cashbook(
        wired=1,
        bought=1_000,
        fees=20,
        returned_deferred=300,
        returned_used=4,
        lost_deferred=50,
        lost_used=6,
        paid_out=7,
        earned=200,
        lapsed=50,
    )
    balances = book.balances()
    assert sum(balances.values()) == 0
    assert balances == {
        "bank": 8,
        "deferred_revenue": -401,
        "dispute_losses": 6,
        "disputed": 0,
        "processor_fees": 20,
        "refunds": 4,
        "revenue_breakage": -50,
        "revenue_usage": -200,
        "stripe_clearing": 613,
    }


@pytest.mark.parametrize(
    ("micros", "words"),
    [
        (0, "$0.00"),
        (50_000_000, "$50.00"),
        (7_872_000, "$7.872"),
        (1, "$0.000001"),
        (-9_000_000, "-$9.00"),
        (1_234_567_890_000, "$1,234,567.89"),
    ],
)
def test_dollars(micros: int, words: str) -> None:
    assert dollars(micros) == words
