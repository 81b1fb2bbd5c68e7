"""Money that goes back: refunds to a card, disputes won and lost, and what Stripe then pays out."""

from collections.abc import Awaitable, Callable
from typing import Any

from billing.demo.cashbook import dollars
from billing.demo.purchases import BULK, CENT, STARTER, STUDIO, Offer, payment_of, topup_of
from billing.demo.scene import OF_MONEY, Scene, headline, table
from billing.demo.stage import Stage

DISPUTE_FEE_CENTS = 1_500
"""What Stripe keeps of each dispute, won or lost."""


async def card_refunds(stage: Stage) -> None:
    """Nine of ten dollars go back in two parts, after 266 of 1,250 credits were spent."""
    purse, book = stage.purses["atelier"], stage.cashbook
    scene = Scene(
        stage,
        "Money goes back to the card, and credits with it",
        "`atelier` paid $10.00 for 1,250 credits. With m dollars go 1,250 × m / 10 credits: unspent ones first, and what"
        " was spent is owed.",
        OF_MONEY,
    )
    await scene.order("atelier", "2 × 3840x2160 high jpeg", 266, "2 × 4K high")
    payment = await payment_of(stage, "atelier", BULK)
    read = _standing(stage, "atelier", BULK)

    refund = await stage.stripe.order("refund", payment=payment, amount=400)
    purse.clawed += 500
    book.returned_deferred += 4_000_000
    expected = "$4.00 and 500 credits, 484 left: 984 - 500"
    await scene.compare_in_time("$4.00 go back", refund["status"], expected, read)
    refund = await stage.stripe.order("refund", payment=payment, amount=500)
    purse.clawed += 625
    # The 484 that were left are worth 0.8 cents each, $3.872. The rest of the five had been earned.
    book.returned_deferred += 3_872_000
    book.returned_used += 1_128_000
    expected = "$9.00 and 1,125 credits, -141 left: 484 - 625"
    await scene.compare_in_time("$5.00 more go back", refund["status"], expected, read)
    found = await _debited(stage, "atelier", "card_refund_deferred", "card_refund")
    scene.compare("deferred revenue, refunds", "", "$7.872 and $1.128: 984 × 0.8 ¢, and the rest", found)
    await scene.refuse("atelier", "1024x1024 low", "402 insufficient_quota, 1 needed, -141 available: 141 are owed")
    scene.show()


async def disputes(stage: Stage) -> None:
    """One is lost, with 133 of 500 credits spent; one is won, and leaves no trace but its fee."""
    scene = Scene(
        stage,
        "Two cardholders dispute their payments",
        "What is left of a disputed purchase is frozen until the bank has decided. Lost: it is taken back, and what was"
        " spent is owed. Won: it thaws, to the credit.",
        OF_MONEY,
    )
    await scene.order("gallery", "3840x2160 high jpeg", 133, "4K high")
    dispute = await _dispute(stage, "gallery", STARTER)
    read = _frozen(stage, "gallery", STARTER)
    expected = "disputed, 367 frozen, 0 available"
    await scene.compare_in_time("gallery disputes $5.00", dispute["status"], expected, read)
    await scene.refuse("gallery", "1024x1024 low", "402 insufficient_quota, 1 needed, 0 available: frozen")
    dispute = await stage.stripe.order("lose_dispute", dispute=dispute["id"])
    stage.purses["gallery"].clawed += 500
    stage.cashbook.lost_deferred += 3_670_000  # 367 at a cent
    stage.cashbook.lost_used += 1_330_000
    expected = "disputed, 0 frozen, -133 available"
    await scene.compare_in_time("the bank decides", dispute["status"], expected, read)
    found = await _debited(stage, "gallery", "dispute_lost_deferred", "dispute_lost")
    scene.compare("deferred revenue, losses", "", "$3.67 and $1.33: 367 × 1 ¢, and the rest", found)

    left = f"{stage.purses['studio'].posted:,}"
    dispute = await _dispute(stage, "studio", STUDIO)
    read = _frozen(stage, "studio", STUDIO)
    expected = f"disputed, {left} frozen, 0 available"
    await scene.compare_in_time("studio disputes $50.00", dispute["status"], expected, read)
    dispute = await stage.stripe.order("win_dispute", dispute=dispute["id"])
    expected = f"paid, 0 frozen, {left} available"
    await scene.compare_in_time("the bank decides", dispute["status"], expected, read)
    scene.show()


