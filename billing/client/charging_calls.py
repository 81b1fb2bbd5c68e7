"""How a charging begins: with a quote and a hold, or with a charge that was authorized elsewhere."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

from billing.client.charging import CALLS, Charging, words_of
from billing.client.documents import Charge, Mode, Operation, Quote
from billing.client.problem import OVER_MAX_CREDITS, AlreadyCharged, ChargeClosed, Problem
from billing.client.request import Flow
from billing.client.scope import scope

QUOTES = 3
"""How often a request is quoted before it is refused: a price that changes between quote and hold is quoted anew."""

_log = logging.getLogger("billing.client")


class NewCharging(Charging):
    """Begins with a quote and the hold that is bound to it."""

    def __init__(self, account_id: str, request_id: str, max_credits: int | None, order: Mapping[str, Any]) -> None:
        super().__init__(account_id, request_id)
        self._max_credits = max_credits
        self._order = order
        self._quote: Quote | None = None

    @property
    def quote(self) -> Quote:
        assert self._quote is not None, "there is a quote from the beginning of the block on"
        return self._quote

    def opening(self) -> Flow[None]:
        quoted = {name: self._order[name] for name in ("model", "n", "size", "quality", "operation")}
        for left in reversed(range(QUOTES)):
            self._quote = yield from CALLS.quote(**quoted)
            self._check_price(self._quote)
            try:
                self._hold = yield from self._authorizing(self._quote["price_version"])
                break
            except Problem as problem:
                if problem.code != "price_changed" or not left:
                    raise
        match self.hold["status"]:
            case "authorized":
                return
            case "settled":
                raise AlreadyCharged(self.hold)
            case _:
                raise ChargeClosed(self.hold)

    def _check_price(self, quote: Quote) -> None:
        if self._max_credits is not None and quote["max_credits"] > self._max_credits:
            facts = {"max_credits": self._max_credits, "required": quote["max_credits"], "quoted": quote["credits"]}
            detail = f"it could come to {quote['max_credits']} credits, and {self._max_credits} are allowed"
            raise Problem(402, OVER_MAX_CREDITS, detail, facts)

    def _authorizing(self, price_version: int) -> Flow[Charge]:
        try:
            return (yield from self._held(price_version))
        except Problem as problem:
            if problem.code == "id_reused" and problem.facts.get("differs") == ["price_version"]:
                return (yield from self._held_before(price_version, problem))
            if problem.retry == "same_id":
                self._leave_unseen(str(problem))
            raise
        except BaseException as error:
            self._leave_unseen(words_of(error))
            raise

    def _held_before(self, price_version: int, reused: Problem) -> Flow[Charge]:
        """The price version is part of a request's content: one that was held under an older price, or without naming
        one, is only known by that."""
        known = yield from CALLS.read_charge(self.account_id, self.request_id)
        for version in (known["price_version"], None):
            if version != price_version:
                try:
                    return (yield from self._held(version))
                except Problem as problem:
                    if problem.code != "id_reused":
                        raise
        raise reused

    def _held(self, price_version: int | None) -> Flow[Charge]:
        return CALLS.authorize(self.account_id, self.request_id, **self._order, price_version=price_version)

    def _leave_unseen(self, why: str) -> None:
        _log.warning("%s: authorized or not, nobody knows (%s); a hold would be left to expire", self, why)


class ResumedCharging(Charging):
    """Begins with a charge that was authorized elsewhere: for callbacks and pollers of tasks."""

    _begun_here = False

    def opening(self) -> Flow[None]:
        self._hold = yield from CALLS.read_charge(self.account_id, self.request_id)
        match self._hold["status"]:
            case "authorized" | "expired":  # what comes late is billed late
                return
            case "settled":
                raise AlreadyCharged(self._hold)
            case _:
                raise ChargeClosed(self._hold)


class ChargingCalls:
    """Context managers around a provider's call. Entering raises `Problem`, and then the provider is not called: when
    credits are short (402), when the id's charge is over (`ChargeClosed`, `AlreadyCharged`), and when billing cannot
    be reached. Leaving settles, voids or leaves the hold to expire, by the table of `billing.client.charging`; it raises
    `Unsettled` where images were delivered and the bill could not be posted.
    """

    @scope
    def charging(
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
        max_credits: int | None = None,
    ) -> Charging:
        """Quotes, and holds the quoted cost for `hold_seconds` (the service's default: 900) at the quoted price.

        `max_credits` refuses what could come to more (`over_max_credits`), nothing held. The same `request_id` again
        goes on with the same hold, as long as it is open: use it for repeats. In mode `async` a block that ends
        normally without any delivery leaves the charge open, to be resumed when the result comes.
        """
        order = {
            "model": model,
            "operation": operation,
            "mode": mode,
            "n": n,
            "size": size,
            "quality": quality,
            "hold_seconds": hold_seconds,
            "api_key_id": api_key_id,
            "end_user": end_user,
            "metadata": metadata,
        }
        return NewCharging(account_id, request_id, max_credits, order)

    @scope
    def resume(self, account_id: str, request_id: str) -> Charging:
        """Goes on with a charge that was authorized before, perhaps by another process. A block that ends without any
        delivery, or with an error, leaves the charge as it is; report failure with `fail` or the provider's answer."""
        return ResumedCharging(account_id, request_id)
