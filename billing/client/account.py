"""Accounts, their grants and balances, and what the journal and the usage say about them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from typing import Any, Literal, cast

from billing.client.call import call, listing
from billing.client.documents import (
    Balance,
    BucketWidth,
    GrantKind,
    HoldRule,
    Operation,
    Overage,
    Transfer,
    UsageBucket,
    UsageGroup,
)
from billing.client.request import Flow, Listing, Request, instant, path_of, present


class AccountCalls:
    """Calls about one account. Every method raises `Problem`."""

    @call
    def create_account(
        self,
        account_id: str,
        *,
        name: str | None = None,
        credit_limit: int = 0,
        overage: Overage = "bill",
        hold: HoldRule = "quote",
        metadata: Mapping[str, Any] | None = None,
    ) -> Flow[dict[str, Any]]:
        """Opens an account in credits."""
        body = {
            "account_id": account_id,
            "name": name,
            "credit_limit": credit_limit,
            "overage": overage,
            "hold": hold,
            "metadata": metadata,
        }
        return (yield Request("POST", "/v1/accounts", body=present(body))).resource()

    @call
    def account(self, account_id: str) -> Flow[dict[str, Any]]:
        """The account and its settings."""
        return (yield Request("GET", path_of("accounts", account_id))).resource()

    @call
    def change_account(self, /, account_id: str, **settings: Any) -> Flow[dict[str, Any]]:
        """Changes the settings that are named (name, status, credit_limit, overage, hold, metadata); None clears
        one that may be empty.
        """
        return (yield Request("PATCH", path_of("accounts", account_id), body=settings)).resource()

    @call
    def grant(
        self,
        account_id: str,
        grant_id: str,
        *,
        kind: GrantKind,
        credits: int,
        expires_at: datetime | None = None,
        priority: int | None = None,
        paid_micros: int | None = None,
        currency: str = "USD",
        reference: str | None = None,
    ) -> Flow[dict[str, Any]]:
        """Gives credits; `paid_micros` of `currency` (millionths) is what was paid for them."""
        body = {
            "grant_id": grant_id,
            "kind": kind,
            "credits": credits,
            "expires_at": expires_at,
            "priority": priority,
            "amount_paid": None if paid_micros is None else {"micros": paid_micros, "currency": currency},
            "reference": reference,
        }
        return (yield Request("POST", path_of("accounts", account_id, "grants"), body=present(body))).resource()

    @listing
    def grants(self, account_id: str) -> Listing[dict[str, Any]]:
        """Every grant of the account, open or not."""
        return Listing(path_of("accounts", account_id, "grants"), {})

    @call
    def balance(self, account_id: str, *, at: datetime | None = None) -> Flow[Balance]:
        """What the account has and can spend, now or as it was at an instant."""
        answer = yield Request("GET", path_of("accounts", account_id, "balance"), params={"at": at})
        return cast(Balance, answer.document)

    @listing
    def transfers(
        self,
        account_id: str,
        *,
        book: Literal["wallet", "money"] | None = None,
        start: datetime | None = None,
        end: datetime | None = None,
        kind: str | None = None,
    ) -> Listing[Transfer]:
        """The account's journal, page after page. The money book needs an admin or finance key."""
        params = {"book": book, "start": start, "end": end, "kind": kind}
        return Listing(path_of("accounts", account_id, "transfers"), params)

    @call
    def usage(
        self,
        account_id: str | None,
        *,
        start: date,
        end: date | None = None,
        bucket_width: BucketWidth = "1d",
        group_by: Sequence[UsageGroup] = (),
        tz: str = "UTC",
        fill: Literal["zero", "none"] | None = None,
        model: str | Sequence[str] | None = None,
        size_tier: str | Sequence[str] | None = None,
        quality: str | Sequence[str] | None = None,
        operation: Operation | Sequence[Operation] | None = None,
        api_key_id: str | Sequence[str] | None = None,
        end_user: str | Sequence[str] | None = None,
        limit: int | None = None,
    ) -> Flow[list[UsageBucket]]:
        """The buckets from `start` (inclusive) to `end` (exclusive; None: now), both at a quarter of an hour or days as
        they begin in `tz` (by the service's table of zones, whatever this machine's says), of what matches the filters: one value of each, or any of several. Exact at this moment; read in pages of `limit`
        buckets, all of them. Without an account: of all accounts, which only admin and finance keys may ask, and
        may group by `account_id`.
        """
        path = "/v1/usage" if account_id is None else path_of("accounts", account_id, "usage")
        buckets: list[UsageBucket] = []
        page: str | None = None
        while True:
            params = {
                "start_time": _beginning(start),
                "end_time": None if end is None else _beginning(end),
                "bucket_width": bucket_width,
                "group_by": ",".join(group_by) or None,
                "tz": tz,
                "fill": fill,
                "model": model,
                "size_tier": size_tier,
                "quality": quality,
                "operation": operation,
                "api_key_id": api_key_id,
                "end_user": end_user,
                "limit": limit,
                "page": page,
            }
            answer = yield Request("GET", path, params=params)
            found: list[UsageBucket] = answer.document["data"]
            if buckets and found and buckets[-1]["start_time"] == found[0]["start_time"]:
                # A bucket of very many groups goes on on the next page.
                buckets[-1]["results"] += found.pop(0)["results"]
            buckets += found
            page = answer.document.get("next_page")
            if not answer.document.get("has_more") or page is None:
                return buckets

    @call
    def price_book(self, version: int | None = None) -> Flow[dict[str, Any]]:
        """The price book of that version, or the one that applies now."""
        name: str | int = "current" if version is None else version
        return cast(dict[str, Any], (yield Request("GET", path_of("price-books", name))).document)

    @call
    def create_key(self, *, role: str, name: str, account_id: str | None = None) -> Flow[dict[str, Any]]:
        """A new key, shown this once. Not named by an id of the caller: a repeated call makes a second key,
        and the spare one is harmless because nobody has read it."""
        body = {"role": role, "name": name, "account_id": account_id}
        return cast(dict[str, Any], (yield Request("POST", "/v1/keys", body=present(body))).document)

    @call
    def revoke_key(self, key_id: str) -> Flow[None]:
        """The key stops within two seconds."""
        yield Request("DELETE", path_of("keys", key_id))


def _beginning(at: date) -> int | str:
    """Unix seconds; a day as it is. Refuses a naive time: it names no instant."""
    if not isinstance(at, datetime):
        return at.isoformat()
    return int(datetime.fromisoformat(instant(at)).timestamp())
