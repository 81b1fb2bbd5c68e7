"""What an account must hold at the end, reckoned by hand beside the service."""

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Purchase:
    """`credits` that were bought for `micros` of a dollar."""

    credits: int
    micros: int


@dataclass(slots=True)
class Purse:
    """The credits that the scenes expect an account to be given, to have bought, and to be billed, corrected (below 0
    where the bill had been too high), refunded, expired, and clawed back with money that went back to a card.

    `gifts_left` are gifts unspent although what was paid for was drawn on: a refund brought them back.
    """

    account_id: str
    gifts: int = 0
    gifts_left: int = 0
    purchases: list[Purchase] = field(default_factory=list)
    billed: int = 0
    corrected: int = 0
    refunded: int = 0
    expired: int = 0
    clawed: int = 0

    @property
    def granted(self) -> int:
        """Credits given or bought."""
        return self.gifts + sum(purchase.credits for purchase in self.purchases)

    @property
    def spent(self) -> int:
        """Credits that the account's images must have cost."""
        return self.billed + self.corrected - self.refunded

    @property
    def posted(self) -> int:
        """Credits that must be posted."""
        return self.granted - self.spent - self.expired - self.clawed

    @property
    def used(self) -> list[tuple[Purchase, int]]:
        """How much of each purchase must be used up: gifts are burnt first, then the purchases as they came."""
        rest = max(self.spent - self.gifts + self.gifts_left, 0)
        used = []
        for purchase in self.purchases:
            used.append((purchase, min(rest, purchase.credits)))
            rest -= used[-1][1]
        return used

    @property
    def earned(self) -> int:
        """Micro-dollars that are revenue by now: ⌊paid × used / credits⌋ of each purchase."""
        return sum(purchase.micros * used // purchase.credits for purchase, used in self.used)

    @property
    def lapsed(self) -> int:
        """Micro-dollars paid for what expired: what is left of a purchase whose every credit is used or expired."""
        if not self.expired:
            return 0
        ((purchase, used),) = self.used
        return purchase.micros * (used + self.expired) // purchase.credits - self.earned
