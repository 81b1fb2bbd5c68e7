"""Scenes in which customers buy credits: what is on sale, the ways a checkout can go, and news that come badly."""

from dataclasses import dataclass
from typing import Any, Literal

from billing.client import Problem
from billing.client.documents import Topup
from billing.demo.cashbook import dollars
from billing.demo.purse import Purchase
from billing.demo.scene import OF_MONEY, Scene, headline, refusal, table
from billing.demo.stage import Stage

PAGES = {"success_url": "https://shop.example/thanks", "cancel_url": "https://shop.example/cart"}
CENT = 10_000
"""Micro-dollars in a cent."""


@dataclass(frozen=True, slots=True)
class Offer:
    """A pack as it is published. `fee_cents` is what Stripe keeps of its price, by hand: 2.9 % and 30 cents, rounded
    half up.
    """

    name: str
    credits: int
    cents: int
    fee_cents: int
    a_credit: str
    bonus_credits: int = 0
    bonus: Literal["own_grant", "dilutes"] = "own_grant"

    @property
    def paid_for(self) -> Purchase:
        """What the price is spread over: a bonus that dilutes is part of it."""
        diluting = self.bonus_credits if self.bonus == "dilutes" else 0
        return Purchase(self.credits + diluting, self.cents * CENT)

    @property
    def gifts(self) -> int:
        """A bonus that cost nothing."""
        return 0 if self.bonus == "dilutes" else self.bonus_credits


STARTER = Offer("Starter", 500, 500, 45, "1.0 ¢")  # 14.5 → 15, and 30
BULK = Offer("Bulk", 1_000, 1_000, 59, "10.00 / 1,250 = 0.8 ¢", 250, "dilutes")  # 29 and 30
STUDIO = Offer("Studio", 5_000, 5_000, 175, "1.0 ¢, the bonus nothing", 500)  # 145 and 30
OFFERS = (STARTER, BULK, STUDIO)


async def packs(stage: Stage) -> None:
    """Three packs are published, and read back."""
    title = f"{stage.next_scene()}. What is on sale"
    headline(
        stage,
        title,
        "Packs are data. A bonus is a grant of its own that cost nothing, or it dilutes: then every credit of the pack"
        " cost less.",
    )
    for offer in OFFERS:
        await _publish(stage, offer, offer.cents)
    published = {pack["pack_id"]: pack async for pack in stage.office.packs()}
    shown = table("pack", ">credits", ">bonus", ">price", "the bonus", "cost of a credit, by hand", "")
    for offer in OFFERS:
        pack: Any = published.get(pack_id(stage, offer), {})
        price = pack.get("price", {"micros": 0})
        found = tuple(pack.get(name) for name in ("name", "credits", "bonus_credits", "bonus"))
        agrees = stage.judge(
            f"{title}: {offer.name}",
            (offer.name, offer.credits, offer.bonus_credits, offer.bonus, offer.cents * CENT),
            (*found, price["micros"]),
        )
        kind = {"own_grant": "a grant of its own", "dilutes": "dilutes"}[offer.bonus] if offer.bonus_credits else ""
        numbers = (f"{pack.get('credits', 0):,}", f"{pack.get('bonus_credits', 0):,}", dollars(price["micros"]))
        shown.add_row(offer.name, *numbers, kind, offer.a_credit, stage.mark(agrees))
    stage.console.print(shown)
    answer = "accepted"
    try:
        await _publish(stage, STARTER, 400)
    except Problem as problem:
        answer = refusal(problem)
    words = f"Starter again, for $4.00: {answer}; a pack never changes"
    stage.note(f"{title}: another price", "409 id_reused", answer, words)


async def _publish(stage: Stage, offer: Offer, cents: int) -> None:
    await stage.office.publish_pack(
        pack_id(stage, offer),
        name=offer.name,
        credits=offer.credits,
        price_micros=cents * CENT,
        bonus_credits=offer.bonus_credits,
        bonus=offer.bonus,
    )


async def checkouts(stage: Stage) -> None:
    """By card at once, at the second card, with 3-D Secure; and by wire."""
    scene = Scene(
        stage,
        "Credits are bought",
        "On Stripe's hosted page (here a stand-in's: no money moves), or by wire. Credits come with the money: not with"
        " the order, and not when the customer is back in the shop.",
        OF_MONEY,
    )
    order = await buy(stage, "studio", STUDIO)
    scene.compare(
        f"studio: {_spoken(STUDIO)}", "not paid yet", "pending, 100 posted: the gift", await now(stage, order)
    )
    again = await buy(stage, "studio", STUDIO)
    pages = len(await stage.stripe.order("objects", kind="checkout.session"))
    found = ("known" if again["replayed"] else "new") + (", same page" if again["url"] == order["url"] else ", another")
    scene.compare("the same order, same id", f"{pages} page in all", "known, same page", found)
    said = await stage.stripe.pay(_url(order), "pm_card_visa")
    await _paid(stage, scene, "and pays by card", said, order, STUDIO, "paid, 5,600 posted: 100 + 5,000 + 500")

    order = await buy(stage, "atelier", BULK)
    said = await stage.stripe.pay(_url(order), "pm_card_chargeDeclined")
    await stage.news_read()
    scene.compare(f"atelier: {_spoken(BULK)}", _said(said), "pending, 0 posted: may try again", await now(stage, order))
    said = await stage.stripe.pay(_url(order), "pm_card_mastercard")
    await _paid(stage, scene, "atelier: another card", said, order, BULK, "paid, 1,250 posted: 1,000 + 250")

    order = await buy(stage, "gallery", STARTER)
    said = await stage.stripe.pay(_url(order), "pm_card_authenticationRequired")
    await stage.news_read()
    scene.compare(f"gallery: {_spoken(STARTER)}", _said(said), "pending, 0 posted: 3-D Secure", await now(stage, order))
    await stage.stripe.order("authenticate", payment=said["id"])
    said = await stage.stripe.order("object", id=said["id"])
    await _paid(stage, scene, "gallery: passes 3-D Secure", said, order, STARTER, "paid, 500 posted")

    for name, credits in (("thrifty", 100), ("crowd", 7)):
        await stage.sell(name, "by-wire", credits)
        await scene.balance(f"{name}: {dollars(credits * CENT)} by wire", name, f"{credits} posted")
    scene.show()


