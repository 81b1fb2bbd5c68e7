"""The Stripe balance: each movement of money is a balance transaction, in minor units of its currency.

`net = amount - fee`. A movement is unpaid until an automatic payout takes it along.
"""

from .world import Object, World

DISPUTE_FEE = 1500
_DAY_SECONDS = 86_400


def fee_of(amount: int) -> int:
    """2.9 % and 30 minor units, rounded half up."""
    return (amount * 29 + 500) // 1000 + 30


def book(
    world: World,
    kind: str,
    amount: int,
    currency: str,
    *,
    source: str | None = None,
    fee: int = 0,
    category: str | None = None,
    description: str | None = None,
    payout: str | None = None,
) -> Object:
    """A balance transaction of type `kind`. `category` is its reporting category, `payout` the one it is part of."""
    details = {"amount": fee, "application": None, "currency": currency, "type": "stripe_fee"}
    return world.new(
        "balance_transaction",
        {
            "_payout": payout,
            "amount": amount,
            "available_on": world.clock.now() + (2 * _DAY_SECONDS if amount > 0 else 0),
            "balance_type": "payments",
            "currency": currency,
            "description": description,
            "exchange_rate": None,
            "fee": fee,
            "fee_details": [{**details, "description": "Stripe processing fees"}] if fee else [],
            "net": amount - fee,
            "reporting_category": category or kind,
            "source": source,
            "status": "pending" if amount > 0 else "available",
            "type": kind,
        },
    )


def unpaid(world: World, currency: str) -> list[Object]:
    """What the next automatic payout takes along; newest first."""
    return [one for one in world.every("balance_transaction") if one["currency"] == currency and one["_payout"] is None]


def stripe_fee(world: World, amount: int, currency: str, description: str | None = None) -> Object:
    """Stripe takes `amount` for itself: no customer's payment is its source."""
    return book(world, "stripe_fee", -amount, currency, category="fee", description=description or "Billing fee")


def move(world: World, kind: str, amount: int, currency: str, fee: int = 0) -> Object:
    """Whatever else Stripe does with the balance: a movement of type `kind` with nothing of ours behind it."""
    return book(world, kind, amount, currency, fee=fee, description=kind.replace("_", " "))
