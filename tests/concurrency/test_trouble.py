"""A database in trouble: connections that end at any moment, deadlocks, rows that it will not take.

Whatever happens, what was acknowledged is there once, what was not is there once or not at all, and a
repeat of the call says which.
"""

import asyncio
import random

import asyncpg
import pytest

from billing.core.answers import ChargeAnswer
from billing.core.charges import Reported
from billing.core.commands import Authorize, IssueGrant, OpenAccount, Settle, Void
from billing.posting import Posting
from billing.store.refusals import DatabaseUnavailable

ONE_K = (Reported(0, "succeeded", 1024, 1024, None),)

# Sessions of the posting path on this database.
END_LANES = """
    SELECT pg_terminate_backend(pid) FROM pg_stat_activity
    WHERE datname = current_database() AND application_name = 'billing lane'"""
AFTER_COMMIT = f"SELECT count(*) FROM ({END_LANES} AND wait_event = 'SyncRep') ended"
WAITING = """
    SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()
    AND application_name = 'billing lane' AND wait_event_type = $1"""
A_POISON = "ALTER TABLE charge ADD CONSTRAINT no_poison CHECK (end_user IS DISTINCT FROM 'poison')"


def low(account, request_id, **more):
    return Authorize(account, request_id, "gpt-image-2", quality="low", outputs=ONE_K, **more)


async def funded(posting, new_account_id, how_many):
    accounts = [new_account_id() for _ in range(how_many)]
    await posting.post_many([OpenAccount(account) for account in accounts])
    await posting.post_many([IssueGrant(account, "g", "purchase", 1_000) for account in accounts])
    return accounts


async def until_waiting(owner, kind, lanes=1):
    """Returns when so many lanes wait for a lock (or for whatever `kind` of event) in the database."""
    while await owner.fetchval(WAITING, kind) < lanes:
        pass


@pytest.mark.parametrize("seed", range(4))
async def test_connections_lost_at_random_moments(fresh_database, books, new_account_id, audit_of, seed):
    chance = random.Random(seed)
    async with (
        audit_of(fresh_database) as (owner, audit),
        Posting(fresh_database, lambda: books, lanes=2, batch=20) as posting,
    ):
        accounts = await funded(posting, new_account_id, 6)
        commands = [low(chance.choice(accounts), f"r{i}") for i in range(300)]
        acknowledged, working = set(), True

        async def call(share):
            for command in share:
                try:
                    answer = await posting.post(command)
                except DatabaseUnavailable:
                    continue  # nothing was promised
                assert isinstance(answer, ChargeAnswer)
                acknowledged.add((command.account_id, command.request_id))

        async def trouble():
            ended = 0
            while working and ended < 12:
                for _ in range(chance.randrange(40)):
                    await asyncio.sleep(0)
                ended += len(await owner.fetch(END_LANES))
            return ended

        troublemaker = asyncio.create_task(trouble())
        await asyncio.gather(*(call(commands[i::30]) for i in range(30)))
        working = False
        assert await troublemaker > 0
        before = await audit(*accounts)
        there = {(a, charge["request_id"]) for a in accounts for charge in before[a].charge}
        assert acknowledged <= there
        repeated = await posting.post_many(commands)
        assert {(a.charge.account_id, a.charge.request_id) for a in repeated if a.replayed} == there
        after = await audit(*accounts)
        assert sum(len(after[account].charge) for account in accounts) == 300
        assert sum(after[account].account["posted"] for account in accounts) == 6_000 - 300


async def test_connection_lost_after_the_commit_and_before_its_answer(fresh_database, books, new_account_id, audit_of):
    """COMMIT is written and waits for a standby that never comes; then its session ends. The caller, whose command
    took effect, is told so once the lane has looked again."""
    async with audit_of(fresh_database) as (owner, audit):
        await owner.execute("SET synchronous_commit = local")
        async with Posting(fresh_database, lambda: books, lanes=1) as posting:
            [account] = await funded(posting, new_account_id, 1)
            await owner.execute("ALTER SYSTEM SET synchronous_standby_names = 'nobody'")
            try:
                await owner.execute("SELECT pg_reload_conf()")
                calls = []
                while not await owner.fetchval(AFTER_COMMIT):
                    if not calls or calls[-1].done():  # the server reads its settings when it gets to it
                        calls.append(asyncio.create_task(posting.post(low(account, f"r{len(calls)}"))))
            finally:
                await owner.execute("ALTER SYSTEM RESET synchronous_standby_names")
                await owner.execute("SELECT pg_reload_conf()")
            *_, answer = await asyncio.gather(*calls)
            retries = posting.lanes[0].tally.retries
        tables = (await audit(account))[account]
    assert (answer.replayed, answer.charge.status) == (True, "settled")
    assert retries >= 1
    assert (len(tables.charge), tables.account["posted"]) == (len(calls), 1_000 - len(calls))


