"""Months: closed in order, reopened from the last one back, and for ever what they were known to be."""

import asyncio
import json
from collections.abc import Iterator
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg
import pytest

from billing.books.periods.closing import close_month
from billing.books.trial_balance.report import trial_balance
from billing.books.verify import verify
from billing.core.commands import IssueGrant, Lapse, OpenAccount
from billing.core.months import Month
from billing.embedded import EmbeddedPostgres
from billing.posting import Posting
from billing.store.connection import SERVICE_ROLE, connect
from billing.store.engine import read_engine, work_engine
from billing.store.price_books import publish_first
from billing.store.refusals import Overloaded
from tests.api.service import Api, ask, image, on, problem, replayed, serving, set_clock, with_a_clock
from tests.conftest import copied

PATH = "/v1/finance/periods"
JANUARY, MARCH, APRIL, MAY = (datetime(2026, month, 10, 12, tzinfo=UTC) for month in (1, 3, 4, 5))
PAID = {"micros": 10_000_000, "currency": "USD"}


@pytest.fixture
def api(server: EmbeddedPostgres, template: str) -> Iterator[Api]:
    """Something in January, nothing in February, something in March; it is March the tenth."""
    with copied(server, template) as dsn:
        with_a_clock(dsn)
        with serving(dsn, expiry_seconds=1_000_000) as api:
            set_clock(api, JANUARY)
            api.post("/v1/accounts", {"account_id": "acme"})
            api.grant("acme", 1_000, amount_paid=PAID, expires_at="2026-01-31T00:00:00Z")
            api.settle(api.authorize("acme"), image())
            set_clock(api, MARCH)
            yield api


def closed(api: Api, period: str) -> Any:
    answer = api.post(f"{PATH}/{period}/close", {}, "finance")
    assert answer.status_code == 200, answer.text
    assert "idempotent-replayed" not in answer.headers
    return answer.json()


def listed(api: Api) -> dict[str, tuple[str, int]]:
    found = api.get(PATH, "finance").json()["data"]
    assert [one["period"] for one in found] == sorted((one["period"] for one in found), reverse=True)
    return {one["period"]: (one["status"], one["late_transfers"]) for one in found}


def balances(api: Api, book: str = "wallet", **query: Any) -> dict[str, int]:
    answer = api.get("/v1/finance/trial-balance", **query)
    assert answer.status_code == 200, answer.text
    return {row["ledger_account"]: row["balance"] for row in answer.json()["rows"] if row["book"] == book}


def late_grant(api: Api) -> None:
    """Something due in January that is posted only now."""
    ask(
        api.dsn,
        """INSERT INTO transfer SELECT account_id, book, seq + 100, 'expire', 'wallet', 'expired', asset, 5, 0, NULL, grant_id,
           NULL, NULL, '2026-01-20', clock_timestamp(), NULL, hash FROM transfer WHERE account_id = 'acme' AND book = 'wallet'
           AND seq = 1""",
    )


