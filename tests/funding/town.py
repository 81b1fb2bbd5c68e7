"""A town to pay in: a served billing service, a Stripe that is fake but real enough, and everybody's books.

The service is a process of its own on a database of its own; events come over HTTP, signed.
"""

import asyncio
from collections.abc import Callable
from typing import Any

import asyncpg

from billing.books.verify import Verification, verify
from tests.fake_stripe import FakeStripe
from tests.faults.served import Served, until

SECRET = "whsec_of_the_town"
PAGES = {"success_url": "https://shop.example/thanks", "cancel_url": "https://shop.example/cart"}
PRICE_MICROS, CREDITS = 10_000_000, 1_000


class Town:
    """`stripe` is told what customers and banks do; `call` asks the service; `books()` verifies what came of it."""

    def __init__(self, dsn: str, stripe: FakeStripe, *, secret: str = SECRET, **environment: str) -> None:
        self.dsn = dsn
        self.stripe = stripe
        self.service = Served(
            dsn,
            BILLING_WEBHOOK_ALLOW_PRIVATE="true",
            STRIPE_API_KEY=stripe.key,
            STRIPE_API_BASE=stripe.url,
            STRIPE_WEBHOOK_SECRET=secret,
            **environment,
        )
        self.url = self.service.url
        self.webhook = f"{self.url}/v1/stripe/webhook"
        self.client = self.service.client
        self.run = self.service.run
        self._numbers = 0

    def open(self) -> "Town":
        self.service.start()
        return self

    def close(self) -> None:
        self.service.close()

    def log(self) -> str:
        """All that the service has written."""
        return self.service.log()

    # What is asked of the service.

    def call(self, method: str, path: str, body: Any = None, *, status: int | None = None, **more: Any) -> Any:
        answer = self.client.request(method, path, json=body, **more)
        assert status is None or answer.status_code == status, f"{answer.status_code}: {answer.text}"
        return answer.json()

    def get(self, path: str, **more: Any) -> Any:
        return self.call("GET", path, status=200, **more)

    def new_id(self, noun: str) -> str:
        self._numbers += 1
        return f"{noun}-{self._numbers}"

    def pack(self, **terms: Any) -> str:
        """The id of a new pack: 1,000 credits for 10 dollars, or `terms`."""
        offer = {"credits": CREDITS, "price": {"micros": PRICE_MICROS, "currency": "USD"}} | terms
        pack_id: str = self.call("POST", "/v1/packs", {"pack_id": self.new_id("pack"), **offer}, status=201)["pack_id"]
        return pack_id

    def account(self, granted: int = 0) -> str:
        account_id = self.new_id("account")
        self.call("POST", "/v1/accounts", {"account_id": account_id}, status=201)
        if granted:
            grant = {"grant_id": "gift", "kind": "promotion", "credits": granted}
            self.call("POST", f"/v1/accounts/{account_id}/grants", grant, status=201)
        return account_id

    def order(self, account_id: str, pack_id: str, topup_id: str | None = None) -> Any:
        body = {"topup_id": topup_id or self.new_id("topup"), "pack_id": pack_id, **PAGES}
        return self.call("POST", f"/v1/accounts/{account_id}/topups", body, status=201)

    def topup(self, account_id: str, topup_id: str) -> Any:
        return self.get(f"/v1/accounts/{account_id}/topups/{topup_id}")

    def balance(self, account_id: str) -> Any:
        return self.get(f"/v1/accounts/{account_id}/balance")

    def bought(self, account_id: str, pack_id: str | None = None, card: str = "pm_card_visa") -> tuple[str, str]:
        """(top-up, payment) of a pack that was ordered and paid."""
        topup = self.order(account_id, pack_id or self.pack())
        payment = self.stripe.pay(self.checkout_of(topup), card)["payment_intent"]
        self.settled()
        assert self.topup(account_id, topup["topup_id"])["status"] == "paid"
        return topup["topup_id"], payment

    def spend(self, account_id: str, credits: int) -> None:
        """`credits` by pictures of 1 credit."""
        for _ in range(credits // 10):
            self._charge(account_id, 10)
        if credits % 10:
            self._charge(account_id, credits % 10)

    def _charge(self, account_id: str, n: int) -> None:
        outputs = [{"index": index, "status": "succeeded", "width": 1024, "height": 1024} for index in range(n)]
        body = {"request_id": self.new_id("request"), "model": "gpt-image-2", "n": n, "size": "1K", "quality": "low"}
        self.call("POST", f"/v1/accounts/{account_id}/charges", {**body, "outputs": outputs}, status=201)

    def checkout_of(self, topup: Any) -> str:
        """Stripe's id of the page where it is paid."""
        return str(topup["url"].rstrip("/").rpartition("/")[2].partition("?")[0].partition("#")[0])

    # What came of it.

    def event(self, event_id: str) -> Any:
        return self.get(f"/v1/stripe/events/{event_id}")

    def events(self, **query: Any) -> list[Any]:
        found: list[Any] = self.get("/v1/stripe/events", params={"limit": 200, **query})["data"]
        return found

    def settled(self) -> None:
        """Waits until every event sent has taken effect, or can get no further for now."""
        self.stripe.wait_delivered()
        put_off: list[str] = []
        while (left := self.tried()) and left != put_off:
            put_off = left
            for event_id in left:
                self.call("POST", f"/v1/stripe/events/{event_id}/retry", status=200)

    def tried(self) -> list[str]:
        """The events that were put off, once none is left that nobody has tried."""
        untried = "SELECT count(*) FROM stripe_event WHERE state = 'pending' AND problem IS NULL"
        self.until(lambda: not self.ask(untried), "every event was tried")
        waiting = "SELECT event_id FROM stripe_event WHERE state = 'pending' ORDER BY event_id"
        return [event_id for (event_id,) in self.query(waiting)]

    def money(self, account_id: str | None = None) -> dict[str, int]:
        """Debits less credits of each ledger account of the money book, in micros; of all accounts or one."""
        found = self.query(
            """SELECT name, sum(amount)::bigint FROM (
                   SELECT account_id, debit AS name, amount FROM transfer WHERE book = 'money'
                   UNION ALL SELECT account_id, credit, -amount FROM transfer WHERE book = 'money') t
               WHERE $1::text IS NULL OR account_id = $1 GROUP BY name ORDER BY name""",
            account_id,
        )
        return {name: amount for name, amount in found if amount}

    def books(self) -> Verification:
        """Every invariant, of every account. What breaks one is an error."""
        report = asyncio.run(verify(self.dsn))
        assert report.ok, [checked.finding for checked in report.invariants if checked.finding]
        return report

    def query(self, sql: str, *arguments: Any) -> list[Any]:
        async def asked() -> list[Any]:
            connection = await asyncpg.connect(self.dsn)
            try:
                return [tuple(row) for row in await connection.fetch(sql, *arguments)]
            finally:
                await connection.close()

        return asyncio.run(asked())

    def ask(self, sql: str, *arguments: Any) -> Any:
        found = self.query(sql, *arguments)
        return found[0][0] if found else None

    def until(self, condition: Callable[[], Any], what: str) -> Any:
        return until(condition, what)
