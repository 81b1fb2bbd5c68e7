"""Many callers at once, on real commits: what is left is left once, and everybody is told the truth."""

import asyncio
import json
import random
import sys
from pathlib import Path

import pytest

from billing.core.answers import AccountAnswer, ChargeAnswer, RefundAnswer
from billing.core.charges import Reported
from billing.core.commands import Authorize, IssueGrant, Lapse, OpenAccount, Refund, Settle, Void
from billing.core.refusals import ChargeNotOpen, IdReused, InsufficientCredits, RefundExceedsBill
from billing.posting import Posting
from billing.store.refusals import Overloaded

RACER = Path(__file__).parent / "racer.py"
ONE_K, FOUR_K = Reported(0, "succeeded", 1024, 1024, None), Reported(0, "succeeded", 3840, 2160, None)


def low(account, request_id, **more):
    """A request for one credit."""
    return Authorize(account, request_id, "gpt-image-2", quality="low", **more)


async def at_once(posting, commands):
    """Each command from a caller of its own; what each was told, refusals too."""
    return await asyncio.gather(*(posting.post(command) for command in commands), return_exceptions=True)


def of_kind(results, kind):
    return [result for result in results if isinstance(result, kind)]


async def test_concurrent_requests_overspend_the_balance(posting, account, audit):
    """Two hundred callers, credits for seven: seven are served, the others are told what is missing."""
    await posting.post(IssueGrant(account, "g", "purchase", 7))
    results = await at_once(posting, [low(account, f"r{i}") for i in range(200)])
    assert len(of_kind(results, ChargeAnswer)) == 7
    refused = of_kind(results, InsufficientCredits)
    assert len(refused) == 193
    assert all((r.available, r.required) == (0, 1) or r.available < r.required for r in refused)
    tables = (await audit(account))[account]
    assert (tables.account["posted"], tables.account["held"], len(tables.charge)) == (7, 7, 7)


async def test_equal_requests_at_once_take_effect_once(posting, account, audit):
    await posting.post(IssueGrant(account, "g", "purchase", 100))
    results = await at_once(posting, [low(account, "same", outputs=(ONE_K,)) for _ in range(50)])
    assert sorted(result.replayed for result in results) == [False] + [True] * 49
    assert {result.balance for result in results} == {(99, 0, 99)}
    assert len((await audit(account))[account].charge) == 1


async def test_one_id_for_two_requests_at_once(posting, account, audit):
    """Whoever comes first owns the id."""
    await posting.post(IssueGrant(account, "g", "purchase", 100))
    requests = [low(account, "same", n=1 + i % 2) for i in range(20)]
    results = await at_once(posting, requests)
    winner = next(i for i, result in enumerate(results) if isinstance(result, ChargeAnswer) and not result.replayed)
    for i, result in enumerate(results):
        assert isinstance(result, ChargeAnswer if i % 2 == winner % 2 else IdReused)
    assert len((await audit(account))[account].charge) == 1


async def test_grants_retried_at_once_are_granted_once(posting, account, audit):
    results = await at_once(posting, [IssueGrant(account, "topup", "purchase", 500) for _ in range(40)])
    assert sorted(result.replayed for result in results) == [False] + [True] * 39
    assert (await audit(account))[account].account["posted"] == 500


async def test_settled_twice_at_once_with_different_outputs(posting, account, audit):
    await posting.post(IssueGrant(account, "g", "purchase", 100))
    for i in range(20):
        await posting.post(low(account, f"r{i}"))
        results = await at_once(posting, [Settle(account, f"r{i}", (image,)) for image in (ONE_K, FOUR_K)])
        assert len(of_kind(results, ChargeAnswer)) == 1
        assert [refusal.charge_status for refusal in of_kind(results, ChargeNotOpen)] == ["settled"]
    await audit(account)


async def test_refunds_racing_never_return_more_than_the_bill(posting, account, audit):
    await posting.post(IssueGrant(account, "g", "purchase", 100))
    images = tuple(Reported(i, "succeeded", 1024, 1024, None) for i in range(10))
    await posting.post(low(account, "r", n=10, outputs=images))
    results = await at_once(posting, [Refund(account, "r", f"f{i}", "sorry", credits=3) for i in range(30)])
    assert len(of_kind(results, RefundAnswer)) == 3
    assert {refusal.refundable for refusal in of_kind(results, RefundExceedsBill)} == {1}
    tables = (await audit(account))[account]
    assert (tables.account["posted"], tables.charge[0]["refunded_credits"]) == (99, 9)