def test_a_month_is_closed_in_order_and_reopened_from_the_last(api: Api) -> None:
    over = problem(api.post(f"{PATH}/2026-03/close", {}), 409, "period_not_over")
    assert (over["period"], over["ends_at"]) == ("2026-03", "2026-04-01T00:00:00Z")
    problem(api.post(f"{PATH}/2900-01/close", {}), 409, "period_not_over")
    earlier = problem(api.post(f"{PATH}/2026-02/close", {}), 409, "earlier_period_open")
    assert earlier["earlier"] == "2026-01"
    problem(api.post(f"{PATH}/2026-01/reopen", {"reason": "x"}), 409, "period_not_closed")
    assert listed(api) == {"2026-03": ("open", 0), "2026-02": ("open", 0), "2026-01": ("open", 0)}

    january = closed(api, "2026-01")
    assert (january["status"], january["late_transfers"]) == ("closed", 0)
    assert january["closed_at"].startswith(
        "2026-03-10T12:00:00."
    )  # after the last transfer, and the clock stands still
    assert replayed(api.post(f"{PATH}/2026-01/close", {})) == january
    assert replayed(api.post(f"{PATH}/2026-01/close")) == january
    # What had expired in January was posted first, and so belongs to it.
    assert balances(api, period="2026-01", known="close")["expired"] == -986
    assert balances(api, "money", period="2026-01", known="close") == {
        "bank": 10_000_000,
        "deferred_revenue": 0,
        "revenue_usage": -140_000,
        "revenue_breakage": -9_860_000,
    }

    set_clock(api, APRIL)
    assert closed(api, "2026-03")["closed_by"].startswith("key_")
    assert listed(api)["2026-02"] == ("closed", 0)  # nothing was due in it: closed with the one after
    assert replayed(api.post(f"{PATH}/2026-02/close", {}))["status"] == "closed"
    later = problem(api.post(f"{PATH}/2026-01/reopen", {"reason": "x"}), 409, "later_period_closed")
    assert later["later"] == "2026-03"

    set_clock(api, MAY)
    reopened = api.post(f"{PATH}/2026-03/reopen", {"reason": "an invoice was missing"}, "finance")
    assert reopened.status_code == 200
    shown = reopened.json()
    assert (shown["status"], shown["reopened_at"], shown["reopen_reason"]) == (
        "open",
        "2026-05-10T12:00:00Z",
        "an invoice was missing",
    )
    assert replayed(api.post(f"{PATH}/2026-03/reopen", {"reason": "an invoice was missing"}, "finance")) == shown
    problem(api.post(f"{PATH}/2026-03/reopen", {"reason": "another"}, "finance"), 409, "period_not_closed")
    problem(api.get("/v1/finance/trial-balance", period="2026-03", known="close"), 409, "period_not_closed")
    set_clock(api, MAY + timedelta(days=1))
    again = closed(api, "2026-03")
    assert (again["closed_at"], again["reopened_at"]) == ("2026-05-11T12:00:00Z", None)
    assert ask(api.dsn, "SELECT count(*) FROM closing WHERE period = '2026-03'") == 2
    assert ask(api.dsn, "SELECT count(*) FROM closing") == 3


def test_what_comes_late_is_listed_and_changes_nothing_that_was_closed(api: Api) -> None:
    closed(api, "2026-01")
    known = api.get("/v1/finance/trial-balance", period="2026-01", known="close").json()
    assert known["known_at"].startswith("2026-03-10T12:00:00.")
    set_clock(api, APRIL)
    for _ in range(2):
        late_grant(api)
        ask(api.dsn, "UPDATE transfer SET seq = seq + 1 WHERE seq >= 100")
    assert listed(api)["2026-01"] == ("closed", 2)
    later = api.get("/v1/finance/trial-balance", period="2026-01", known="close").json()
    assert {**later, "as_of": ""} == {**known, "as_of": ""}
    before = balances(api, period="2026-01", known="close")
    now = balances(api, period="2026-01", known="now")
    assert now == before | {"expired": before["expired"] - 10, "wallet": before.get("wallet", 0) + 10}
    first = api.get(f"{PATH}/2026-01/late", "finance", limit=1).json()
    second = api.get(f"{PATH}/2026-01/late", limit=1, cursor=first["next_cursor"]).json()
    assert [(row["account_id"], row["kind"], row["seq"]) for row in (*first["data"], *second["data"])] == [
        ("acme", "expire", 102),
        ("acme", "expire", 103),
    ]
    assert (first["has_more"], second["has_more"], second["next_cursor"]) == (True, False, None)
    assert api.get(f"{PATH}/2026-02/late").json()["data"] == []
    # Reopened, what comes is not late; what was late stays so, for it was counted elsewhere.
    set_clock(api, APRIL + timedelta(days=1))
    api.post(f"{PATH}/2026-01/reopen", {"reason": "r"})
    set_clock(api, MAY)
    late_grant(api)
    assert listed(api)["2026-01"] == ("open", 2)
    set_clock(api, MAY + timedelta(days=1))
    closed(api, "2026-01")
    assert balances(api, period="2026-01", known="close") == balances(api, period="2026-01")


