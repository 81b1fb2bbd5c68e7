"""The table of what becomes of a hold, for any block: played without a network, because a charging is a flow."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from billing.client import Charging, Problem, Unsettled
from billing.client.charging_calls import NewCharging
from billing.client.request import Answer, Flow, Request

from .pictures import picture

N = 3
IMAGE = picture(640, 480)


class Ledger:
    """Answers a flow's requests as the service would, for one charge; `open_to` is how many calls get an answer."""

    def __init__(self, open_to: int = 1_000) -> None:
        self.status = "authorized"
        self.billed: list[Any] | None = None
        self.open_to = open_to

    def run(self, flow: Flow[None]) -> None:
        try:
            request = next(flow)
            while True:
                self.open_to -= 1
                if self.open_to < 0:
                    request = flow.throw(Problem(0, "unreachable"))
                else:
                    request = flow.send(Answer(200, self.document(request), False))
        except StopIteration:
            return

    def document(self, request: Request) -> Any:
        body: Any = request.body
        if request.path.endswith("/quotes"):
            return {"credits": 1, "max_credits": 1, "price_version": 1}
        if request.path.endswith("/settle"):
            assert self.billed is None, "settled twice"
            self.status, self.billed = "settled", body["outputs"]
        if request.path.endswith("/void"):
            self.status = "voided"
        ids = {"account_id": "acme", "request_id": "r1"}
        return ids | {
            "status": self.status,
            "n": N,
            "mode": "sync",
            "operation": "generation",
            "expires_at": "2026-03-01T00:15:00Z",
        }


def opened(ledger: Ledger) -> Charging:
    order = {"model": "gpt-image-2", "n": N, "size": "auto", "quality": "auto", "operation": "generation"}
    charge = NewCharging("acme", "r1", None, order)
    ledger.run(charge.opening())
    return charge


ACTS: dict[str, Callable[[Charging], None]] = {
    "an image": lambda charge: charge.deliver(IMAGE),
    "two images": lambda charge: charge.deliver([IMAGE, IMAGE]),
    "image 1": lambda charge: charge.deliver_at(1, IMAGE),
    "image 7": lambda charge: charge.deliver_at(7, IMAGE),
    "no image 0": lambda charge: charge.fail(0, "moderation"),
    "no image 1": lambda charge: charge.fail(1, "moderation"),
    "an error": lambda charge: charge.deliver({"error": "later"}),
    "part of one": lambda charge: charge.deliver({"type": "image_generation.partial_image", "b64_json": "QUJD"}),
    "an unreadable one": lambda charge: charge.deliver(b"<svg/>"),
    "an empty one": lambda charge: charge.deliver(b""),
    "junk": lambda charge: charge.deliver([None, 7, "", True, {}]),
}
CERTAIN = [ValueError("odd"), httpx.ConnectError("refused")]
UNKNOWN = [TimeoutError(), asyncio.CancelledError(), KeyboardInterrupt(), GeneratorExit(), httpx.ReadError("broken")]


@given(st.lists(st.sampled_from(sorted(ACTS)), max_size=5), st.sampled_from([None, *CERTAIN, *UNKNOWN]), st.booleans())
def test_whatever_happens_what_was_delivered_is_billed_once_and_nothing_else(
    acts: list[str], error: BaseException | None, reachable: bool
) -> None:
    ledger = Ledger()
    charge = opened(ledger)
    for act in acts:
        ACTS[act](charge)
    outputs = charge.outputs
    delivered = [one["index"] for one in outputs if one["status"] == "succeeded"]
    assert [one["index"] for one in outputs if one["index"] < N] == list(range(N))
    if not reachable:
        ledger.open_to = 0

    closing = charge.closing(error)
    raised: BaseException | None = None
    if closing is not None:
        try:
            ledger.run(closing)
        except Unsettled as unsettled:
            raised = unsettled

    if delivered:
        assert charge.outcome == ("settled" if reachable else "unsettled")
        assert (raised is not None) == (not reachable and error is None)
        if not reachable:
            assert charge.unsettled is not None
            assert charge.unsettled.settle_again()["outputs"] == outputs
    else:
        assert raised is None
        wanted = "left_to_expire" if error in UNKNOWN or not reachable else "settled" if error is None else "voided"
        assert charge.outcome == wanted
    if charge.outcome == "settled":
        billed = ledger.billed or []
        assert [one["index"] for one in billed if one["status"] == "succeeded"] == delivered
    else:
        assert ledger.billed is None


def test_each_index_has_one_image_and_free_ones_are_filled_in_order() -> None:
    charge = opened(Ledger())
    charge.deliver_at(1, picture(16, 16))
    charge.deliver([picture(32, 16), picture(48, 16)])
    charge.deliver_at(1, picture(64, 16))
    charge.deliver({"data": [{"b64_json": "===="}], "error": None})
    assert [(one["index"], one["width"]) for one in charge.outputs] == [(0, 32), (1, 64), (2, 48), (3, None)]
    with pytest.raises(ValueError, match="no index"):
        charge.deliver_at(-1, IMAGE)


def test_looking_takes_no_index() -> None:
    charge = opened(Ledger())
    assert [one["status"] for one in charge.outputs] == ["failed"] * N
    charge.deliver(IMAGE)
    assert [one["status"] for one in charge.outputs] == ["succeeded", "failed", "failed"]


def test_a_reason_that_an_answer_gives_is_why_the_rest_is_missing() -> None:
    charge = opened(Ledger())
    charge.deliver(IMAGE)
    charge.deliver({"error": {"code": "moderation_blocked", "message": "no"}})
    assert [one["reason"] for one in charge.outputs] == [None, *["moderation_blocked: no"] * 2]
