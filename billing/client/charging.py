"""A call of a provider under a charge: what to do before it, and after it has ended one way or another.

    | the block ended                     | an image was delivered           | none was                              |
    | ----------------------------------- | -------------------------------- | ------------------------------------- |
    | normally                            | settled                          | settled at 0; open if the result      |
    |                                     |                                  | comes later (mode async, `resume`);   |
    |                                     |                                  | left to expire if a stream only began |
    | with an error                       | settled, the error goes on       | voided, the error goes on             |
    | stopped, or nobody knows (`outcome`)| settled, the error goes on       | left to expire, said in the log       |
    | with any error in `resume`          | settled, the error goes on       | left as it is: there will be a repeat |

What the customer has got is billed, whatever happened afterwards; of the rest nothing is. An image that the charging was
not told of counts as not delivered, so tell it before the image goes out.
"""

from __future__ import annotations

import json
import logging

from billing.client.call import Plan
from billing.client.charge import ChargeCalls
from billing.client.delivery import Delivery
from billing.client.documents import Charge, Quote
from billing.client.events import Reading
from billing.client.hearing import OpenResponse, ReadResponse, Relaying, ResponseBody, Told, told
from billing.client.outcome import Outcome, is_unknown
from billing.client.output import Output
from billing.client.problem import (
    UNREACHABLE,
    Problem,
    Settlement,
    Unsettled,
)
from billing.client.request import Flow
from billing.client.words import storable

_log = logging.getLogger("billing.client")


class _Calls(ChargeCalls, Plan):
    """The calls as flows."""


CALLS = _Calls()


