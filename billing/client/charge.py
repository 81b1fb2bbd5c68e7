"""The gateway's calls: before the provider is called, and after it answered."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, cast

from billing.client.call import call, listing
from billing.client.documents import BatchResult, Charge, Mode, Operation, Overage, Quote
from billing.client.output import Output
from billing.client.request import Flow, Listing, Request, path_of, present


class ChargeCalls:
    """Quotes and the life of a charge. Every method raises `Problem`; every write may be repeated with the
    same ids and the same content and then has one effect."""

    @call
    def quote(
        self,
        *,
        model: str,
        n: int = 1,
        size: str = "auto",
        quality: str = "auto",
        operation: Operation = "generation",
        overage: Overage = "bill",
    ) -> Flow[Quote]:
        """The price of a request; writes nothing."""
        body = {
            "model": model,
            "n": n,
            "size": size,
            "quality": quality,
            "operation": operation,
            "overage": overage,
        }
        return cast(Quote, (yield Request("POST", "/v1/quotes", body=present(body))).document)

    @call
    def authorize(
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
    ) -> Flow[Charge]:
        """Holds the quoted cost for `hold_seconds` (the service's default: 900). With `price_version` the
        quote is binding: `price_changed` if another version applies by now."""
        return _begun(
            account_id,
            request_id,
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

    @call
    def charge(
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
    ) -> Flow[Charge]:
        """Authorizes and settles in one step: for results that are already there."""
        return _begun(
            account_id,
            request_id,
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

    @call
    def settle(
        self, account_id: str, request_id: str, outputs: Sequence[Output], *, force: bool = False
    ) -> Flow[Charge]:
        """Bills what came back and releases the hold. `force` bills a voided or long expired charge whose
        images were delivered after all."""
        return _ended(
            account_id,
            request_id,
            "settle",
            outputs=[present(output) for output in outputs],
            force=force or None,
        )

    @call
    def void(self, account_id: str, request_id: str, *, reason: str | None = None) -> Flow[Charge]:
        """Releases the hold: nothing was delivered."""
        return _ended(account_id, request_id, "void", reason=reason)

    @call
    def read_charge(self, account_id: str, request_id: str) -> Flow[Charge]:
        """The charge as it is now."""
        answer = yield Request("GET", path_of("accounts", account_id, "charges", request_id))
        return cast(Charge, answer.resource_of(account_id=account_id, request_id=request_id))

    @listing
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
    ) -> Listing[Charge]:
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
        return Listing(path_of("accounts", account_id, "charges"), params)

    @call
    def explain(self, account_id: str, request_id: str) -> Flow[dict[str, Any]]:
        """How the bill came about, step by step, from the request to the journal."""
        path = path_of("accounts", account_id, "charges", request_id, "explain")
        return cast(dict[str, Any], (yield Request("GET", path)).document)

    @call
    def refund(
        self,
        account_id: str,
        request_id: str,
        refund_id: str,
        *,
        reason: str,
        credits: int | None = None,
        outputs: Sequence[int] | None = None,
    ) -> Flow[dict[str, Any]]:
        """Gives back `credits`, or the `outputs` with these indexes, or else all that is left of the bill.
        Needs an admin or finance key."""
        path = path_of("accounts", account_id, "charges", request_id, "refunds")
        body = {
            "refund_id": refund_id,
            "reason": reason,
            "credits": credits,
            "outputs": None if outputs is None else list(outputs),
        }
        answer = yield Request("POST", path, body=present(body))
        return answer.resource()

    @listing
    def refunds(self, account_id: str, request_id: str) -> Listing[dict[str, Any]]:
        """The refunds of a charge."""
        return Listing(path_of("accounts", account_id, "charges", request_id, "refunds"), {})

    @listing
    def corrections(self, account_id: str, request_id: str) -> Listing[dict[str, Any]]:
        """What reconciliation has corrected of a charge's bill."""
        return Listing(path_of("accounts", account_id, "charges", request_id, "corrections"), {})

    @call
    def batch(self, operations: Sequence[Mapping[str, Any]]) -> Flow[list[BatchResult]]:
        """Up to 5,000 operations, answered in order. Not atomic: one that is refused fails alone, so look
        at each result's `status`."""
        body = {"operations": [present(operation) for operation in operations]}
        answer = yield Request("POST", "/v1/charges/batch", body=body)
        return cast(list[BatchResult], answer.document["results"])


def _begun(account_id: str, request_id: str, **body: Any) -> Flow[Charge]:
    body = present({"request_id": request_id, **body})
    answer = yield Request("POST", path_of("accounts", account_id, "charges"), body=body)
    return cast(Charge, answer.resource_of(account_id=account_id, request_id=request_id))


def _ended(account_id: str, request_id: str, how: str, **body: Any) -> Flow[Charge]:
    answer = yield Request("POST", path_of("accounts", account_id, "charges", request_id, how), body=present(body))
    return cast(Charge, answer.resource_of(account_id=account_id, request_id=request_id))
