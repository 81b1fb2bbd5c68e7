"""A database that says "not now": everybody in the batch is told to come again, nobody's command is searched for a fault."""

import pytest

from billing.core.answers import ChargeAnswer
from billing.core.commands import Authorize, IssueGrant, OpenAccount
from billing.posting import Posting
from billing.store.deadlines import Deadlines
from billing.store.refusals import DatabaseUnavailable

SAYS = """
    CREATE FUNCTION later() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
        RAISE EXCEPTION 'not now' USING ERRCODE = '{sqlstate}'; END $$;
    CREATE TRIGGER later BEFORE INSERT ON charge FOR EACH ROW EXECUTE FUNCTION later()"""


@pytest.mark.parametrize("sqlstate", ["53100", "53200", "57014", "58030", "42501", "55P03"])
async def test_a_batch_is_put_off_as_a_whole(fresh_database, books, audit_of, new_account_id, sqlstate):
    async with audit_of(fresh_database) as (owner, _), Posting(fresh_database, lambda: books, lanes=1) as posting:
        account = new_account_id()
        await posting.post(OpenAccount(account))
        await posting.post(IssueGrant(account, "g", "purchase", 1_000))
        commands = [Authorize(account, f"r{i}", "gpt-image-2", quality="low") for i in range(64)]
        await owner.execute(SAYS.format(sqlstate=sqlstate))
        results = await posting.post_many(commands)
        assert {type(result) for result in results} == {DatabaseUnavailable}
        assert (posting.lanes[0].tally.bisections, posting.waiting) == (0, 0)
        await owner.execute("DROP TRIGGER later ON charge")
        assert {type(result) for result in await posting.post_many(commands)} == {ChargeAnswer}


async def test_what_waits_behind_a_lock_is_told_so_and_the_queue_is_empty(
    fresh_database, books, audit_of, new_account_id
):
    """A foreign session sits on one account for good: every caller of the lane hears of it in the time that there is."""
    async with (
        audit_of(fresh_database) as (owner, _),
        Posting(fresh_database, lambda: books, lanes=1, deadlines=Deadlines(1)) as posting,
    ):
        account = new_account_id()
        await posting.post(OpenAccount(account))
        async with owner.transaction():
            await owner.execute("SELECT 1 FROM account WHERE account_id = $1 FOR UPDATE", account)
            grants = [IssueGrant(account, f"g{i}", "purchase", 10) for i in range(300)]
            results = await posting.post_many(grants, slice_size=10)
            assert {type(result) for result in results} == {DatabaseUnavailable}
            assert posting.waiting == 0
        assert not any(isinstance(result, Exception) for result in await posting.post_many(grants))