async def payout(stage: Stage) -> None:
    """Stripe pays out what it holds: every movement by hand, beside Stripe's own books."""
    title = f"{stage.next_scene()}. Stripe pays out"
    headline(
        stage,
        title,
        "What Stripe booked, beside what the scenes come to by hand: 2.9 % and 30 ¢ of each payment, $15.00 of each"
        " dispute. What is left goes to the bank.",
    )
    book = stage.cashbook
    dispute_fees = 2 * DISPUTE_FEE_CENTS * CENT
    movements: list[Any] = await stage.stripe.order("objects", kind="balance_transaction")
    sent = await stage.stripe.order("pay_out")
    by_hand = {
        "charge": (5, "payments by card", book.bought, book.fees - dispute_fees),
        "refund": (2, "refunds to a card", -9_000_000, 0),
        "dispute": (2, "disputes", -55_000_000, dispute_fees),
        "dispute_reversal": (1, "dispute won", 50_000_000, 0),
    }
    shown = table("", ">by hand", ">fees by hand", ">Stripe", ">Stripe's fees", "")
    for category, (number, words, amount, fee) in by_hand.items():
        found = [one for one in movements if one["reporting_category"] == category]
        at_stripe = (sum(one["amount"] for one in found) * CENT, sum(one["fee"] for one in found) * CENT)
        agrees = stage.judge(f"{title}: {words}", (number, amount, fee), (len(found), *at_stripe))
        shown.add_row(f"{len(found)} {words}", *map(dollars, (amount, fee, *at_stripe)), stage.mark(agrees))
    shown.add_section()
    agrees = stage.judge(f"{title}: to the bank", book.at_stripe, sent["amount"] * CENT)
    shown.add_row("to the bank", dollars(book.at_stripe), "", dollars(sent["amount"] * CENT), "", stage.mark(agrees))
    stage.console.print(shown)
    book.paid_out += book.at_stripe
    await stage.news_taken()
    unread = [event["type"] async for event in stage.office.stripe_events(state="pending")]
    unread += [event["type"] async for event in stage.office.stripe_events(state="dead")]
    stage.note(f"{title}: events that took no effect", [], unread, "every event of Stripe's has taken effect")


async def _dispute(stage: Stage, name: str, offer: Offer) -> Any:
    stage.cashbook.fees += DISPUTE_FEE_CENTS * CENT
    return await stage.stripe.order("dispute", payment=await payment_of(stage, name, offer))


async def _debited(stage: Stage, name: str, *kinds: str) -> str:
    """What the money book's rows of each kind come to."""
    sums = dict.fromkeys(kinds, 0)
    async for transfer in stage.office.transfers(stage.purses[name].account_id, book="money"):
        if transfer["kind"] in sums:
            sums[transfer["kind"]] += transfer["amount"]
    return " and ".join(map(dollars, sums.values()))


def _standing(stage: Stage, name: str, offer: Offer) -> Callable[[], Awaitable[str]]:
    """Reads the top-up, what went back of it, and the balance."""
    account_id = stage.purses[name].account_id

    async def read() -> str:
        topup = await stage.billing.topup(account_id, topup_of(offer))
        balance = await stage.billing.balance(account_id)
        taken = sum(refund["clawed_credits"] for refund in topup["card_refunds"])
        return f"{dollars(topup['refunded_micros'])} and {taken:,} credits, {balance['posted']:,} left"

    return read


def _frozen(stage: Stage, name: str, offer: Offer) -> Callable[[], Awaitable[str]]:
    """Reads the top-up's status, and what is frozen and available."""
    account_id = stage.purses[name].account_id

    async def read() -> str:
        topup = await stage.billing.topup(account_id, topup_of(offer))
        balance = await stage.billing.balance(account_id)
        return f"{topup['status']}, {balance['frozen']:,} frozen, {balance['available']:,} available"

    return read
