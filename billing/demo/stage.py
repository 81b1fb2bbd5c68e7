"""What all scenes share: the clients, the accounts of this run, and whether everything has agreed so far."""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import httpx
from rich.console import Console

from billing.client import BillingClient
from billing.client.documents import HoldRule, Overage
from billing.demo.gateway import Gateway
from billing.demo.purse import Purse


@dataclass
class Stage:
    """`billing` works with a gateway's key, `office` with the admin's. Account and request ids carry a
    random ending, so that the story can be told twice on the same ledger. `paid_micros` is what the
    accounts paid for their credits, in micro-dollars.
    """

    console: Console
    billing: BillingClient
    office: BillingClient
    provider: httpx.AsyncClient
    agrees: bool = True
    disagreements: list[str] = field(default_factory=list)
    purses: dict[str, Purse] = field(default_factory=dict)
    paid_micros: int = 0

    def __post_init__(self) -> None:
        self.gateway = Gateway(self.billing, self.provider)
        self._run = secrets.token_hex(4)
        self._requests = 0
        self._scenes = 0

    async def open_account(
        self, name: str, *, overage: Overage = "bill", hold: HoldRule = "quote", credit_limit: int = 0
    ) -> Purse:
        """A new account and its purse, known to the scenes by `name`."""
        account_id = f"demo-{name}-{self._run}"
        await self.office.create_account(
            account_id, name=f"Demo: {name}", overage=overage, hold=hold, credit_limit=credit_limit
        )
        self.purses[name] = Purse(account_id)
        return self.purses[name]

    async def promote(self, name: str, credits: int) -> None:
        """A gift of credits that lapses in thirty days; burnt before what was paid for."""
        purse = self.purses[name]
        expires_at = datetime.now(UTC) + timedelta(days=30)
        await self.office.grant(purse.account_id, "welcome", kind="promotion", credits=credits, expires_at=expires_at)
        purse.granted += credits

    async def sell(self, name: str, grant_id: str, credits: int) -> None:
        """Credits bought by wire at one cent each."""
        purse = self.purses[name]
        paid_micros = credits * 10_000
        await self.office.grant(purse.account_id, grant_id, kind="purchase", credits=credits, paid_micros=paid_micros)
        purse.granted += credits
        self.paid_micros += paid_micros

    def request_id(self) -> str:
        """A name for the next request."""
        self._requests += 1
        return f"req-{self._requests:03d}-{self._run}"

    def next_scene(self) -> int:
        """The number of the next scene, from 1."""
        self._scenes += 1
        return self._scenes

    def mark(self, agrees: bool) -> str:
        """The sign at the end of a line, in rich's markup; words where the terminal has no such sign."""
        signs = self.console.encoding.startswith("utf")
        return f"[green]{'✓' if signs else 'ok'}[/]" if agrees else f"[bold red]{'✗' if signs else 'NO'}[/]"

    def judge(self, what: str, expected: object, found: object) -> bool:
        """Whether what was found is what was expected; remembers it for the verdict if not."""
        if expected == found:
            return True
        self.agrees = False
        self.disagreements.append(f"{what}: expected {expected}, found {found}")
        return False
