"""Accounts with a saved card, and their recharges as the service, Stripe and the database see them."""

import asyncio
from typing import Any

import httpx

from .town import Town

LEASE_AND_RESUME = "2 minutes"  # what is due sooner is still being looked at


def buyer(town: Town, pack: str, card: str = "pm_card_visa") -> str:
    """An account that has bought `pack` once, so that its card is saved."""
    account = town.account()
    town.bought(account, pack, card)
    return account


def customer(town: Town, account: str) -> str:
    """The account's customer at Stripe."""
    return str(town.ask("SELECT customer_id FROM stripe_customer WHERE account_id = $1", account))


def cards(town: Town, account: str) -> list[str]:
    """The account's saved cards, oldest first."""
    whose = customer(town, account)
    return [one["id"] for one in town.stripe.objects("payment_method") if one["customer"] == whose]


def put(town: Town, account: str, pack: str, threshold: int, monthly_limit: int = 10_000, **more: Any) -> Any:
    body = {"threshold": threshold, "pack_id": pack, "monthly_limit": monthly_limit, **more}
    return town.call("PUT", f"/v1/accounts/{account}/auto-recharge", body, status=200)


def shown(town: Town, account: str) -> Any:
    return town.get(f"/v1/accounts/{account}/auto-recharge")


def at_rest(town: Town, account: str) -> Any:
    """The account's auto-recharge once it was looked at, and nothing of it is in flight."""
    resting = f"""SELECT due_at IS NULL OR due_at > clock_timestamp() + interval '{LEASE_AND_RESUME}'
                  FROM auto_recharge WHERE account_id = $1 AND topup_id IS NULL"""
    town.until(lambda: town.ask(resting, account), f"the recharge of {account} is at rest")
    return shown(town, account)


def make_due(town: Town, account: str) -> None:
    """As if the time had come at which it is looked at again."""
    town.query("UPDATE auto_recharge SET due_at = clock_timestamp() WHERE account_id = $1", account)


def payments(town: Town, account: str) -> list[Any]:
    """The account's off-session payments at Stripe, oldest first, whatever became of them."""
    return [
        intent
        for intent in town.stripe.objects("payment_intent")
        if intent["metadata"].get("billing_account_id") == account
        and intent["metadata"]["billing_topup_id"].startswith("recharge:")
    ]


def recharges(town: Town, account: str) -> list[Any]:
    """The account's top-ups by recharge, oldest first."""
    found = town.get(f"/v1/accounts/{account}/topups", params={"limit": 200})["data"]
    return [topup for topup in reversed(found) if topup["via"] == "recharge"]


def statuses(found: list[Any]) -> list[str]:
    return [one["status"] for one in found]


def told(town: Town, account: str, kind: str) -> int:
    """How many announcements of a kind the account's outbox holds."""
    return int(town.ask("SELECT count(*) FROM outbox WHERE account_id = $1 AND type = $2", account, kind))


def asked(town: Town, method: str, path: str, account: str = "") -> list[Any]:
    """Requests to Stripe; those that carry the account's mark where one is given."""
    found = town.stripe.requests(method, path)
    return [
        one for one in found if not account or one["params"].get("metadata", {}).get("billing_account_id") == account
    ]


def held(town: Town, method: str, path: str, account: str = "") -> None:
    """Waits until a request is stopped by the fault `hold`."""
    town.until(
        lambda: any(one["fault"] == "hold" and one["status"] is None for one in asked(town, method, path, account)),
        f"{method} {path} is stopped",
    )


def charge_at_once(town: Town, account: str, times: int) -> None:
    """So many charges of one credit, all at the same time."""

    async def charged() -> list[int]:
        path = f"/v1/accounts/{account}/charges"
        limits = httpx.Limits(max_connections=times)
        async with httpx.AsyncClient(
            base_url=town.url, headers=dict(town.client.headers), timeout=60, limits=limits, verify=False
        ) as client:
            answers = await asyncio.gather(
                *(client.post(path, json=one_credit(town.new_id("request"))) for _ in range(times))
            )
        return [answer.status_code for answer in answers]

    assert set(asyncio.run(charged())) == {201}


def one_credit(request_id: str) -> dict[str, Any]:
    outputs = [{"index": 0, "status": "succeeded", "width": 1024, "height": 1024}]
    return {"request_id": request_id, "model": "gpt-image-2", "size": "1K", "quality": "low", "outputs": outputs}
