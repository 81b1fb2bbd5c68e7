"""Accounts, their grants and balances, and what the journal and the usage say about them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import datetime
from typing import Any, Literal, cast

from billing.client.documents import Balance, GrantKind, HoldRule, Overage, Transfer
from billing.client.wire import Answer, Wire, path_of, present


class AccountCalls(Wire):
    """Calls about one account. Every method raises `Problem`."""

    async def create_account(
        self,
        account_id: str,
        *,
        name: str | None = None,
        credit_limit: int = 0,
        overage: Overage = "bill",
        hold: HoldRule = "quote",
        metadata: Mapping[str, Any] | None = None,
    ) -> dict[str, Any]:
        """Opens an account in credits."""
        body = {
            "account_id": account_id,
            "name": name,
            "credit_limit": credit_limit,
            "overage": overage,
            "hold": hold,
            "metadata": metadata,
        }
        return _resource(await self.send("POST", "/v1/accounts", body=present(body)))

    async def account(self, account_id: str) -> dict[str, Any]:
        """The account and its settings."""
        return _resource(await self.send("GET", path_of("accounts", account_id)))

    async def change_account(self, account_id: str, **settings: Any) -> dict[str, Any]:
        """Changes the settings that are named (name, status, credit_limit, overage, hold, metadata); None clears
        one that may be empty.
        """
        return _resource(await self.send("PATCH", path_of("accounts", account_id), body=settings))

    async def grant(
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
    ) -> dict[str, Any]:
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
        return _resource(await self.send("POST", path_of("accounts", account_id, "grants"), body=present(body)))

    def grants(self, account_id: str) -> AsyncIterator[dict[str, Any]]:
        """Every grant of the account, open or not."""
        return self.rows(path_of("accounts", account_id, "grants"), {})

    async def balance(self, account_id: str, *, at: datetime | None = None) -> Balance:
        """What the account has and can spend, now or as it was at an instant."""
        answer = await self.send("GET", path_of("accounts", account_id, "balance"), params={"at": at})
        return cast(Balance, answer.document)

    def transfers(
        self,
        account_id: str,
        *,
        book: Literal["wallet", "money"] | None = None,
        start: datetime | None = None,
        end: datetime | None = None,
        kind: str | None = None,
    ) -> AsyncIterator[Transfer]:
        """The account's journal, page after page. The money book needs an admin or finance key."""
        params = {"book": book, "start": start, "end": end, "kind": kind}
        return self.rows(path_of("accounts", account_id, "transfers"), params)

    async def usage(
        self,
        account_id: str,
        *,
        start: datetime,
        end: datetime,
        bucket_width: Literal["15m", "1h", "1d", "1mo"] = "1d",
        group_by: Sequence[str] = (),
        tz: str = "UTC",
    ) -> list[dict[str, Any]]:
        """The buckets from `start` (inclusive) to `end` (exclusive), exact at this moment."""
        buckets: list[dict[str, Any]] = []
        page: str | None = None
        while True:
            params = {
                "start_time": int(start.timestamp()),
                "end_time": int(end.timestamp()),
                "bucket_width": bucket_width,
                "group_by": ",".join(group_by) or None,
                "tz": tz,
                "page": page,
            }
            answer = await self.send("GET", path_of("accounts", account_id, "usage"), params=params)
            buckets += answer.document["data"]
            page = answer.document.get("next_page")
            if not answer.document.get("has_more") or page is None:
                return buckets

    async def price_book(self, version: int | None = None) -> dict[str, Any]:
        """The price book of that version, or the one that applies now."""
        name: str | int = "current" if version is None else version
        return cast(dict[str, Any], (await self.send("GET", path_of("price-books", name))).document)

    async def create_key(self, *, role: str, name: str, account_id: str | None = None) -> dict[str, Any]:
        """A new key, shown this once. Not named by an id of the caller: a repeated call makes a second key,
        and the spare one is harmless because nobody has read it."""
        body = {"role": role, "name": name, "account_id": account_id}
        return cast(dict[str, Any], (await self.send("POST", "/v1/keys", body=present(body))).document)

    async def revoke_key(self, key_id: str) -> None:
        """The key stops within two seconds."""
        await self.send("DELETE", path_of("keys", key_id))


def _resource(answer: Answer) -> dict[str, Any]:
    return {**answer.document, "replayed": answer.replayed}
