"""How customers pay: packs, top-ups, auto-recharge; and who is told of it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, cast

from billing.client.call import call, listing
from billing.client.documents import AutoRecharge, Bonus, Pack, StripeEvent, Topup, WebhookEndpoint
from billing.client.request import Flow, Listing, Request, path_of, present


class FundingCalls:
    """Calls about money in. Every method raises `Problem`; `payments_not_configured` where the service has no key
    of a processor. Amounts of money are in millionths of their currency.
    """

    @call
    def publish_pack(
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
    ) -> Flow[Pack]:
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
        return cast(Pack, (yield Request("POST", "/v1/packs", body=present(body))).resource())

    @listing
    def packs(self, *, withdrawn: bool = False) -> Listing[Pack]:
        """What is on sale; with `withdrawn` also what was."""
        return Listing("/v1/packs", {"withdrawn": "true" if withdrawn else None})

    @call
    def withdraw_pack(self, pack_id: str) -> Flow[Pack]:
        """Takes a pack off sale. What was ordered can still be paid. Needs an admin key."""
        return cast(Pack, (yield Request("DELETE", path_of("packs", pack_id))).resource())

    @call
    def open_topup(
        self, account_id: str, topup_id: str, *, pack_id: str, success_url: str, cancel_url: str
    ) -> Flow[Topup]:
        """Orders a pack. Send the customer to the `url` of the answer; credits come with the money, and not with
        the visit of `success_url`.
        """
        body = {"topup_id": topup_id, "pack_id": pack_id, "success_url": success_url, "cancel_url": cancel_url}
        return cast(Topup, (yield Request("POST", path_of("accounts", account_id, "topups"), body=body)).resource())

    @call
    def topup(self, account_id: str, topup_id: str) -> Flow[Topup]:
        """The top-up as it is now, with its refunds and disputes."""
        return cast(Topup, (yield Request("GET", path_of("accounts", account_id, "topups", topup_id))).resource())

    @listing
    def topups(self, account_id: str) -> Listing[Topup]:
        """The account's top-ups, newest first."""
        return Listing(path_of("accounts", account_id, "topups"), {})

    @call
    def set_auto_recharge(
        self,
        account_id: str,
        *,
        threshold: int,
        pack_id: str,
        monthly_limit: int,
        payment_method: str | None = None,
    ) -> Flow[AutoRecharge]:
        """Buys the pack with what was saved to pay (see the API, unless it is named) whenever fewer than `threshold`
        credits are available, up to `monthly_limit` credits a month. Needs an admin key or the account's own.
        """
        body = {
            "threshold": threshold,
            "pack_id": pack_id,
            "monthly_limit": monthly_limit,
            "payment_method": payment_method,
        }
        return cast(
            AutoRecharge,
            (yield Request("PUT", path_of("accounts", account_id, "auto-recharge"), body=present(body))).resource(),
        )

    @call
    def auto_recharge(self, account_id: str) -> Flow[AutoRecharge]:
        """The terms, and how it stands."""
        return cast(AutoRecharge, (yield Request("GET", path_of("accounts", account_id, "auto-recharge"))).resource())

    @call
    def end_auto_recharge(self, account_id: str) -> Flow[AutoRecharge]:
        """Buys no more. A payment that is in flight is not called back."""
        return cast(
            AutoRecharge, (yield Request("DELETE", path_of("accounts", account_id, "auto-recharge"))).resource()
        )

    @listing
    def stripe_events(
        self, *, state: Literal["pending", "done", "ignored", "dead"] | None = None, type: str | None = None
    ) -> Listing[StripeEvent]:
        """What the processor has told, newest first, and what became of it. Needs an admin or finance key."""
        return Listing("/v1/stripe/events", {"state": state, "type": type})

    @call
    def create_webhook_endpoint(
        self,
        url: str,
        *,
        events: Sequence[str] | None = None,
        endpoint_id: str | None = None,
        account_id: str | None = None,
        description: str | None = None,
    ) -> Flow[WebhookEndpoint]:
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
        answer = yield Request("POST", "/v1/webhook-endpoints", body=present(body))
        return cast(WebhookEndpoint, answer.resource())

    @call
    def delete_webhook_endpoint(self, endpoint_id: str) -> Flow[None]:
        """Ends an endpoint and what waits for it. Its id stays taken."""
        yield Request("DELETE", path_of("webhook-endpoints", endpoint_id))
