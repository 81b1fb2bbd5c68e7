"""Revenue over HTTP: deferred revenue rolled forward from month to month, and tied to the trial balance."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest

from billing.embedded import EmbeddedPostgres
from tests.api.service import Api, ask, image, path_of, problem, serving, set_clock, with_a_clock
from tests.conftest import copied

PATH = "/v1/finance/revenue"
COLUMNS = ("sold", "recognised", "breakage", "refunded", "disputed")


@pytest.fixture
def api(server: EmbeddedPostgres, template: str) -> Iterator[Api]:
    with copied(server, template) as dsn:
        with_a_clock(dsn)
        with serving(dsn, expiry_seconds=1_000_000, recognition="off") as api:
            yield api


def told(api: Api, period: str, **query: Any) -> Any:
    answer = api.get(PATH, "finance", period=period, **query)
    assert answer.status_code == 200, answer.text
    return answer.json()


def usd(api: Api, period: str, **query: Any) -> Any:
    """The month in dollars, whose roll-forward adds up."""
    [one] = [one for one in told(api, period, **query)["currencies"] if one["currency"] == "USD"]
    roll = one["roll_forward"]
    assert roll["opening"] + roll["sold"] - sum(roll[name] for name in COLUMNS[1:]) == roll["closing"]
    assert (one["revenue_usage_micros"], one["revenue_breakage_micros"]) == (roll["recognised"], roll["breakage"])
    return one


def deferred(api: Api, period: str, **query: Any) -> int:
    """What the trial balance says of it."""
    rows = api.get("/v1/finance/trial-balance", period=period, **query).json()["rows"]
    return -sum(row["balance"] for row in rows if (row["ledger_account"], row["asset"]) == ("deferred_revenue", "USD"))


def day(month: int, number: int) -> datetime:
    return datetime(2026, month, number, 12, tzinfo=UTC)


def flow(**columns: int) -> dict[str, int]:
    return dict.fromkeys(COLUMNS, 0) | columns


def recognised(api: Api) -> Any:
    answer = api.post("/v1/finance/recognition", role="finance")
    assert answer.status_code == 200, answer.text
    return answer.json()


def test_months_roll_forward_and_tie_to_the_trial_balance(api: Api) -> None:
    set_clock(api, day(1, 10))
    acme, other = api.account(), api.account()
    api.grant(acme, 1_000, amount_paid={"micros": 9_990_000, "currency": "USD"}, expires_at="2026-02-20T00:00:00Z")
    api.grant(other, 3, amount_paid={"micros": 100, "currency": "EUR"})
    first = api.settle(api.authorize(acme), image())
    set_clock(api, day(1, 31))
    api.settle(api.authorize(acme), image())
    set_clock(api, day(2, 5))
    api.settle(api.authorize(acme), image())
    assert told(api, "2026-02")["unrecognised_accounts"] == 2
    run = recognised(api)
    assert (run["accounts"], run["transfers"], run["as_of"]) == (2, 3, "2026-02-05T12:00:00Z")
    assert run["amounts"] == [{"currency": "USD", "usage_micros": 419_580, "breakage_micros": 0}]
    assert recognised(api)["transfers"] == 0

    # The run was late, the months are right.
    january, february = usd(api, "2026-01"), usd(api, "2026-02")
    assert january["roll_forward"] == flow(sold=9_990_000, recognised=279_720) | {"opening": 0, "closing": 9_710_280}
    assert february["roll_forward"] == flow(recognised=139_860) | {"opening": 9_710_280, "closing": 9_570_420}
    assert deferred(api, "2026-01") == january["roll_forward"]["closing"]
    assert deferred(api, "2026-02") == february["roll_forward"]["closing"]
    assert [one["roll_forward"]["closing"] for one in told(api, "2026-02")["currencies"]] == [100, 9_570_420]
    assert told(api, "2026-02")["unrecognised_accounts"] == 0
    assert [one["currency"] for one in told(api, "2026-01", account_id=other)["currencies"]] == ["EUR"]
    problem(api.get(PATH, period="2026-01", account_id="nobody"), 404, "account_not_found")

    # January is closed. What is due in February stays there, also what expires while nobody looks.
    set_clock(api, day(2, 6))
    assert api.post("/v1/finance/periods/2026-01/close", {}).status_code == 200
    set_clock(api, day(3, 3))
    api.post(f"{path_of(first)}/refunds", {"refund_id": "r", "reason": "blurred"})
    recognised(api)
    february, march = usd(api, "2026-02"), usd(api, "2026-03")
    assert february["roll_forward"] == flow(recognised=139_860, breakage=9_570_420) | {
        "opening": 9_710_280,
        "closing": 0,
    }
    assert march["roll_forward"] == flow(recognised=-139_860) | {"opening": 0, "closing": 139_860}
    assert deferred(api, "2026-03") == 139_860
    closed = told(api, "2026-01")
    assert (closed["status"], closed["known"], closed["known_at"]) == ("closed", None, None)
    assert usd(api, "2026-01", known="close") == usd(api, "2026-01", known="now") == january
    problem(api.get(PATH, period="2026-02", known="close"), 409, "period_not_closed")

    set_clock(api, day(3, 4))
    api.settle(api.authorize(other, quality="low", n=2), image(0), image(1))
    recognised(api)
    earned, cursor = [], {}
    while not earned or cursor:
        page = api.get(f"{PATH}/grants", period="2026-03", limit=1, **cursor).json()
        earned += page["data"]
        cursor = {"cursor": page["next_cursor"]} if page["has_more"] else {}
    assert [(one["account_id"], one["currency"], one["usage_micros"], one["breakage_micros"]) for one in earned] == [
        (acme, "USD", -139_860, 0),
        (other, "EUR", 66, 0),
    ]


def test_what_comes_after_a_month_was_closed_counts_in_the_next_and_is_listed(api: Api) -> None:
    set_clock(api, day(1, 10))
    acme = api.account()
    api.grant(acme, 1_000, amount_paid={"micros": 1_000_000, "currency": "USD"}, expires_at="2026-01-20T00:00:00Z")
    set_clock(api, datetime(2026, 2, 1, 0, 6, tzinfo=UTC))
    recognised(api)
    set_clock(api, datetime(2026, 2, 1, 0, 7, tzinfo=UTC))
    assert api.post("/v1/finance/periods/2026-01/close", {}).status_code == 200
    january = usd(api, "2026-01")
    assert january["roll_forward"] == flow(sold=1_000_000, breakage=1_000_000) | {"opening": 0, "closing": 0}

    # Something of January comes to light when January is closed.
    set_clock(api, day(2, 3))
    late = api.account()
    api.grant(late, 10, amount_paid={"micros": 500, "currency": "USD"}, expires_at="2026-02-04T00:00:00Z")
    set_clock(api, day(2, 5))
    recognised(api)
    move_back(api, late)
    booked = usd(api, "2026-01")
    assert booked["roll_forward"] == january["roll_forward"]
    assert booked["late"] == flow(breakage=500)
    assert usd(api, "2026-01", known="close")["roll_forward"] == january["roll_forward"]
    assert deferred(api, "2026-01", known="close") == booked["roll_forward"]["closing"] == 0
    february = usd(api, "2026-02")
    assert february["earlier"] == flow(breakage=500)
    assert february["roll_forward"] == flow(sold=500, breakage=500) | {"opening": 0, "closing": 0}
    # Told by when it was due, it is January's: as the trial balance has it that knows everything by now.
    assert usd(api, "2026-01", known="now")["roll_forward"]["closing"] == deferred(api, "2026-01") == -500
    restated = usd(api, "2026-02", known="now")
    assert restated["roll_forward"] == flow(sold=500) | {"opening": -500, "closing": 0}


def move_back(api: Api, account: str) -> None:
    """Has the account's breakage been due in January."""
    ask(
        api.dsn,
        "UPDATE transfer SET effective_at = '2026-01-25' WHERE account_id = $1 AND kind = 'recognise_breakage'",
        account,
    )


def test_months_that_are_none(api: Api) -> None:
    set_clock(api, day(3, 3))
    for path in (PATH, f"{PATH}/grants"):
        future = problem(api.get(path, period="2026-04"), 422, "validation_error")
        assert future["errors"] == [{"field": "period", "message": "lies in the future"}]
        for period in ("2026-13", "2026", "26-01", "2026-01-01", "\x00", "９９９９-01"):
            problem(api.get(path, period=period), 422, "validation_error")
        problem(api.get(path), 422, "validation_error")
    assert told(api, "2026-03")["currencies"] == []
    problem(api.get(f"{PATH}/grants", period="2026-03", cursor="x"), 422, "validation_error")
