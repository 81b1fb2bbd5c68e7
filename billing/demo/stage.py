"""What all scenes share: the clients, the accounts of this run, and whether everything has agreed so far."""

import secrets
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import httpx
from rich.console import Console

from billing.client import BillingClient
from billing.client.documents import HoldRule, Overage, StripeEvent
from billing.demo.accountant import Accountant
from billing.demo.cashbook import Cashbook
from billing.demo.counter import Order, Receipt
from billing.demo.listener import Listener
from billing.demo.patience import until
from billing.demo.processor import FakeStripe
from billing.demo.purse import Purchase, Purse
from billing.demo.theatre import Street


@dataclass(frozen=True, slots=True)
class Difference:
    """An output of which the ledger knows something else than was delivered, staged by a scene: what a reconciliation
    must call it, and the `credits` that the bill is short of, by hand; below 0 that it has too many.

    `charged`: there is a bill to correct; else there was none, and it is written now.
    """

    name: str
    request_id: str
    index: int
    kind: str
    credits: int
    because: str
    charged: bool = True


@dataclass
class Stage:
    """`billing` works with a gateway's key, `office` with the admin's, `accountant` with finance's; `gateway` is the one
    that customers call, others stand in the `street`. Account and request ids carry a random ending, so that the story can be told twice on the same ledger. `cashbook` is what the money book
    must come to; `house_rows` is how many money rows `_house` had before the story; `differences` are what scenes left
    wrong in the bills.
    """

    console: Console
    billing: BillingClient
    office: BillingClient
    accountant: Accountant
    street: Street
    gateway: httpx.AsyncClient
    stripe: FakeStripe
    listener: Listener
    house_rows: int = 0
    agrees: bool = True
    disagreements: list[str] = field(default_factory=list)
    purses: dict[str, Purse] = field(default_factory=dict)
    cashbook: Cashbook = field(default_factory=Cashbook)
    differences: list[Difference] = field(default_factory=list)
    began: datetime = field(default_factory=lambda: datetime.now(UTC))

    def __post_init__(self) -> None:
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
        self.street.admit(account_id)
        self.purses[name] = Purse(account_id)
        return self.purses[name]

    async def promote(self, name: str, credits: int) -> None:
        """A gift of credits that lapses in thirty days; burnt before what was paid for."""
        purse = self.purses[name]
        expires_at = datetime.now(UTC) + timedelta(days=30)
        await self.office.grant(purse.account_id, "welcome", kind="promotion", credits=credits, expires_at=expires_at)
        purse.gifts += credits

    async def sell(
        self,
        name: str,
        grant_id: str,
        credits: int,
        *,
        paid_micros: int | None = None,
        expires_at: datetime | None = None,
    ) -> None:
        """Credits bought by wire; at one cent each, unless `paid_micros` says what was paid for all."""
        purse = self.purses[name]
        paid_micros = credits * 10_000 if paid_micros is None else paid_micros
        await self.office.grant(
            purse.account_id,
            grant_id,
            kind="purchase",
            credits=credits,
            paid_micros=paid_micros,
            expires_at=expires_at,
        )
        purse.purchases.append(Purchase(credits, paid_micros))
        self.cashbook.wired += paid_micros

    def named(self, noun: str) -> str:
        """A name of this run for something that all accounts share."""
        return f"{noun}-{self._run}"

    async def news_read(self) -> None:
        """Returns when the service has tried every event that Stripe sent, or patience ends: what is to come of it
        is judged by who looks.
        """
        await self._news(lambda event: event["problem"] is None)

    async def news_taken(self) -> None:
        """Returns when every event that Stripe sent has taken effect, or patience ends."""
        await self._news(lambda event: True)

    async def _news(self, awaited: Callable[[StripeEvent], bool]) -> None:
        async def waiting() -> list[StripeEvent]:
            return [event async for event in self.office.stripe_events(state="pending") if awaited(event)]

        await self.stripe.delivered()
        await until(waiting, lambda events: not events)

    def ask(self, name: str, words: str, about: str, source: bytes | None = None) -> Order:
        """A new request of the account known as `name`."""
        self._requests += 1
        request_id = f"req-{self._requests:03d}-{self._run}"
        return Order.of(self.purses[name].account_id, request_id, words, about, source)

    async def serve(self, order: Order, gateway: httpx.AsyncClient | None = None) -> Receipt:
        """What the customer gets, of the gateway that all call, or of another."""
        headers = {
            "Authorization": f"Bearer {self.street.customers[order.account_id]}",
            "Idempotency-Key": order.request_id,
        }
        response = await order.send(gateway or self.gateway, headers)
        request_id = response.headers.get("X-Billing-Request-Id")
        charge = await self.billing.read_charge(order.account_id, request_id) if request_id else None
        return Receipt(order, response, charge)

    def next_scene(self) -> int:
        """The number of the next scene, from 1."""
        self._scenes += 1
        return self._scenes

    def mark(self, agrees: bool) -> str:
        """The sign at the end of a line, in rich's markup; words where the terminal has no such sign."""
        signs = self.console.encoding.startswith("utf")
        return f"[green]{'✓' if signs else 'ok'}[/]" if agrees else f"[bold red]{'✗' if signs else 'NO'}[/]"

    def note(self, what: str, expected: object, found: object, words: str | None = None) -> None:
        """A line about something that must be so, in words or as it was called."""
        sign = self.mark(self.judge(what, expected, found))
        self.console.print(f" {sign} {words or what}", highlight=False)

    def judge(self, what: str, expected: object, found: object) -> bool:
        """Whether what was found is what was expected; remembers it for the verdict if not."""
        if expected == found:
            return True
        self.agrees = False
        self.disagreements.append(f"{what}: expected {expected}, found {found}")
        return False