async def test_connection_lost_during_the_commit(fresh_database, books, new_account_id, audit_of):
    """The session ends in the middle of COMMIT, before anything is written: the lane posts the batch again."""
    async with (
        audit_of(fresh_database) as (owner, audit),
        Posting(fresh_database, lambda: books, lanes=1) as posting,
    ):
        [account] = await funded(posting, new_account_id, 1)
        await owner.execute("CREATE SEQUENCE commits")
        await owner.execute(
            "CREATE FUNCTION end_first() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$ BEGIN "
            "IF nextval('commits') = 1 THEN PERFORM pg_terminate_backend(pg_backend_pid()); END IF; RETURN NULL; END $$"
        )
        await owner.execute(
            "CREATE CONSTRAINT TRIGGER at_commit AFTER INSERT ON charge DEFERRABLE INITIALLY DEFERRED "
            "FOR EACH ROW EXECUTE FUNCTION end_first()"
        )
        answer = await posting.post(low(account, "r"))
        assert not answer.replayed
        assert posting.lanes[0].tally.retries == 1
        assert len((await audit(account))[account].charge) == 1


async def test_a_deadlock_with_a_foreign_session(fresh_database, books, new_account_id, audit_of):
    """Somebody with a hold on the second account wants the first: the lane gives way and comes back."""
    async with (
        audit_of(fresh_database) as (owner, audit),
        audit_of(fresh_database) as (foreign, _),
        Posting(fresh_database, lambda: books, lanes=1) as posting,
    ):
        accounts = sorted(await funded(posting, new_account_id, 2))
        await foreign.execute("SET deadlock_timeout = '1min'")  # so that it is the lane that finds out
        lock = "SELECT 1 FROM account WHERE account_id = $1 FOR UPDATE"
        async with foreign.transaction():
            await foreign.execute(lock, accounts[1])
            call = asyncio.create_task(posting.post_many([low(account, "r") for account in accounts]))
            await until_waiting(owner, "Lock")
            await foreign.execute(lock, accounts[0])  # granted when the lane has given way
        answers = await call
        assert [answer.replayed for answer in answers] == [False, False]
        assert posting.lanes[0].tally.retries >= 1
        tables = await audit(*accounts)
        assert [len(tables[account].charge) for account in accounts] == [1, 1]


@pytest.mark.parametrize("places", [{0}, {63}, {31, 32}, {5, 17, 18, 44}])
async def test_poison_hurts_nobody_but_itself(fresh_database, books, new_account_id, audit_of, places):
    """A row that the database will not take fails alone; its neighbours on the same accounts are posted."""
    async with (
        audit_of(fresh_database) as (owner, audit),
        Posting(fresh_database, lambda: books, lanes=1) as posting,
    ):
        accounts = await funded(posting, new_account_id, 3)
        await owner.execute(A_POISON)
        commands = [low(accounts[i % 3], f"r{i}", end_user="poison" if i in places else "somebody") for i in range(64)]
        results = await posting.post_many(commands)
        assert {i for i, result in enumerate(results) if isinstance(result, asyncpg.CheckViolationError)} == places
        assert sum(isinstance(result, ChargeAnswer) for result in results) == 64 - len(places)
        tables = await audit(*accounts)
        there = {charge["request_id"] for account in accounts for charge in tables[account].charge}
        assert there == {f"r{i}" for i in range(64)} - {f"r{i}" for i in places}


async def test_poison_among_single_callers(fresh_database, books, new_account_id, audit_of):
    """Callers who happened to share a transaction with it never notice."""
    async with (
        audit_of(fresh_database) as (owner, audit),
        Posting(fresh_database, lambda: books, lanes=1) as posting,
    ):
        [account] = await funded(posting, new_account_id, 1)
        await owner.execute(A_POISON)
        commands = [low(account, f"r{i}", end_user="poison" if i == 20 else None) for i in range(40)]
        results = await asyncio.gather(*map(posting.post, commands), return_exceptions=True)
        assert [i for i, result in enumerate(results) if not isinstance(result, ChargeAnswer)] == [20]
        assert isinstance(results[20], asyncpg.CheckViolationError)
        assert len((await audit(account))[account].charge) == 39


async def test_commands_after_poison_keep_their_order(fresh_database, books, new_account_id, audit_of):
    """Authorize, settle and void of one charge, split by the search for the culprit, still come in this order."""
    async with (
        audit_of(fresh_database) as (owner, audit),
        Posting(fresh_database, lambda: books, lanes=1) as posting,
    ):
        [account] = await funded(posting, new_account_id, 1)
        await owner.execute(A_POISON)
        commands = []
        for i in range(10):
            commands += [
                Authorize(account, f"r{i}", "gpt-image-2", quality="low", end_user="poison" if i == 4 else None),
                Settle(account, f"r{i}", ONE_K),
                Void(account, f"r{i}"),
            ]
        results = await posting.post_many(commands)
        codes = [getattr(result, "code", type(result).__name__) for result in results]
        well = ["ChargeAnswer", "ChargeAnswer", "charge_not_open"]
        ill = ["CheckViolationError", "charge_not_found", "charge_not_found"]
        assert codes == well * 4 + ill + well * 5
        assert (await audit(account))[account].account["posted"] == 991


async def test_a_session_that_blocks_is_waited_for(database, posting, account, owner, audit):
    """Nothing is lost or done twice while a foreign session sits on the account."""
    await posting.post(IssueGrant(account, "g", "purchase", 100))
    async with owner.transaction():
        await owner.execute("SELECT 1 FROM account WHERE account_id = $1 FOR UPDATE", account)
        calls = [asyncio.create_task(posting.post(low(account, f"r{i}"))) for i in range(20)]
        await until_waiting(owner, "Lock")
        assert not any(call.done() for call in calls)
    answers = await asyncio.gather(*calls)
    assert not any(answer.replayed for answer in answers)
    assert (await audit(account))[account].account["posted"] == 80
