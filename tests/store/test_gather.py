"""Gather: locks in order, a clock that is read after them, and wallets as they are."""

import asyncio
from datetime import timedelta

import asyncpg
import pytest

from billing.core.commands import Authorize, IssueGrant, Lapse, OpenAccount
from billing.core.needs import Needs
from billing.store.connection import connect
from billing.store.gather import gather
from billing.store.refusals import DatabaseUnavailable
from billing.store.sqlstates import Remedy, remedy

LOCKED = "SELECT account_id FROM account WHERE account_id = ANY($1) FOR NO KEY UPDATE SKIP LOCKED"
IS_WAITING = "SELECT count(*) FROM pg_stat_activity WHERE pid = $1 AND wait_event_type = 'Lock'"


@pytest.fixture
def sessions(database, run):
    """Two sessions of the service."""
    opened = [run(connect(database)) for _ in range(2)]
    yield opened
    for connection in opened:
        run(connection.close())


async def opened(posting, new_account_id, how_many):
    accounts = sorted(new_account_id() for _ in range(how_many))
    await posting.post_many([OpenAccount(account) for account in accounts])
    return accounts


async def until_waiting(owner, session):
    while not await owner.fetchval(IS_WAITING, session.get_server_pid()):
        pass


@pytest.mark.parametrize("blocked", range(5))
async def test_accounts_are_locked_in_the_order_of_their_ids(posting, new_account_id, owner, sessions, blocked):
    """Blocked at one of them, it has every account before and none after, in whatever order they were asked for."""
    accounts = await opened(posting, new_account_id, 5)
    mine, foreign = sessions
    async with foreign.transaction():
        await foreign.execute("SELECT 1 FROM account WHERE account_id = $1 FOR UPDATE", accounts[blocked])
        async with mine.transaction():
            asked = accounts[3:] + accounts[:3][::-1]
            gathering = asyncio.create_task(gather(mine, Needs.of([Lapse(account) for account in asked])))
            await until_waiting(owner, mine)
            async with owner.transaction():
                free = {row[0] for row in await owner.fetch(LOCKED, accounts)}
            assert free == set(accounts[blocked + 1 :])
            await _release(foreign)
            batch = await gathering
    assert set(batch.wallets) == set(accounts)


async def _release(session):
    await session.execute("COMMIT")
    await session.execute("BEGIN")


async def test_who_waited_sees_what_was_committed_meanwhile(posting, account, owner, sessions):
    """Wallet, grants and charges of the same instant: that after the lock was granted. So is the clock."""
    mine, foreign = sessions
    needs = Needs.of([Authorize(account, "r", "gpt-image-2"), IssueGrant(account, "g", "purchase", 1)])
    async with foreign.transaction():
        await foreign.execute("SELECT 1 FROM account WHERE account_id = $1 FOR NO KEY UPDATE", account)
        async with mine.transaction():
            gathering = asyncio.create_task(gather(mine, needs))
            await until_waiting(owner, mine)
            await foreign.execute("UPDATE account SET posted = 5, last_at = last_at WHERE account_id = $1", account)
            await foreign.execute(
                'INSERT INTO "grant" (account_id, grant_id, kind, granted, remaining, used, expired, revoked, moved, '
                "priority, frozen, open, seq, created_at) "
                "VALUES ($1, 'g', 'purchase', 5, 5, 0, 0, 0, 0, 50, false, true, 1, clock_timestamp())",
                account,
            )
            released_at = await foreign.fetchval("SELECT clock_timestamp()")
            await _release(foreign)
            batch = await gathering
    wallet = batch.wallet(account)
    assert (wallet.posted, wallet.grants["g"].remaining) == (5, 5)
    assert batch.now(wallet) > released_at


async def test_the_clock_is_never_below_the_accounts_last_row(posting, account, owner, sessions, audit):
    """A clock that was set back does not put rows out of order."""
    ahead = await owner.fetchval("SELECT clock_timestamp()") + timedelta(hours=1)
    await owner.execute("UPDATE account SET last_at = $2 WHERE account_id = $1", account, ahead)
    first = await posting.post(IssueGrant(account, "g1", "purchase", 100))
    second = await posting.post(IssueGrant(account, "g2", "purchase", 100))
    assert ahead < first.grant.created_at < second.grant.created_at
    await audit(account)


async def test_reading_takes_no_lock(posting, account, owner, sessions):
    mine, foreign = sessions
    async with foreign.transaction():
        await foreign.execute("SELECT 1 FROM account WHERE account_id = $1 FOR NO KEY UPDATE", account)
        async with mine.transaction(isolation="repeatable_read", readonly=True):
            batch = await gather(mine, Needs.of([Lapse(account)]), lock=False)
    assert set(batch.wallets) == {account}


async def test_an_account_that_is_not_there_gets_an_empty_wallet(sessions, new_account_id):
    mine, _ = sessions
    async with mine.transaction():
        batch = await gather(mine, Needs.of([OpenAccount(nobody := new_account_id())]))
    assert batch.wallet(nobody).settings is None


async def test_what_is_not_named_is_not_loaded(posting, account, sessions):
    """A hundred charges do not make the next one slower: only the one that a command names is read."""
    await posting.post(IssueGrant(account, "g", "purchase", 1_000))
    await posting.post_many([Authorize(account, f"r{i}", "gpt-image-2", quality="low") for i in range(100)])
    mine, _ = sessions
    async with mine.transaction():
        batch = await gather(mine, Needs.of([Authorize(account, "r7", "gpt-image-2"), Lapse(account)]))
    wallet = batch.wallet(account)
    assert (set(wallet.charges), wallet.grants, wallet.held) == ({"r7"}, {}, 100)


async def test_a_tuple_that_cannot_be_encoded_is_no_lost_connection(sessions):
    """asyncpg calls both InterfaceError; only one of them means that the outcome is unknown."""
    mine, foreign = sessions
    with pytest.raises(asyncpg.DataError) as wrong:
        await mine.fetch("SELECT $1::bigint", "many")
    assert remedy(wrong.value) is Remedy.FAULT
    await foreign.execute("SELECT 1")
    foreign.terminate()
    with pytest.raises(asyncpg.InterfaceError) as lost:
        await foreign.fetch("SELECT 1")
    assert remedy(lost.value) is Remedy.LOST


async def test_nothing_is_posted_once_another_program_has_migrated(posting, account, owner):
    """It would write what the new tables do not count, or count it twice. The caller is told to come again."""
    posted = await owner.fetchval("SELECT last_at FROM account WHERE account_id = $1", account)
    known = await owner.fetchval("SELECT version_num FROM alembic_version")
    await owner.execute("UPDATE alembic_version SET version_num = 'newer'")
    try:
        for command in (IssueGrant(account, "g", "purchase", 100), OpenAccount("of-nobody")):
            with pytest.raises(DatabaseUnavailable):
                await posting.post(command)
    finally:
        await owner.execute("UPDATE alembic_version SET version_num = $1", known)
    assert await owner.fetchval("SELECT last_at FROM account WHERE account_id = $1", account) == posted
    await posting.post(IssueGrant(account, "g", "purchase", 100))
