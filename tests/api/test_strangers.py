"""Strangers: what they send is not kept, is not asked for one by one, and keeps nobody out who has a key."""

import asyncio
from collections.abc import Mapping, Sequence

import pytest

from billing.http.attempts import ADDRESSES, BURST, Attempts
from billing.http.key_ring import KeyRing
from billing.http.look_ups import ABSENT_AT_MOST, LookUps
from billing.http.refusals import TooManyAttempts
from billing.store.engine import read_engine, work_engine
from billing.store.keys import create_key, new_secret
from billing.store.refusals import Overloaded
from tests.dashboard.browser import FORM, HERE

from .service import Api, problem

HERE_TOO = ("2001:db8::1", 1)


def test_wrong_keys_are_told_to_wait_and_a_right_one_is_let_in_beside_them(fresh: Api) -> None:
    unmet = fresh.new_key("finance")["key"]  # nobody has used it: it has to be looked up
    revoked = new_secret()
    wrong = [fresh.get("/v1/accounts", new_secret()) for _ in range(BURST + 5)]
    assert {answer.status_code for answer in wrong[: BURST - 1]} == {401}
    late = problem(wrong[-1], 429, "too_many_attempts")
    assert int(wrong[-1].headers["retry-after"]) == late["retry_after_seconds"] == 1
    for right in ("gateway", "admin", unmet):
        assert fresh.get("/v1/accounts", right).status_code == 200
    fresh.get("/v1/accounts", revoked)
    problem(fresh.get("/v1/accounts", revoked), 401, "unauthenticated")  # known to be wrong: it costs no look
    for nothing in ("x", "bk_short", "x" * 400_000):
        problem(fresh.get("/v1/accounts", nothing), 401, "unauthenticated")


def test_failed_sign_ins_are_told_to_wait_and_a_right_one_is_let_in_beside_them(fresh: Api) -> None:
    def enter(secret: str) -> int:
        answer = fresh.client.post("/sign-in", data={"key": secret}, headers=HERE | FORM, follow_redirects=False)
        fresh.client.cookies.clear()
        return int(answer.status_code)

    statuses = [enter(f"guess-{number}") for number in range(BURST + 5)]
    assert (statuses[0], statuses[-1]) == (401, 429)
    assert enter(fresh.new_key("finance")["key"]) == 303


async def test_a_thousand_wrong_keys_are_a_few_questions_and_leave_digests_only(database: str) -> None:
    asked: list[int] = []

    async def ask(digests: Sequence[bytes]) -> dict[bytes, int]:
        asked.append(len(digests))
        await asyncio.sleep(0)
        return {}

    look_ups: LookUps[int] = LookUps(ask)
    await asyncio.gather(*(look_ups.find(number.to_bytes(32)) for number in range(2 * ABSENT_AT_MOST)))
    assert sum(asked) == 2 * ABSENT_AT_MOST
    assert len(asked) < 10
    assert not look_ups.is_absent((0).to_bytes(32))
    assert look_ups.is_absent((2 * ABSENT_AT_MOST - 1).to_bytes(32))
    assert len(look_ups._absent) == ABSENT_AT_MOST

    engine = read_engine(database, size=1)
    ring = KeyRing(engine, None)
    work = work_engine(database, size=1)
    _, real = await create_key(work, "finance", None, "real")
    await work.dispose()
    assert await ring.find(real)
    wrong = [new_secret() for _ in range(200)]
    await asyncio.gather(*(ring.find(secret, HERE_TOO) for secret in wrong), return_exceptions=True)
    assert len(ring._known) == 1
    await engine.dispose()


async def test_who_waits_behind_a_look_up_that_fails_does_not_wait_for_another() -> None:
    """A silent database: a second question would take as long as the first, and callers wait for one of them."""
    asked, begun, fails = 0, asyncio.Event(), asyncio.Event()

    async def ask(_: Sequence[bytes]) -> Mapping[bytes, int]:
        nonlocal asked
        asked += 1
        begun.set()
        await fails.wait()
        raise Overloaded()

    look_ups: LookUps[int] = LookUps(ask)
    first = asyncio.create_task(look_ups.find(b"first"))
    await begun.wait()
    behind = asyncio.create_task(look_ups.find(b"behind"))
    await asyncio.sleep(0)
    fails.set()
    heard = await asyncio.gather(first, behind, return_exceptions=True)
    assert [type(one) for one in heard] == [Overloaded] * 2
    assert asked == 1
    with pytest.raises(Overloaded):
        await look_ups.find(b"later")
    assert asked == 2


def test_addresses_are_told_apart_and_forgotten() -> None:
    attempts = Attempts()
    for number in range(BURST):
        attempts.failed((f"2001:db8:0:0:{number:x}::1", 1))  # one customer of a provider's
    with pytest.raises(TooManyAttempts):
        attempts.failed(("2001:db8::2", 2))
    assert attempts.used_up(("2001:db8::3", 3))
    for other in (("2001:db8:0:1::1", 1), ("192.0.2.1", 1), ("unix", 0), None):
        assert not attempts.used_up(other)
        attempts.failed(other)
    for number in range(ADDRESSES):
        attempts.failed((f"10.{number >> 16}.{number >> 8 & 255}.{number & 255}", 1))
    assert len(attempts._buckets) == ADDRESSES
    assert not attempts.used_up(("2001:db8::3", 3))
