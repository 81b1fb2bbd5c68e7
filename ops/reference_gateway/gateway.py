"""The gateway's whole business: no image without a hold, no bill without an image.

`billing.charging` is all there is to it. The rest of this file is how the ends of a provider's call are told.
"""

from __future__ import annotations

import logging
from contextlib import AsyncExitStack, aclosing
from typing import Any

from billing.client import (
    BillingClient,
    Charging,
    Comment,
    NotUnderstood,
    Problem,
    Unsettled,
    Whole,
    is_preview,
    refusal_in,
)

from .answer import Answer, Made, answer_of, bill_of, headers_of
from .customers import Customer
from .errors import Again, Refused, of_problem
from .image_request import ImageRequest
from .opening import Opening
from .provider import Declined, Provider, Silent, not_understood, refused_with
from .unsettled import UnsettledBills
from .wish import Asking, Wish

_log = logging.getLogger("gateway")


class Gateway:
    """Makes images under charges. Every method raises `Refused`, with headers that tell the charge's outcome."""

    def __init__(
        self,
        billing: BillingClient,
        provider: Provider,
        unsettled: UnsettledBills,
        *,
        hold_seconds: int,
        task_hold_seconds: int,
    ) -> None:
        self._billing = billing
        self._provider = provider
        self._unsettled = unsettled
        self._opening = Opening(billing, unsettled)
        self._hold_seconds = hold_seconds
        self._task_hold_seconds = task_hold_seconds

    async def make(self, wish: Wish, asking: Asking, request: ImageRequest) -> Answer:
        """Images, while the customer waits for them. Cancelled before they have arrived, it leaves the hold to
        expire."""
        charge = None
        try:
            async with AsyncExitStack() as stack:
                charge = await self._opening.enter(
                    stack,
                    wish,
                    asking,
                    **request.terms(),
                    api_key_id=asking.customer.api_key_id,
                    hold_seconds=self._hold_seconds,
                )
                made = await self._ask(request, charge, wish)
        except Problem as problem:
            raise self._not_held(asking.customer, wish.ids.current, problem) from problem
        except Refused as refused:
            raise self._ended(charge, refused) from refused
        except Unsettled as unsettled:
            self._unsettled.keep(unsettled.settle_again())
        assert charge is not None, "the block was entered"
        return self._answered(made, charge)

    async def hold(self, wish: Wish, asking: Asking, request: ImageRequest) -> str:
        """The first half of a task: the charge stays open, for `make_held` to end it, today or in another process.
        Returns the charge's id."""
        try:
            async with AsyncExitStack() as stack:
                charge = await self._opening.enter(
                    stack,
                    wish,
                    asking,
                    **request.terms(),
                    mode="async",
                    api_key_id=asking.customer.api_key_id,
                    hold_seconds=self._task_hold_seconds,
                )
        except Problem as problem:
            raise self._not_held(asking.customer, wish.ids.current, problem) from problem
        return charge.request_id

    async def make_held(self, wish: Wish, customer: Customer, request_id: str, request: ImageRequest) -> Answer:
        """The second half of a task."""
        charge = declined = None
        made = Made(request)
        try:
            async with self._billing.resume(customer.account_id, request_id) as charge:
                try:
                    made = await self._ask(request, charge, wish)
                except Declined as refused:  # there will be no other try: say what failed, and it is settled at 0
                    declined = refused
                    charge.deliver(refused.document)
        except Problem as problem:
            raise self._not_held(customer, request_id, problem) from problem
        except Refused as refused:
            raise self._ended(charge, refused) from refused
        except Unsettled as unsettled:
            self._unsettled.keep(unsettled.settle_again())
        assert charge is not None, "the block was entered"
        if declined is not None:
            raise self._ended(charge, declined) from declined
        return self._answered(made, charge)

    async def _ask(self, request: ImageRequest, charge: Charging, wish: Wish) -> Made:
        """What the provider makes, told to the charging before anybody else hears of it."""
        made = Made(request)
        try:
            name = f"{charge.account_id}/{charge.request_id}"
            async with aclosing(self._provider.answer(request, name)) as parts:
                async for part in parts:
                    match part:
                        case Comment():
                            wish.emit(part)
                        case Whole():
                            error = refusal_in(part.document)
                            made.refused = None if error is None else refused_with(error)
                            charge.deliver(part.document)
                            wish.arrived = True
                            made.add(part.document)
                            return made
                        case _:
                            self._hear(part, request, made, charge, wish)
                    if made.complete:
                        return made
        except NotUnderstood as odd:
            if not made:  # else the images that came are the customer's
                raise not_understood(odd) from odd
        except (Silent, Declined):
            if not made:
                raise
        if not made.heard:
            raise not_understood(NotUnderstood("its stream ended without an image"))
        return made

    def _hear(self, event: dict[str, Any], request: ImageRequest, made: Made, charge: Charging, wish: Wish) -> None:
        """One event of the provider's stream. Raises `Declined` or `Silent` if it is an error."""
        if is_preview(event):
            if request.stream:
                wish.emit(made.preview(event))
        elif (error := refusal_in(event)) is not None:
            raise refused_with(error)
        elif charge.deliver_event(event):
            wish.arrived = True
            made.add(event)

    def _answered(self, made: Made, charge: Charging) -> Answer:
        if not any(output["status"] == "succeeded" for output in charge.outputs):
            message = "The provider failed to make an image; nothing was charged."
            refused = Refused(502, "server_error", "no_image", message, again=Again.SOON)
            raise self._ended(charge, made.refused or refused)
        answer = answer_of(made, charge)
        _log.info("%s: %s, %s credits", charge, charge.outcome, answer.headers.get("X-Billing-Credits", "?"))
        return answer

    def _ended(self, charge: Charging | None, refused: Refused) -> Refused:
        if charge is None:  # refused before there was one
            return refused
        _log.info("%s: %s, %s", charge, charge.outcome, refused.error["code"])
        refused.may_be_held = charge.outcome == "left_to_expire"
        refused.headers |= headers_of(charge)
        refused.error["billing"] = bill_of(charge)
        return refused

    def _not_held(self, customer: Customer, request_id: str, problem: Problem) -> Refused:
        refused = of_problem(problem)
        if refused.status >= 500:
            _log.error("charge %s %s: nothing held: %s", customer.account_id, request_id, problem)
        else:  # what the customer said stays out of the log
            _log.info("charge %s %s: nothing held: %s", customer.account_id, request_id, problem.code)
        return refused