def test_a_clock_set_back_behind_the_line_changes_nothing_that_was_closed(api: Api) -> None:
    """What was due in January is posted after January was closed, whatever the clock says."""

    async def close() -> None:
        work = work_engine(api.dsn, size=2)
        await close_month(work, Month.of("2026-01"), "ops")
        await work.dispose()

    asyncio.run(close())
    before = balances(api, "money", period="2026-01", known="close")
    set_clock(api, MARCH - timedelta(hours=1))
    assert api.post("/v1/finance/recognition", role="finance").json()["transfers"] == 2  # used, and expired
    assert listed(api)["2026-01"] == ("closed", 3)  # and the credits that expired
    assert balances(api, "money", period="2026-01", known="close") == before
    report = asyncio.run(verify(api.dsn))
    assert report.ok, [checked.finding for checked in report.invariants if checked.finding]


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("POST", "2026-13/close", {}),
        ("POST", "9999-12/close", {}),
        ("POST", "1969-12/close", {}),
        ("POST", "2026-1/close", {}),
        ("POST", "2026-01%0A/close", {}),
        ("POST", "2026-01/close", {"force": True}),
        ("POST", "2026-01/reopen", {}),
        ("POST", "2026-01/reopen", {"reason": ""}),
        ("POST", "2026-01/reopen", {"reason": "\0"}),
        ("POST", "2026-01/reopen", {"reason": "x" * 513}),
        ("GET", "2026-01/late?limit=0", None),
        ("GET", "2026-01/late?limit=201", None),
        ("GET", "2026-01/late?cursor=!", None),
        ("GET", "2026-01/late?cursor=WyIyMDI2IiwgImEiLCAiYiIsIDFd", None),
    ],
)
def test_bad_input(quiet: Api, method: str, path: str, body: Any) -> None:
    problem(quiet.call(method, f"{PATH}/{path}", body), 422, "validation_error")


@pytest.fixture(scope="module")
def quiet(server: EmbeddedPostgres, template: str) -> Iterator[Api]:
    with copied(server, template) as dsn, serving(dsn) as api:
        yield api


LIES = {
    "a transfer made larger": "UPDATE transfer SET amount = amount + 1 WHERE account_id = 'acme' AND book = 'wallet' AND seq = 1",
    "a transfer that was there before": "UPDATE transfer SET effective_at = '2026-02-01' WHERE account_id = 'acme' AND book = 'wallet' AND seq = 2",
    "a transfer dated back": "INSERT INTO transfer SELECT account_id, book, 99, kind, debit, credit, asset, amount, balance_after, "
    "NULL, NULL, NULL, NULL, effective_at, posted_at, NULL, hash FROM transfer WHERE account_id = 'acme' AND seq = 1",
    "totals that say less": "UPDATE closing SET totals = '[]'",
    "totals that say nothing": "UPDATE closing SET totals = 'x'",
    "totals of another shape": """UPDATE closing SET totals = '[{"book": 1}]'""",
    "a line moved": "UPDATE closing SET closed_at = ends_at + interval '1 microsecond'",
}


def test_a_closed_month_that_is_not_what_it_was(api: Api) -> None:
    closed(api, "2026-01")
    set_clock(api, APRIL)
    closed(api, "2026-03")

    assert _i15(api) is None
    for name, lie in LIES.items():
        backup = on(api.dsn, lambda c: c.execute("CREATE TABLE t AS TABLE transfer; CREATE TABLE k AS TABLE closing"))
        assert backup
        on(api.dsn, lambda c, lie=lie: c.execute(lie))
        finding = _i15(api)
        on(
            api.dsn,
            lambda c: c.execute(
                """DELETE FROM transfer; DELETE FROM closing; INSERT INTO transfer TABLE t; INSERT INTO closing TABLE k;
                   DROP TABLE t, k"""
            ),
        )
        assert finding is not None, name
        assert finding.table == "closing"
        assert finding.key.startswith("2026-0"), name
    assert _i15(api) is None


