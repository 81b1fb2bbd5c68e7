"""What an account must hold at the end, reckoned by hand beside the service."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(slots=True)
class Purse:
    """The credits that the scenes expect an account to be granted, billed, refunded and clawed
    back with money that went back to a card."""

    account_id: str
    granted: int = 0
    billed: int = 0
    refunded: int = 0
    clawed: int = 0

    @property
    def posted(self) -> int:
        """Credits that must be posted."""
        return self.granted - self.billed + self.refunded - self.clawed
