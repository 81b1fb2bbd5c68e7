"""Whose wish a request is for, without a gateway: every state of a wish, every kind of caller."""

from __future__ import annotations

import asyncio
import re
from dataclasses import dataclass
from typing import Any

import pytest

from billing.client import Comment
from ops.reference_gateway.caller import Caller
from ops.reference_gateway.charge_ids import ChargeIds
from ops.reference_gateway.customers import Customer
from ops.reference_gateway.errors import Refused
from ops.reference_gateway.image_request import ImageRequest
from ops.reference_gateway.visit import HungUp, Visit
from ops.reference_gateway.wish import (
    MEMBERS_SECONDS,
    MOST_SIGNS,
    MOST_WAITING,
    REPEAT_SECONDS,
    Asking,
    State,
    Wish,
    choose,
)
from ops.reference_gateway.wishes import Wishes

ACME = Customer("acme", "acme-web")
SDK = "ai/7.0.173 ai-sdk/openai/3.0.141"


def _asking(prompt: str = "p", n: int = 1, customer: Customer = ACME, **headers: Any) -> Asking:
    caller = Caller.of({name.replace("_", "-"): text for name, text in headers.items()})
    return Asking.of(customer, caller, ImageRequest(prompt=prompt, n=n), "sync")


KEYED = _asking(idempotency_key="k")
SPLIT = _asking(idempotency_key="k", user_agent=SDK)
FIRST = _asking(x_stainless_retry_count="0")
AGAIN = _asking(x_stainless_retry_count="1")
SILENT = _asking()


@dataclass
class Kept:
    weight: int = 1


async def _wish(asking: Asking, state: State, **more: Any) -> Wish:
    wish = Wish(asking, ChargeIds(asking.caller.key), 0.0, state, **more)
    if state is State.WORKING:
        wish.work = asyncio.create_task(asyncio.sleep(0, Kept()))
    if state is State.ANSWERED:
        wish.answer = Kept()
    return wish


# The wish's state, and who takes it: with a key, of a call that is split, sent again, first sent, silent about it.
TABLE: dict[str, tuple[State, dict[str, Any], str]] = {
    "left with a hold": (State.HELD, {}, "key split again first silent"),
    "left by all who asked": (State.WORKING, {}, "key split again first silent"),
    "answered, and nobody got it": (State.ANSWERED, {}, "key split again first silent"),
    "a task that was taken and left with a hold": (State.HELD, {"delivered": True}, "key split again first silent"),
    "come to nothing": (State.OVER, {}, "key split again"),
    "waited for": (State.WORKING, {"attended": 1}, "key again"),
    "being sent": (State.ANSWERED, {"attended": 1}, "key split again"),
    "answered": (State.ANSWERED, {"delivered": True}, "key split again"),
}


@pytest.mark.parametrize(("state", "more", "takers"), TABLE.values(), ids=TABLE.keys())
async def test_who_takes_a_wish(state: State, more: dict[str, Any], takers: str) -> None:
    askings = {"key": KEYED, "split": SPLIT, "again": AGAIN, "first": FIRST, "silent": SILENT}
    taken = [kind for kind, asking in askings.items() if choose([await _wish(asking, state, **more)], asking, 1.0)]
    assert taken == takers.split()


async def test_a_repeat_comes_soon_or_is_none() -> None:
    answered = await _wish(AGAIN, State.ANSWERED, delivered=True)
    assert choose([answered], AGAIN, REPEAT_SECONDS - 1) is answered
    assert choose([answered], AGAIN, REPEAT_SECONDS) is None


async def test_a_repeat_takes_what_nobody_got_before_what_somebody_did() -> None:
    wishes = [
        await _wish(AGAIN, State.ANSWERED, delivered=True, handed=1),
        await _wish(AGAIN, State.OVER),
        await _wish(AGAIN, State.HELD),
        await _wish(AGAIN, State.HELD),
    ]
    assert choose(wishes, AGAIN, 1.0) is wishes[2]
    assert choose(wishes[:2], AGAIN, 1.0) is wishes[1]


async def test_parts_of_a_split_call_come_together_and_repeats_get_one_each() -> None:
    wishes = [await _wish(SPLIT, State.WORKING, attended=1, handed=2), await _wish(SPLIT, State.WORKING, attended=1)]
    assert choose(wishes, SPLIT, MEMBERS_SECONDS - 0.1) is None
    assert choose(wishes, SPLIT, MEMBERS_SECONDS) is wishes[1]
    rest = _asking(n=2, idempotency_key="k", user_agent=SDK)
    assert choose(wishes, rest, 1.0) is None
    with pytest.raises(Refused):
        choose(wishes, _asking("another", idempotency_key="k", user_agent=SDK), 1.0)


@pytest.mark.parametrize("state", State)
async def test_a_key_stands_for_one_request_as_long_as_it_is_more_than_nothing(state: State) -> None:
    """Whether a hold is open billing knows."""
    wish = await _wish(KEYED, state, attended=1)
    for other in (
        _asking("another", idempotency_key="k"),
        _asking(customer=Customer("acme", "app"), idempotency_key="k"),
    ):
        if state in (State.WORKING, State.ANSWERED):
            with pytest.raises(Refused) as caught:
                choose([wish], other, 1.0)
            assert (caught.value.status, caught.value.error["code"]) == (422, "request_id_reused")
        else:
            assert choose([wish], other, 1.0) is None


