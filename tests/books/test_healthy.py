"""Books in which everything has happened and all is well."""

import asyncio
import json

import asyncpg
import pytest
from pydantic_core import to_jsonable_python
from rich.console import Console

from billing.books.verify import verify
from billing.books.verify.command import progress_of, show
from billing.core.clearing import FEE, POSTED, REPORTED
from billing.core.ledger import ROUTES
from billing.core.refusals import AccountNotFound

NAMES = ["I1", "I2", "I3", "I4", "I5", "I6", "I9", "I10", "I11", "I12", "I13", "I15"]


def test_a_healthy_database_passes(healthy: str) -> None:
    report = asyncio.run(verify(healthy))
    assert [checked.finding for checked in report.invariants if checked.finding] == []
    assert [checked.name for checked in report.invariants] == NAMES
    assert report.ok
    assert (report.accounts, report.charges, report.transfers) == (8, 25, 156)
    assert all(checked.checked_rows > 0 for checked in report.invariants)


async def test_it_is_healthy_because_of_what_happened_and_not_because_nothing_did(healthy: str) -> None:
    connection = await asyncpg.connect(healthy)
    try:
        states = await connection.fetch("SELECT DISTINCT status FROM charge")
        kinds = await connection.fetch("SELECT DISTINCT kind FROM transfer")
        flags = await connection.fetch("SELECT DISTINCT unnest(flags) FROM charge")
        successors = await connection.fetch(
            'SELECT grant_id FROM "grant" WHERE origin_grant_id IS NOT NULL AND moved = 0 ORDER BY grant_id'
        )
        fills = await connection.fetch("SELECT grant_id FROM fill WHERE account_id = 'acme' ORDER BY grant_id")
        debts = await connection.fetch("SELECT DISTINCT request_id FROM debt WHERE outstanding > 0 ORDER BY request_id")
        topups = await connection.fetch("SELECT DISTINCT status FROM topup")
        refunds = await connection.fetch("SELECT DISTINCT status FROM card_refund")
        disputes = await connection.fetch("SELECT DISTINCT status FROM dispute")
        events = await connection.fetch("SELECT DISTINCT event FROM stripe_transaction")
    finally:
        await connection.close()
    assert {row[0] for row in states} == {"authorized", "settled", "voided", "expired"}
    assert {row[0] for row in kinds} == set(ROUTES)
    assert {row[0] for row in flags} >= {"late", "forced", "overdrawn", "capped", "unrequested"}
    assert [row[0] for row in successors] == [
        "correction:k-down:1",
        "pack:lapsed:2",
        "pack:own:3",
        "refund:r-expired:1",
        "refund:r-succeeding:1",
    ]
    assert [row[0] for row in fills] == ["paid", "plan", "promo"]
    assert [row[0] for row in debts] == ["first", None]
    assert {row[0] for row in topups} == {"paid", "expired", "refunded", "disputed"}
    assert {row[0] for row in refunds} == {"succeeded", "failed"}
    assert {row[0] for row in disputes} == {"open", "won", "lost", "averted"}
    assert {row[0] for row in events} == {*REPORTED, *POSTED, FEE}


def test_an_empty_database_passes(fresh_database: str) -> None:
    report = asyncio.run(verify(fresh_database))
    assert report.ok
    assert (report.accounts, report.charges, report.transfers) == (0, 0, 0)


@pytest.mark.parametrize(
    ("account", "charges", "transfers"),
    [
        ("acme", 14, 23),
        ("beta", 2, 1),
        ("idle", 0, 0),
        ("payer", 3, 79),
        ("owing", 1, 7),
        ("earning", 2, 17),
        ("mended", 3, 17),
        ("_house", 0, 12),
    ],
)
def test_one_account_is_looked_at_alone(healthy: str, account: str, charges: int, transfers: int) -> None:
    report = asyncio.run(verify(healthy, account))
    assert report.ok
    assert (report.accounts, report.charges, report.transfers) == (1, charges, transfers)


def test_an_account_that_is_not_there(healthy: str) -> None:
    with pytest.raises(AccountNotFound):
        asyncio.run(verify(healthy, "nobody"))


def test_verifying_writes_nothing_and_sees_one_instant(healthy: str) -> None:
    """A writer that comes in between changes nothing of what is found."""

    async def spoiling_meanwhile() -> bool:
        writer = await asyncpg.connect(healthy)
        told: list[str] = []

        def progress(name: str, done: int, total: int) -> None:
            if not told:
                told.append(name)
                tasks.append(
                    asyncio.ensure_future(writer.execute("UPDATE account SET held = held + 1, posted = posted + 1"))
                )

        tasks: list[asyncio.Future[str]] = []
        try:
            report = await verify(healthy, progress=progress)
            assert [await task for task in tasks] == ["UPDATE 8"]
        finally:
            await writer.close()
        return report.ok

    assert asyncio.run(spoiling_meanwhile())
    assert not asyncio.run(verify(healthy)).ok


def test_progress_is_told_for_every_invariant_up_to_its_end(healthy: str) -> None:
    told: dict[str, list[tuple[int, int]]] = {}
    asyncio.run(verify(healthy, progress=lambda name, done, total: told.setdefault(name, []).append((done, total))))
    assert list(told) == NAMES
    for steps in told.values():
        assert steps[-1][0] == steps[-1][1]
        assert all(done <= total for done, total in steps)


def test_a_report_is_shown_on_a_terminal(healthy: str) -> None:
    console = Console(record=True, width=120)
    with progress_of(console) as progress:
        report = asyncio.run(verify(healthy, progress=progress))
    show(report, console)
    shown = console.export_text()
    assert "I10  The journal's chains verify and nobody may rewrite them" in shown
    assert "All 12 invariants hold for 8 accounts, 25 charges and 156 transfers." in shown
    assert "BROKEN" not in shown


def test_a_report_as_a_document(healthy: str) -> None:
    document = to_jsonable_python(asyncio.run(verify(healthy, "beta")))
    assert json.loads(json.dumps(document)) == document
    assert document["ok"]
    assert document["accounts"] == 1
    assert document["invariants"][1] == {
        "name": "I2",
        "title": "Posted is the sum of its transfers, numbered without gaps",
        "checked_rows": 2,
        "finding": None,
    }
