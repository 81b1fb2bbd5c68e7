"""What the money book must hold at the end, reckoned by hand beside the service."""

from dataclasses import dataclass

MICROS = 1_000_000
"""Micro-dollars in a dollar."""


@dataclass(slots=True)
class Cashbook:
    """What the scenes know of the money, in micro-dollars: each writes down here what it reckoned by hand.

    `wired` came by bank and `bought` by card, of which Stripe kept `fees`. Of what went back to cards,
    `returned_deferred` had not been used up and `returned_used` had; of lost disputes likewise. `earned` is revenue by
    now, and `lapsed` was paid for what expired.
    """

    wired: int = 0
    bought: int = 0
    fees: int = 0
    returned_deferred: int = 0
    returned_used: int = 0
    lost_deferred: int = 0
    lost_used: int = 0
    paid_out: int = 0
    earned: int = 0
    lapsed: int = 0

    @property
    def at_stripe(self) -> int:
        """What Stripe must still hold for us."""
        gone = self.fees + self.returned_deferred + self.returned_used + self.lost_deferred + self.lost_used
        return self.bought - gone - self.paid_out

    @property
    def deferred(self) -> int:
        """What was paid for credits that nobody has used yet."""
        gone = self.earned + self.lapsed + self.returned_deferred + self.lost_deferred
        return self.wired + self.bought - gone

    def balances(self) -> dict[str, int]:
        """Each ledger account's balance, debits positive."""
        return {
            "bank": self.wired + self.paid_out,
            "deferred_revenue": -self.deferred,
            "dispute_losses": self.lost_used,
            "disputed": 0,
            "processor_fees": self.fees,
            "refunds": self.returned_used,
            "revenue_breakage": -self.lapsed,
            "revenue_usage": -self.earned,
            "stripe_clearing": self.at_stripe,
        }


def dollars(micros: int) -> str:
    """To the cent, or as far as it goes: `$50.00`, `$7.872`."""
    whole, rest = divmod(abs(micros), MICROS)
    cents = f"{rest:06d}".rstrip("0").ljust(2, "0")
    return f"{'-' if micros < 0 else ''}${whole:,}.{cents}"
