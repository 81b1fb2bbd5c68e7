"""Events in any order, each once or more often: the account, the top-up and the books end up the same.

Each life has a currency of its own, so that its payout consists of nothing else.
"""

import asyncio
import itertools
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from billing.store.engine import work_engine
from billing.store.retention import EVENTS_IN, clear

from .town import Town

PRICE, CREDITS = 100_000_000, 100
FEE, DISPUTE_FEE = 3_200_000, 15_000_000
REFUND, DISPUTED = 33_330_000, 20_010_000
# What Stripe tells of a life, in its order; what has no consequence (`charge.refunded` and the like) comes with it.
TOLD = [
    "charge.succeeded",
    "payment_intent.succeeded",
    "checkout.session.completed",
    "charge.updated",  # the balance transaction
    "refund.created",
    "refund.updated",
    "charge.dispute.created",
    "charge.dispute.funds_withdrawn",
    "charge.dispute.closed",
    "charge.dispute.funds_reinstated",
    "payout.paid",
]
_currencies = (f"Y{first}{second}" for first, second in itertools.product("ABCDEFGHIJKLMNPQRSTUVWXZ", repeat=2))
orders = st.permutations(range(len(TOLD)))
# Each example is a life: shrinking would only tell which order is the shortest that fails.
unhurried = settings(
    max_examples=8,
    deadline=None,
    database=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


class Life:
    """A pack that was ordered, paid, refunded in part and disputed in part, and paid out; not yet told."""

    def __init__(self, town: Town, *, won: bool, spent: int = 0, granted: int = 0) -> None:
        self.town = town
        self.currency = next(_currencies)
        self.account = town.account()
        price = {"micros": PRICE, "currency": self.currency}
        topup = town.order(self.account, town.pack(credits=CREDITS, price=price))
        self.topup_id = topup["topup_id"]
        checkout = town.checkout_of(topup)
        stripe = town.stripe
        stripe.deliver("hold")
        stripe.late_balance_transactions()
        try:
            payment = stripe.pay(checkout, "pm_card_pendingRefund")["payment_intent"]
        finally:
            stripe.late_balance_transactions(False)
        if spent or granted:
            stripe.release(["payment_intent.succeeded"])
            town.settled()
            town.spend(self.account, spent)
            grant = {"grant_id": "gift", "kind": "promotion", "credits": granted}
            if granted:
                town.call("POST", f"/v1/accounts/{self.account}/grants", grant, status=201)
        stripe.book(payment)
        refund = stripe.refund(payment, REFUND // 10_000)
        stripe.settle_refund(refund["id"])
        dispute = stripe.dispute(payment, DISPUTED // 10_000)
        (stripe.win_dispute if won else stripe.lose_dispute)(dispute["id"])
        stripe.pay_out(self.currency.lower())
        self.told = self._told()

    def _told(self) -> list[Any]:
        """What is held back, first of each type that matters; the rest is sent at once."""
        held = self.town.stripe.held()
        first = {kind: next((event["id"] for event in held if event["type"] == kind), None) for kind in TOLD}
        kept = [event_id for event_id in first.values() if event_id]
        rest = [event["id"] for event in held if event["id"] not in kept and event["type"] != "charge.updated"]
        self.town.stripe.release(rest)
        return kept + [event["id"] for event in self.town.stripe.held() if event["id"] not in kept]

    def tell(self, order: list[int], times: int) -> None:
        """Each event is tried before the next one comes: else they would be acted on in the order they were made."""
        for place in order:
            if place < len(self.told):
                for _ in range(times):
                    self.town.stripe.resend(self.told[place])
                self.town.stripe.wait_delivered()
                self.town.tried()
        self.town.stripe.release()
        self.town.settled()
        self.town.stripe.deliver("immediately")

    def end(self) -> tuple[Any, Any, Any, Any]:
        balance = self.town.balance(self.account)
        topup = self.town.topup(self.account, self.topup_id)
        grants = self.town.get(f"/v1/accounts/{self.account}/grants")["data"]
        money: dict[str, int] = {}
        for debit, credit, amount in self.town.query(
            "SELECT debit, credit, amount FROM transfer WHERE asset = $1", self.currency
        ):
            money[debit] = money.get(debit, 0) + amount
            money[credit] = money.get(credit, 0) - amount
        # Who comes first takes what is not recognised yet: how the rest is divided depends on the order.
        money["lost"] = money.pop("refunds", 0) + money.pop("dispute_losses", 0)
        states = {self.town.event(event_id)["state"] for event_id in self.told}
        assert states == {"done"}
        return (
            tuple(balance[name] for name in ("posted", "frozen", "available", "debt")),
            [(one["granted"], one["remaining"], one["used"], one["revoked"]) for one in grants],
            (
                topup["status"],
                topup["problem"],
                topup["refunded_micros"],
                topup["disputed_micros"],
                [(one["status"], one["amount_micros"]) for one in topup["card_refunds"] + topup["disputes"]],
            ),
            {name: amount for name, amount in money.items() if amount},
        )


def test_a_dispute_that_is_won(town: Town) -> None:
    """33.33 of 100 dollars refunded: 34 credits. 20.01 disputed, and back."""

    @unhurried
    @given(orders, st.integers(1, 3))
    def told_in(order: list[int], times: int) -> None:
        life = Life(town, won=True)
        life.tell(order, times)
        assert life.end() == (
            (66, 0, 66, 0),
            [(100, 66, 0, 34)],
            ("paid", None, REFUND, 0, [("succeeded", REFUND), ("won", DISPUTED)]),
            {
                "bank": PRICE - FEE - REFUND - DISPUTE_FEE,
                "processor_fees": FEE + DISPUTE_FEE,
                "deferred_revenue": -(PRICE - REFUND),
            },
        )

    told_in()


def test_a_dispute_that_is_lost(town: Town) -> None:
    """53.34 of 100 dollars are gone: 54 credits."""

    @unhurried
    @given(orders)
    def told_in(order: list[int]) -> None:
        life = Life(town, won=False)
        life.tell(order, 1)
        gone = REFUND + DISPUTED
        assert life.end() == (
            (46, 0, 46, 0),
            [(100, 46, 0, 54)],
            ("disputed", None, gone, 0, [("succeeded", REFUND), ("lost", DISPUTED)]),
            {
                "bank": PRICE - FEE - gone - DISPUTE_FEE,
                "processor_fees": FEE + DISPUTE_FEE,
                "deferred_revenue": -(PRICE - gone),
            },
        )

    told_in()


def test_of_credits_that_were_used_meanwhile(town: Town) -> None:
    """80 of 100 are used, and 10 were given: of 54, 20 are unspent, 10 come out of the others, and 24 are owed."""

    @unhurried
    @given(orders)
    def told_in(order: list[int]) -> None:
        life = Life(town, won=False, spent=80, granted=10)
        life.tell(order, 1)
        gone = REFUND + DISPUTED
        assert life.end() == (
            (-24, 0, -24, 24),
            [(100, 0, 80, 20), (10, 0, 10, 0)],
            ("disputed", None, gone, 0, [("succeeded", REFUND), ("lost", DISPUTED)]),
            {
                "bank": PRICE - FEE - gone - DISPUTE_FEE,
                "processor_fees": FEE + DISPUTE_FEE,
                "deferred_revenue": -80_000_000,
                "lost": gone - 20_000_000,
            },
        )

    told_in()


@pytest.mark.parametrize("order", ["in order", "reversed"])
def test_all_at_once(town: Town, order: str) -> None:
    life = Life(town, won=True)
    town.stripe.deliver("immediately", times=2, together=True)
    places = list(range(len(life.told)))
    for place in places if order == "in order" else reversed(places):
        town.stripe.resend(life.told[place])
    town.stripe.release()
    town.settled()
    assert life.end()[0] == (66, 0, 66, 0)


def test_events_that_come_again_when_their_rows_are_cleared(town: Town) -> None:
    """What an event brought about is known by the ids of its objects, not by the row that it came in."""
    life = Life(town, won=False, spent=80, granted=10)
    life.tell(list(range(len(TOLD))), 1)
    before, transfers = life.end(), town.ask("SELECT count(*) FROM transfer")
    cleared(town)
    assert town.ask("SELECT count(*) FROM stripe_event WHERE event_id = ANY($1)", life.told) == 0
    for event_id in reversed(life.told):
        town.stripe.resend(event_id)
        town.stripe.wait_delivered()
        town.settled()
    assert life.end() == before
    assert town.ask("SELECT count(*) FROM transfer") == transfers


def cleared(town: Town) -> None:
    """Everything that was dealt with is past keeping."""

    async def clearing() -> None:
        work = work_engine(town.dsn, size=1)
        async for _ in clear(work, EVENTS_IN, datetime.now(UTC) + timedelta(days=1)):
            pass
        await work.dispose()

    asyncio.run(clearing())
