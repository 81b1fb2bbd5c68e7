"""How customers pay: packs, top-ups, auto-recharge; and who is told of it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from typing import Any, Literal, cast

from billing.client.documents import AutoRecharge, Bonus, Pack, StripeEvent, Topup, WebhookEndpoint
from billing.client.wire import Answer, Wire, path_of, present


class FundingCalls(Wire):
    """Calls about money in. Every method raises `Problem`; `payments_not_configured` where the service has no key
    of a processor. Amounts of money are in millionths of their currency.
    """

    async def publish_pack(
        self,
        pack_id: str,
        *,
        credits: int,
        price_micros: int,
        currency: str = "USD",
        bonus_credits: int = 0,
        bonus: Bonus = "own_grant",
        name: str | None = None,
        expires_in_days: int | None = None,
    ) -> Pack:
        """Puts a pack on sale for good: another offer needs another id. Needs an admin key."""
        body = {
            "pack_id": pack_id,
            "name": name,
            "credits": credits,
            "bonus_credits": bonus_credits,
            "bonus": bonus,
            "price": {"micros": price_micros, "currency": currency},
            "expires_in_days": expires_in_days,
        }
        return cast(Pack, _resource(await self.send("POST", "/v1/packs", body=present(body))))

    def packs(self, *, withdrawn: bool = False) -> AsyncIterator[Pack]:
        """What is on sale; with `withdrawn` also what was."""
        return self.rows("/v1/packs", {"withdrawn": "true" if withdrawn else None})

    async def withdraw_pack(self, pack_id: str) -> Pack:
        """Takes a pack off sale. What was ordered can still be paid. Needs an admin key."""
        return cast(Pack, _resource(await self.send("DELETE", path_of("packs", pack_id))))

    async def open_topup(
        self, account_id: str, topup_id: str, *, pack_id: str, success_url: str, cancel_url: str
    ) -> Topup:
        """Orders a pack. Send the customer to the `url` of the answer; credits come with the money, and not with
        the visit of `success_url`.
        """
        body = {"topup_id": topup_id, "pack_id": pack_id, "success_url": success_url, "cancel_url": cancel_url}
        return _topup(await self.send("POST", path_of("accounts", account_id, "topups"), body=body))

    async def topup(self, account_id: str, topup_id: str) -> Topup:
        """The top-up as it is now, with its refunds and disputes."""
        return _topup(await self.send("GET", path_of("accounts", account_id, "topups", topup_id)))

    def topups(self, account_id: str) -> AsyncIterator[Topup]:
        """The account's top-ups, newest first."""
        return self.rows(path_of("accounts", account_id, "topups"), {})

    async def set_auto_recharge(
        self,
        account_id: str,
        *,
        threshold: int,
        pack_id: str,
        monthly_limit: int,
        payment_method: str | None = None,
    ) -> AutoRecharge:
        """Buys the pack with a saved card (the one saved last, unless it is named) whenever fewer than `threshold`
        credits are available, up to `monthly_limit` credits a month. Needs an admin key or the account's own.
        """
        body = {
            "threshold": threshold,
            "pack_id": pack_id,
            "monthly_limit": monthly_limit,
            "payment_method": payment_method,
        }
        return _recharge(await self.send("PUT", path_of("accounts", account_id, "auto-recharge"), body=present(body)))

    async def auto_recharge(self, account_id: str) -> AutoRecharge:
        """The terms, and how it stands."""
        return _recharge(await self.send("GET", path_of("accounts", account_id, "auto-recharge")))

    async def end_auto_recharge(self, account_id: str) -> AutoRecharge:
        """Buys no more. A payment that is in flight is not called back."""
        return _recharge(await self.send("DELETE", path_of("accounts", account_id, "auto-recharge")))

    def stripe_events(
        self, *, state: Literal["pending", "done", "ignored", "dead"] | None = None, type: str | None = None
    ) -> AsyncIterator[StripeEvent]:
        """What the processor has told, newest first, and what became of it. Needs an admin or finance key."""
        return self.rows("/v1/stripe/events", {"state": state, "type": type})

    async def create_webhook_endpoint(
        self,
        url: str,
        *,
        events: Sequence[str] | None = None,
        endpoint_id: str | None = None,
        account_id: str | None = None,
        description: str | None = None,
    ) -> WebhookEndpoint:
        """Has events told to `url`, of all accounts or one. The `secret` that they are signed with is shown this
        once. Name it by `endpoint_id`, or a repeated call makes a second one. Needs an admin key.
        """
        body = {
            "endpoint_id": endpoint_id,
            "url": url,
            "events": None if events is None else list(events),
            "account_id": account_id,
            "description": description,
        }
        answer = await self.send("POST", "/v1/webhook-endpoints", body=present(body))
        return cast(WebhookEndpoint, _resource(answer))

    async def delete_webhook_endpoint(self, endpoint_id: str) -> None:
        """Ends an endpoint and what waits for it. Its id stays taken."""
        await self.send("DELETE", path_of("webhook-endpoints", endpoint_id))


def _topup(answer: Answer) -> Topup:
    return cast(Topup, _resource(answer))


def _recharge(answer: Answer) -> AutoRecharge:
    return cast(AutoRecharge, _resource(answer))


def _resource(answer: Answer) -> dict[str, Any]:
    return {**answer.document, "replayed": answer.replayed}