class Charging:
    """An open charge while its provider is called. Tell it what came: `deliver`, `deliver_at`, `fail`."""

    def __init__(self, account_id: str, request_id: str) -> None:
        self.account_id = account_id
        self.request_id = request_id
        self._delivery = Delivery()
        self._hold: Charge | None = None
        self._bill: Charge | None = None
        self._unsettled: Unsettled | None = None
        self._outcome: Outcome = "open"

    # While the block runs.

    def deliver(self, delivered: object) -> bool:
        """What the provider delivered: an image (bytes, base64, a data URL), a list of images, or its whole answer, as
        parsed JSON or as an object of OpenAI's library. Only headers are read. May be called again for more: images
        take the next free indexes. Of a stream's events those that are no output are passed over: then it returns False.

        What cannot be measured is billed as quoted, flagged `unmeasured`; items that say why they failed are reported
        as failed, and so is what is missing in the end. Raises `NotUnderstood`, which leaves the hold to expire, for an
        answer of no known shape: what is not understood is not taken for nothing.
        """
        return self._delivery.add(delivered)

    def deliver_event(self, document: object) -> bool:
        """One event of the provider's stream, its data parsed, for who reads streams by hand; see `relay`. Returns
        whether it was of images, or of why there are none."""
        return self._delivery.add_event(document)

    def deliver_response(self, response: ReadResponse) -> Told:
        """A provider's whole response, as httpx has it (`status_code`, `content`), and what may be answered to the
        customer: the answer as it came, or an error without anything of ours in it.

        Takes JSON, streams and images, whichever was asked for. A refusal with which nothing was made is settled at 0;
        raises `OutcomeUnknown` where nobody can tell, which leaves the hold to expire: 408, 502, 504, pages of proxies.
        """
        return told(self._delivery, response)

    def relay(self, response: OpenResponse) -> Reading[bytes]:
        """The provider's response as a stream of events for the customer: `async for chunk in charge.relay(response)`,
        or `for`. Each final image is told before its bytes go out; previews and comments go out and are not counted.

        JSON becomes events; an error becomes an event without anything of ours in it. Raises `OutcomeUnknown`, after an
        event that says so, where nobody can tell what was made: a stream that ends without an image, for example. Who
        does not read it to its end leaves the hold to expire, unless an image came.
        """
        self._delivery.begun = True
        return Reading(Relaying(self._delivery, response.status_code, self.hold["operation"]), ResponseBody(response))

    def deliver_at(self, index: int, image: object) -> None:
        """The final image of an index from 0; the last one told counts."""
        self._delivery.put(index, image)

    def fail(self, index: int, reason: str) -> None:
        """The image of this index will not come; it costs nothing."""
        self._delivery.fail(index, reason)

    @property
    def hold(self) -> Charge:
        """The charge as it was authorized; `replayed` in it tells that the id was held before, by an attempt whose
        outcome nobody knew, or by one that still runs."""
        assert self._hold is not None, "there is a hold from the beginning of the block on"
        return self._hold

    @property
    def quote(self) -> Quote:
        """The quote that the hold is bound to. Raises RuntimeError where none was asked for (`resume`)."""
        raise RuntimeError("a resumed charge was quoted by who began it; its hold has the quoted credits")

    @property
    def expires_at(self) -> str | None:
        """When the hold ends by itself: RFC 3339, UTC."""
        return self.hold["expires_at"]

    # After it.

    @property
    def outcome(self) -> Outcome:
        """What became of the hold."""
        return self._outcome

    @property
    def bill(self) -> Charge:
        """The charge in its end: settled or voided. Raises RuntimeError while it has none; see `outcome`."""
        if self._bill is None:
            raise RuntimeError(f"no bill: the charge is {self._outcome}")
        return self._bill

    @property
    def outputs(self) -> list[Output]:
        """What is reported of each image, by index, as it stands now."""
        return self._delivery.outputs(self.hold["n"])

    @property
    def unsettled(self) -> Unsettled | None:
        """Set if the outcome is `unsettled`: what to settle again, later."""
        return self._unsettled

    # What a scope makes of it.

    def opening(self) -> Flow[None]:
        """Before the block. Raises `Problem`; then the provider must not be called."""
        raise NotImplementedError

    def closing(self, error: BaseException | None) -> Flow[None] | None:
        """After the block, which ended with `error` or normally: what is left to ask the service, if anything.

        The flow raises `Unsettled` if the block ended normally, and nothing otherwise: the block's own error goes on.
        """
        if self._delivery.delivered:
            self._outcome = "closing"
            return self._settling(error)
        if error is not None:
            if not self._begun_here or is_unknown(error):
                self._leave(f"the block ended with {words_of(error)}")
                return None
            return self._voiding(words_of(error))
        if not self._delivery.reported:
            if self.hold["mode"] == "async" or not self._begun_here:
                return None
            if self._delivery.begun:
                self._leave("the provider's stream began, and no image came")
                return None
            _log.warning("%s: the block ended and nothing was delivered: settled at 0", self)
        self._outcome = "closing"
        return self._settling(None)

    def could_not_close(self, closing: Flow[None]) -> None:
        """Nobody is left who could make the calls of `closing`."""
        closing.close()
        if self._delivery.delivered:
            self._stay_unsettled(Problem(0, UNREACHABLE, "the event loop has ended"))
        else:
            self._leave("the event loop has ended")

    def __str__(self) -> str:
        return f"charge {self.account_id} {self.request_id}"

    _begun_here = True
    """Whether an error in the block says that nothing will come: a resumed charge may be resumed again."""

    def _settling(self, error: BaseException | None) -> Flow[None]:
        outputs = self.outputs
        try:
            try:
                self._bill = yield from CALLS.settle(self.account_id, self.request_id, outputs)
            except Problem as problem:
                if problem.code != "charge_not_open":
                    raise
                yield from self._settling_closed(outputs, problem.facts.get("charge_status"))
            self._conclude()
        except Problem as problem:
            if not self._delivery.delivered:
                self._leave(f"nothing was delivered, and settling failed: {problem}")
            else:
                unsettled = self._stay_unsettled(problem)
                if error is None:
                    raise unsettled from problem
        except BaseException:  # the event loop is ending
            self._stay_unsettled(Problem(0, UNREACHABLE, "stopped while settling"))
            raise

    def _settling_closed(self, outputs: list[Output], status: object) -> Flow[None]:
        """Somebody else has settled or voided it, or it expired more than a day ago."""
        if self._delivery.delivered and status in ("voided", "expired"):
            _log.warning("%s: was %s meanwhile, and the images were delivered: settled by force", self, status)
            self._bill = yield from CALLS.settle(self.account_id, self.request_id, outputs, force=True)
        else:
            yield from self._reading_what_stands()

    def _voiding(self, reason: str) -> Flow[None]:
        try:
            try:
                self._bill = yield from CALLS.void(self.account_id, self.request_id, reason=reason)
            except Problem as problem:
                if problem.code != "charge_not_open":
                    raise
                yield from self._reading_what_stands()
            self._conclude()
        except Problem as problem:
            self._leave(f"voiding failed: {problem}")

    def _reading_what_stands(self) -> Flow[None]:
        self._bill = yield from CALLS.read_charge(self.account_id, self.request_id)
        _log.warning("%s: was %s by somebody else meanwhile; that stands", self, self._bill["status"])

    def _conclude(self) -> None:
        status = self.bill["status"]
        self._outcome = status if status in ("settled", "voided") else "left_to_expire"

    def _leave(self, why: str) -> None:
        self._outcome = "left_to_expire"
        _log.warning("%s: left to expire at %s: %s", self, self.expires_at, why)

    def _stay_unsettled(self, problem: Problem) -> Unsettled:
        self._outcome = "unsettled"
        settlement = Settlement(account_id=self.account_id, request_id=self.request_id, outputs=self.outputs)
        self._unsettled = Unsettled(settlement, problem, self.expires_at)
        _log.error("%s: delivered, not settled (%s); settle again: %s", self, problem, json.dumps(settlement))
        return self._unsettled


def words_of(error: BaseException) -> str:
    """An error as a reason that can be stored."""
    text = str(error)
    return storable(f"{type(error).__name__}: {text}" if text else type(error).__name__)