async def test_one_refund_retried_at_once_is_paid_once(posting, account, audit):
    await posting.post(IssueGrant(account, "g", "purchase", 100))
    await posting.post(low(account, "r", outputs=(ONE_K,)))
    results = await at_once(posting, [Refund(account, "r", "f", "sorry") for _ in range(20)])
    assert sorted(result.replayed for result in results) == [False] + [True] * 19
    assert (await audit(account))[account].account["posted"] == 100


async def test_settle_against_void_against_expiry(fresh_database, books, server, new_account_id, audit_of):
    """Holds run out while they are settled, voided and lapsed by two services: one of them wins, each time."""
    account = new_account_id()
    async with audit_of(fresh_database) as (owner, audit):
        await owner.execute("CREATE SCHEMA clock")
        await owner.execute("CREATE TABLE clock.ahead (by interval NOT NULL)")
        await owner.execute("INSERT INTO clock.ahead VALUES ('0')")
        await owner.execute(
            "CREATE FUNCTION clock.clock_timestamp() RETURNS timestamptz LANGUAGE sql VOLATILE "
            "AS 'SELECT pg_catalog.clock_timestamp() + by FROM clock.ahead'"
        )
        await owner.execute("GRANT USAGE ON SCHEMA clock TO billing_service")
        await owner.execute("GRANT SELECT ON clock.ahead TO billing_service")
        name = await owner.fetchval("SELECT current_database()")
        await owner.execute(f"ALTER DATABASE {name} SET search_path = clock, pg_catalog, public")
        async with (
            Posting(fresh_database, lambda: books, lanes=1) as one,
            Posting(fresh_database, lambda: books, lanes=1) as other,
        ):
            await one.post(OpenAccount(account))
            await one.post(IssueGrant(account, "g", "purchase", 1_000))
            held = [await one.post(low(account, f"r{i}", hold_seconds=30)) for i in range(60)]
            # The clock jumps to where the first holds are past their time and the last ones are not.
            middle = held[30].charge.expires_at - await owner.fetchval("SELECT clock_timestamp()")
            await owner.execute("UPDATE clock.ahead SET by = $1", middle)
            services = [one, other]
            calls = []
            for i in range(60):
                calls += [(random.choice(services), Settle(account, f"r{i}", (ONE_K,)))]
                calls += [(random.choice(services), Void(account, f"r{i}")), (random.choice(services), Lapse(account))]
            random.shuffle(calls)
            results = await asyncio.gather(*(s.post(command) for s, command in calls), return_exceptions=True)
        won = of_kind(results, ChargeAnswer)
        assert sorted(answer.charge.request_id for answer in won) == sorted(f"r{i}" for i in range(60))
        assert len(of_kind(results, ChargeNotOpen)) == 60
        tables = (await audit(account))[account]
        settled = [charge for charge in tables.charge if charge["status"] == "settled"]
        for charge in settled:
            assert ("late" in charge["flags"]) == (charge["resolved_at"] >= charge["expires_at"])
        assert tables.account["posted"] == 1_000 - len(settled)
        assert tables.account["held"] == 0


async def test_two_processes_on_the_same_accounts_in_opposite_orders(database, posting, new_account_id, audit):
    """They neither block each other for ever nor spend a credit twice."""
    accounts = [new_account_id() for _ in range(12)]
    await posting.post_many([OpenAccount(account) for account in accounts])
    await posting.post_many([IssueGrant(account, "g", "purchase", 25) for account in accounts])
    racers = [
        await asyncio.create_subprocess_exec(
            sys.executable, str(RACER), database, name, "40", *order, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
        )
        for name, order in (("up", accounts), ("down", accounts[::-1]))
    ]  # fmt: skip
    for racer in racers:
        assert await racer.stdout.readline() == b"ready\n"
    outputs = await asyncio.gather(*(racer.communicate(b"go\n") for racer in racers))
    assert [racer.returncode for racer in racers] == [0, 0]
    up, down = (json.loads(output.splitlines()[-1]) for output, _ in outputs)
    assert {account: up.get(account, 0) + down.get(account, 0) for account in accounts} == dict.fromkeys(accounts, 25)
    tables = await audit(*accounts)
    assert all(tables[account].account["held"] == 25 for account in accounts)