def test_what_headers_tell() -> None:
    said = {"idempotency-key": '"a \\"key\\""', "x-request-id": "Root=1-67;\x00é" + "x" * 300}
    caller = Caller.of(said | {"x-stainless-retry-count": "2", "user-agent": "me/1 " + SDK})
    assert (caller.key, caller.repeat, caller.splits) == ('a "key"', 2, True)
    assert caller.trace is not None
    assert caller.trace.startswith("Root=1-67;x")
    assert len(caller.trace) == 255
    assert Caller.of({"x-stainless-retry-count": "many", "user-agent": "OpenAI/Python ai-tools/1"}) == Caller()


@pytest.mark.parametrize("key", ["x" * 256, "a\tb", '""', " ", "\x7f", "\xc2\x80", "\x00"])
def test_what_is_no_key(key: str) -> None:
    with pytest.raises(Refused):
        Caller.of({"idempotency-key": key})


@pytest.mark.parametrize("key", ["r1", "a b", "ü" * 255, "x" * 64, "x" * 65, "..", f"a:{'0' * 24}"])
def test_ids_of_charges_are_ids_of_the_ledger_and_never_those_of_another_wish(key: str) -> None:
    ids = [ChargeIds(key).of(1), ChargeIds(key).of(2), ChargeIds(key, "1.1").of(1), ChargeIds(None).of(1)]
    assert all(re.fullmatch(r"(?!\.{1,2}$)[A-Za-z0-9_.:-]{1,64}", found) for found in ids)
    assert len(set(ids)) == 4
    assert all(ChargeIds(found).current != found for found in ids[1:])  # whoever sends them gets others
    assert ChargeIds(key).of(2) == ids[1]


class Bench:
    """Works for as long as it is told, and counts how often it was begun."""

    def __init__(self, **settings: Any) -> None:
        self.wishes = Wishes(**{"kept_bytes": 100, "kept_seconds": 300, "linger_seconds": 30.0, **settings})
        self.begun: list[Wish] = []
        self.ready = asyncio.Event()
        self.gone = asyncio.create_task(asyncio.sleep(60))

    async def work(self, wish: Wish) -> Kept:
        self.begun.append(wish)
        await self.ready.wait()
        return Kept(30)

    def visit(self, asking: Asking) -> Visit:
        return self.wishes.visit(asking, self.work)

    async def hang_up(self, asking: Asking) -> None:
        visit, gone = self.visit(asking), asyncio.create_task(asyncio.sleep(0))
        with pytest.raises(HungUp):
            await visit.answer(gone, 60)
        visit.leave()

    async def fetch(self, asking: Asking) -> Visit:
        self.ready.set()
        visit = self.visit(asking)
        await visit.answer(self.gone, 60)
        visit.delivered()
        visit.leave()
        return visit


@pytest.mark.parametrize(("asking", "begun"), [(KEYED, 1), (FIRST, 1), (SILENT, 2)], ids=["key", "repeats", "silent"])
async def test_work_goes_on_if_there_will_be_a_repeat(asking: Asking, begun: int) -> None:
    bench = Bench()
    await bench.hang_up(asking)
    await bench.fetch(asking)
    assert len(bench.begun) == begun
    assert len({wish.ids.current for wish in bench.begun}) == 1


async def test_without_a_key_it_goes_on_for_a_bounded_time() -> None:
    bench = Bench(linger_seconds=0.0)
    for asking in (KEYED, FIRST):
        await bench.hang_up(asking)
    kept, left = bench.begun
    assert left.work is not None
    await asyncio.wait({left.work})
    assert (kept.state, left.state) == (State.WORKING, State.HELD)
    await bench.wishes.close()


async def test_what_is_kept_is_bounded() -> None:
    bench = Bench()
    askings = [_asking(str(number), idempotency_key=str(number)) for number in range(4)]
    for asking in askings:
        await bench.fetch(asking)
    assert [wish.answer is not None for wish in bench.begun] == [False, True, True, True]
    for _ in range(200):
        await bench.fetch(SILENT)
    assert len(bench.wishes._by_name[SILENT.name]) <= 65


async def test_what_waits_for_who_does_not_read_is_bounded() -> None:
    bench = Bench()
    visit = bench.visit(SILENT)
    wish = visit._wish
    for _ in range(1_000):
        wish.emit(Comment("alive"))
    assert visit._partials.qsize() == MOST_SIGNS
    for _ in range(1_000):
        wish.emit({"b64_json": "x"})
    assert visit._partials.qsize() == MOST_WAITING
    visit.leave()
    await bench.wishes.close()


async def test_images_that_are_there_are_not_thrown_away() -> None:
    bench = Bench()
    visit = bench.visit(SILENT)
    await asyncio.sleep(0)
    bench.begun[0].arrived = True  # and are being billed
    visit.leave()
    await bench.fetch(SILENT)
    assert len(bench.begun) == 1