def _i15(api: Api) -> Any:
    return next(one.finding for one in asyncio.run(verify(api.dsn)).invariants if one.name == "I15")


def test_the_services_role_may_close_and_reopen_and_nothing_else(api: Api) -> None:
    closed(api, "2026-01")

    async def tried() -> list[str]:
        service = await connect(api.dsn)
        refused = []
        for statement in (
            "UPDATE closing SET totals = '[]'",
            "UPDATE closing SET closed_at = ends_at",
            "DELETE FROM closing",
            "TRUNCATE closing",
        ):
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await service.execute(statement)
            refused.append(statement)
        assert await service.fetchval("SELECT current_user") == SERVICE_ROLE
        await service.close()
        return refused

    assert len(asyncio.run(tried())) == 4


def test_nobody_waits_for_ever_to_close(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    """A batch that does not end: closing gives up, and charges go on."""
    monkeypatch.setattr("billing.store.closings._PATIENCE", "SET LOCAL lock_timeout = '100ms'")

    async def meanwhile() -> None:
        holder = await asyncpg.connect(api.dsn)
        await holder.execute("BEGIN; SELECT 1 FROM account FOR NO KEY UPDATE")
        work = work_engine(api.dsn)
        with pytest.raises(Overloaded):
            await close_month(work, Month.of("2026-01"), "ops")
        await work.dispose()
        await holder.execute("ROLLBACK")
        await holder.close()

    asyncio.run(meanwhile())
    assert listed(api)["2026-01"] == ("open", 0)
    closed(api, "2026-01")


def test_a_month_closed_while_everybody_posts(fresh_database: str, books: Any) -> None:
    """What is due in the closed month keeps coming from many sides; the line is exact, and stays so."""

    async def raced() -> tuple[Any, int]:
        await publish_first(fresh_database)
        owner = await asyncpg.connect(fresh_database)
        # The grants lapsed last month, and are posted as expired account by account while the month is being closed.
        month = Month.containing(datetime.now(UTC).replace(day=1) - timedelta(days=1))
        accounts = [f"a{number}" for number in range(400)]
        async with Posting(fresh_database, lambda: books, lanes=2, batch=5) as posting:
            await posting.post_many([OpenAccount(account) for account in accounts])
            await posting.post_many([IssueGrant(account, "g", "plan", 7) for account in accounts])
            await owner.execute('UPDATE "grant" SET expires_at = $1', month.ends_at - timedelta(days=1))
            await owner.execute("UPDATE account SET due_at = $1", month.ends_at - timedelta(days=1))
            await owner.execute("UPDATE transfer SET effective_at = $1", month.starts_at)
            work, engine = work_engine(fresh_database), read_engine(fresh_database)
            lapsing = [asyncio.ensure_future(posting.post(Lapse(account))) for account in accounts]
            await asyncio.wait(lapsing, return_when=asyncio.FIRST_COMPLETED)
            closings = await asyncio.gather(*(close_month(work, month, f"ops {number}") for number in range(3)))
            await asyncio.gather(*lapsing)
            again = await trial_balance(engine, period=month.name, known="close")
            late = await owner.fetchval(
                "SELECT count(*) FROM transfer WHERE posted_at > (SELECT closed_at FROM closing)"
            )
            expired = await owner.fetchval("SELECT count(*) FROM transfer WHERE kind = 'expire'")
            await work.dispose()
            await engine.dispose()
        await owner.close()
        assert sorted(closings) == [False, False, True]
        assert expired == len(accounts)
        return again.rows, late

    again, late = asyncio.run(raced())
    assert 0 < late < 400  # some were before the line and some after
    assert json.loads(ask(fresh_database, "SELECT totals FROM closing")) == [
        {name: value for name, value in asdict(row).items() if name != "balance"} for row in again
    ]
