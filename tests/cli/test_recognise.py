"""`billing recognise`, `billing revenue` and `billing trial-balance`, on a real database."""

import asyncio
import json
import re
import sys

import asyncpg
import pytest

from billing import commands
from billing.core.commands import Authorize, IssueGrant, OpenAccount
from billing.core.prices import PriceBooks
from billing.posting import Posting
from tests.books.world import SMALL, delivered


async def spent(dsn: str, books: PriceBooks) -> None:
    async with Posting(dsn, lambda: books) as posting:
        await posting.post(OpenAccount("acme"))
        await posting.post(IssueGrant("acme", "g", "purchase", 30, paid_micros=99, currency="USD"))
        await posting.post(Authorize("acme", "r", "gpt-image-2", quality="high", outputs=delivered(SMALL)))


def test_it_says_what_it_made_of_what(
    fresh_database: str, books: PriceBooks, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    asyncio.run(spent(fresh_database, books))
    monkeypatch.setenv("DATABASE_URL", fresh_database)

    def recognise(*words: str, command: str = "recognise") -> str:
        monkeypatch.setattr(sys, "argv", ["billing", command, *words])
        with pytest.raises(SystemExit) as ended:
            commands.main()
        assert not ended.value.code
        return capsys.readouterr().out

    told = json.loads(recognise("--json"))
    assert (told["accounts"], told["transfers"]) == (1, 1)
    assert told["amounts"] == [{"currency": "USD", "usage_micros": 46, "breakage_micros": 0}]
    assert recognise() == "Accounts that had changed: 0. Transfers posted: 0.\n"
    shown = figures(recognise(command="revenue"))
    assert shown == ["0.000000", "0.000099", "0.000046", "0.000000", "0.000000", "0.000000", "0.000053"]
    rolled = json.loads(recognise("--json", command="revenue"))["currencies"][0]["roll_forward"]
    assert (rolled["sold"], rolled["recognised"], rolled["closing"]) == (99, 46, 53)
    lines = recognise(command="trial-balance").splitlines()
    assert [figures(line) for line in lines if "deferred_revenue" in line] == [["0.000046", "0.000099", "-0.000053"]]
    assert [figures(line) for line in lines if " wallet " in line and "CREDIT" in line][-1] == ["14", "30", "-16"]
    asyncio.run(again(fresh_database))
    assert recognise() == (
        "Accounts that had changed: 1. Transfers posted: 1.\n0.000046 USD of usage, 0.000000 USD of breakage.\n"
    )


def figures(shown: str) -> list[str]:
    """The numbers at the end of a table's cells, as they are printed."""
    return re.findall(r"│\s+(-?[\d,]+(?:\.\d+)?)(?=\s+│)", shown)


async def again(dsn: str) -> None:
    """As if nothing had been recognised."""
    owner = await asyncpg.connect(dsn)
    try:
        await owner.execute("UPDATE account SET recognised_seq = 0, recognised_at = NULL")
        await owner.execute("DELETE FROM recognition")
    finally:
        await owner.close()