async def test_the_same_account_opened_by_two_services_at_once(database, books, new_account_id, audit):
    accounts = [new_account_id() for _ in range(40)]
    async with (
        Posting(database, lambda: books, lanes=1) as one,
        Posting(database, lambda: books, lanes=1) as other,
    ):
        for account in accounts:
            results = await asyncio.gather(one.post(OpenAccount(account)), other.post(OpenAccount(account)))
            assert sorted(result.replayed for result in results) == [False, True]
        accounts.append(both := new_account_id())
        differing = [one.post(OpenAccount(both, name="A")), other.post(OpenAccount(both, name="B"))]
        results = await asyncio.gather(*differing, return_exceptions=True)
    assert {type(result) for result in results} == {AccountAnswer, IdReused}
    tables = await audit(*accounts)
    assert all(len(tables[account].account_change) == 4 for account in accounts)


@pytest.mark.parametrize("seed", range(5))
async def test_callers_who_go_away_lose_only_the_answer(posting, account, audit, seed):
    """Each command of a cancelled caller took effect once, or was never sent, and a repeat is answered."""
    chance = random.Random(seed)
    await posting.post(IssueGrant(account, "g", "purchase", 1_000))
    commands = [low(account, f"r{i}", outputs=(ONE_K,)) for i in range(100)]
    callers, sent = [], set()

    async def call(command):
        sent.add(command.request_id)
        return await posting.post(command)

    for command in commands:
        callers.append(asyncio.create_task(call(command)))
        for _ in range(chance.randrange(4)):
            await asyncio.sleep(0)
        chance.choice(callers).cancel()
    await asyncio.gather(*callers, return_exceptions=True)
    assert any(caller.cancelled() for caller in callers)
    repeated = await at_once(posting, commands)
    assert {answer.charge.request_id for answer in repeated if answer.replayed} == sent
    tables = (await audit(account))[account]
    assert (tables.account["posted"], len(tables.charge)) == (900, 100)


async def test_a_cancelled_big_batch_is_carried_out(posting, account, audit):
    await posting.post(IssueGrant(account, "g", "purchase", 1_000))
    commands = [low(account, f"r{i}") for i in range(400)]
    caller = asyncio.create_task(posting.post_many(commands, slice_size=50))
    await asyncio.sleep(0)
    caller.cancel()
    with pytest.raises(asyncio.CancelledError):
        await caller
    results = await posting.post_many(commands)
    assert all(answer.replayed for answer in results)
    assert (await audit(account))[account].account["held"] == 400


async def test_a_full_queue_says_overloaded_and_forgets_nothing(database, books, account, owner, audit, posting):
    """While somebody blocks the account the queue fills; what was refused was not done, what was taken is."""
    await posting.post(IssueGrant(account, "g", "purchase", 100))
    async with Posting(database, lambda: books, lanes=1, queue=10) as small:
        async with owner.transaction():
            await owner.execute("SELECT 1 FROM account WHERE account_id = $1 FOR UPDATE", account)
            taken = [asyncio.create_task(small.post(low(account, f"r{i}"))) for i in range(10)]
            await asyncio.sleep(0)  # lets each of them get as far as the queue
            assert small.waiting == 10
            with pytest.raises(Overloaded):
                await small.post(low(account, "one"))
            with pytest.raises(Overloaded):
                await small.post_many([low(account, f"r{i}") for i in range(11)])
        answers = await asyncio.gather(*taken)
        assert not any(answer.replayed for answer in answers)
        assert small.waiting == 0
        again = await small.post(low(account, "one"))
    assert not again.replayed
    assert len((await audit(account))[account].charge) == 11


async def test_closing_finishes_what_is_queued_and_takes_nothing_more(database, books, account, audit):
    """Who comes too late is told so at once and may repeat the call elsewhere."""
    async with Posting(database, lambda: books, lanes=1) as closing:
        await closing.post(IssueGrant(account, "g", "purchase", 100))
        taken = [asyncio.create_task(closing.post(low(account, f"r{i}"))) for i in range(20)]
        await asyncio.sleep(0)
    assert all(isinstance(answer, ChargeAnswer) for answer in await asyncio.gather(*taken))
    with pytest.raises(Overloaded):
        await closing.post(low(account, "late"))
    with pytest.raises(Overloaded):
        await closing.post_many([low(account, "late")])
    assert len((await audit(account))[account].charge) == 20
