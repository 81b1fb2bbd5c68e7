"""The place that is visited: a served service with a fake Stripe, two customers with a past, and a key for each role."""

from __future__ import annotations

import json
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlsplit

import httpx

from tests.api.service import Api, set_clock
from tests.fake_stripe import FakeStripe
from tests.faults.served import KEY
from tests.funding.town import SECRET, Town

from .history import IMAGE, SCRIPT, Past, ago, every_ending, live_through, spend

COOKIE = "billing_session"
ACCOUNT, OTHER = "acme", "globex"
DELIVERED = "delivered"  # a manifest that was compared
NAME = f"Acme {SCRIPT}"
PAST = Past(days=20, hours=(9, 15), requests=4, end_users=("ana", "bruno", SCRIPT, IMAGE))


class Place:
    """`url` is where it is; `sessions[role]` is the cookie of somebody signed in. Role `account` is that of ACCOUNT."""

    def __init__(self, dsn: str) -> None:
        self._dsn = dsn
        self._stripe = FakeStripe()
        self.sessions: dict[str, str] = {}
        self.keys: dict[str, str] = {"admin": KEY}

    def __enter__(self) -> Self:
        live_through(self._dsn, live)
        self._stripe.__enter__()
        self.town = Town(self._dsn, self._stripe)
        self._stripe.add_endpoint(self.town.webhook, SECRET)
        self.town.open()
        self.url = self.town.url
        self._buy()
        for role, account_id in (("finance", None), ("gateway", None), ("account", ACCOUNT), ("other", OTHER)):
            body: dict[str, Any] = {"role": "account" if account_id else role, "name": f"{role} {SCRIPT}"}
            self.keys[role] = self.town.call("POST", "/v1/keys", body | {"account_id": account_id}, status=201)["key"]
        self.sessions = {role: self._sign_in(key) for role, key in self.keys.items()}
        self._report()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.town.close()
        self._stripe.__exit__(kind, error, trace)

    def _buy(self) -> None:
        """One top-up that was paid, one whose card was declined, and one that nobody has paid yet."""
        small = self.town.pack(pack_id="thousand", name="Starter", bonus_credits=50)
        self.town.pack(
            pack_id="five-thousand",
            name=f"Studio {SCRIPT}",
            credits=5_000,
            price={"micros": 45_000_000, "currency": "USD"},
            expires_in_days=365,
        )
        paid = self.town.order(ACCOUNT, small, "order-paid")
        declined = self.town.order(ACCOUNT, small, "order-declined")
        self.town.order(ACCOUNT, small, "order-open")
        self._stripe.pay(self.town.checkout_of(paid), "pm_card_visa")
        self._stripe.pay(self.town.checkout_of(declined), "pm_card_chargeDeclined")
        self._stripe.wait_delivered()
        self.town.until(lambda: self.town.topup(ACCOUNT, "order-paid")["status"] == "paid", "the top-up is paid")
        terms = {"threshold": 1, "pack_id": small, "monthly_limit": 5_000}  # so low that nothing is bought
        self.town.call("PUT", f"/v1/accounts/{ACCOUNT}/auto-recharge", terms, status=200)

    def _report(self) -> None:
        """What was delivered, and what the provider took, as far as they say."""
        rows = (f"{ACCOUNT},smaller-than-asked,0,succeeded,3840,2160", f"{ACCOUNT},partly-failed,0,failed,,")
        rows += (f"{ACCOUNT},unmeasured,0,succeeded,1024,1024", f"{OTHER},nobody-knows,0,succeeded,1024,1024")
        manifest = "\n".join(("account_id,request_id,index,status,width,height", *rows))
        self.send(f"/v1/reconciliations?reconciliation_id={DELIVERED}", manifest, "text/csv")
        self.send("/v1/provider-reports", "\n".join(map(json.dumps, provider_pages())), "application/x-ndjson")

    def send(self, path: str, content: str, kind: str) -> None:
        headers = {"Authorization": f"Bearer {self.keys['finance']}", "Content-Type": kind}
        answer = httpx.post(f"{self.url}{path}", content=content, headers=headers)
        assert answer.status_code == 201, answer.text

    def _sign_in(self, key: str) -> str:
        headers = {"Origin": self.url, "Sec-Fetch-Site": "same-origin"}
        answer = httpx.post(f"{self.url}/sign-in", data={"key": key}, headers=headers)
        return answer.cookies[COOKIE]

    @property
    def checkout(self) -> str:
        """The origin where customers pay."""
        return self._stripe.url

    @property
    def host(self) -> str:
        return urlsplit(self.url).netloc

    # What a gateway does while somebody looks at the page.

    def call(self, method: str, path: str, body: Any = None, **more: Any) -> Any:
        return self.town.call(method, path, body, **more)

    def get(self, path: str, **query: Any) -> Any:
        return self.town.get(path, params=query)

    def new_account(self, granted: int = 1_000) -> str:
        return self.town.account(granted)

    def authorize(self, account_id: str, request_id: str, **more: Any) -> Any:
        body = {"request_id": request_id, "model": "gpt-image-2", "size": "1K", "quality": "high", **more}
        return self.call("POST", f"/v1/accounts/{account_id}/charges", body, status=201)

    def settle(self, account_id: str, request_id: str, *outputs: Any) -> Any:
        path = f"/v1/accounts/{account_id}/charges/{request_id}/settle"
        return self.call("POST", path, {"outputs": outputs}, status=200)


def provider_pages() -> list[dict[str, Any]]:
    """A page of usage and one of costs, of yesterday: another count of images, and a line that nobody knows."""
    start = int(ago(days=1).replace(hour=0, minute=0, second=0, microsecond=0).timestamp())
    images = {"object": "organization.usage.images.result", "images": 99, "num_model_requests": 9}
    costs = [
        {"object": "organization.costs.result", "amount": {"value": value, "currency": "usd"}, "line_item": line}
        for value, line in ((1.5, "gpt-image-2, image output"), (0.25, f"gpt-5 {SCRIPT}"))
    ]
    return [
        {
            "object": "page",
            "data": [{"object": "bucket", "start_time": start, "end_time": start + 86_400, "results": results}],
            "has_more": False,
            "next_page": None,
        }
        for results in ([{**images, "model": "gpt-image-2", "size": "1024x1024"}], costs)
    ]


def live(api: Api) -> None:
    set_clock(api, ago(days=PAST.days + 1))
    for account_id, settings in ((ACCOUNT, {"name": NAME}), (OTHER, {"name": IMAGE, "overage": "cap"})):
        api.post("/v1/accounts", {"account_id": account_id, **settings}).raise_for_status()
    spend(api, ACCOUNT, PAST)
    set_clock(api, ago(hours=3))
    every_ending(api, ACCOUNT, end_user=SCRIPT, label=IMAGE, reason=SCRIPT)
    api.grant(OTHER, 20, grant_id="gift", kind="promotion", expires_at=None)
    images = {"index": 0, "status": "succeeded", "width": 2048, "height": 1152}
    api.settle(api.authorize(OTHER, "capped", size="1K", quality="high"), images)
    api.call("PATCH", f"/v1/accounts/{OTHER}", {"overage": "bill"}).raise_for_status()
    api.settle(api.authorize(OTHER, "overdrawn", size="1K", quality="medium"), images)
    set_clock(api, ago(minutes=30))
    api.authorize(ACCOUNT, "in-flight", size="2K", quality="medium", n=2, hold_seconds=86_400, end_user=IMAGE)
