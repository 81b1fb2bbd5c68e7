"""The gateway's calls: before the provider is called, and after it answered."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import datetime
from typing import Any, cast

from billing.client.documents import BatchResult, Charge, Mode, Operation, Overage, Quote
from billing.client.output import Output
from billing.client.wire import Answer, Wire, path_of, present


class ChargeCalls(Wire):
    """Quotes and the life of a charge. Every method raises `Problem`; every write may be repeated with the
    same ids and the same content and then has one effect."""

    async def quote(
        self,
        *,
        model: str,
        n: int = 1,
        size: str = "auto",
        quality: str = "auto",
        operation: Operation = "generation",
        overage: Overage = "bill",
    ) -> Quote:
        """The price of a request; writes nothing."""
        body = {
            "model": model,
            "n": n,
            "size": size,
            "quality": quality,
            "operation": operation,
            "overage": overage,
        }
        return cast(Quote, (await self.send("POST", "/v1/quotes", body=present(body))).document)

    async def authorize(
        self,
        account_id: str,
        request_id: str,
        *,
        model: str,
        operation: Operation = "generation",
        mode: Mode = "sync",
        n: int = 1,
        size: str = "auto",
        quality: str = "auto",
        hold_seconds: int | None = None,
        api_key_id: str | None = None,
        end_user: str | None = None,
        metadata: Mapping[str, Any] | None = None,
        price_version: int | None = None,
    ) -> Charge:
        """Holds the quoted cost for `hold_seconds` (the service's default: 900). With `price_version` the
        quote is binding: `price_changed` if another version applies by now."""
        return await self._write(
            path_of("accounts", account_id, "charges"),
            request_id=request_id,
            model=model,
            operation=operation,
            mode=mode,
            n=n,
            size=size,
            quality=quality,
            hold_seconds=hold_seconds,
            api_key_id=api_key_id,
            end_user=end_user,
            metadata=metadata,
            price_version=price_version,
        )

    async def charge(
        self,
        account_id: str,
        request_id: str,
        outputs: Sequence[Output],
        *,
        model: str,
        operation: Operation = "generation",
        mode: Mode = "sync",
        n: int = 1,
        size: str = "auto",
        quality: str = "auto",
        api_key_id: str | None = None,
        end_user: str | None = None,
        metadata: Mapping[str, Any] | None = None,
        price_version: int | None = None,
    ) -> Charge:
        """Authorizes and settles in one step: for results that are already there."""
        return await self._write(
            path_of("accounts", account_id, "charges"),
            request_id=request_id,
            model=model,
            operation=operation,
            mode=mode,
            n=n,
            size=size,
            quality=quality,
            api_key_id=api_key_id,
            end_user=end_user,
            metadata=metadata,
            price_version=price_version,
            outputs=[present(output) for output in outputs],
        )

    async def settle(
        self, account_id: str, request_id: str, outputs: Sequence[Output], *, force: bool = False
    ) -> Charge:
        """Bills what came back and releases the hold. `force` bills a voided or long expired charge whose
        images were delivered after all."""
        return await self._write(
            path_of("accounts", account_id, "charges", request_id, "settle"),
            outputs=[present(output) for output in outputs],
            force=force or None,
        )

    async def void(self, account_id: str, request_id: str, *, reason: str | None = None) -> Charge:
        """Releases the hold: nothing was delivered."""
        return await self._write(path_of("accounts", account_id, "charges", request_id, "void"), reason=reason)

    async def read_charge(self, account_id: str, request_id: str) -> Charge:
        """The charge as it is now."""
        return _charge(await self.send("GET", path_of("accounts", account_id, "charges", request_id)))

    def charges(
        self,
        account_id: str,
        *,
        status: str | None = None,
        model: str | None = None,
        api_key_id: str | None = None,
        end_user: str | None = None,
        flag: str | None = None,
        start: datetime | None = None,
        end: datetime | None = None,
    ) -> AsyncIterator[Charge]:
        """The account's charges that match, page after page."""
        params = {
            "status": status,
            "model": model,
            "api_key_id": api_key_id,
            "end_user": end_user,
            "flag": flag,
            "start": start,
            "end": end,
        }
        return self.rows(path_of("accounts", account_id, "charges"), params)

    async def explain(self, account_id: str, request_id: str) -> dict[str, Any]:
        """How the bill came about, step by step, from the request to the journal."""
        path = path_of("accounts", account_id, "charges", request_id, "explain")
        return cast(dict[str, Any], (await self.send("GET", path)).document)

    async def refund(
        self,
        account_id: str,
        request_id: str,
        refund_id: str,
        *,
        reason: str,
        credits: int | None = None,
        outputs: Sequence[int] | None = None,
    ) -> dict[str, Any]:
        """Gives back `credits`, or the `outputs` with these indexes, or else all that is left of the bill.
        Needs an admin or finance key."""
        path = path_of("accounts", account_id, "charges", request_id, "refunds")
        body = {
            "refund_id": refund_id,
            "reason": reason,
            "credits": credits,
            "outputs": None if outputs is None else list(outputs),
        }
        answer = await self.send("POST", path, body=present(body))
        return {**answer.document, "replayed": answer.replayed}

    def refunds(self, account_id: str, request_id: str) -> AsyncIterator[dict[str, Any]]:
        """The refunds of a charge."""
        return self.rows(path_of("accounts", account_id, "charges", request_id, "refunds"), {})

    async def batch(self, operations: Sequence[Mapping[str, Any]]) -> list[BatchResult]:
        """Up to 5,000 operations, answered in order. Not atomic: one that is refused fails alone, so look
        at each result's `status`."""
        body = {"operations": [present(operation) for operation in operations]}
        answer = await self.send("POST", "/v1/charges/batch", body=body)
        return cast(list[BatchResult], answer.document["results"])

    async def _write(self, path: str, **body: Any) -> Charge:
        return _charge(await self.send("POST", path, body=present(body)))


def _charge(answer: Answer) -> Charge:
    return cast(Charge, {**answer.document, "replayed": answer.replayed})
