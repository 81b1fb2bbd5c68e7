"""Figures of a moment that has passed, by when things took effect."""

import pytest

from billing.core.charges import Reported
from billing.core.commands import Authorize, IssueGrant, Settle, Void
from billing.store.balances import figures_at
from billing.store.engine import read_engine


@pytest.fixture
def held_at(database, run, account, owner):
    """What is shown as held at the moment at which it is called, asked for later."""
    engine = read_engine(database, size=1)

    async def shown(moment):
        return (await figures_at(engine, account, moment)).held

    yield shown
    run(engine.dispose())


async def moments_of(posting, account, owner, *commands):
    """The database's clock after each command."""
    moments = []
    for command in commands:
        await posting.post(command)
        moments.append(await owner.fetchval("SELECT clock_timestamp()"))
    return moments


async def test_a_hold_is_shown_until_it_is_settled(posting, account, owner, held_at):
    images = (Reported(0, "succeeded", 1024, 1024, None),)
    commands = (
        IssueGrant(account, "g", "purchase", 100),
        Authorize(account, "r", "gpt-image-2"),
        Settle(account, "r", images),
    )
    granted, held, settled = await moments_of(posting, account, owner, *commands)
    assert [await held_at(moment) for moment in (granted, held, settled)] == [0, 14, 0]


async def test_a_voided_hold_stays_released_when_the_charge_is_settled_by_force(posting, account, owner, held_at):
    images = (Reported(0, "succeeded", 1024, 1024, None),)
    commands = (
        IssueGrant(account, "g", "purchase", 100),
        Authorize(account, "r", "gpt-image-2"),
        Void(account, "r"),
        Settle(account, "r", images, force=True),
    )
    _, held, voided, settled = await moments_of(posting, account, owner, *commands)
    assert [await held_at(moment) for moment in (held, voided, settled)] == [14, 0, 0]