async def bad_news(stage: Stage) -> None:
    """Events that come late, each twice, the last one first; and one more of them after all is done."""
    scene = Scene(
        stage,
        "Stripe's news comes late, twice and backwards",
        "At least once and in any order is all that Stripe promises. An event says how things stand; the ledger goes"
        " there once.",
        OF_MONEY,
    )
    order = await buy(stage, "magazine", STARTER)
    await stage.stripe.order("deliver", mode="hold")
    said = await stage.stripe.pay(_url(order), "pm_card_visa")
    what, says = f"magazine: {_spoken(STARTER)}", f"{_said(said)}, but tells nobody"
    scene.compare(what, says, "pending, 0 posted: nobody knows", await now(stage, order))
    await stage.stripe.order("deliver", mode="immediately", times=2)
    released = await stage.stripe.order("release", order="reversed")
    await stage.stripe.order("deliver")
    says = f"{len(released)} events, each twice"
    await _paid(stage, scene, "the last of the news first", says, order, STARTER, "paid, 500 posted: once")
    await stage.news_taken()
    account_id = order["account_id"]
    rows = [transfer["kind"] async for transfer in stage.office.transfers(account_id, book="money")]
    found = f"{rows.count('purchase_stripe_clearing')} purchase, {rows.count('fee')} fee, {len(rows)} rows"
    scene.compare("its money book", "", "1 purchase, 1 fee, 2 rows", found)
    before = (await stage.billing.balance(account_id))["seq"]
    completed = next(event for event in released if event["type"] == "checkout.session.completed")
    await stage.stripe.order("resend", event=completed["id"])
    await stage.news_taken()
    after = await stage.billing.balance(account_id)
    found = f"{after['posted']} posted, {after['seq'] - before} new rows"
    scene.compare("one event again, later", completed["type"], "500 posted, 0 new rows", found)
    scene.show()


async def buy(stage: Stage, name: str, offer: Offer) -> Topup:
    """The order of a pack by the account known as `name`; it has one order of each pack."""
    account_id = stage.purses[name].account_id
    return await stage.billing.open_topup(account_id, topup_of(offer), pack_id=pack_id(stage, offer), **PAGES)


def pack_id(stage: Stage, offer: Offer) -> str:
    """The pack's id in this run."""
    return stage.named(offer.name.lower())


def topup_of(offer: Offer) -> str:
    """The id of an account's order of the pack."""
    return f"buy-{offer.name.lower()}"


async def payment_of(stage: Stage, name: str, offer: Offer) -> str:
    """Stripe's id of the payment for an account's order."""
    account_id = stage.purses[name].account_id
    for intent in await stage.stripe.order("objects", kind="payment_intent"):
        marks = intent["metadata"]
        if (marks.get("billing_account_id"), marks.get("billing_topup_id")) == (account_id, topup_of(offer)):
            return str(intent["id"])
    raise LookupError(f"no payment of {name}")


def paid_by_hand(stage: Stage, name: str, offer: Offer) -> None:
    """Writes down what a payment of the pack must come to."""
    stage.purses[name].purchases.append(offer.paid_for)
    stage.purses[name].gifts += offer.gifts
    stage.cashbook.bought += offer.cents * CENT
    stage.cashbook.fees += offer.fee_cents * CENT


async def now(stage: Stage, order: Topup) -> str:
    """The order's status and the account's balance, in words."""
    topup = await stage.billing.topup(order["account_id"], order["topup_id"])
    balance = await stage.billing.balance(order["account_id"])
    return f"{topup['status']}, {balance['posted']:,} posted"


async def _paid(stage: Stage, scene: Scene, what: str, said: Any, order: Topup, offer: Offer, expected: str) -> None:
    name = next(name for name, purse in stage.purses.items() if purse.account_id == order["account_id"])
    paid_by_hand(stage, name, offer)
    says = said if isinstance(said, str) else _said(said)
    await scene.compare_in_time(what, says, expected, lambda: now(stage, order))


def _said(intent: Any) -> str:
    if error := intent["last_payment_error"]:
        return f"{error['code']}, {error['decline_code']}" if error.get("decline_code") else str(error["code"])
    return str(intent["status"])


def _spoken(offer: Offer) -> str:
    return f"{offer.name} for {dollars(offer.cents * CENT)}"


def _url(order: Topup) -> str:
    assert order["url"] is not None
    return order["url"]
