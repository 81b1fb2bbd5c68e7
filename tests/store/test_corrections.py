"""Corrections as they are stored: in batches with everything else that moves a bill, and at once."""

import asyncio
from random import Random

import pytest

from billing.core.charges import Reported
from billing.core.commands import Authorize, Correct, IssueGrant, Refund, Settle
from billing.core.refusals import Refusal

SIZES = ((1024, 1024), (2048, 2048), (3840, 2160), (None, None))


def found(random, indexes):
    return tuple(
        Reported(index, "failed", None, None, "lost")
        if random.random() < 0.3
        else Reported(index, "succeeded", *random.choice(SIZES), None)
        for index in indexes
    )


@pytest.mark.parametrize("seed", range(3))
async def test_any_batch_leaves_an_account_in_order(posting, account, audit, seed):
    random = Random(seed)
    posted = 0
    await posting.post(IssueGrant(account, "first", "purchase", 100))
    for batch in range(30):
        commands = []
        for place in range(random.randint(1, 8)):
            name, request = f"{batch}-{place}", f"r{random.randrange(5)}"
            commands.append(
                random.choice(
                    (
                        IssueGrant(account, f"g{name}", "promotion", random.choice((5, 40, 300))),
                        Authorize(account, request, "gpt-image-2", n=2, quality="low"),
                        Authorize(account, request, "gpt-image-2", n=2, quality="low", outputs=found(random, (0, 1))),
                        Settle(account, request, found(random, (0, 1, 2))),
                        Refund(account, request, f"f{name}", "sorry", credits=random.choice((None, 1, 20))),
                        Correct(account, f"b{name}", request, found(random, (0,)), "counted", "me"),
                        Correct(account, f"c{name}", request, found(random, (1,)), "counted", "me"),
                        Correct(account, f"d{name}", request, found(random, (0, 1)), "counted", "me"),
                    )
                )
            )
        results = await posting.post_many(commands)
        assert not [one for one in results if isinstance(one, Exception) and not isinstance(one, Refusal)]
        posted += sum(
            isinstance(command, Correct) and not isinstance(result, Refusal)
            for command, result in zip(commands, results, strict=True)
        )
        rows = (await audit(account))[account]
        assert len(rows.correction) == posted
    assert posted > 5


async def test_one_that_is_sent_by_many_at_once_takes_effect_once(posting, account, audit):
    await posting.post(IssueGrant(account, "g", "purchase", 100))
    await posting.post(Authorize(account, "r", "gpt-image-2", outputs=(Reported(0, "succeeded", 1024, 1024, None),)))
    command = Correct(account, "c", "r", (Reported(0, "succeeded", 2048, 2048, None),), "measured", "finance")
    answers = await asyncio.gather(*(posting.post(command) for _ in range(5)))
    assert sorted(answer.replayed for answer in answers) == [False, True, True, True, True]
    assert {answer[1:3] for answer in answers} == {answers[0][1:3]}
    rows = (await audit(account))[account]
    assert (rows.account["posted"], len(rows.correction)) == (33, 1)
