"""The whole story of the billing service, played over HTTP on real images and checked line by line."""

import time
from io import TextIOWrapper

import httpx
from rich.console import Console

from billing.client import BillingClient, Problem
from billing.client.documents import Overage
from billing.demo import (
    accountant,
    books,
    careless,
    debt,
    delivered,
    expiry,
    explanation,
    measured,
    money_back,
    news,
    ordinary,
    purchases,
    race,
    recharge,
    refund,
    revenue,
    trouble,
    usage,
)
from billing.demo.counter import NothingHeld
from billing.demo.processor import FakeStripe, ProcessorFailed, StripeStandIn
from billing.demo.scene import headline, table
from billing.demo.stage import Stage
from billing.demo.theatre import street


async def run(base_url: str, admin_key: str, stripe: StripeStandIn, console: Console) -> bool:
    """Plays every scene against the service at `base_url`, which takes payments by the stand-in at `stripe` and tells
    its events to addresses of this machine, and shows it on `console`.

    Returns True only if every bill, refusal, balance and journal total is what was reckoned by hand. Takes a
    little more than the 30 s of the shortest hold. A `Problem` that no scene expects ends the story and
    returns False. Raises RuntimeError if the gateway or its stand-in provider does not start.
    """
    if isinstance(console.file, TextIOWrapper):
        console.file.reconfigure(errors="replace")  # a terminal without × or → must not end the story
    began = time.monotonic()
    try:
        async with (
            httpx.AsyncClient(base_url=stripe.url, timeout=30) as counter,
            BillingClient(base_url, admin_key, timeout_seconds=30) as office,
            street(base_url, office) as gateways,
            gateways.gateway() as gateway,
            BillingClient(base_url, gateways.key, timeout_seconds=30) as billing,
            accountant.hired(base_url, office) as finance,
            news.listening(office) as listener,
        ):
            fake = FakeStripe(counter)
            await fake.begin(f"{base_url}/v1/stripe/webhook", stripe.webhook_secret)
            stage = Stage(console, billing, office, finance, gateways, gateway, fake, listener)
            await _play(stage)
    except (Problem, ProcessorFailed, NothingHeld) as problem:
        who = "The stand-in for Stripe" if isinstance(problem, ProcessorFailed) else "The service"
        console.print(f"\n{who} failed: {problem}", style="bold red", markup=False, highlight=False)
        return False
    _verdict(stage, time.monotonic() - began)
    return stage.agrees


async def _play(stage: Stage) -> None:
    async for _ in books.house_rows(stage.office):
        stage.house_rows += 1
    await _open_accounts(stage)
    # First of all, because the service gives no hold of less than 30 s: meanwhile the other scenes are played.
    sleeper = await expiry.fall_asleep(stage)
    await revenue.voucher(stage)
    await purchases.packs(stage)
    await purchases.checkouts(stage)
    await purchases.bad_news(stage)
    expiry.tell(stage, sleeper)
    await ordinary.first_pictures(stage)
    await ordinary.price_list(stage)
    await ordinary.sizes(stage)
    some_failed = await measured.failures(stage)
    fallen_short = await measured.other_sizes(stage)
    await careless.careless(stage)
    await trouble.silence(stage)
    await trouble.repeats(stage)
    await race.race(stage)
    await debt.debt(stage)
    await recharge.recharge(stage)
    await refund.refund(stage, some_failed)
    await explanation.explain(stage, fallen_short)
    await money_back.card_refunds(stage)
    await money_back.disputes(stage)
    await money_back.payout(stage)
    await news.told(stage)
    await expiry.wake_up(stage, sleeper)
    await delivered.reconcile(stage)
    await revenue.revenue(stage)
    await books.balances(stage)
    await usage.usage(stage)
    await books.trial_balance(stage)


async def _open_accounts(stage: Stage) -> None:
    headline(stage, "Accounts", "Gifts are burnt before what was paid for. Nobody has bought anything yet.")
    shown = table("account", "id", ">gift", "overage")
    plan: list[tuple[str, int, Overage]] = [("studio", 100, "bill"), ("atelier", 0, "bill"), ("gallery", 0, "bill")]
    plan += [("magazine", 0, "bill"), ("thrifty", 0, "cap"), ("crowd", 0, "bill"), ("kiosk", 0, "bill")]
    plan += [("sleepy", 20, "bill"), ("slim", 20, "bill"), ("guest", 0, "bill")]
    for name, gift, overage in plan:
        purse = await stage.open_account(name, overage=overage)
        if gift:
            await stage.promote(name, gift)
        shown.add_row(name, purse.account_id, str(gift), overage)
    stage.console.print(shown)


def _verdict(stage: Stage, seconds: float) -> None:
    for disagreement in stage.disagreements:
        stage.console.print(f"- {disagreement}", style="red", markup=False, highlight=False)
    if stage.agrees:
        stage.console.print(f"\n[bold green]Everything agrees.[/] {seconds:.0f} s")
    else:
        stage.console.print(f"\n[bold red]{len(stage.disagreements)} things do not agree.[/] {seconds:.0f} s")
